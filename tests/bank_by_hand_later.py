"""Right passes by hand, for the third bank: more networks and losses."""

import numpy as np
from bank_by_hand_kinds import Kind, sigmoid, softmax

from minigrad import with_cache, with_loss


# an RNN whose units are independent, with a leaky relu
def independent(x, h0, W, u, b):
    h, cache = h0, []
    for x_t in x:
        z = x_t @ W + u * h + b
        cache.append((x_t, h, z))
        h = np.where(z > 0, z, 0.1 * z)
    return h, (cache, W, u)


def independent_backward(dh, cache):
    steps, W, u = cache
    dx, dW, du, db = [], np.zeros_like(W), np.zeros_like(u), np.zeros_like(u)
    for x_t, h_prev, z in reversed(steps):
        dz = dh * np.where(z > 0, 1, 0.1)
        dW += x_t.T @ dz
        du += np.sum(dz * h_prev, axis=0)
        db += np.sum(dz, axis=0)
        dx.append(dz @ W.T)
        dh = dz * u
    return np.stack(dx[::-1]), dh, dW, du, db


# an LSTM whose candidate is normalised, and whose cell decays by a learned rate
def normalised_lstm(x, h, c, W, b, gain):
    hs, cache, H = [], [], h.shape[1]
    for x_t in x:
        hx = np.concatenate([x_t, h], axis=1)
        a = hx @ W + b
        i, o, g = sigmoid(a[:, :H]), sigmoid(a[:, H:2 * H]), a[:, 2 * H:]
        centred = g - g.mean(axis=1, keepdims=True)
        std = np.sqrt((centred ** 2).mean(axis=1, keepdims=True) + 1e-5)
        n = np.tanh(gain * centred / std)
        c_prev, c = c, (1 - i) * c + i * n
        h = o * np.tanh(c)
        hs.append(h)
        cache.append((hx, i, o, centred, std, n, c_prev, c))
    return np.stack(hs), (cache, W, gain)


def normalised_lstm_backward(dhs, cache):
    steps, W, gain = cache
    D = W.shape[0] - dhs.shape[2]
    dx, dW, db, dgain = [], 0 * W, np.zeros(W.shape[1]), 0 * gain
    dh, dc = np.zeros_like(dhs[0]), np.zeros_like(dhs[0])
    for t in range(len(steps) - 1, -1, -1):
        hx, i, o, centred, std, n, c_prev, c = steps[t]
        dh = dhs[t] + dh
        do = dh * np.tanh(c)
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        di = dc * (n - c_prev)
        dn = dc * i * (1 - n ** 2)
        xhat = centred / std
        dgain += (dn * xhat).sum(axis=0)
        dxhat = dn * gain
        dg = (dxhat - dxhat.mean(axis=1, keepdims=True) - xhat * (dxhat * xhat).mean(axis=1, keepdims=True)) / std
        dc = dc * (1 - i)
        da = np.concatenate([di * i * (1 - i), do * o * (1 - o), dg], axis=1)
        dW += hx.T @ da
        db += da.sum(axis=0)
        dhx = da @ W.T
        dx.append(dhx[:, :D])
        dh = dhx[:, D:]
    return np.stack(dx[::-1]), dh, dc, dW, db, dgain


# a decoder that looks at the encoder's states at each step
def decoder(keys, y, s0, W, V):
    s, out, cache = s0, [], []
    for y_t in y:
        p = softmax(np.einsum("btd,bd->bt", keys, s))
        context = np.einsum("bt,btd->bd", p, keys)
        joint = np.hstack([context, y_t])
        s_prev, s = s, np.tanh(joint @ W + s @ V)
        cache.append((p, joint, s_prev, s))
        out.append(s)
    return np.stack(out, axis=1), (cache, keys, W, V)


