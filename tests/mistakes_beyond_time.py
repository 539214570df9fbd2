"""Mistakes that people really made in gradients written by hand, beyond time: norms, attention, sums, small engines.

They have the form of mistakes_by_hand.py.
"""

import numpy as np
from mistakes_by_hand import BROADCAST, LAYOUT, NORM, OTHER, SCALE, USES, Mistake, normal
from mistakes_in_losses import softmax_of


def hidden(m, rng, variant):
    """MLP-01: the weights of the next layer were updated before they are used. ENG-10: the gradient that arrives is ignored."""
    B, D, H, K = ((3, 4, 5, 2), (2, 3, 4, 3))[variant]

    def forward(x, W1, b1, W2):
        return np.maximum(x @ W1 + b1, 0) @ W2

    def backward(g, x, W1, b1, W2):
        z = x @ W1 + b1
        a = np.maximum(z, 0)
        dW2 = a.T @ g
        da = g @ (W2 - 0.1 * dW2 if m == "MLP-01" else W2).T
        dz = (z > 0) if m == "ENG-10" else da if m == "no relu'" else da * (a if m == "relu by its value" else z > 0)
        return dz @ W1.T, x.T @ dz, np.sum(dz, axis=0), dW2

    return forward, backward, normal(rng, (B, D), (D, H), H, (H, K))


def layer_norm(m, rng, variant):
    N, D = ((4, 6), (5, 5))[variant]
    axis = 0 if m.startswith("BN") else 1

    def forward(x, gamma, beta):
        mu = x.mean(axis=axis, keepdims=True)
        var = ((x - mu) ** 2).mean(axis=axis, keepdims=True)
        return gamma * ((x - mu) / np.sqrt(var + 1e-5)) + beta

    def backward(g, x, gamma, beta):
        r = 1 / np.sqrt(x.var(axis=axis, keepdims=True) + 1e-5)
        xhat = (x - x.mean(axis=axis, keepdims=True)) * r
        d = g if m == "LN-05" else g * gamma
        dgamma, dbeta = (g * xhat).sum(axis=0), g.sum(axis=0)
        centre, along = d.mean(axis=axis, keepdims=True), (d * xhat).mean(axis=axis, keepdims=True)
        if m == "LN-03":
            centre, along = d.sum() / D, (d * xhat).sum() / D
        dx = r * (d - centre - xhat * along)
        if m in ("BN-03", "LN constants"):
            dx = r * d
        if m == "variance constant":
            dx = r * (d - centre)
        return (dx, dbeta, dgamma) if m == "LN-01" else (dx, dgamma, dbeta)

    return forward, backward, normal(rng, (N, D), D, D)


