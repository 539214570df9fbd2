# loses: model 8
# hint: The columns of W are f, i, candidate, o. Which order do yours have? Other books have another one.
def model(xs, h, c, W, b, V, d):
    hs, H = [], V.shape[0]
    for t in range(xs.shape[0]):
        z = concat(h, xs[t], axis=-1) @ W + b
        f, i, candidate, o = z[:, H:2 * H], z[:, :H], z[:, 2 * H:3 * H], z[:, 3 * H:]
        c = sigmoid(f) * c + sigmoid(i) * tanh(candidate)
        h = sigmoid(o) * tanh(c)
        hs.append(h)
    return stack(hs) @ V + d, h, c
