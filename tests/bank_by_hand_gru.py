"""Right passes by hand: the GRU of lectures, and PyTorch's."""

import numpy as np
from bank_by_hand_kinds import Kind, sigmoid

from minigrad import with_cache


# GRU: r before the product with U, z keeps the old state in (1 - z); r after the product, z keeps the old state in z
def gru_forward(x, h0, p):
    hs, cache, h = [], [], h0
    for x_t in x:
        z = sigmoid(x_t @ p["Wz"] + h @ p["Uz"] + p["bz"])
        r = sigmoid(x_t @ p["Wr"] + h @ p["Ur"] + p["br"])
        n = np.tanh(x_t @ p["Wn"] + (r * h) @ p["Un"] + p["bn"])
        cache.append((x_t, h, z, r, n))
        h = (1 - z) * h + z * n
        hs.append(h)
    return np.stack(hs), (cache, p)


def gru_backward(dhs, cache):
    cache, p = cache
    d = {"d" + name: np.zeros_like(w) for name, w in p.items()}
    dx, dh_next = [None] * len(cache), np.zeros_like(dhs[0])
    for t in reversed(range(len(cache))):
        x_t, h_prev, z, r, n = cache[t]
        dh = dhs[t] + dh_next
        dn = dh * z
        dz = dh * (n - h_prev)
        dan = dn * (1 - n ** 2)
        drh = dan @ p["Un"].T
        dr = drh * h_prev
        dar = dr * r * (1 - r)
        daz = dz * z * (1 - z)
        d["dUn"] += (r * h_prev).T @ dan
        d["dUz"] += h_prev.T @ daz
        d["dUr"] += h_prev.T @ dar
        for k, da in zip("zrn", (daz, dar, dan)):
            d["dW" + k] += x_t.T @ da
            d["db" + k] += da.sum(axis=0)
        dx[t] = daz @ p["Wz"].T + dar @ p["Wr"].T + dan @ p["Wn"].T
        dh_next = dh * (1 - z) + drh * r + daz @ p["Uz"].T + dar @ p["Ur"].T
    return {"dx": np.stack(dx), "dh0": dh_next, **d}


def gru_torch(x, h, W, U, b, bh):
    hs, H = [], h.shape[1]
    for x_t in x:
        a, u = x_t @ W + b, h @ U + bh
        r, z = sigmoid(a[:, :H] + u[:, :H]), sigmoid(a[:, H:2 * H] + u[:, H:2 * H])
        n = np.tanh(a[:, 2 * H:] + r * u[:, 2 * H:])
        h = (1 - z) * n + z * h
        hs.append((h, r, z, n, u[:, 2 * H:]))
    return [np.stack(part) for part in zip(*hs)]


def gru_torch_forward(x, h0, W, U, b, bh):
    return gru_torch(x, h0, W, U, b, bh)[0]


def gru_torch_backward(g, x, h0, W, U, b, bh):
    hs, rs, zs, ns, us = gru_torch(x, h0, W, U, b, bh)
    dx, dW, dU, db, dbh, dh = np.zeros(x.shape), 0 * W, 0 * U, 0 * b, 0 * bh, np.zeros_like(h0)
    for t in reversed(range(len(x))):
        h_prev, r, z, n, u = hs[t - 1] if t else h0, rs[t], zs[t], ns[t], us[t]
        dh = g[t] + dh
        dn = dh * (1 - z) * (1 - n ** 2)
        dz = dh * (h_prev - n) * z * (1 - z)
        dr = dn * u * r * (1 - r)
        da = np.concatenate([dr, dz, dn], axis=1)
        du = np.concatenate([dr, dz, dn * r], axis=1)
        dx[t] = da @ W.T
        dW += x[t].T @ da
        dU += h_prev.T @ du
        db += da.sum(axis=0)
        dbh += du.sum(axis=0)
        dh = dh * z + du @ U.T
    return dx, dh, dW, dU, db, dbh


def draw_gru(d):
    p = {w + k: d.weights(d.D if w == "W" else d.H, d.H) for w in "WU" for k in "zrn"} | {"b" + k: d.bias(d.H) for k in "zrn"}
    return d.data(d.T, d.B, d.D), d.state(d.B, d.H), p


KINDS = [
    Kind("gru", with_cache(gru_forward, gru_backward), draw_gru),
    Kind("gru_torch", gru_torch_forward, lambda d: (
        d.data(d.T, d.B, d.D), d.state(d.B, d.H), d.weights(d.D, 3 * d.H), d.weights(d.H, 3 * d.H), d.bias(3 * d.H),
        d.bias(3 * d.H)), gru_torch_backward),
]