def rms_norm(m, rng, variant):
    N, D = ((4, 6), (3, 4))[variant]

    def forward(x, res):
        s = x + res
        u = s.reshape(N, 2, D // 2) if m == "RMS-03" else s
        y = u / np.sqrt((u * u).mean(axis=-1, keepdims=True) + 1e-6)
        return y.reshape(N, D), s

    def backward(g, x, res):
        dy, ds_out = g
        s = x + res
        u, dy = (s.reshape(N, 2, D // 2), dy.reshape(N, 2, D // 2)) if m == "RMS-03" else (s, dy)
        if m == "RMS-02":
            dy = dy + ds_out
        r = 1 / np.sqrt((u * u).mean(axis=-1, keepdims=True) + 1e-6)
        along = (dy * u).mean(axis=(1, 2), keepdims=True) if m == "RMS-03" else (dy * u).mean(axis=-1, keepdims=True)
        ds = (r * dy - u * r ** 3 * along).reshape(N, D) + (0 if m == "RMS-02" else ds_out)
        return ds, ds

    return forward, backward, normal(rng, (N, D), (N, D))


def attention(m, rng, variant):
    N, M, D = ((3, 3, 4), (4, 4, 3))[variant]
    mask = np.where(np.tri(N, M) > 0, 0.0, -1e9)

    def forward(Q, K, V):
        S = Q @ K.T / np.sqrt(D) + (mask if m in ("ATT-05", "right masked") else 0)
        E = np.exp(S - S.max(axis=1, keepdims=True))
        P = E / E.sum(axis=1, keepdims=True)
        return P @ V

    def backward(g, Q, K, V):
        P = softmax_of(Q @ K.T / np.sqrt(D) + (mask if m == "right masked" else 0))
        dP = g @ V.T
        dS = P * dP if m == "ATT-01" else P * (dP - (dP * P).sum(axis=1, keepdims=True))
        dS = dS * (1 if m == "no scale" else 1 / np.sqrt(D))
        return dS @ K, (dS if m == "ATT-03" else dS.T) @ Q, P.T @ g

    return forward, backward, normal(rng, (N, D), (M, D), (M, D))


def grouped_heads(m, rng, variant):
    """ATT-07: two heads of queries read the same keys."""
    N, M, D = ((3, 4, 2), (2, 3, 4))[variant]

    def forward(Q, K, V):
        ys = []
        for head in range(2):
            S = Q[head] @ K.T
            E = np.exp(S)
            ys.append(E / E.sum(axis=1, keepdims=True) @ V)
        return np.stack(ys)

    def backward(g, Q, K, V):
        dQ, dK, dV = np.zeros_like(Q), np.zeros_like(K), np.zeros_like(V)
        for head in range(2):
            P = softmax_of(Q[head] @ K.T)
            dP = g[head] @ V.T
            dS = P * (dP - (dP * P).sum(axis=1, keepdims=True))
            dQ[head] = dS @ K
            dK, dV = (dS.T @ Q[head], P.T @ g[head]) if m == "ATT-07" else (dK + dS.T @ Q[head], dV + P.T @ g[head])
        return dQ, dK, dV

    return forward, backward, normal(rng, (2, N, D), (M, D), (M, D))


def states_read_again(m, rng, variant):
    """ATT-09: an attention reads all states of a recurrent network."""
    T, D, H = ((4, 3, 5), (3, 2, 3))[variant]

    def forward(X, We, Wh, be):
        h, hs = np.zeros(H), np.zeros((T, H))
        for t in range(T):
            h = np.tanh(X[t] @ We + h @ Wh + be)
            hs[t] = h
        e = np.exp(hs @ h)
        return (e / e.sum()) @ hs

    def backward(g, X, We, Wh, be):
        hs = np.zeros((T + 1, H))
        for t in range(T):
            hs[t + 1] = np.tanh(X[t] @ We + hs[t] @ Wh + be)
        a = softmax_of(hs[1:] @ hs[-1])
        da = hs[1:] @ g
        ds = a * (da - (da * a).sum())
        dhs = np.outer(a, g) + np.outer(ds, hs[-1])
        if m == "ATT-09":
            dhs[:-1] = 0
        dhs[-1] += ds @ hs[1:]
        dX, dWe, dWh, dbe, carry = np.zeros_like(X), np.zeros_like(We), np.zeros_like(Wh), np.zeros_like(be), 0
        for t in reversed(range(T)):
            dz = (dhs[t] + carry) * (1 - hs[t + 1] ** 2)
            dX[t], carry = We @ dz, Wh @ dz
            dWe, dWh, dbe = dWe + np.outer(X[t], dz), dWh + np.outer(hs[t], dz), dbe + dz
        return dX, dWe, dWh, dbe

    return forward, backward, normal(rng, (T, D), (D, H), (H, H), H)


def small_engine(m, rng, variant):
    """A node that is used twice: u = tanh(x w), y = u a + u u."""
    n = (4, 3)[variant]

    def forward(x, w, a):
        u = np.tanh(x * w)
        return u * a + u * u

    def backward(g, x, w, a):
        u = np.tanh(x * w)
        d1, d2 = g * a, 2 * g * u
        du = {"ENG-02": 2 * d1 + d2, "ENG-04": 0 * d1, "one use": d2}.get(m, d1 + d2) * (1 - u * u)
        return du * w, du * x, g * u

    return forward, backward, normal(rng, n, n, n)


def elementwise(m, rng, variant):
    n = ((3, 4), (5, 2))[variant]
    keep = rng.random(n) > 0.4
    forward, right, wrong = {
        "ENG-08": (lambda a: a ** 3, lambda a: 3 * a ** 2, lambda a: 2 * a),
        "ENG-12": (lambda a: np.where(np.abs(a) > 0.7, a, 0.0), lambda a: np.abs(a) > 0.7, lambda a: (a > 0.7) * 1.0),
        "ENG-14": (lambda a: a * keep / 0.6, lambda a: keep / 0.6, lambda a: np.ones(n) / 0.6),
        "ENG-16": (lambda a: a * keep / 0.6, lambda a: keep / 0.6, lambda a: keep / 0.4),
        "one-sided": (lambda a: np.abs(a), lambda a: np.sign(a), lambda a: (a > 0) * 1.0),
    }.get(m, (np.tanh, lambda a: 1 - np.tanh(a) ** 2, None))
    return forward, lambda g, a: g * (right if wrong is None or m.startswith("right") else wrong)(a), normal(rng, n)


def sums(m, rng, variant):
    n = ((3, 4), (4, 4))[variant]
    if m == "cumsum":
        return lambda x: np.cumsum(x, axis=1), lambda g, x: np.cumsum(g, axis=1), normal(rng, n)

    def backward(g, x):
        norm = np.sqrt((x * x).sum(axis=1, keepdims=True))
        return g / norm if m == "no projection" else g / norm - x * (g * x).sum(axis=1, keepdims=True) / norm ** 3

    return lambda x: x / np.sqrt((x * x).sum(axis=1, keepdims=True)), backward, normal(rng, n)


def addition(m, rng, variant):
    """ENG-18: both gradients are one array. ENG-06: a product with a vector."""
    n = (4, 3)[variant]
    if m == "ENG-06":
        return (lambda A, b: A @ b, lambda g, A, b: (np.broadcast_to(g * b, A.shape), A.T @ g), normal(rng, (n, n), n))

    def backward(g, a, b):
        da = g.copy()
        db = da
        da += g * np.cos(a)
        return da, db if m == "ENG-18" else g

    return lambda a, b: a + b + np.sin(a), backward, normal(rng, n, n)


BEYOND_TIME = [
    Mistake("MLP-01", OTHER, hidden, ("W2 passes back", "x @ W1 + b1", "np.maximum", "it is wrong")),
    Mistake("ENG-10", OTHER, hidden, ("does not depend on g",)),
    Mistake("no relu'", OTHER, hidden, ("the gradient of np.maximum", "the derivative of maximum", "np.maximum")),
    Mistake("BN-03", NORM, layer_norm, ("constants", "lost")),
    Mistake("LN constants", NORM, layer_norm, ("constants", "lost")),
    Mistake("variance constant", NORM, layer_norm, ("np.sqrt", "var", "lost")),
    Mistake("LN-01", NORM, layer_norm, ("the gradients of beta and gamma are exchanged",)),
    Mistake("LN-03", NORM, layer_norm, ("added up over this axis too",)),
    Mistake("LN-05", NORM, layer_norm, ("gamma is missing", "a factor gamma")),
    Mistake("RMS-02", NORM, rms_norm, ("output 1 is added to that of output 0",)),
    Mistake("RMS-03", NORM, rms_norm, ("u", "mean")),
    Mistake("ATT-01", LAYOUT, attention, ("E.sum",)),
    Mistake("ATT-03", LAYOUT, attention, ("Q @ K.T", "K", "transposed")),
    Mistake("ATT-05", LAYOUT, attention, ("Q @ K.T", "E", "P")),
    Mistake("no scale", LAYOUT, attention, ("np.sqrt(D)", *SCALE)),
    Mistake("ATT-07", USES, grouped_heads, ("only index 1", "only the last", "overwritten")),
    Mistake("ATT-09", USES, states_read_again, ("what reads the results of all steps",)),
    Mistake("ENG-02", OTHER, small_engine, ("u in u * a counts twice",)),
    Mistake("ENG-04", OTHER, small_engine, ("zero everywhere", "lost")),
    Mistake("one use", USES, small_engine, ("u in u * a is lost",)),
    Mistake("ENG-06", LAYOUT, addition, ("added up over this axis too",)),
    Mistake("ENG-18", USES, addition, ("the gradient of a", "cos", "it is")),
    Mistake("ENG-08", OTHER, elementwise, ("a", )),
    Mistake("ENG-12", OTHER, elementwise, ("negative", "(y > 0)", "(a > 0)")),
    Mistake("ENG-14", OTHER, elementwise, ("should be zero", "factor keep is missing")),
    Mistake("ENG-16", OTHER, elementwise, SCALE),
    Mistake("one-sided", OTHER, elementwise, ("negative", "(a > 0)")),
    Mistake("cumsum", BROADCAST, sums, ("a cumulative sum",)),
    Mistake("no projection", NORM, sums, ("np.sqrt", "y / x", "- y sum(g y)")),
]
