# loses: model 4
# hint: Your logits are right, but no gradient passes from step to step. Where is the history to be cut, and where not?
def model(xs, h, c, W, b, V, d):
    hs, H = [], V.shape[0]
    for t in range(xs.shape[0]):
        z = concat(h.detach(), xs[t], axis=-1) @ W + b
        c = sigmoid(z[:, :H]) * c.detach() + sigmoid(z[:, H:2 * H]) * tanh(z[:, 2 * H:3 * H])
        h = sigmoid(z[:, 3 * H:]) * tanh(c)
        hs.append(h)
    return stack(hs) @ V + d, h, c
