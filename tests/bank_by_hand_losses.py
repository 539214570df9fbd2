"""Right passes by hand: losses, softmax, norms of vectors, normalisation in both usual forms."""

import numpy as np
from bank_by_hand_kinds import Kind, sigmoid, softmax

from minigrad import with_cache, with_loss


def mse_loss(x, y, W, b):
    error = x @ W + b - y
    loss = np.mean(error ** 2)
    derror = 2 * error / error.size
    return loss, {"W": x.T @ derror, "b": derror.sum(axis=0)}


def column_loss(x, y, w, b):
    """For one example as a column; the loss is of shape (1, 1)."""
    error = w @ x + b[:, None] - y
    return error.T @ error, 2 * w.T @ error, None, 2 * error @ x.T, 2 * error[:, 0]


def softmax_loss(x, y):
    N = x.shape[0]
    probs = softmax(x)
    loss = -np.sum(np.log(probs[np.arange(N), y])) / N
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx


def temporal_softmax_loss(x, y, mask):
    N, T, V = x.shape
    x_flat, y_flat, mask_flat = x.reshape(N * T, V), y.reshape(N * T), mask.reshape(N * T)
    probs = softmax(x_flat)
    loss = -np.sum(mask_flat * np.log(probs[np.arange(N * T), y_flat])) / N
    dx_flat = probs.copy()
    dx_flat[np.arange(N * T), y_flat] -= 1
    dx_flat /= N
    dx_flat *= mask_flat[:, None]
    return loss, dx_flat.reshape(N, T, V)


def ignoring_loss(scores, y, ignore=-1):
    keep = y != ignore
    n = keep.sum()
    p = softmax(scores)
    rows = np.flatnonzero(keep)
    loss = -np.log(p[rows, y[rows]]).sum() / n
    d = np.zeros_like(scores)
    d[rows] = p[rows]
    d[rows, y[rows]] -= 1
    return loss, d / n


def per_step(scores, y):
    return -np.log(np.take_along_axis(softmax(scores), y[..., None], axis=-1)[..., 0])


def per_step_backward(g, scores, y):
    d = softmax(scores)
    np.put_along_axis(d, y[..., None], np.take_along_axis(d, y[..., None], -1) - 1, -1)
    return d * g[..., None], None


def logistic_loss(x, y, w, b, reg):
    p = sigmoid(x @ w + b)
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)) + 0.5 * reg * np.sum(w * w)
    ds = (p - y) / len(y)
    dw = x.T @ ds + reg * w
    db = ds.sum()
    return loss, None, None, dw, db, None


def network_loss(X, y, W1, b1, W2, b2, reg):
    hidden = np.maximum(0, X @ W1 + b1)
    scores = hidden @ W2 + b2
    N = len(X)
    p = softmax(scores)
    loss = -np.log(p[range(N), y]).mean() + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
    dscores = p
    dscores[range(N), y] -= 1
    dscores /= N
    dhidden = dscores @ W2.T
    dhidden[hidden <= 0] = 0
    return loss, {"dW1": X.T @ dhidden + 2 * reg * W1, "db1": dhidden.sum(0), "dW2": hidden.T @ dscores + 2 * reg * W2,
                  "db2": dscores.sum(0)}


def softmax_backward(g, x):
    s = softmax(x)
    return s * (g - (g * s).sum(axis=-1, keepdims=True))


def log_softmax(x):
    m = x.max(axis=1, keepdims=True)
    return x - m - np.log(np.exp(x - m).sum(axis=1, keepdims=True))


def log_softmax_backward(g, x):
    return g - np.exp(log_softmax(x)) * g.sum(axis=1, keepdims=True)


def logsumexp(x):
    return np.log(np.exp(x).sum(axis=-1))


def logsumexp_backward(g, x):
    return g[..., None] * softmax(x)


def unit(x):
    return x / np.sqrt((x ** 2).sum(axis=1, keepdims=True))


def unit_backward(g, x):
    norm = np.sqrt((x ** 2).sum(axis=1, keepdims=True))
    y = x / norm
    return (g - y * (g * y).sum(axis=1, keepdims=True)) / norm


def lengths(x):
    return np.sqrt((x ** 2).sum(axis=-1))


def lengths_backward(g, x):
    return (g / lengths(x))[..., None] * x


def cosine(a, b):
    na, nb = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    return (a * b).sum(axis=1) / (na * nb)


def cosine_backward(g, a, b):
    na, nb = np.linalg.norm(a, axis=1, keepdims=True), np.linalg.norm(b, axis=1, keepdims=True)
    c, g = cosine(a, b)[:, None], g[:, None]
    da = g * (b / (na * nb) - c * a / na ** 2)
    db = g * (a / (na * nb) - c * b / nb ** 2)
    return da, db


# normalisation: step by step, as a graph is walked back; and the closed form
def batchnorm(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0)
    xmu = x - mu
    var = np.mean(xmu ** 2, axis=0)
    ivar = 1 / np.sqrt(var + eps)
    xhat = xmu * ivar
    return gamma * xhat + beta, (xhat, gamma, xmu, ivar, var, eps)


def batchnorm_backward(dout, cache):
    xhat, gamma, xmu, ivar, var, eps = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dvar = -0.5 * (var + eps) ** -1.5 * divar
    dsq = np.ones((N, D)) / N * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -np.sum(dx1, axis=0)
    dx2 = np.ones((N, D)) / N * dmu
    dx = dx1 + dx2
    return dx, dgamma, dbeta


