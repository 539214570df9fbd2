"""Right passes by hand: recurrent networks with two directions, layers, masks, skip connections and losses."""

import numpy as np
from bank_by_hand_kinds import Kind, softmax

from minigrad import with_cache, with_loss


def run(x, h0, Wx, Wh, b):
    hs = [h0]
    for x_t in x:
        hs.append(np.tanh(x_t @ Wx + hs[-1] @ Wh + b))
    return np.stack(hs)


def run_backward(dhs, x, hs, Wx, Wh):
    dx, dWx, dWh, db, dh = np.zeros(x.shape), 0 * Wx, 0 * Wh, np.zeros(len(Wh)), np.zeros_like(hs[0])
    for t in reversed(range(len(x))):
        dz = (dhs[t] + dh) * (1 - hs[t + 1] ** 2)
        dx[t], dh = dz @ Wx.T, dz @ Wh.T
        dWx, dWh, db = dWx + x[t].T @ dz, dWh + hs[t].T @ dz, db + dz.sum(axis=0)
    return dx, dh, dWx, dWh, db


def both_ways(x, hf, hb, Wxf, Whf, bf, Wxb, Whb, bb):
    ahead, back = run(x, hf, Wxf, Whf, bf)[1:], run(x[::-1], hb, Wxb, Whb, bb)[1:]
    return np.concatenate([ahead, back[::-1]], axis=2)


def both_ways_backward(g, x, hf, hb, Wxf, Whf, bf, Wxb, Whb, bb):
    H = hf.shape[1]
    gf, gb = g[:, :, :H], g[:, :, H:]
    dxf, dhf, dWxf, dWhf, dbf = run_backward(gf, x, run(x, hf, Wxf, Whf, bf), Wxf, Whf)
    dxb, dhb, dWxb, dWhb, dbb = run_backward(gb[::-1], x[::-1], run(x[::-1], hb, Wxb, Whb, bb), Wxb, Whb)
    dx = dxf + dxb[::-1]
    return dx, dhf, dhb, dWxf, dWhf, dbf, dWxb, dWhb, dbb


def two_layers(x, layers):
    caches = []
    for layer in layers:
        hs = run(x, layer["h0"], layer["Wx"], layer["Wh"], layer["b"])
        caches.append((x, hs, layer))
        x = hs[1:]
    return x, caches


def two_layers_backward(dout, caches):
    grads = []
    for x, hs, layer in reversed(caches):
        dx, dh0, dWx, dWh, db = run_backward(dout, x, hs, layer["Wx"], layer["Wh"])
        grads.append({"h0": dh0, "Wx": dWx, "Wh": dWh, "b": db})
        dout = dx
    return dout, grads[::-1]


def masked(x, mask, h0, Wx, Wh, b):
    h, hs, news = h0, [h0], []
    for t in range(len(x)):
        new = np.tanh(x[t] @ Wx + h @ Wh + b)
        h = mask[t] * new + (1 - mask[t]) * h
        hs.append(h)
        news.append(new)
    return h, (x, mask, hs, news, Wx, Wh)


def masked_backward(dh, cache):
    x, mask, hs, news, Wx, Wh = cache
    dx, dWx, dWh, db = np.zeros(x.shape), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(len(Wh))
    for t in reversed(range(len(x))):
        dnew = dh * mask[t]
        dz = dnew * (1 - news[t] ** 2)
        dx[t] = dz @ Wx.T
        dWx += x[t].T @ dz
        dWh += hs[t].T @ dz
        db += dz.sum(axis=0)
        dh = dz @ Wh.T + dh * (1 - mask[t])
    return dx, None, dh, dWx, dWh, db


def last_of_each(x, lengths, h0, Wx, Wh, b):
    hs = run(x, h0, Wx, Wh, b)
    return hs[lengths, np.arange(len(lengths))]


def last_of_each_backward(g, x, lengths, h0, Wx, Wh, b):
    hs = run(x, h0, Wx, Wh, b)
    rows = np.arange(len(lengths))
    dhs = np.zeros_like(hs)
    dhs[lengths, rows] = g
    return {key: d for key, d in zip(("dx", "dh0", "dWx", "dWh", "db"), run_backward(dhs[1:], x, hs, Wx, Wh))}


def rectified(x, h0, Wx, Wh, b):
    hs = [h0]
    for x_t in x:
        hs.append(np.maximum(0, x_t @ Wx + hs[-1] @ Wh + b))
    return np.array(hs[1:]), (x, hs, Wx, Wh)


