"""Mistakes that people really made in gradients written by hand: softmax, losses, biases, embeddings.

They have the form of mistakes_by_hand.py.
"""

import numpy as np
from mistakes_by_hand import BROADCAST, LOSS, SCALE, SOFTMAX, USES, Mistake, normal


def softmax_of(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax(m, rng, variant):
    N, K = ((3, 4), (4, 4))[variant]

    def backward(g, z):
        s = softmax_of(z)
        right = s * (g - (g * s).sum(axis=1, keepdims=True))
        return {"SM-01": g * s * (1 - s), "SM-03": g * right, "SM-04": s * (g - (g * s).sum()), "no sum": g * s,
                "twice": s * (right - (right * s).sum(axis=1, keepdims=True))}.get(m, right)

    return softmax_of, backward, normal(rng, (N, K))


def log_softmax(m, rng, variant):
    N, K = ((3, 4), (4, 4))[variant]

    def forward(z):
        z = z - z.max(axis=1, keepdims=True)
        return z - np.log(np.exp(z).sum(axis=1, keepdims=True))

    def backward(g, z):
        p = softmax_of(z)
        return {"SM-06": g + p, "SM-06 sum": g + p * g.sum(axis=1, keepdims=True),
                "softmax's": p * (g - (g * p).sum(axis=1, keepdims=True))}.get(m, g - p * g.sum(axis=1, keepdims=True))

    return forward, backward, normal(rng, (N, K))


def cross_entropy(m, rng, variant):
    N, K = ((5, 3), (4, 6))[variant]
    y, mask = rng.integers(0, K, N), (np.arange(N) % 2 == 0) * 1.0
    masked = m in ("CE-07", "right masked")

    def forward(z):
        losses = -np.log(softmax_of(z)[np.arange(N), y])
        return losses if m in ("CE-03", "right by row") else (losses * mask).sum() / mask.sum() if masked else losses.mean()

    def backward(g, z):
        d = softmax_of(z)
        d[np.arange(N), y] -= 1
        if np.ndim(g):
            return (g[0] if m == "CE-03" else g[:, None]) * d
        return {"CE-01": g * d, "CE-05": -g * d / N, "CE-07": g * mask[:, None] * d / N,
                "right masked": g * mask[:, None] * d / mask.sum()}.get(m, g * d / N)

    return forward, backward, normal(rng, (N, K))


def mean_square(m, rng, variant):
    N, K = ((5, 3), (4, 6))[variant]
    y = rng.normal(size=(N, K))
    return (lambda p: ((p - y) ** 2).mean(), lambda g, p: (1 if m == "MSE-01" else 2) * g * (p - y) / p.size, normal(rng, (N, K)))


def bias(m, rng, variant):
    N, T, K = ((3, 4, 5), (2, 4, 4))[variant]

    def backward(g, x, b):
        return g, {"BIAS-01": np.full(K, g.sum()), "BIAS-03": g[0].sum(axis=0), "BIAS-05": g, "mean": g.mean(axis=(0, 1)),
                   "BIAS-07": g.sum(axis=(0, 2)) if T == K else g.sum(axis=(0, 1))[::-1]}.get(m, g.sum(axis=(0, 1)))

    return lambda x, b: x + b, backward, normal(rng, (N, T, K), K)


def embedding(m, rng, variant):
    V, D, N = ((5, 3, 7), (4, 4, 6))[variant]
    index = rng.integers(0, V, N)
    index[1] = index[0]

    def forward(E, W):
        h = np.tanh(E[index] @ W)
        return h @ E.T

    def backward(g, E, W):
        x = E[index]
        h = np.tanh(x @ W)
        dz = g @ E * (1 - h * h)
        dE = np.zeros_like(E)
        if m == "EMB-02":
            dE[index] += dz @ W.T
        else:
            np.add.at(dE, index, dz @ W.T)
        return dE + (0 if m == "EMB-04" else g.T @ h), x.T @ dz

    return forward, backward, normal(rng, (V, D), (D, D))


IN_LOSSES = [
    Mistake("SM-01", SOFTMAX, softmax, ("diagonal", "it is g times y (1 - y)")),
    Mistake("SM-03", SOFTMAX, softmax, ("multiplied by g once more",)),
    Mistake("SM-04", SOFTMAX, softmax, ("all axes", "e.sum", "summed")),
    Mistake("no sum", SOFTMAX, softmax, ("e.sum", "- y sum(g y)", "it is g times y")),
    Mistake("twice", SOFTMAX, softmax, ("applied twice",)),
    Mistake("SM-06", SOFTMAX, log_softmax, ("not multiplied by g",)),
    Mistake("SM-06 sum", SOFTMAX, log_softmax, ("wrong sign", "sum(g)")),
    Mistake("softmax's", SOFTMAX, log_softmax, ("it is softmax's gradient",)),
    Mistake("CE-01", LOSS, cross_entropy, SCALE),
    Mistake("CE-03", LOSS, cross_entropy, ("index 0 of axis 0", )),
    Mistake("CE-05", LOSS, cross_entropy, ("sign is flipped",)),
    Mistake("CE-07", LOSS, cross_entropy, SCALE),
    Mistake("MSE-01", LOSS, mean_square, SCALE),
    Mistake("BIAS-01", BROADCAST, bias, ("one number", "summed over", "all axes")),
    Mistake("BIAS-03", BROADCAST, bias, ("only index 0 of axis 0", "first row")),
    Mistake("BIAS-05", BROADCAST, bias, ("is it not summed over axis 0",)),
    Mistake("BIAS-07", BROADCAST, bias, (
        "summed over the wrong axis of the output, 0, 2", "reversed", "exchanged")),
    Mistake("mean", BROADCAST, bias, ("averaged", *SCALE)),
    Mistake("EMB-02", BROADCAST, embedding, ("E[index]", "overwritten", "more than once")),
    Mistake("EMB-04", USES, embedding, ("E.T in h @ E.T", "E in h @ E")),
]
