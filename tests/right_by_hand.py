"""Right gradients written by hand; the check must accept them. RIGHT[name](rng) gives forward, backward and inputs."""

import mistakes_beyond_time as beyond
import mistakes_by_hand as recurrent
import mistakes_in_gates as gates
import mistakes_in_losses as losses
import numpy as np


def stacked(rng):
    """Two layers of an RNN, one on the other."""
    T, B, D, H = 3, 2, 2, 3

    def one(x, W, U):
        h, hs = np.zeros((len(x[0]), len(U))), []
        for x_t in x:
            h = np.tanh(x_t @ W + h @ U)
            hs.append(h)
        return np.stack(hs)

    def one_backward(g, x, W, U):
        hs = np.concatenate([np.zeros((1, *g.shape[1:])), one(x, W, U)])
        dx, dW, dU, dh = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), 0
        for t in reversed(range(len(x))):
            dz = (g[t] + dh) * (1 - hs[t + 1] ** 2)
            dx[t], dh = dz @ W.T, dz @ U.T
            dW, dU = dW + x[t].T @ dz, dU + hs[t].T @ dz
        return dx, dW, dU

    def backward(g, x, W1, U1, W2, U2):
        dh, dW2, dU2 = one_backward(g, one(x, W1, U1), W2, U2)
        return *one_backward(dh, x, W1, U1), dW2, dU2

    return (lambda x, W1, U1, W2, U2: one(one(x, W1, U1), W2, U2)), backward, recurrent.normal(
        rng, (T, B, D), (D, H), (H, H), (H, H), (H, H))


def batch_norm_step_by_step(rng):
    """The long form: every intermediate value has its own line, the term of the mean through the variance too."""
    N, D = 5, 3

    def forward(x, gamma, beta):
        off = x - x.mean(axis=0)
        return gamma * off / np.sqrt((off ** 2).mean(axis=0) + 1e-5) + beta

    def backward(g, x, gamma, beta):
        off = x - x.mean(axis=0)
        var = (off ** 2).mean(axis=0)
        std = np.sqrt(var + 1e-5)
        dxhat = g * gamma
        dvar = (dxhat * off).sum(axis=0) * -0.5 / std ** 3
        dmu = -(dxhat / std).sum(axis=0) + dvar * (-2 * off).mean(axis=0)
        return dxhat / std + dvar * 2 * off / N + dmu / N, (g * off / std).sum(axis=0), g.sum(axis=0)

    return forward, backward, recurrent.normal(rng, (N, D), D, D)


def embedding_of_numbers(rng):
    """Integer inputs, and a gradient for the table alone."""
    index = rng.integers(0, 4, (2, 3))

    def backward(g, E, index):
        dE = np.zeros_like(E)
        np.add.at(dE, index, g)
        return {"E": dE}

    return (lambda E, index: E[index]), backward, [*recurrent.normal(rng, (4, 3)), index]


def of_bank(build, name=""):
    return lambda rng: build(name, rng, int(rng.integers(2)))


RIGHT = {
    "rnn": of_bank(recurrent.rnn), "bidirectional": of_bank(recurrent.two_directions), "lstm": of_bank(gates.lstm),
    "peephole lstm": of_bank(gates.peephole), "gru": of_bank(gates.gru), "stacked": stacked,
    "relu layer": of_bank(beyond.hidden), "softmax": of_bank(losses.softmax), "log-softmax": of_bank(losses.log_softmax),
    "cross-entropy": of_bank(losses.cross_entropy), "cross-entropy with a mask": of_bank(losses.cross_entropy, "right masked"),
    "mean square": of_bank(losses.mean_square), "bias": of_bank(losses.bias), "tied embedding": of_bank(losses.embedding),
    "embedding of numbers": embedding_of_numbers, "layer norm": of_bank(beyond.layer_norm),
    "batch norm": of_bank(beyond.layer_norm, "BN right"), "batch norm, step by step": batch_norm_step_by_step,
    "rms norm": of_bank(beyond.rms_norm), "attention": of_bank(beyond.attention),
    "causal attention": of_bank(beyond.attention, "right masked"), "grouped heads": of_bank(beyond.grouped_heads),
    "attention on states": of_bank(beyond.states_read_again),
}