def rectified_backward(dhs, cache):
    x, hs, Wx, Wh = cache
    dx, dWx, dWh, db, dh = np.zeros(x.shape), 0 * Wx, 0 * Wh, np.zeros(len(Wh)), np.zeros_like(hs[0])
    for t in reversed(range(len(x))):
        dh = dhs[t] + dh
        dz = dh * (hs[t + 1] > 0)
        dx[t] = dz @ Wx.T
        dWx, dWh, db = dWx + x[t].T @ dz, dWh + hs[t].T @ dz, db + dz.sum(axis=0)
        dh = dz @ Wh.T
    return dx, dh, dWx, dWh, db


def with_skip(x, h0, W, U):
    hs, us = [h0], []
    for x_t in x:
        us.append(np.tanh(x_t @ W + hs[-1] @ U))
        hs.append(hs[-1] + us[-1])
    return np.stack(hs[1:]), (x, hs, us, W, U)


def with_skip_backward(dhs, cache):
    x, hs, us, W, U = cache
    dx, dW, dU, carry = np.zeros(x.shape), 0 * W, 0 * U, np.zeros_like(hs[0])
    for t in reversed(range(len(x))):
        dh = dhs[t] + carry
        dz = dh * (1 - us[t] ** 2)
        dx[t] = dz @ W.T
        dW += x[t].T @ dz
        dU += hs[t].T @ dz
        carry = dh + dz @ U.T
    return {"x": dx, "h0": carry, "W": dW, "U": dU}


def leaky(x, h0, Wx, Wh, alpha):
    hs, us = [h0], []
    for x_t in x:
        us.append(np.tanh(x_t @ Wx + hs[-1] @ Wh))
        hs.append((1 - alpha) * hs[-1] + alpha * us[-1])
    return np.stack(hs[1:]), (x, hs, us, Wx, Wh, alpha)


def leaky_backward(dhs, cache):
    x, hs, us, Wx, Wh, alpha = cache
    dx, dWx, dWh, dalpha, dh = np.zeros(x.shape), 0 * Wx, 0 * Wh, 0 * alpha, np.zeros_like(hs[0])
    for t in reversed(range(len(x))):
        dh = dhs[t] + dh
        dalpha += (dh * (us[t] - hs[t])).sum(axis=0)
        dz = dh * alpha * (1 - us[t] ** 2)
        dx[t] = dz @ Wx.T
        dWx += x[t].T @ dz
        dWh += hs[t].T @ dz
        dh = (1 - alpha) * dh + dz @ Wh.T
    return dx, dh, dWx, dWh, dalpha


def linear(x, h0, a, b):
    hs = [h0]
    for x_t in x:
        hs.append(a * hs[-1] + b * x_t)
    return np.array(hs[1:])


def linear_backward(g, x, h0, a, b):
    hs = np.concatenate([h0[None], linear(x, h0, a, b)])
    da, db, dx, dh = 0.0, 0.0, np.zeros(x.shape), np.zeros_like(h0)
    for t in range(len(x) - 1, -1, -1):
        dh = g[t] + dh
        da += np.sum(dh * hs[t])
        db += np.sum(dh * x[t])
        dx[t] = b * dh
        dh = a * dh
    return dx, dh, da, db


def tagging_loss(x, y, h0, params):
    T, N = y.shape
    hs = run(x, h0, params["Wx"], params["Wh"], params["b"])
    probs = softmax(hs[1:] @ params["Wy"])
    loss = -np.log(np.take_along_axis(probs, y[:, :, None], axis=2)).sum() / (N * T)
    dscores = probs.copy()
    dscores[np.arange(T)[:, None], np.arange(N), y] -= 1
    dscores /= N * T
    grads = {"Wy": np.einsum("tnh,tnv->hv", hs[1:], dscores)}
    dhs = dscores @ params["Wy"].T
    _, grads["h0"], grads["Wx"], grads["Wh"], grads["b"] = run_backward(dhs, x, hs, params["Wx"], params["Wh"])
    return loss, grads


