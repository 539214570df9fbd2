# loses: model 8
# hint: Write your list of states with T = 2 on paper. Has the state that makes logits[0] read xs[0]?
def model(xs, h, c, W, b, V, d):
    hs, H = [h], V.shape[0]
    for t in range(xs.shape[0]):
        z = concat(h, xs[t], axis=-1) @ W + b
        c = sigmoid(z[:, :H]) * c + sigmoid(z[:, H:2 * H]) * tanh(z[:, 2 * H:3 * H])
        h = sigmoid(z[:, 3 * H:]) * tanh(c)
        hs.append(h)
    return stack(hs[:-1]) @ V + d, h, c
