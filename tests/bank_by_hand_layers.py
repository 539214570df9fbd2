"""Right passes by hand: sums over time, embeddings, attention, convolution, dropout, pooling."""

import numpy as np
from bank_by_hand_kinds import Kind, sigmoid, softmax

from minigrad import with_cache


def running_sum(x):
    return np.cumsum(x, axis=0)


def running_sum_backward(g, x):
    return np.cumsum(g[::-1], axis=0)[::-1]


def decayed_sum(x, w):
    ys, y = [], np.zeros(x.shape[1:])
    for x_t in x:
        y = w * y + x_t
        ys.append(y)
    return np.stack(ys), (x, w, ys)


def decayed_sum_backward(dys, cache):
    x, w, ys = cache
    dx, dw, dy = np.zeros(x.shape), np.zeros_like(w), 0
    for t in reversed(range(len(x))):
        dy = dys[t] + w * dy
        dx[t] = dy
        if t > 0:
            dw += (dy * ys[t - 1]).sum(axis=0)
    return {"dx": dx, "dw": dw}


def word_embedding(x, W):
    return W[x], (x, W)


def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    np.add.at(dW, x, dout)
    return dW


def temporal_affine(x, w, b):
    N, T, D = x.shape
    return (x.reshape(N * T, D) @ w).reshape(N, T, -1) + b, (x, w)


def temporal_affine_backward(dout, cache):
    x, w = cache
    N, T, D = x.shape
    M = w.shape[1]
    dx = (dout.reshape(N * T, M) @ w.T).reshape(N, T, D)
    dw = x.reshape(N * T, D).T @ dout.reshape(N * T, M)
    db = dout.sum(axis=(0, 1))
    return dx, dw, db


def attention(Q, K, V):
    scale = np.sqrt(Q.shape[-1])
    A = softmax(Q @ K.swapaxes(1, 2) / scale)
    return A @ V, (Q, K, V, A, scale)


def attention_backward(dout, cache):
    Q, K, V, A, scale = cache
    dV = A.swapaxes(1, 2) @ dout
    dA = dout @ V.swapaxes(1, 2)
    dS = A * (dA - (dA * A).sum(axis=-1, keepdims=True))
    dS = dS / scale
    dQ = dS @ K
    dK = dS.swapaxes(1, 2) @ Q
    return dQ, dK, dV


def self_attention(x, p):
    q, k, v = x @ p["Wq"], x @ p["Wk"], x @ p["Wv"]
    later = np.triu(np.ones((len(x), len(x)), bool), 1)
    a = softmax(np.where(later, -1e9, q @ k.T / np.sqrt(q.shape[1])))
    return x + a @ v


def self_attention_backward(g, x, p):
    q, k, v = x @ p["Wq"], x @ p["Wk"], x @ p["Wv"]
    later = np.triu(np.ones((len(x), len(x)), bool), 1)
    a = softmax(np.where(later, -1e9, q @ k.T / np.sqrt(q.shape[1])))
    dv = a.T @ g
    da = g @ v.T
    ds = a * (da - (da * a).sum(axis=1, keepdims=True)) / np.sqrt(q.shape[1])
    dq, dk = ds @ k, ds.T @ q
    dx = g + dq @ p["Wq"].T + dk @ p["Wk"].T + dv @ p["Wv"].T
    return dx, {"Wq": x.T @ dq, "Wk": x.T @ dk, "Wv": x.T @ dv}


def additive_attention(q, keys, W, U, v):
    """q (B, H), keys (B, T, D), which are the values as well."""
    t = np.tanh((q @ W)[:, None] + keys @ U)
    a = softmax(t @ v)
    return np.einsum("bt,btd->bd", a, keys), (q, keys, W, U, v, t, a)


def additive_attention_backward(dc, cache):
    q, keys, W, U, v, t, a = cache
    da = np.einsum("bd,btd->bt", dc, keys)
    de = a * (da - (da * a).sum(axis=1, keepdims=True))
    dv = np.einsum("bt,bth->h", de, t)
    dt = de[..., None] * v * (1 - t ** 2)
    dq = dt.sum(axis=1) @ W.T
    dkeys = dt @ U.T + a[..., None] * dc[:, None]
    dW = q.T @ dt.sum(axis=1)
    dU = np.einsum("btd,bth->dh", keys, dt)
    return dq, dkeys, dW, dU, dv


def causal_conv(x, W, b):
    """x (T, B, D), W (k, D, H): y[t] = sum_j x[t - j] @ W[j] + b"""
    y = np.zeros((*x.shape[:2], W.shape[2])) + b
    for j in range(len(W)):
        for t in range(j, len(x)):
            y[t] += x[t - j] @ W[j]
    return y


def causal_conv_backward(dy, x, W, b):
    dx, dW = np.zeros(x.shape), np.zeros_like(W)
    for j in range(len(W)):
        for t in range(j, len(x)):
            dx[t - j] += dy[t] @ W[j].T
            dW[j] += x[t - j].T @ dy[t]
    db = dy.sum(axis=(0, 1))
    return dx, dW, db


