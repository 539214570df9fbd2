"""Right passes by hand: LSTM in the usual variants and conventions."""

import numpy as np
from bank_by_hand_kinds import Kind, sigmoid

from minigrad import with_cache, with_loss


# gates fused: i, f, o, g; batch first
def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    i, f, o, g = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    tanh_c = np.tanh(next_c)
    do = dnext_h * tanh_c
    dc = dnext_c + dnext_h * o * (1 - tanh_c ** 2)
    df = dc * prev_c
    dprev_c = dc * f
    di = dc * g
    dg = dc * i
    dai = di * i * (1 - i)
    daf = df * f * (1 - f)
    dao = do * o * (1 - o)
    dag = dg * (1 - g ** 2)
    da = np.concatenate([dai, daf, dao, dag], axis=1)
    dx = da @ Wx.T
    dprev_h = da @ Wh.T
    dWx = x.T @ da
    dWh = prev_h.T @ da
    db = da.sum(axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db


def lstm_forward(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    h, caches, prev_h, prev_c = np.zeros((N, T, h0.shape[1])), [], h0, np.zeros_like(h0)
    for t in range(T):
        prev_h, prev_c, cache = lstm_step_forward(x[:, t], prev_h, prev_c, Wx, Wh, b)
        h[:, t] = prev_h
        caches.append(cache)
    return h, caches


def lstm_backward(dh, caches):
    x, prev_h, _, Wx, Wh = caches[0][:5]
    N, T, H = dh.shape
    dx, dWx, dWh, db = np.zeros((N, T, x.shape[1])), np.zeros(Wx.shape), np.zeros(Wh.shape), np.zeros(4 * H)
    dprev_h, dprev_c = np.zeros((N, H)), np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        dx[:, t], dprev_h, dprev_c, dWx_t, dWh_t, db_t = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, caches[t])
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    return dx, dprev_h, dWx, dWh, db


# gates apart, columns are examples, everything in dicts
def lstm_cell_columns(xt, a_prev, c_prev, p):
    concat = np.concatenate([a_prev, xt])
    ft, it, ot = (sigmoid(p["W" + k] @ concat + p["b" + k]) for k in "fio")
    cct = np.tanh(p["Wc"] @ concat + p["bc"])
    c_next = ft * c_prev + it * cct
    a_next = ot * np.tanh(c_next)
    return a_next, c_next, (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p)


def lstm_cell_columns_backward(da_next, dc_next, cache):
    a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p = cache
    n_a = a_next.shape[0]
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcct = (dc_next + ot * (1 - np.tanh(c_next) ** 2) * da_next) * it * (1 - cct ** 2)
    dit = (dc_next + ot * (1 - np.tanh(c_next) ** 2) * da_next) * cct * it * (1 - it)
    dft = (dc_next + ot * (1 - np.tanh(c_next) ** 2) * da_next) * c_prev * ft * (1 - ft)
    concat = np.concatenate([a_prev, xt])
    grads = {"dWf": dft @ concat.T, "dWi": dit @ concat.T, "dWc": dcct @ concat.T, "dWo": dot @ concat.T}
    for name, d in zip(("dbf", "dbi", "dbc", "dbo"), (dft, dit, dcct, dot)):
        grads[name] = np.sum(d, axis=1, keepdims=True)
    back = p["Wf"].T @ dft + p["Wi"].T @ dit + p["Wc"].T @ dcct + p["Wo"].T @ dot
    grads["da_prev"], grads["dxt"] = back[:n_a], back[n_a:]
    grads["dc_prev"] = dc_next * ft + ot * (1 - np.tanh(c_next) ** 2) * ft * da_next
    return grads


def lstm_columns(x, a0, p):
    a, caches, c = [a0], [], np.zeros_like(a0)
    for t in range(x.shape[2]):
        a_next, c, cache = lstm_cell_columns(x[:, :, t], a[-1], c, p)
        a.append(a_next)
        caches.append(cache)
    return np.stack(a[1:], axis=2), caches


def lstm_columns_backward(da, caches):
    p = caches[0][-1]
    n_a, m, T_x = da.shape
    dx = np.zeros((caches[0][8].shape[0], m, T_x))
    grads = {"d" + name: np.zeros_like(w) for name, w in p.items()}
    da_prevt, dc_prevt = np.zeros((n_a, m)), np.zeros((n_a, m))
    for t in reversed(range(T_x)):
        gradients = lstm_cell_columns_backward(da[:, :, t] + da_prevt, dc_prevt, caches[t])
        da_prevt = gradients["da_prev"]
        dc_prevt = gradients["dc_prev"]
        dx[:, :, t] = gradients["dxt"]
        for name in grads:
            grads[name] += gradients[name]
    grads["dx"], grads["da0"] = dx, da_prevt
    return grads


# time first, both states are outputs; peepholes
def peephole_forward(x, h0, c0, W, U, b, pi, pf, po):
    h, c, hs, cs, cache = h0, c0, [], [], []
    for x_t in x:
        zi, zf, zo, zg = np.split(x_t @ W + h @ U + b, 4, axis=1)
        i, f, g = sigmoid(zi + pi * c), sigmoid(zf + pf * c), np.tanh(zg)
        c_new = f * c + i * g
        o = sigmoid(zo + po * c_new)
        cache.append((x_t, h, c, i, f, o, g, c_new))
        h, c = o * np.tanh(c_new), c_new
        hs.append(h)
        cs.append(c)
    return np.stack(hs), np.stack(cs), (cache, W, U, pi, pf, po)


def peephole_backward(dhs, dcs, cache):
    cache, W, U, pi, pf, po = cache
    dx, dW, dU, db = [], 0 * W, 0 * U, np.zeros(len(U) * 4)
    dpi, dpf, dpo, dh, dc = 0 * pi, 0 * pf, 0 * po, np.zeros_like(dhs[0]), np.zeros_like(dhs[0])
    for t in reversed(range(len(dhs))):
        x_t, h_prev, c_prev, i, f, o, g, c = cache[t]
        dh = dhs[t] + dh
        dzo = dh * np.tanh(c) * o * (1 - o)
        dc = dcs[t] + dc + dh * o * (1 - np.tanh(c) ** 2) + dzo * po
        dzi, dzf, dzg = dc * g * i * (1 - i), dc * c_prev * f * (1 - f), dc * i * (1 - g ** 2)
        dpi += (dzi * c_prev).sum(axis=0)
        dpf += (dzf * c_prev).sum(axis=0)
        dpo += (dzo * c).sum(axis=0)
        dz = np.concatenate([dzi, dzf, dzo, dzg], axis=1)
        dW += x_t.T @ dz
        dU += h_prev.T @ dz
        db += dz.sum(axis=0)
        dx.append(dz @ W.T)
        dh = dz @ U.T
        dc = dc * f + dzi * pi + dzf * pf
    return np.stack(dx[::-1]), dh, dc, dW, dU, db, dpi, dpf, dpo


# the input gate is 1 - the forget gate; loss and gradients together
def coupled_loss(x, target, h0, W, U, b):
    h, c, cache = h0, np.zeros_like(h0), []
    for x_t in x:
        zf, zo, zg = np.split(x_t @ W + h @ U + b, 3, axis=1)
        f, o, g = sigmoid(zf), sigmoid(zo), np.tanh(zg)
        c_new = f * c + (1 - f) * g
        cache.append((x_t, h, c, f, o, g, c_new))
        h, c = o * np.tanh(c_new), c_new
    loss = 0.5 * np.mean((h - target) ** 2)
    dh, dc, dx, dW, dU, db = (h - target) / h.size, np.zeros_like(h), np.zeros(x.shape), 0 * W, 0 * U, 0 * b
    for t in reversed(range(len(x))):
        x_t, h_prev, c_prev, f, o, g, c = cache[t]
        do = dh * np.tanh(c)
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        df = dc * (c_prev - g)
        dg = dc * (1 - f)
        dz = np.hstack([df * f * (1 - f), do * o * (1 - o), dg * (1 - g * g)])
        dx[t], dh = dz @ W.T, dz @ U.T
        dW, dU, db = dW + x_t.T @ dz, dU + h_prev.T @ dz, db + dz.sum(axis=0)
        dc = dc * f
    return loss, {"dx": dx, "dh0": dh, "dW": dW, "dU": dU, "db": db}


# 1 is added to the forget gate; each gate has its own matrix on [h, x]; last states are outputs
def last_states(x, h, c, Wf, Wi, Wo, Wg):
    cache = []
    for x_t in x:
        hx = np.hstack([h, x_t])
        f, i, o, g = sigmoid(hx @ Wf + 1), sigmoid(hx @ Wi), sigmoid(hx @ Wo), np.tanh(hx @ Wg)
        c_prev, c = c, f * c + i * g
        h = o * np.tanh(c)
        cache.append((hx, f, i, o, g, c_prev, c))
    return (h, c), cache


def last_states_forward(x, h, c, Wf, Wi, Wo, Wg):
    return last_states(x, h, c, Wf, Wi, Wo, Wg)[0]


def last_states_backward(g_out, x, h0, c0, Wf, Wi, Wo, Wg):
    cache, (dh, dc) = last_states(x, h0, c0, Wf, Wi, Wo, Wg)[1], g_out
    dx, dWf, dWi, dWo, dWg = np.zeros(x.shape), 0 * Wf, 0 * Wi, 0 * Wo, 0 * Wg
    for t in reversed(range(len(x))):
        hx, f, i, o, g, c_prev, c = cache[t]
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        df, di, do, dg = dc * c_prev, dc * g, dh * np.tanh(c), dc * i
        df, di, do, dg = df * f * (1 - f), di * i * (1 - i), do * o * (1 - o), dg * (1 - g ** 2)
        dWf, dWi, dWo, dWg = dWf + hx.T @ df, dWi + hx.T @ di, dWo + hx.T @ do, dWg + hx.T @ dg
        dhx = df @ Wf.T + di @ Wi.T + do @ Wo.T + dg @ Wg.T
        dh, dx[t] = dhx[:, :h0.shape[1]], dhx[:, h0.shape[1]:]
        dc = dc * f
    return dx, dh, dc, dWf, dWi, dWo, dWg


def gates(d, n):
    return d.weights(d.D, n * d.H), d.weights(d.H, n * d.H), d.bias(n * d.H)


def lstm_dict(d):
    return {"W" + k: d.weights(d.H, d.H + d.D) for k in "fico"} | {"b" + k: d.bias(d.H, 1) for k in "fico"}


def draw_last_states(d):
    return d.data(d.T, d.B, d.D), d.state(d.B, d.H), d.state(d.B, d.H), *(d.weights(d.H + d.D, d.H) for _ in range(4))


KINDS = [
    Kind("lstm_step", with_cache(lstm_step_forward, lstm_step_backward), lambda d: (
        d.data(d.B, d.D), d.state(d.B, d.H), d.state(d.B, d.H), *gates(d, 4))),
    Kind("lstm_batch_first", with_cache(lstm_forward, lstm_backward), lambda d: (
        d.data(d.B, d.T, d.D), d.state(d.B, d.H), *gates(d, 4))),
    Kind("lstm_cell_columns", with_cache(lstm_cell_columns, lstm_cell_columns_backward), lambda d: (
        d.data(d.D, d.B), d.state(d.H, d.B), d.state(d.H, d.B), lstm_dict(d))),
    Kind("lstm_columns", with_cache(lstm_columns, lstm_columns_backward), lambda d: (
        d.data(d.D, d.B, d.T), d.state(d.H, d.B), lstm_dict(d))),
    Kind("lstm_peephole", with_cache(peephole_forward, peephole_backward), lambda d: (
        d.data(d.T, d.B, d.D), d.state(d.B, d.H), d.state(d.B, d.H), *gates(d, 4), *(d.bias(d.H) for _ in range(3)))),
    Kind("lstm_coupled_loss", with_loss(coupled_loss), lambda d: (
        d.data(d.T, d.B, d.D), d.data(d.B, d.H).astype(int), d.state(d.B, d.H), *gates(d, 3))),
    Kind("lstm_last_states", last_states_forward, draw_last_states, last_states_backward),
]