def caption_loss(features, captions, params):
    caption_in, caption_out = captions[:, :-1], captions[:, 1:]
    N, T = caption_in.shape
    mask = caption_out != 0
    h0 = features @ params["W_proj"] + params["b_proj"]
    x = params["W_embed"][caption_in].transpose(1, 0, 2)
    hs = run(x, h0, params["Wx"], params["Wh"], params["b"])
    h = hs[1:].transpose(1, 0, 2)
    probs = softmax(h @ params["W_vocab"] + params["b_vocab"])
    loss = -np.sum(mask * np.log(np.take_along_axis(probs, caption_out[..., None], 2)[..., 0])) / N
    dscores = probs
    dscores[np.arange(N)[:, None], np.arange(T), caption_out] -= 1
    dscores *= mask[..., None] / N
    grads = {"W_vocab": np.einsum("nth,ntv->hv", h, dscores), "b_vocab": dscores.sum(axis=(0, 1))}
    dhs = (dscores @ params["W_vocab"].T).transpose(1, 0, 2)
    dx, dh0, grads["Wx"], grads["Wh"], grads["b"] = run_backward(dhs, x, hs, params["Wx"], params["Wh"])
    grads["W_embed"] = np.zeros_like(params["W_embed"])
    np.add.at(grads["W_embed"], caption_in, dx.transpose(1, 0, 2))
    grads["W_proj"], grads["b_proj"] = features.T @ dh0, dh0.sum(axis=0)
    return loss, grads


def layer(d, D):
    return d.weights(D, d.H), d.weights(d.H, d.H), d.bias(d.H)


def draw_layers(d):
    return d.data(d.T, d.B, d.D), [dict(zip(("h0", "Wx", "Wh", "b"), (d.state(d.B, d.H), *layer(d, D)))) for D in (d.D, d.H)]


def draw_mask(d):
    lengths = 1 + d.numbers(d.T, d.B)
    return d.data(d.T, d.B, d.D), (np.arange(d.T)[:, None] < lengths)[..., None].astype(int), d.state(d.B, d.H), *layer(d, d.D)


def draw_tagging(d):
    params = dict(zip(("Wx", "Wh", "b", "Wy"), (*layer(d, d.D), d.weights(d.H, d.V))))
    return d.data(d.T, d.B, d.D), d.numbers(d.V, d.T, d.B), d.state(d.B, d.H), params


def draw_caption(d):
    shapes = {"W_proj": (3, d.H), "W_embed": (d.V, d.D), "Wx": (d.D, d.H), "Wh": (d.H, d.H), "W_vocab": (d.H, d.V)}
    params = {name: d.weights(*shape) for name, shape in shapes.items()}
    params |= {"b_proj": d.bias(d.H), "b": d.bias(d.H), "b_vocab": d.bias(d.V)}
    captions = d.numbers(d.V, d.B, d.T + 1)
    captions[0, 1] = 1
    return d.data(d.B, 3), captions, params


KINDS = [
    Kind("rnn_bidirectional", both_ways, lambda d: (
        d.data(d.T, d.B, d.D), d.state(d.B, d.H), d.state(d.B, d.H), *layer(d, d.D), *layer(d, d.D)), both_ways_backward),
    Kind("rnn_stacked", with_cache(two_layers, two_layers_backward), draw_layers),
    Kind("rnn_masked", with_cache(masked, masked_backward), draw_mask),
    Kind("rnn_lengths", last_of_each, lambda d: (
        d.data(d.T, d.B, d.D), 1 + d.numbers(d.T, d.B), d.state(d.B, d.H), *layer(d, d.D)), last_of_each_backward),
    Kind("rnn_relu", with_cache(rectified, rectified_backward), lambda d: (
        d.normal(d.T, d.B, d.D), d.state(d.B, d.H), *layer(d, d.D)[:2], d.bias(d.H))),
    Kind("rnn_skip", with_cache(with_skip, with_skip_backward), lambda d: (
        d.data(d.T, d.B, d.D), d.state(d.B, d.H), *layer(d, d.D)[:2])),
    Kind("rnn_leaky", with_cache(leaky, leaky_backward), lambda d: (
        d.data(d.T, d.B, d.D), d.state(d.B, d.H), *layer(d, d.D)[:2], d.rng.random(d.H))),
    Kind("rnn_linear", linear, lambda d: (
        d.data(d.T, d.B), d.state(d.B), np.array(d.normal()), np.array(d.normal())), linear_backward),
    Kind("rnn_tagging_loss", with_loss(tagging_loss), draw_tagging),
    Kind("rnn_caption_loss", with_loss(caption_loss), draw_caption),
]
