"""Mistakes that people really made in gradients written by hand: LSTM, with peepholes too, and GRU.

They have the form of mistakes_by_hand.py.
"""

import numpy as np
from mistakes_by_hand import ACTIVATION, CARRY, GATES, Mistake, normal, sigmoid, sizes

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


IN_GATES = [
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
    Mistake("sigma' missing", ACTIVATION, lstm, (
        "the derivative of sigmoid is missing", "the gradient of o", "the gradient of h")),
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