def batchnorm_closed_backward(dout, cache):
    xhat, gamma, xmu, ivar, var, eps = cache
    N = len(dout)
    dgamma, dbeta = (dout * xhat).sum(axis=0), dout.sum(axis=0)
    dx = gamma * ivar / N * (N * dout - dbeta - xhat * dgamma)
    return dx, dgamma, dbeta


def layernorm(x, gamma, beta):
    mu = x.mean(axis=-1, keepdims=True)
    var = x.var(axis=-1, keepdims=True)
    std = np.sqrt(var + 1e-5)
    return gamma * (x - mu) / std + beta, ((x - mu) / std, gamma, std, x - mu)


def layernorm_backward(dout, cache):
    xhat, gamma, std, xc = cache
    D = dout.shape[-1]
    dgamma, dbeta = (dout * xhat).sum(axis=0), dout.sum(axis=0)
    dxhat = dout * gamma
    dvar = np.sum(dxhat * xc * -0.5 * std ** -3, axis=-1, keepdims=True)
    dmu = np.sum(-dxhat / std, axis=-1, keepdims=True) + dvar * np.mean(-2 * xc, axis=-1, keepdims=True)
    dx = dxhat / std + dvar * 2 * xc / D + dmu / D
    return dx, dgamma, dbeta


def layernorm_closed_backward(dout, cache):
    xhat, gamma, std, _ = cache
    dxhat = dout * gamma
    mean, along = dxhat.mean(axis=-1, keepdims=True), (dxhat * xhat).mean(axis=-1, keepdims=True)
    dx = (dxhat - mean - xhat * along) / std
    return dx, (dout * xhat).sum(axis=0), dout.sum(axis=0)


def rmsnorm(x, gain):
    return gain * x / np.sqrt(np.mean(x ** 2, axis=-1, keepdims=True))


def rmsnorm_backward(g, x, gain):
    rms = np.sqrt(np.mean(x ** 2, axis=-1, keepdims=True))
    gg = g * gain
    dx = gg / rms - x * (gg * x).mean(axis=-1, keepdims=True) / rms ** 3
    return dx, (g * x / rms).sum(axis=tuple(range(x.ndim - 1)))


def draw_norm(d):
    return d.normal(d.B + 3, d.H + 2), 1 + d.normal(d.H + 2, scale=0.3), d.bias(d.H + 2)


def draw_scores(d):
    return d.data(d.B, d.T, d.V).astype(float), d.numbers(d.V, d.B, d.T)


def draw_ignoring(d):
    y = d.numbers(d.V + 1, d.T * d.B) - 1
    y[0] = 0
    return d.normal(d.T * d.B, d.V), y


KINDS = [
    Kind("mse_loss", with_loss(mse_loss), lambda d: (
        d.data(d.B, d.D), d.data(d.B, d.H).astype(int), d.weights(d.D, d.H), d.bias(d.H))),
    Kind("column_loss", with_loss(column_loss), lambda d: (
        d.data(d.D, 1), d.normal(d.H, 1), d.weights(d.H, d.D), d.bias(d.H))),
    Kind("softmax_loss", with_loss(softmax_loss), lambda d: (d.normal(d.B, d.V), d.numbers(d.V, d.B))),
    Kind("temporal_softmax_loss", with_loss(temporal_softmax_loss), lambda d: (*draw_scores(d), d.numbers(2, d.B, d.T) > 0)),
    Kind("ignoring_loss", with_loss(ignoring_loss), draw_ignoring),
    Kind("per_step_loss", per_step, draw_scores, per_step_backward),
    Kind("logistic_loss", with_loss(logistic_loss), lambda d: (
        d.data(d.B, d.D), d.numbers(2, d.B), d.weights(d.D), np.array(d.normal()), 0.1)),
    Kind("network_loss", with_loss(network_loss), lambda d: (
        d.normal(d.B, d.D), d.numbers(d.V, d.B), d.weights(d.D, d.H), d.normal(d.H), d.weights(d.H, d.V), d.bias(d.V), 0.05)),
    Kind("softmax", softmax, lambda d: (d.normal(d.B, d.V),), softmax_backward),
    Kind("log_softmax", log_softmax, lambda d: (d.normal(d.B, d.V),), log_softmax_backward),
    Kind("logsumexp", logsumexp, lambda d: (d.normal(d.T, d.B, d.V),), logsumexp_backward),
    Kind("unit", unit, lambda d: (d.normal(d.B, d.D + 1),), unit_backward),
    Kind("lengths", lengths, lambda d: (d.normal(d.T, d.B, d.D),), lengths_backward),
    Kind("cosine", cosine, lambda d: (d.normal(d.B, d.D + 1), d.normal(d.B, d.D + 1)), cosine_backward),
    Kind("batchnorm", with_cache(batchnorm, batchnorm_backward), draw_norm),
    Kind("batchnorm_closed", with_cache(batchnorm, batchnorm_closed_backward), draw_norm),
    Kind("layernorm", with_cache(layernorm, layernorm_backward), draw_norm),
    Kind("layernorm_closed", with_cache(layernorm, layernorm_closed_backward), draw_norm),
    Kind("rmsnorm", rmsnorm, lambda d: (d.normal(d.T, d.B, d.H + 1), 1 + d.normal(d.H + 1, scale=0.3)), rmsnorm_backward),
]
