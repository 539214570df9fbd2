"""Right passes by hand: recurrent networks without gates, in the conventions in which courses write them."""

import numpy as np
from bank_by_hand_kinds import Kind, softmax

from minigrad import with_cache, with_loss


# batch first, one step apart, (out, cache)
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dz = dnext_h * (1 - next_h ** 2)
    dx = dz @ Wx.T
    dprev_h = dz @ Wh.T
    dWx = x.T @ dz
    dWh = prev_h.T @ dz
    db = dz.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


def rnn_forward(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    h, caches, prev = np.zeros((N, T, h0.shape[1])), [], h0
    for t in range(T):
        prev, cache = rnn_step_forward(x[:, t], prev, Wx, Wh, b)
        h[:, t] = prev
        caches.append(cache)
    return h, caches


def rnn_backward(dh, caches):
    N, T, H = dh.shape
    D = caches[0][0].shape[1]
    dx, dWx, dWh, db = np.zeros((N, T, D)), np.zeros((D, H)), np.zeros((H, H)), np.zeros(H)
    dprev_h = np.zeros((N, H))
    for t in reversed(range(T)):
        dx[:, t], dprev_h, dWx_t, dWh_t, db_t = rnn_step_backward(dh[:, t] + dprev_h, caches[t])
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    dh0 = dprev_h
    return dx, dh0, dWx, dWh, db


# time first, forward and backward, all states with the first in one array
def states(x, h0, Wx, Wh, b):
    hs = [h0]
    for x_t in x:
        hs.append(np.tanh(x_t @ Wx + hs[-1] @ Wh + b))
    return np.stack(hs)


def all_states(x, h0, Wx, Wh, b):
    return states(x, h0, Wx, Wh, b)[1:]


def all_states_backward(dhs, x, h0, Wx, Wh, b):
    hs = states(x, h0, Wx, Wh, b)
    T = len(x)
    dx, dWx, dWh, db = np.zeros(x.shape), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    dh = np.zeros_like(h0)
    for t in range(T - 1, -1, -1):
        dtotal = dhs[t] + dh
        dz = dtotal * (1 - hs[t + 1] ** 2)
        dx[t] = dz @ Wx.T
        dWx += x[t].T @ dz
        dWh += hs[t].T @ dz
        db += dz.sum(axis=0)
        dh = dz @ Wh.T
    return dx, dh, dWx, dWh, db


def states_and_last(x, h0, Wx, Wh, b):
    hs = states(x, h0, Wx, Wh, b)[1:]
    return hs, hs[-1]


def states_and_last_backward(g, x, h0, Wx, Wh, b):
    dhs, dlast = g
    hs = states(x, h0, Wx, Wh, b)
    grads = {"x": np.zeros(x.shape), "Wx": 0 * Wx, "Wh": 0 * Wh, "b": 0 * b}
    dh = dlast
    for t in reversed(range(len(x))):
        dz = (dhs[t] + dh) * (1 - hs[t + 1] ** 2)
        grads["x"][t] = dz @ Wx.T
        grads["Wx"] += x[t].T @ dz
        grads["Wh"] += hs[t].T @ dz
        grads["b"] += dz.sum(axis=0)
        dh = dz @ Wh.T
    grads["h0"] = dh
    return grads


# many to one, and a projection at each step
def classify(x, h0, Wx, Wh, b, Wy, by):
    hs = states(x, h0, Wx, Wh, b)
    return hs[-1] @ Wy + by, (x, hs, Wx, Wh, Wy)


def classify_backward(dy, cache):
    x, hs, Wx, Wh, Wy = cache
    dx, dWx, dWh, db = np.zeros(x.shape), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(len(Wh))
    dWy, dby = hs[-1].T @ dy, dy.sum(axis=0)
    dh = dy @ Wy.T
    for t in reversed(range(len(x))):
        dz = dh * (1 - hs[t + 1] ** 2)
        dx[t] = dz @ Wx.T
        dWx += x[t].T @ dz
        dWh += hs[t].T @ dz
        db += dz.sum(0)
        dh = dz @ Wh.T
    return dx, dh, dWx, dWh, db, dWy, dby


def outputs(x, h0, p):
    return states(x, h0, p["Wx"], p["Wh"], p["bh"])[1:] @ p["Wy"] + p["by"]


def outputs_backward(dy, x, h0, p):
    hs = states(x, h0, p["Wx"], p["Wh"], p["bh"])
    d = {"d" + name: np.zeros_like(w) for name, w in p.items()}
    d["dx"], dh_next = np.zeros(x.shape), np.zeros_like(h0)
    for t in range(len(x))[::-1]:
        d["dWy"] += hs[t + 1].T @ dy[t]
        d["dby"] += dy[t].sum(axis=0)
        dh = dy[t] @ p["Wy"].T + dh_next
        draw = dh * (1 - hs[t + 1] * hs[t + 1])
        d["dbh"] += draw.sum(axis=0)
        d["dWx"] += x[t].T @ draw
        d["dWh"] += hs[t].T @ draw
        d["dx"][t] = draw @ p["Wx"].T
        dh_next = draw @ p["Wh"].T
    d["dh0"] = dh_next
    return d


# columns are examples, time last, parameters in a dict, caches in a list
def rnn_cell_forward(xt, a_prev, parameters):
    Wax, Waa, Wya, ba, by = (parameters[name] for name in ("Wax", "Waa", "Wya", "ba", "by"))
    a_next = np.tanh(np.dot(Wax, xt) + np.dot(Waa, a_prev) + ba)
    yt_pred = softmax(np.dot(Wya, a_next) + by, axis=0)
    return a_next, yt_pred, (a_next, a_prev, xt, parameters)


def rnn_cell_backward(da_next, cache):
    a_next, a_prev, xt, parameters = cache
    Wax, Waa = parameters["Wax"], parameters["Waa"]
    dtanh = (1 - a_next ** 2) * da_next
    dxt = np.dot(Wax.T, dtanh)
    dWax = np.dot(dtanh, xt.T)
    da_prev = np.dot(Waa.T, dtanh)
    dWaa = np.dot(dtanh, a_prev.T)
    dba = np.sum(dtanh, axis=1, keepdims=True)
    return {"dxt": dxt, "da_prev": da_prev, "dWax": dWax, "dWaa": dWaa, "dba": dba}


def rnn_columns(x, a0, parameters):
    a, y, caches, a_next = [], [], [], a0
    for t in range(x.shape[2]):
        a_next, yt, cache = rnn_cell_forward(x[:, :, t], a_next, parameters)
        a.append(a_next)
        y.append(yt)
        caches.append(cache)
    return np.stack(a, axis=2), np.stack(y, axis=2), (caches, x)


def rnn_columns_backward(da, caches):
    caches, x = caches
    n_x, m, T_x = x.shape
    n_a = da.shape[0]
    dx, dWax, dWaa, dba = np.zeros((n_x, m, T_x)), np.zeros((n_a, n_x)), np.zeros((n_a, n_a)), np.zeros((n_a, 1))
    da_prevt = np.zeros((n_a, m))
    for t in reversed(range(T_x)):
        gradients = rnn_cell_backward(da[:, :, t] + da_prevt, caches[t])
        da_prevt = gradients["da_prev"]
        dx[:, :, t] = gradients["dxt"]
        dWax += gradients["dWax"]
        dWaa += gradients["dWaa"]
        dba += gradients["dba"]
    da0 = da_prevt
    return {"dx": dx, "da0": da0, "dWax": dWax, "dWaa": dWaa, "dba": dba}


# one character after the other, weights as globals, loss and gradients from one call
Wxh = Whh = Why = bh = by = np.zeros((1, 1))


def char_loss(inputs, targets, hprev):
    xs, hs, ps = {}, {-1: np.copy(hprev)}, {}
    loss = 0
    for t in range(len(inputs)):
        xs[t] = np.zeros((Wxh.shape[1], 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
        ps[t] = softmax(Why @ hs[t] + by, axis=0)
        loss += -np.log(ps[t][targets[t], 0])
    dWxh, dWhh, dWhy, dbh, dby = (np.zeros_like(w) for w in (Wxh, Whh, Why, bh, by))
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWhy += dy @ hs[t].T
        dby += dy
        dh = Why.T @ dy + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw
        dWxh += dhraw @ xs[t].T
        dWhh += dhraw @ hs[t - 1].T
        dhnext = Whh.T @ dhraw
    for d in (dWxh, dWhh, dWhy, dbh, dby):
        np.clip(d, -500, 500, out=d)
    return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs) - 1]


def draw_char(d):
    globals().update(Wxh=d.weights(d.H, d.V), Whh=d.weights(d.H, d.H), Why=d.weights(d.V, d.H), bh=d.bias(d.H, 1),
                     by=d.bias(d.V, 1))
    return d.numbers(d.V, d.T).tolist(), d.numbers(d.V, d.T).tolist(), d.state(d.H, 1)


def time_first(d):
    return d.data(d.T, d.B, d.D), d.state(d.B, d.H), d.weights(d.D, d.H), d.weights(d.H, d.H), d.bias(d.H)


def columns(d):
    return {"Wax": d.weights(d.H, d.D), "Waa": d.weights(d.H, d.H), "Wya": d.weights(d.V, d.H), "ba": d.bias(d.H, 1),
            "by": d.bias(d.V, 1)}


def draw_outputs(d):
    x, h0, Wx, Wh, b = time_first(d)
    return x, h0, {"Wx": Wx, "Wh": Wh, "bh": b, "Wy": d.weights(d.H, d.V), "by": d.bias(d.V)}


KINDS = [
    Kind("rnn_step", with_cache(rnn_step_forward, rnn_step_backward), lambda d: (d.data(d.B, d.D), *time_first(d)[1:])),
    Kind("rnn_batch_first", with_cache(rnn_forward, rnn_backward), lambda d: (d.data(d.B, d.T, d.D), *time_first(d)[1:])),
    Kind("rnn_time_first", all_states, time_first, all_states_backward),
    Kind("rnn_states_and_last", states_and_last, time_first, states_and_last_backward),
    Kind("rnn_many_to_one", with_cache(classify, classify_backward),
         lambda d: (*time_first(d), d.weights(d.H, d.V), d.bias(d.V))),
    Kind("rnn_projection", outputs, draw_outputs, outputs_backward),
    Kind("rnn_cell_columns", with_cache(rnn_cell_forward, rnn_cell_backward, take=1),
         lambda d: (d.data(d.D, d.B), d.state(d.H, d.B), columns(d))),
    Kind("rnn_columns", with_cache(rnn_columns, rnn_columns_backward, take=1),
         lambda d: (d.data(d.D, d.B, d.T), d.state(d.H, d.B), columns(d))),
    Kind("char_rnn", lambda: with_loss(char_loss, gradients=("Wxh", "Whh", "Why", "bh", "by")), draw_char, later=True),
]
