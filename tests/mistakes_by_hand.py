"""Mistakes that people really made in gradients written by hand: recurrent networks. mistakes_beyond_time.py has the others.

Each is a right forward, a backward in which the mistake can be switched on by its name, and what a report may say of it: a note
on a wrong input is right if it contains one of these texts, and misleading otherwise. test_mistakes_by_hand.py judges.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass
class Mistake:
    """build(mistake, rng, variant) gives forward, backward and the inputs; variants have other sizes. said: a note may say this."""

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
        factors = []
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


# -- LSTM ---------------------------------------------------------------------------------------------


def lstm(m, rng, variant):
    T, B, D, H = sizes(variant)

    def forward(x, h0, C0, Wf, Wi, Wc, Wo, bf, bi, bc, bo):
        h, C, hs = h0, C0, []
        for t in range(T):
            z = np.concatenate([h, x[t]], axis=1)
            f = sigmoid(z @ Wf + bf)
            i = sigmoid(z @ Wi + bi)
            u = np.tanh(z @ Wc + bc)
            o = sigmoid(z @ Wo + bo)
            C = f * C + i * u
            h = o * np.tanh(C)
            hs.append(h)
        return np.stack(hs), C

    def backward(g, x, h0, C0, Wf, Wi, Wc, Wo, bf, bi, bc, bo):
        ghs, gC = g
        h, C, steps, Cs = h0, C0, [], [C0]
        for t in range(T):
            z = np.concatenate([h, x[t]], axis=1)
            zf = z @ Wf + bf
            f, i, u, o = sigmoid(zf), sigmoid(z @ Wi + bi), np.tanh(z @ Wc + bc), sigmoid(z @ Wo + bo)
            C = f * C + i * u
            h = o * np.tanh(C)
            Cs.append(C)
            steps.append((z, zf, f, i, u, o, np.tanh(C)))
        dW, db = [np.zeros_like(W) for W in (Wf, Wi, Wc, Wo)], [np.zeros_like(b) for b in (bf, bi, bc, bo)]
        dx, dh_next, dC_next = np.zeros_like(x), np.zeros_like(h0), gC
        for t in reversed(range(T)):
            z, zf, f, i, u, o, tanh_C = steps[t]
            old, tanh_of = (Cs[t - 1] if m == "LSTM-15" else Cs[t]), (np.tanh(Cs[t]) if m == "LSTM-15" else tanh_C)
            dh = ghs[t] + (0 if m == "LSTM-13" else dh_next)
            slope = 1 - np.tanh(tanh_C if m == "LSTM-01" else Cs[t + 1]) ** 2
            if m == "LSTM-15":
                slope = 1 - tanh_of ** 2
            through_h = dh * o * (1 if m == "no tanh'" else slope)
            dC = through_h + (0 if m == "LSTM-05" else dC_next)
            if m == "h unused":
                dC = dC_next
            df = dC * old * f * (1 - f)
            if m == "LSTM-03":
                df = dC * old * sigmoid(zf)
            di = dC * u * i * (1 - i)
            if m == "LSTM-07":
                di = dC_next * u + through_h * u * i * (1 - i)
            du = dC * i * (1 - u ** 2)
            if m == "gates exchanged":
                du = dC * f * (1 - u ** 2)
            do = dh * (Cs[t + 1] if m == "LSTM-11" else tanh_of) * o * (1 - o)
            if m == "sigma' missing":
                do = dh * tanh_C
            for k, d in enumerate((df, di, du, do)):
                dW[k] += z.T @ d
                db[k] += (df if m == "LSTM-09" and k in (1, 3) else d).sum(axis=0)
            dz = df @ Wf.T + di @ Wi.T + du @ Wc.T + do @ Wo.T
            dh_next, dx[t], dC_next = dz[:, :H], dz[:, H:], dC * f
            if m == "carry by i":
                dC_next = dC * i
        return dx, dh_next, dC_next, *dW, *db

    return forward, backward, normal(rng, (T, B, D), (B, H), (B, H), *4 * [(H + D, H)], *4 * [H])


def peephole(m, rng, variant):
    T, B, D, H = sizes(variant)

    def forward(x, h0, C0, W, pf, pi, po, b):
        h, C, hs = h0, C0, np.zeros((T, B, H))
        for t in range(T):
            a = np.hstack([h, x[t]]) @ W + b
            f = sigmoid(a[:, :H] + pf * C)
            i = sigmoid(a[:, H:2 * H] + pi * C)
            u = np.tanh(a[:, 2 * H:3 * H])
            C = f * C + i * u
            o = sigmoid(a[:, 3 * H:] + po * C)
            h = o * np.tanh(C)
            hs[t] = h
        return hs

    def backward(g, x, h0, C0, W, pf, pi, po, b):
        h, C, steps = h0, C0, []
        for t in range(T):
            z, old = np.hstack([h, x[t]]), C
            a = z @ W + b
            f, i, u = sigmoid(a[:, :H] + pf * C), sigmoid(a[:, H:2 * H] + pi * C), np.tanh(a[:, 2 * H:3 * H])
            C = f * C + i * u
            o = sigmoid(a[:, 3 * H:] + po * C)
            h = o * np.tanh(C)
            steps.append((z, old, f, i, u, o, C))
        dx, dW, db, dpf, dpi, dpo = (np.zeros_like(a) for a in (x, W, b, pf, pi, po))
        dh_next, dC_next = np.zeros((B, H)), np.zeros((B, H))
        for t in reversed(range(T)):
            z, old, f, i, u, o, C = steps[t]
            dh = g[t] + dh_next
            do = dh * np.tanh(C) * o * (1 - o)
            dC = dC_next + dh * o * (1 - np.tanh(C) ** 2) + (0 if m == "no peephole o" else do * po)
            df, di, du = dC * old * f * (1 - f), dC * u * i * (1 - i), dC * i * (1 - u ** 2)
            da = np.hstack([df, di, du, do])
            dW, db = dW + z.T @ da, db + da.sum(axis=0)
            dpf, dpi, dpo = dpf + (df * old).sum(axis=0), dpi + (di * old).sum(axis=0), dpo + (do * C).sum(axis=0)
            dC_next = dC * f + (0 if m == "LSTM-17" else df * pf + di * pi)
            dz = da @ W.T
            dh_next, dx[t] = dz[:, :H], dz[:, H:]
        return dx, dh_next, dC_next, dW, dpf, dpi, dpo, db

    return forward, backward, normal(rng, (T, B, D), (B, H), (B, H), (H + D, 4 * H), H, H, H, 4 * H)


# -- GRU ----------------------------------------------------------------------------------------------


def gru(m, rng, variant):
    T, B, D, H = sizes(variant)

    def forward(x, h0, Wz, Wr, Wn, Uz, Ur, Un, bz, br, bn):
        h, hs = h0, []
        for t in range(T):
            z = sigmoid(x[t] @ Wz + h @ Uz + bz)
            r = sigmoid(x[t] @ Wr + h @ Ur + br)
            n = np.tanh(x[t] @ Wn + (r * h) @ Un + bn)
            h = z * h + (1 - z) * n
            hs.append(h)
        return np.stack(hs)

    def backward(g, x, h0, Wz, Wr, Wn, Uz, Ur, Un, bz, br, bn):
        h, steps = h0, []
        for t in range(T):
            z, r = sigmoid(x[t] @ Wz + h @ Uz + bz), sigmoid(x[t] @ Wr + h @ Ur + br)
            n = np.tanh(x[t] @ Wn + (r * h) @ Un + bn)
            steps.append((h, z, r, n))
            h = z * h + (1 - z) * n
        dx, dW, dU = np.zeros_like(x), [np.zeros_like(W) for W in (Wz, Wr, Wn)], [np.zeros_like(U) for U in (Uz, Ur, Un)]
        db, carry = [np.zeros_like(b) for b in (bz, br, bn)], np.zeros_like(h0)
        for t in reversed(range(T)):
            h, z, r, n = steps[t]
            dh = g[t] + carry
            dn, dz, back = dh * (1 - z), dh * (h - n), dh * z
            if m == "GRU-02":
                dn, dz, back = dh * z, dh * (n - h), dh * (1 - z)
            if m == "z h lost":
                back = 0 * back
            dn, dz = dn * (1 - n ** 2), dz * z * (1 - z)
            through = dn @ Un.T
            dr = through * h * r * (1 - r)
            if m == "GRU-04":
                back = back + (dn * r) @ Un.T
            else:
                back = back + (0 if m == "r h lost" else through * r)
            carry = back + dz @ Uz.T + (0 if m == "GRU-06" else dr @ Ur.T)
            dx[t] = dz @ Wz.T + dr @ Wr.T + dn @ Wn.T
            for k, (d, before) in enumerate(((dz, h), (dr, h), (dn, h if m == "r missing" else r * h))):
                dW[k] += x[t].T @ d
                dU[k] += before.T @ d
                db[k] += d.sum(axis=0)
        return dx, carry, *dW, *dU, *db

    return forward, backward, normal(rng, (T, B, D), (B, H), *3 * [(D, H)], *3 * [(H, H)], *3 * [H])


CARRY, ACTIVATION, GATES, WEIGHTS, BIAS = "carry", "activation derivative", "gates", "weights over time", "bias"
RECURRENT = [
    Mistake("RNN-01", CARRY, rnn, ("the carry is lost",)),
    Mistake("RNN-03", CARRY, rnn, ("Wh is not transposed",)),
    Mistake("RNN-05", ACTIVATION, rnn, ("1 + y^2 stands where 1 - y^2",)),
    Mistake("RNN-07", ACTIVATION, rnn, ("1 - tanh(y)^2",)),
    Mistake("RNN-09", CARRY, matrix_product_order, ("the gradient of x is right in step",)),
    Mistake("RNN-11", WEIGHTS, rnn, ("it is zero everywhere", "c is lost")),
    Mistake("RNN-13", CARRY, two_directions, ("it is right for", "in indices", "np.tanh(x[t] @ V + k @ Wb)")),
    Mistake("one direction", CARRY, two_directions, ("x[t] in x[t] @ V",)),
    Mistake("no slope in the carry", CARRY, rnn, ("the gradient of h is used where that of h @ Wh",)),
    Mistake("carry lost once", CARRY, rnn, ("lost at one step", "carry is lost", "only the last step passes")),
    Mistake("new h for old", WEIGHTS, rnn, ("the new h",)),
    Mistake("overwritten", WEIGHTS, rnn, ("overwritten instead of added",)),
    Mistake("first row", BIAS, rnn, ("the first row", "only index 0 of axis 1")),
    Mistake("state returned", CARRY, rnn, ("it is the value of h",)),
    Mistake("LSTM-01", ACTIVATION, lstm, ("1 - tanh(y)^2",)),
    Mistake("LSTM-03", ACTIVATION, lstm, ("f = sigmoid(z @ Wf + bf)",)),
    Mistake("LSTM-05", CARRY, lstm, ("nothing flows back through C",)),
    Mistake("LSTM-07", GATES, lstm, ("i = sigmoid(z @ Wi + bi)",)),
    Mistake("LSTM-09", GATES, lstm, ("it is the gradient of bf", "the gradient of z @ Wf + bf")),
    Mistake("LSTM-11", GATES, lstm, ("C stands where np.tanh(C)",)),
    Mistake("LSTM-13", CARRY, lstm, ("through h",)),
    Mistake("LSTM-15", GATES, lstm, ("C of the step before",)),
    Mistake("no tanh'", ACTIVATION, lstm, ("the derivative of tanh is missing", "the gradient of")),
    Mistake("h unused", CARRY, lstm, ("np.tanh(C)", "output 1")),
    Mistake("gates exchanged", GATES, lstm, ("f stands where i",)),
    Mistake("sigma' missing", ACTIVATION, lstm, ("the derivative of sigmoid is missing", "the gradient of o", "the gradient of h")),
    Mistake("carry by i", GATES, lstm, ("i stands where f",)),
    Mistake("LSTM-17", CARRY, peephole, ("pf * C",)),
    Mistake("no peephole o", CARRY, peephole, ("C in po * C",)),
    Mistake("GRU-02", GATES, gru, ("exchanged",)),
    Mistake("GRU-04", GATES, gru, ("r * h", "(r * h) @ Un")),
    Mistake("GRU-06", CARRY, gru, ("h in h @ Ur", "h @ Ur")),
    Mistake("z h lost", CARRY, gru, ("h in z * h",)),
    Mistake("r h lost", CARRY, gru, ("h in r * h",)),
    Mistake("r missing", GATES, gru, ("stands where r * h",)),
]
