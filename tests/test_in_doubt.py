"""Mistakes that look like others. Each report has the sentence that is true of the code, and not the one that only fits its
numbers."""

import re

import numpy as np
import pytest

from minigrad import gradcheck, with_cache

EPS = 0.3


def normal(*shapes):
    rng = np.random.default_rng(7)
    return [rng.normal(size=shape) for shape in shapes]


def two_layers(x, U):
    """Both use U, and begin with zeros."""
    hs = [np.zeros((2, 3, 3))]
    for x_t in x:
        h = np.tanh(x_t + hs[-1][0] @ U)
        hs.append(np.stack([h, np.tanh(h + hs[-1][1] @ U)]))
    return np.stack(hs)


def two_layers_backward(g, x, U):
    """The gradient of U is never added up."""
    dx, dh, dk, hs = np.zeros_like(x), 0, 0, two_layers(x, U)
    for t in reversed(range(len(x))):
        h, k = hs[t + 1]
        dk = (g[t + 1, 1] + dk) * (1 - k * k)
        dx[t] = (g[t + 1, 0] + dh + dk) * (1 - h * h)
        dh, dk = dx[t] @ U.T, dk @ U.T
    return dx, 0 * U


def unit(x):
    n = np.sqrt((x * x).sum(axis=1, keepdims=True))
    return x / (n + EPS)


def unit_backward(g, x):
    n = np.sqrt((x * x).sum(axis=1, keepdims=True))
    return g / (n + EPS) - x * (g * x).sum(axis=1, keepdims=True) / (n + EPS) ** 3


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def samples(x, h0, W, U):
    """One loop over samples, and one over time inside."""
    out = np.zeros((*x.shape[:2], len(U)))
    for n in range(len(x)):
        h = h0[n]
        for t in range(x.shape[1]):
            z = sigmoid(W @ x[n, t])
            c = np.tanh(U @ h + 1)
            h = z * h + (1 - z) * c
            out[n, t] = h
    return out


def samples_backward(carried):
    def backward(g, x, h0, W, U):
        hs, (dx, dh0, dW, dU) = samples(x, h0, W, U), map(np.zeros_like, (x, h0, W, U))
        for n in range(len(x)):
            dh = np.zeros(len(U))
            for t in reversed(range(x.shape[1])):
                h = hs[n, t - 1] if t else h0[n]
                z, c = sigmoid(W @ x[n, t]), np.tanh(U @ h + 1)
                dh = dh + g[n, t]
                dz, dc = dh * (h - c) * z * (1 - z), dh * (1 - z) * (1 - c * c)
                dW += np.outer(dz, x[n, t])
                dU += np.outer(dc, h)
                dx[n, t] = W.T @ dz
                dh = carried(dh, z, U, dc)
            dh0[n] = dh
        return dx, dh0, dW, dU
    return backward


def one_way(x, U):
    h, hs = 0, []
    for x_t in x:
        h = np.tanh(x_t + h * U)
        hs.append(h)
    return np.stack(hs)


def both_ways(x, U, V):
    return one_way(x, U) + one_way(x[::-1], V)[::-1]


def both_ways_backward(g, x, U, V):
    """The gradient is not reversed for the second direction."""
    def back(x, U):
        hs, dx, dU, dh = one_way(x, U), np.zeros_like(x), 0, 0
        for t in reversed(range(len(x))):
            dx[t] = (g[t] + dh) * (1 - hs[t] ** 2)
            dU, dh = dU + (hs[t - 1] * dx[t] if t else 0), dx[t] * U
        return dx, dU

    (dx, dU), (turned, dV) = back(x, U), back(x[::-1], V)
    return dx + turned[::-1], dU, dV


def layers(x, *weights):
    for W in weights:
        x = np.tanh(x @ W)
    return x


def layers_backward(g, x, *weights):
    """The list of results is read one index too late."""
    xs, dWs = [x], []
    for W in weights:
        xs.append(np.tanh(xs[-1] @ W))
    for i in (2, 1, 0):
        g = g * (1 - xs[i + 1] ** 2)
        dWs.append(xs[i + 1].T @ g)
        g = g @ weights[i].T
    return g, *dWs[::-1]


def words(index, E):
    hs = [np.zeros(2)]
    for i in index:
        hs.append(np.tanh(E[i] + hs[-1]))
    return np.stack(hs)


def words_backward(g, index, E):
    dE, dh = np.zeros_like(E), 0
    for t, h in reversed(list(enumerate(words(index, E)[1:]))):
        dh = (g[t + 1] + dh) * (1 - h ** 2)
        dE[index[t]] = dh
    return dE


class Layer:
    def __init__(self):
        self.dW = 0

    def forward(self, x, W):
        return x @ W

    def backward(self, g, x, W):
        self.dW = self.dW + x.T @ g
        return g @ W.T, self.dW