def decoder_backward(ds_all, cache):
    steps, keys, W, V = cache
    D = keys.shape[2]
    dkeys, dW, dV, dy, ds = np.zeros_like(keys), 0 * W, 0 * V, [], 0
    for t in reversed(range(len(steps))):
        p, joint, s_prev, s = steps[t]
        dz = (ds_all[:, t] + ds) * (1 - s * s)
        dW += joint.T @ dz
        dV += s_prev.T @ dz
        djoint = dz @ W.T
        dcontext = djoint[:, :D]
        dy.append(djoint[:, D:])
        dp = np.einsum("bd,btd->bt", dcontext, keys)
        de = p * (dp - (dp * p).sum(axis=1, keepdims=True))
        dkeys += p[:, :, None] * dcontext[:, None] + de[:, :, None] * s_prev[:, None]
        ds = dz @ V.T + np.einsum("bt,btd->bd", de, keys)
    return dkeys, np.stack(dy[::-1]), ds, dW, dV


# a minimal gated unit with the same dropout mask at each step
def minimal(x, mask, h0, Wf, Uf, Wn, Un):
    h, hs = h0, []
    for x_t in x:
        d = h * mask
        f = sigmoid(x_t @ Wf + d @ Uf)
        n = np.tanh(x_t @ Wn + (f * d) @ Un)
        h = h + f * (n - h)
        hs.append((h, f, n))
    return hs


def minimal_forward(x, mask, h0, Wf, Uf, Wn, Un):
    return np.array([h for h, _, _ in minimal(x, mask, h0, Wf, Uf, Wn, Un)])


def minimal_backward(g, x, mask, h0, Wf, Uf, Wn, Un):
    steps = minimal(x, mask, h0, Wf, Uf, Wn, Un)
    dx, dWf, dUf, dWn, dUn, dh = np.zeros_like(x), 0 * Wf, 0 * Uf, 0 * Wn, 0 * Un, np.zeros_like(h0)
    for t in reversed(range(len(x))):
        h, (_, f, n) = steps[t - 1][0] if t else h0, steps[t]
        d = h * mask
        dh = dh + g[t]
        dan = dh * f * (1 - n ** 2)
        dfd = dan @ Un.T
        df = dh * (n - h) + dfd * d
        daf = df * f * (1 - f)
        dWn, dUn = dWn + x[t].T @ dan, dUn + (f * d).T @ dan
        dWf, dUf = dWf + x[t].T @ daf, dUf + d.T @ daf
        dx[t] = dan @ Wn.T + daf @ Wf.T
        dd = dfd * f + daf @ Uf.T
        dh = dh * (1 - f) + dd * mask
    return dx, None, dh, dWf, dUf, dWn, dUn


# several heads in one product, as transformers have them
def heads(x, Wq, Wk, Wv, Wo):
    T, n, k = len(x), 2, Wq.shape[1] // 2
    q, key, v = ((x @ W).reshape(T, n, k).transpose(1, 0, 2) for W in (Wq, Wk, Wv))
    a = softmax(q @ key.transpose(0, 2, 1) / k ** 0.5)
    o = (a @ v).transpose(1, 0, 2).reshape(T, n * k)
    return o @ Wo, (x, q, key, v, a, o, Wq, Wk, Wv, Wo)


def heads_backward(g, cache):
    x, q, key, v, a, o, Wq, Wk, Wv, Wo = cache
    n, T, k = q.shape
    do = (g @ Wo.T).reshape(T, n, k).transpose(1, 0, 2)
    dv = a.transpose(0, 2, 1) @ do
    da = do @ v.transpose(0, 2, 1)
    ds = a * (da - (da * a).sum(axis=2, keepdims=True)) / k ** 0.5
    dq, dk = ds @ key, ds.transpose(0, 2, 1) @ q
    dq, dk, dv = (d.transpose(1, 0, 2).reshape(T, n * k) for d in (dq, dk, dv))
    return dq @ Wq.T + dk @ Wk.T + dv @ Wv.T, x.T @ dq, x.T @ dk, x.T @ dv, o.T @ g


