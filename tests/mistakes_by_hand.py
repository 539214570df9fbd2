"""Mistakes that people really made in gradients written by hand: vanilla recurrent networks.

Each has a right forward, a backward in which its name switches the mistake on, and texts: a note on a wrong input is right if
it contains one of these texts, and misleading otherwise. test_mistakes_by_hand.py judges. mistakes_in_gates.py and
mistakes_beyond_time.py have the others.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mistake:
    """build(mistake, rng, variant) gives forward, backward and inputs; variants have other sizes. said: a note may say this."""

    name: str
    family: str
    build: Callable
    said: tuple[str, ...]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normal(rng, *shapes):
    return [rng.normal(size=shape) for shape in shapes]


def sizes(variant):
    """Time steps, batch, inputs, hidden units."""
    return ((4, 2, 3, 5), (3, 2, 1, 2))[variant]


# -- a vanilla RNN, with an output layer -----------------------------------------------------------------


def rnn(m, rng, variant):
    T, B, D, H = sizes(variant)

    def forward(x, h0, Wx, Wh, b, V, c):
        h, ys = h0, []
        for t in range(T):
            h = np.tanh(x[t] @ Wx + h @ Wh + b)
            ys.append(h @ V + c)
        return np.stack(ys)

    def backward(g, x, h0, Wx, Wh, b, V, c):
        hs = [h0]
        for t in range(T):
            hs.append(np.tanh(x[t] @ Wx + hs[t] @ Wh + b))
        dx, dWx, dWh, db, dV, dc = (np.zeros_like(a) for a in (x, Wx, Wh, b, V, c))
        carry = np.zeros_like(h0)
        for t in reversed(range(T)):
            dh = g[t] @ V.T + (0 if m == "RNN-01" else carry)
            slope = 1 - hs[t + 1] ** 2
            if m == "RNN-05":
                slope = 1 + hs[t + 1] ** 2
            if m == "RNN-07":
                slope = 1 - np.tanh(hs[t + 1]) ** 2
            dz = dh * slope
            carry = dz @ (Wh if m == "RNN-03" else Wh.T)
            if m == "no slope in the carry":
                carry = dh @ Wh.T
            if m == "carry lost once" and t == 1:
                carry = 0 * carry
            dx[t] = dz @ Wx.T
            dWx += x[t].T @ dz
            dWh += (hs[t + 1] if m == "new h for old" else hs[t]).T @ dz
            if m == "overwritten":
                dWx = x[t].T @ dz
            db += dz[0] if m == "first row" else dz.sum(axis=0)
            dV += hs[t + 1].T @ g[t]
            dc = dc + g[t].sum(axis=0) if m != "RNN-11" else dc + dc
        if m == "state returned":
            carry = hs[1]
        return dx, carry, dWx, dWh, db, dV, dc

    return forward, backward, normal(rng, (T, B, D), (B, H), (D, H), (H, H), H, (H, D), D)


def matrix_product_order(m, rng, variant):
    """RNN-09: the factors of the product of Jacobians in the reverse order."""
    T, _, D, H = sizes(variant)

    def forward(x, h0, Wx, Wh):
        h = h0
        for t in range(T):
            h = np.tanh(x[t] @ Wx + h @ Wh)
        return h

    def backward(g, x, h0, Wx, Wh):
        hs, dx, dWx, dWh = [h0], np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh)
        for t in range(T):
            hs.append(np.tanh(x[t] @ Wx + hs[t] @ Wh))
        jacobians = [np.diag(1 - h ** 2) @ Wh.T for h in hs[1:]]
        for t in range(T):
            product = np.eye(H)
            for s in range(t + 1, T):
                product = product @ jacobians[s]  # right: jacobians[s] @ product
            dz = g @ product * (1 - hs[t + 1] ** 2)
            dx[t] = dz @ Wx.T
            dWx += np.outer(x[t], dz)
            dWh += np.outer(hs[t], dz)
        return dx, dz @ Wh.T if T == 1 else None, dWx, dWh

    return forward, backward, normal(rng, (T, D), H, (D, H), (H, H))


def two_directions(m, rng, variant):
    T, B, D, H = sizes(variant)

    def forward(x, V, W, Wf, Wb):
        h, k, hs, ks = np.zeros((B, H)), np.zeros((B, H)), np.zeros((T, B, H)), np.zeros((T, B, H))
        for t in range(T):
            h = np.tanh(x[t] @ W + h @ Wf)
            hs[t] = h
        for t in reversed(range(T)):
            k = np.tanh(x[t] @ V + k @ Wb)
            ks[t] = k
        return hs + ks

    def one(g, x, W, Wr, order):
        h, hs = np.zeros((B, H)), {}
        for t in order:
            hs[t] = h, np.tanh(x[t] @ W + h @ Wr)
            h = hs[t][1]
        dx, dW, dWr, carry = np.zeros_like(x), np.zeros_like(W), np.zeros_like(Wr), np.zeros((B, H))
        for t in reversed(order):
            dz = (g[t] + carry) * (1 - hs[t][1] ** 2)
            dx[t], carry = dz @ W.T, dz @ Wr.T
            dW, dWr = dW + x[t].T @ dz, dWr + hs[t][0].T @ dz
        return dx, dW, dWr

    def backward(g, x, V, W, Wf, Wb):
        dx, dW, dWf = one(g, x, W, Wf, list(range(T)))
        if m == "RNN-13" and D == H:
            g = dx
        dx_back, dV, dWb = one(g, x, V, Wb, list(range(T))[::-1])
        if m == "one direction":
            dx_back = 0
        return dx + dx_back, dV, dW, dWf, dWb

    D = H if m == "RNN-13" else D
    return forward, backward, normal(rng, (T, B, D), (D, H), (D, H), (H, H), (H, H))


CARRY, ACTIVATION, GATES, WEIGHTS, BIAS = "carry", "activation derivative", "gates", "weights over time", "bias"
BROADCAST, SOFTMAX, LOSS, USES, NORM, LAYOUT, OTHER = (
    "broadcast and sums", "softmax", "loss scale", "used several times", "normalisation", "attention and layout",
    "activations, engine")
SCALE = ("is it divided by", "times what it should be")
IN_TIME = [
    Mistake("RNN-01", CARRY, rnn, ("the carry is lost",)),
    Mistake("RNN-03", CARRY, rnn, ("Wh is not transposed",)),
    Mistake("RNN-05", ACTIVATION, rnn, ("1 + y^2 stands where 1 - y^2",)),
    Mistake("RNN-07", ACTIVATION, rnn, ("1 - tanh(y)^2",)),
    Mistake("RNN-09", CARRY, matrix_product_order, ("in what goes back to h in h @ Wh (",)),
    Mistake("RNN-11", WEIGHTS, rnn, ("it is zero everywhere", "c is lost")),
    Mistake("RNN-13", CARRY, two_directions, ("it is right for", "in indices", "np.tanh(x[t] @ V + k @ Wb)")),
    Mistake("one direction", CARRY, two_directions, ("x[t] in x[t] @ V",)),
    Mistake("no slope in the carry", CARRY, rnn, ("the gradient of h is used where that of h @ Wh",)),
    Mistake("carry lost once", CARRY, rnn, ("lost at one step", "carry is lost", "only the last step passes")),
    Mistake("new h for old", WEIGHTS, rnn, ("the new h",)),
    Mistake("overwritten", WEIGHTS, rnn, ("overwritten instead of added",)),
    Mistake("first row", BIAS, rnn, ("the first row", "only index 0 of axis 1")),
    Mistake("state returned", CARRY, rnn, ("it is the value of h",)),
]