def gated(x, a, b):
    return np.tanh(x + a) * sigmoid(x + b)


def gated_backward(g, x, a, b):
    """The gradient of a is returned for b, too, and it is wrong itself."""
    t, s = np.tanh(x + a), sigmoid(x + b)
    da = g * s * (1 - t * np.cos(t))
    return g * (s * (1 - t * t) + t * s * (1 - s)), da.sum(axis=0), da.sum(axis=0)


def one_bias(x, b):
    return np.tanh(x + b) * sigmoid(x * x + b) + np.exp(b - x)


def one_bias_backward(g, x, b):
    t, s = np.tanh(x + b), sigmoid(x * x + b)
    return g * ((1 - t * t) * s + 2 * x * t * s * (1 - s) - np.exp(b - x)), (g * t * s * (1 - s)).sum(axis=0)


def normalised(x, W):
    V = W / np.sqrt((W * W).sum(axis=0))
    return np.tanh(x @ V) * 2


def normalised_backward(g, x, W):
    V = W / np.sqrt((W * W).sum(axis=0))
    d = 2 * g * (1 - np.tanh(x @ V) ** 2)
    return d @ V.T, x.T @ d


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def log_softmax(z):
    return np.log(softmax(z))


def unused(x, f, i):
    return f * x + f * np.tanh(x)


def unused_backward(g, x, f, i):
    return g * (f + i * (1 - np.tanh(x) ** 2)), g * x * np.cos(f), g * np.tanh(x)


def total(g, a):
    return (g * a).sum(axis=1, keepdims=True)


def cosine(a, b):
    na, nb = np.sqrt(total(a, a)), np.sqrt(total(b, b))
    return total(a, b) / (na * nb)


LOST = samples_backward(lambda dh, z, U, dc: dh * z + U.T @ np.sin(dc))
TWICE = samples_backward(lambda dh, z, U, dc: dh * z + U.T @ (dc * z))
SAMPLES = (2, 3, 2), (2, 3), (3, 2), (3, 3)
INDEX = np.array([1, 2, 1, 0])