# losses
def huber(p, y, delta):
    d = p - y
    small = np.abs(d) <= delta
    return np.where(small, 0.5 * d * d, delta * (np.abs(d) - 0.5 * delta)).mean(), np.where(small, d, delta * np.sign(d)) / d.size


def hinge(x, y, W):
    scores = x @ W
    right = scores[np.arange(len(y)), y]
    margins = np.maximum(0, scores - right[:, None] + 1)
    margins[np.arange(len(y)), y] = 0
    loss = margins.sum() / len(y) + 0.1 * (W * W).sum()
    d = (margins > 0).astype(float)
    d[np.arange(len(y)), y] = -d.sum(axis=1)
    d /= len(y)
    return loss, d @ W.T, None, x.T @ d + 0.2 * W


def divergence(z, w):
    """Of the distribution softmax(w) from softmax(z)."""
    p, q = softmax(z), softmax(w)
    loss = (p * (np.log(p) - np.log(q))).sum() / len(z)
    inner = np.log(p) - np.log(q) + 1
    return loss, p * (inner - (p * inner).sum(axis=1, keepdims=True)) / len(z), (q - p) / len(z)


def weight_norm(x, v, s):
    norm = np.sqrt((v ** 2).sum(axis=0))
    return x @ (s * v / norm), (x, v, s, norm)


def weight_norm_backward(g, cache):
    x, v, s, norm = cache
    dw = x.T @ g
    ds = (dw * v).sum(axis=0) / norm
    dv = s / norm * dw - s * ds / norm ** 2 * v
    return g @ (s * v / norm).T, dv, ds


def later(d, *shape):
    return d.normal(*shape, scale=0.6)


KINDS = [
    Kind("independent", with_cache(independent, independent_backward), lambda d: (
        d.normal(d.T + 1, d.B, d.D), later(d, d.B, d.H), d.weights(d.D, d.H), later(d, d.H), later(d, d.H))),
    Kind("normalised_lstm", with_cache(normalised_lstm, normalised_lstm_backward), lambda d: (
        d.normal(d.T + 1, d.B, d.D), later(d, d.B, d.H + 1), later(d, d.B, d.H + 1), d.weights(d.D + d.H + 1, 3 * d.H + 3),
        later(d, 3 * d.H + 3), 1 + later(d, d.H + 1))),
    Kind("decoder", with_cache(decoder, decoder_backward), lambda d: (
        d.normal(d.B, d.T + 1, d.H), d.normal(d.V, d.B, d.D), later(d, d.B, d.H), d.weights(d.H + d.D, d.H),
        d.weights(d.H, d.H))),
    Kind("minimal", minimal_forward, lambda d: (
        d.normal(d.T + 1, d.B, d.D), d.numbers(2, d.B, d.H) | np.eye(d.B, d.H, dtype=int), later(d, d.B, d.H),
        *(d.weights(n, d.H) for n in (d.D, d.H, d.D, d.H))), minimal_backward),
    Kind("heads", with_cache(heads, heads_backward), lambda d: (
        d.normal(d.T + 2, d.D), *(d.weights(d.D, 2 * d.H) for _ in range(3)), d.weights(2 * d.H, d.V))),
    Kind("huber", with_loss(huber), lambda d: (d.normal(d.B + 2, d.H), d.numbers(3, d.B + 2, d.H), 0.7)),
    Kind("hinge", with_loss(hinge), lambda d: (d.normal(d.B + 1, d.D), d.numbers(d.V, d.B + 1), d.weights(d.D, d.V))),
    Kind("divergence", with_loss(divergence), lambda d: (d.normal(d.B + 1, d.V), d.normal(d.B + 1, d.V))),
    Kind("weight_norm", with_cache(weight_norm, weight_norm_backward), lambda d: (
        d.normal(d.B + 1, d.D), d.normal(d.D, d.H), 1 + later(d, d.H))),
]