def dropout(x, mask, keep):
    return x * mask / keep, (mask, keep)


def dropout_backward(dout, cache):
    mask, keep = cache
    dx = dout * mask / keep
    return dx, None, None


def residual_block(x, W1, b1, W2):
    u = x @ W1 + b1
    return x + np.maximum(u, 0) @ W2, (x, W1, W2, u)


def residual_block_backward(dout, cache):
    x, W1, W2, u = cache
    a = np.maximum(u, 0)
    dW2 = a.T @ dout
    du = dout @ W2.T * (u > 0)
    dW1 = x.T @ du
    dx = dout + du @ W1.T
    return dx, dW1, du.sum(axis=0), dW2


def highway(x, Wt, Wh):
    t, h = sigmoid(x @ Wt - 1), np.tanh(x @ Wh)
    return t * h + (1 - t) * x


def highway_backward(g, x, Wt, Wh):
    t, h = sigmoid(x @ Wt - 1), np.tanh(x @ Wh)
    dt = g * (h - x) * t * (1 - t)
    dh = g * t * (1 - h ** 2)
    dx = g * (1 - t) + dt @ Wt.T + dh @ Wh.T
    return {"x": dx, "Wt": x.T @ dt, "Wh": x.T @ dh}


def max_over_time(x):
    return x.max(axis=0)


def max_over_time_backward(g, x):
    dx = np.zeros_like(x)
    np.put_along_axis(dx, x.argmax(axis=0)[None], g[None], axis=0)
    return dx


def mean_over_time(x, lengths):
    mask = (np.arange(len(x))[:, None] < lengths)[..., None]
    return (x * mask).sum(axis=0) / lengths[:, None]


def mean_over_time_backward(g, x, lengths):
    mask = (np.arange(len(x))[:, None] < lengths)[..., None]
    dx = mask * g / lengths[:, None]
    return dx, None


def absolute(x, w):
    return np.abs(x * w).mean(axis=0)


def absolute_backward(g, x, w):
    d = np.sign(x * w) * g / len(x)
    return d * w, (d * x).sum(axis=0)


KINDS = [
    Kind("running_sum", running_sum, lambda d: (d.normal(d.T, d.B, d.D),), running_sum_backward),
    Kind("decayed_sum", with_cache(decayed_sum, decayed_sum_backward), lambda d: (d.data(d.T, d.B, d.D), d.rng.random(d.D))),
    Kind("word_embedding", with_cache(word_embedding, word_embedding_backward), lambda d: (
        d.numbers(d.V, d.B, d.T), d.weights(d.V, d.D))),
    Kind("temporal_affine", with_cache(temporal_affine, temporal_affine_backward), lambda d: (
        d.data(d.B, d.T, d.D), d.weights(d.D, d.H), d.bias(d.H))),
    Kind("attention", with_cache(attention, attention_backward), lambda d: (
        d.normal(d.B, d.T, d.D), d.normal(d.B, d.V, d.D), d.normal(d.B, d.V, d.H))),
    Kind("self_attention", self_attention, lambda d: (
        d.normal(d.T, d.D), {"Wq": d.weights(d.D, d.H), "Wk": d.weights(d.D, d.H), "Wv": d.weights(d.D, d.D)}),
        self_attention_backward),
    Kind("additive_attention", with_cache(additive_attention, additive_attention_backward), lambda d: (
        d.state(d.B, d.H), d.normal(d.B, d.T, d.D), d.weights(d.H, d.V), d.weights(d.D, d.V), d.weights(d.V))),
    Kind("causal_conv", causal_conv, lambda d: (
        d.data(d.T, d.B, d.D), d.weights(int(2 + d.numbers(2)), d.D, d.H), d.bias(d.H)), causal_conv_backward),
    Kind("dropout", with_cache(dropout, dropout_backward), lambda d: (
        d.normal(d.B, d.H), d.numbers(2, d.B, d.H), 0.5)),
    Kind("residual_block", with_cache(residual_block, residual_block_backward), lambda d: (
        d.normal(d.B, d.D), d.weights(d.D, d.H), d.normal(d.H), d.weights(d.H, d.D))),
    Kind("highway", highway, lambda d: (d.data(d.B, d.D), d.weights(d.D, d.D), d.weights(d.D, d.D)), highway_backward),
    Kind("max_over_time", max_over_time, lambda d: (d.normal(d.T, d.B, d.D),), max_over_time_backward),
    Kind("mean_over_time", mean_over_time, lambda d: (d.data(d.T, d.B, d.D).astype(float), 1 + d.numbers(d.T, d.B)),
         mean_over_time_backward),
    Kind("absolute", absolute, lambda d: (d.normal(d.T, d.B), d.normal(d.B)), absolute_backward),
]