CASES = {
    "zeros": (two_layers, two_layers_backward, normal((2, 3, 3), (3, 3)), "U: it is zero everywhere", "it is no gradient"),
    "all zero": (lambda x, U: np.tanh(x @ U), lambda g, x, U: (0 * x, 0 * U), normal((2, 3), (3, 3)), "x, U: every gradient is "
                 "zero: g", "in np.tanh"),
    "one zero": (lambda U: np.tanh(np.tanh(U) @ U), lambda g, U: 0 * U, normal((3, 3)), "U: it is zero everywhere", "is lost"),
    "eps": (unit, unit_backward, normal((3, 5)), "n stands where (n + EPS) is right, or 1 / (n + EPS) where 1 / n is, in", "$^"),
    "steps of samples": (samples, LOST, normal(*SAMPLES), "it is wrong in runs 1, 2, 4, 5 of this line",
                         "in step"),
    "carry of samples": (samples, samples_backward(lambda dh, z, U, dc: 0 * dh), normal(*SAMPLES),
                         "the carry is lost: nothing flows back through h from step t+1 to step t", "a part of"),
    "before a product": (samples, TWICE, normal(*SAMPLES), "the factor z is superfluous, or a division by it "
                         "is missing, before the product, in what goes back to h in U @ h", "one error"),
    "layers": (lambda x, W1, W2, W3: layers(x, W1, W2, W3), layers_backward, normal((4, 3), (3, 3), (3, 3), (3, 3)),
               "W2: the new x stands where x is right in what goes back to W in x @ W for W2", "earlier|x for"),
    "both ways": (both_ways, both_ways_backward, normal((4, 3), (3,), (3,)), "except the carry from the next "
                  "step, has the right numbers in wrong places: it is reversed from step to step (line", "one error|V: it"),
    "repeated": (words, words_backward, [INDEX, *normal((3, 2))], "and so does d[index] += ... for an array of indices", "$^"),
    "keepdims": (lambda x, b: x * b, lambda g, x, b: (g * b, (g * x).sum(axis=0, keepdims=True)), normal((2, 3), (3,)),
                 "b: the gradient has shape (1, 3), not (3,): reshape it", "not summed"),
    "exchanged": (lambda x, W: x @ W, lambda g, x, W: (x.T @ g, g @ W.T), normal((2, 3), (3, 4)), "x: the gradient has shape "
                  "(3, 4), not (2, 3): is it the gradient of W, in a wrong place?", "$^"),
    "kept": ((layer := Layer()).forward, layer.backward, normal((2, 3), (3, 4)), "W: it grows each time that it is computed",
             "multiplied by g"),
    "no g": (lambda x, b: x * x + b, lambda g, x, b: (2 * g * x, x.sum(axis=0)), normal((4, 3), (3,)),
             "b: it does not depend on g, the gradient arriving at the output", "is added"),
    "same numbers": (gated, gated_backward, normal((4, 3), (3,), (3,)), "b: a, b got the same numbers, but their gradients "
                     "differ", "$^"),
    "one of three uses": (one_bias, one_bias_backward, normal((4, 3), (3,)), "of what goes back to b, which is used 3 times, "
                          "only b in x * x + b counts", "no simple pattern"),
    "inner": (normalised, normalised_backward, normal((4, 3), (3, 2)), "W: it is the gradient of V (line", "no simple pattern"),
    "along an axis": (log_softmax, lambda g, z: g - (softmax(z) - 0.1) * total(g, 1.0), normal((3, 4)),
                      "z: it is off by the same number in all entries along axis 1", "no simple pattern"),
    "factor of rows": (unit, lambda g, x: np.cos(n := np.sqrt(total(x, x))) * (
        g / (n + EPS) - x * total(g, x) / n / (n + EPS) ** 2), normal((3, 5)),
        "x: it is off by the same factor in all entries along axis 1", "no simple pattern"),
    "off the diagonal": (softmax, lambda g, z: (1 - softmax(z)) * total(g, softmax(z)), normal((3, 4)),
                         "z: it is (1 - p) sum(g p), along axis 1", "no simple pattern"),
    "log-softmax": (log_softmax, lambda g, z: g - total(g, log_softmax(z)), normal((3, 4)), "z: it is g - sum(g y), along axis 1",
                    "no simple pattern"),
    "one use of an input": (lambda x, w: x * w / np.sqrt(1 + total(x, x)), lambda g, x, w: (
        g * w / (n := np.sqrt(1 + total(x, x))) - w * x * total(g * w, x) / n ** 3, (g * x / n).sum(axis=0)),
        normal((3, 4), (4,)), "the factor w is superfluous, or a division by it is missing, in what goes back", "goes through"),
    "each its own": (cosine, lambda g, a, b: tuple(
        g * (y / (na * nb) - cosine(x, y) * x / na) for x, y in ((a, b), (b, a)) for na, nb in [
            (np.sqrt(total(x, x)), np.sqrt(total(y, y)))]), normal((3, 5), (3, 5)),
        "is superfluous, or a division by it is missing, in what goes back, somewhere on the way from na * nb", "no simple"),
    "into one row": (np.sin, lambda g, a: np.eye(3)[:, :1] * (g * np.cos(a)).sum(axis=0), normal((3, 4)), "it is zero in rows "
                     "1..2, and wrong elsewhere", "no simple pattern"),
    "not read": (lambda a: -np.log(a * a)[:, 0], lambda g, a: g[:, None] * (a - np.eye(4)[0]), normal((3, 4)),
                 "a: it is wrong, and not zero in 9 entries that f does not change with", "mask"),
    "other uses": (lambda x, W: np.tanh(x + 1) * x * (x @ W), lambda g, x, W: (
        g * (x @ W) * x * (1 - np.tanh(x + 1) ** 2), x.T @ (g * np.tanh(x + 1) * x)), normal((3, 4), (4, 4)),
        "only x in x + 1 counts", "it is the gradient of"),
    "first step's g": (lambda x, U: one_way(x, U), lambda g, x, U: (
        g * (1 - np.tanh(x) ** 2) * (np.arange(3) == 0)[:, None], 0 * U), normal((3, 4), (4,)),
        "x, U: only index 0 of axis 0 of the output counts", "overwritten"),
    "unused": (unused, unused_backward, normal((3, 3), (3, 3), (3, 3)), "but f does not change with i", "$^"),
    "penalty": (lambda x, W: (x @ W).sum() + 0.2 * (W * W).sum(), lambda g, x, W: (g * W.sum(axis=1) + 0 * x, g * (
        x.sum(axis=0)[:, None] - 0.4 * W)), normal((4, 3), (3, 2)), "another factor or sign in the gradient?", "$^"),
    "a constant's length": (lambda X, W: np.tanh(X @ W).mean(axis=0), lambda g, X, W: (
        None, X.T @ (g * (1 - np.tanh(X @ W) ** 2))), normal((5, 2), (2, 3)),
        "5 is a length or a size of the arrays: is a division missing?", "$^"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_true_sentence_is_said(name):
    f, backward, inputs, said, not_said = CASES[name]
    text = str(gradcheck(f, *inputs, backward=backward)).replace("\n  ", " ")
    assert "WRONG" in text and said in text and not re.search(not_said, text), text


def test_a_random_forward_is_not_called_kept():
    rng = np.random.default_rng(1)

    def forward(x):
        mask = rng.random(x.shape) < 0.5
        return x * mask, mask

    report = gradcheck(with_cache(forward, lambda g, mask: g * mask), *normal((3, 3)))
    assert not report and "random numbers" in str(report) and "has kept" not in str(report)
