"""What a report says of a mistake is true of the code that was written; in doubt it says less. Each case has a sentence that must
be there, and words of a false one that lay near."""

import re

import numpy as np
import pytest

from minigrad import gradcheck, with_cache, with_loss


def normal(*shapes):
    rng = np.random.default_rng(5)
    return [rng.normal(size=shape) for shape in shapes]


def char_loss(m):
    """A character RNN with embeddings, for two sequences; h0 is not zero."""
    def loss(index, targets, E, Wx, Wh, Wy, h0):
        (N, T), hs, ps, L = index.shape, {-1: h0}, {}, 0.0
        for t in range(T):
            hs[t] = np.tanh(E[index[:, t]] @ Wx + hs[t - 1] @ Wh)
            logits = hs[t] @ Wy
            e = np.exp(logits - logits.max(axis=1, keepdims=True))
            ps[t] = e / e.sum(axis=1, keepdims=True)
            L += -np.log(ps[t][np.arange(N), targets[:, t]]).sum() / (N * T)
        dE, dWx, dWh, dWy, dh_next = (np.zeros_like(a) for a in (E, Wx, Wh, Wy, h0))
        for t in reversed(range(T)):
            dlogits = ps[t].copy()
            dlogits[np.arange(N), targets[:, t]] -= m != "no 1"
            dlogits /= N * T
            dh = dlogits @ Wy.T + dh_next
            dz = dh * (1 - hs[t - 1 if m == "slope of the step before" else t] ** 2)
            dWy += hs[t].T @ dlogits
            dWx += E[index[:, t]].T @ dz
            dWh += hs[t - 1].T @ dz
            dx = dz @ Wx.T
            if m == "assigned":
                dE[index[:, t]] = dx
            elif m == "+=":
                dE[index[:, t]] += dx
            else:
                np.add.at(dE, targets[:, t] if m == "rows of the targets" else index[:, t], dx)
            dh_next = dz @ Wh.T if t % 2 or m != "truncated" else np.zeros_like(h0)
        if m == "clipped":
            dE, dWx, dWh, dWy = (np.clip(d, -0.4, 0.4) for d in (dE, dWx, dWh, dWy))
        return L, {"E": dE, "Wx": dWx, "Wh": dWh, "Wy": dWy, "h0": dh_next}

    index, targets = np.array([[1, 2, 1, 1], [1, 0, 3, 3]]), np.array([[2, 1, 1, 0], [0, 3, 3, 1]])
    return with_loss(loss), (index, targets, *normal((4, 2), (2, 3), (3, 3), (3, 4), (2, 3)))


def classes(m):
    def forward(x, W):
        s, n = x @ W, np.arange(len(x))
        s = s - s.max(axis=1, keepdims=True)
        p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
        return -np.log(p[n, n]).mean(), (x, W, p)

    def backward(g, cache):
        x, W, p = cache
        ds = g / len(x) * (p - (0 if m == "no 1" else np.eye(*p.shape)))
        return ds @ W.T, x.T @ ds

    return with_cache(forward, backward), normal((2, 3), (3, 5))


def last_state(m):
    """Only the last state is read."""
    def forward(x, W, V):
        hs = [np.zeros((2, 3))]
        for x_t in x:
            hs.append(np.tanh(x_t @ W + hs[-1]))
        return hs[-1] @ V, (x, hs, W, V)

    def backward(g, cache):
        x, hs, W, V = cache
        dx, dW, dh = np.zeros_like(x), np.zeros_like(W), g @ V.T
        for t in reversed(range(len(x))):
            dh = dh * (1 - hs[t + 1] ** 2)
            dx[t], dW = dh @ W.T, dW + x[t].T @ dh
        return dx, dW, hs[-2 if m == "state before" else -1].T @ g

    return with_cache(forward, backward), normal((3, 2, 2), (2, 3), (3, 2))


def decoder(m):
    """Additive attention, with keys from before the loop, and a gate written on one line."""
    def forward(S, h, A, W):
        keys, hs, store = S @ A, [], []
        for _ in range(3):
            u = np.tanh(keys + h)
            k = 1 / (1 + np.exp(-(u @ W)))
            store.append((u, k))
            h = k.sum(axis=0)
            hs.append(h)
        return np.stack(hs), (S, A, W, store)

    def backward(g, cache):
        S, A, W, store = cache
        dkeys, dW, dh = 0, 0, 0
        for t in reversed(range(3)):
            u, k = store[t]
            da = (dh + g[t]) * k * (1 - k) * (-1 if m == "sign" else 1)
            du = da @ W.T * (1 - u ** 2)
            dW, dh = dW + u.T @ da, du.sum(axis=0)
            dkeys = du if m == "keys assigned" else dkeys + du
        return dkeys @ A.T, dh, S.T @ dkeys, dW

    return with_cache(forward, backward), normal((2, 3), 4, (3, 4), (4, 4))


def half_tanh(v):
    return (1 + np.tanh(v / 2)) / 2


def stable(v):
    p, e = v >= 0, np.ones_like(v)
    z = np.exp(np.where(p, -v, v))
    e[~p] = z[~p]
    return e / (1 + z)


def gate(m, sigmoid):
    def forward(x, W, U, u):
        a = x @ W
        r, z = sigmoid(a), sigmoid(x @ U)
        return r * z * u, (x, W, U, r, z, u)

    def backward(g, cache):
        x, W, U, r, z, u = cache
        dr, dz = g * z * u * r * (1 - r), g * r * u * (z if m == "no 1 - z" else z * (1 - z))
        return dr @ W.T + dz @ U.T, x.T @ dr, x.T @ dz, (g * r * z).sum(axis=0)

    return with_cache(forward, backward), normal((2, 3), (3, 4), (3, 4), 4)


def residual(m):
    def forward(x, skip, A, B):
        h = x + np.tanh(x @ A)
        return skip + np.maximum(h @ B, 0), (x, A, B, h)

    def backward(g, cache):
        x, A, B, h = cache
        du = g * (m == "no mask" or h @ B > 0)
        dh, t = du @ B.T, np.tanh(x @ A)
        da = dh * (1 - t ** 2)
        dA, dB = x.T @ da, h.T @ du
        dA, dB = {"one for the other": (dB, dB), "exchanged": (dB, dA)}.get(m, (dA, dB))
        return da @ A.T + dh, g * (m != "skip is lost"), dA, dB

    return with_cache(forward, backward), normal((4, 3), (4, 3), (3, 3), (3, 3))


def attention(m):
    def forward(q, k, v):
        s = q @ k.T / np.sqrt(5)
        e = np.exp(s - s.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        return q + p @ v, (q, k, v, p)

    def backward(g, cache):
        q, k, v, p = cache
        dp = g @ v.T
        if m == "without the sum":
            ds = p * dp
        else:
            ds = p * (dp - (p * dp).sum(axis=1, keepdims=True))
        ds = ds * 0.7 * q.mean() if m == "factor" else ds / np.sqrt(5)
        return g + ds @ k, ds.T @ q, p.T @ g

    return with_cache(forward, backward), normal((3, 4), (4, 4), (4, 4))


def normalised(m):
    """In steps, of which each has one result."""
    def forward(x, w):
        off = x - x.mean(axis=0)
        var = (off ** 2).mean(axis=0)
        root = np.sqrt(var + 0.1)
        inv = 1 / root
        n = off * inv
        return n * w, (off, root, inv, n, w)

    def backward(g, cache):
        off, root, inv, n, w = cache
        dn = g * w
        dinv = (dn * off).sum(axis=0)
        droot = -dinv * (inv if m == "not squared" else inv * inv * (inv if m == "cubed" else 1))
        dvar = droot / root * (1 if m == "no 1/2" else -0.5 if m == "sign of a root" else 0.5)
        doff = dn * inv + off * dvar * 2 / len(off)
        return doff - doff.mean(axis=0), (g * n).sum(axis=0)

    return with_cache(forward, backward), normal((5, 3), 3)


def joined(m):
    def forward(x, h, W, V):
        both = np.concatenate([np.tanh(x @ W), h], axis=1)
        return both @ V, (x, W, V, both)

    def backward(g, cache):
        x, W, V, both = cache
        d = g @ V.T
        da, dh = (d[:, 4:], d[:, :4]) if m == "cut the wrong way" else (d[:, :4], d[:, 4:])
        da = da * (1 - both[:, :4] ** 2)
        return da @ W.T, dh, x.T @ da, both.T @ g

    return with_cache(forward, backward), normal((2, 3), (2, 4), (3, 4), (8, 5))


def walk(xs, h, W):
    hs = [h]
    for x in xs:
        h = np.tanh(x + h @ W)
        hs.append(h)
    return hs


def walk_back(gs, hs, W, m=""):
    dx, dW, dh = [], 0, 0
    for g, h, before in zip(gs[::-1], hs[:0:-1], hs[-2::-1]):
        da = (g + dh) * (1 if m == "no slope" else 1 - h ** 2)
        dx, dW, dh = [da, *dx], dW + before.T @ da, da @ W.T
    return np.stack(dx), dh, dW


def directions(m):
    """One function, called for both directions."""
    def forward(x, h, k, W, V):
        there, back = walk(x, h, W), walk(x[::-1], k, V)
        return np.concatenate([np.stack(there[1:]), np.stack(back[:0:-1])], axis=2), (there, back, W, V)

    def backward(g, cache):
        there, back, W, V = cache
        ahead, behind = g[:, :, :3], g[:, :, 3:]
        dx, dh, dW = walk_back(ahead, there, W, m)
        dy, dk, dV = walk_back(behind if m == "g not reversed" else behind[::-1], back, V, m)
        return dx + dy[::-1], dh, dk, dW, dV

    return with_cache(forward, backward), normal((4, 2, 3), (2, 3), (2, 3), (3, 3), (3, 3))


def layers(m):
    """One function, called for both layers."""
    def forward(x, h, k, W, V):
        one = walk(x, h, W)
        two = walk(np.stack(one[1:]), k, V)
        return np.stack(two[1:]), (one, two, W, V)

    def backward(g, cache):
        one, two, W, V = cache
        d, dk, dV = walk_back(g, two, V, m)
        return *walk_back(d, one, W, m)[:2], dk, walk_back(d, one, W, m)[2], dV

    return with_cache(forward, backward), normal((4, 2, 3), (2, 3), (2, 3), (3, 3), (3, 3))


CASES = [
    (normalised, "not squared", "the factor inv is missing in what goes back, somewhere on the way from inv", "back to inv"),
    (normalised, "cubed", "the factor root is missing in what goes back, somewhere on the way from inv", "stands where"),
    (normalised, "no 1/2", "what goes back counts twice, somewhere on the way from inv", "back to off"),
    (normalised, "sign of a root", "what goes back has the wrong sign, somewhere on the way from inv", "back to off"),
    (joined, "cut the wrong way", "x, h, W: all that is wrong follows from one error, in the gradient of both, or where it is",
     "errors"),
    (directions, "g not reversed", "x, k, V: what arrives at h of the call walk(x[::-1], k, V), except the carry from the next "
     "step, has the right numbers in wrong places: it is reversed from step to step", r"walk\(x, h"),
    (layers, "no slope", "x, h, k, W, V: the derivative of tanh is missing in what goes back to x + h @ W in np", "of the call"),
    (char_loss, "no 1", "ps[t] / 8 itself is used as the gradient of logits: something", "lost|between"),
    (classes, "no 1", "p / 2 itself is used as the gradient of s: something", "lost|between"),
    (char_loss, "slope of the step before", "hs[t] of the step before (at step 0 the initial state) is used in", "throughout"),
    (char_loss, "assigned", "what is taken several times in E[index[:, t]] does not get all", "only what goes"),
    (char_loss, "+=", "what is taken several times in E[index[:, t]] does not get all", "only what goes"),
    (char_loss, "rows of the targets", "only what goes into E itself is wrong", "back to E"),
    (char_loss, "truncated", "nothing flows back from the first step to the initial state", "nor to the initial|lost: nothing"),
    (char_loss, "clipped", "it is clipped at 0.4", "follows|only what goes"),
    (last_state, "state before", "np.tanh(x_t @ W + hs[-1]) of step 1 stands where hs[-1] is right", "throughout"),
    (lambda m: gate(m, half_tanh), "no 1 - z", "y stands where y (1 - y), sigmoid's derivative, is right", r"\bv\b|argument"),
    (lambda m: gate(m, stable), "no 1 - z", "y stands where y (1 - y), sigmoid's derivative, is right", r"\bv\b|argument"),
    (decoder, "keys assigned", "S, A: of what goes back to keys in keys + h only the first step counts", "through keys"),
    (decoder, "sign", "what goes back has the wrong sign, somewhere on the way from h", "back to 1"),
    (residual, "skip is lost", "what goes back to skip in skip + np.maximum(h @ B, 0) is lost", "everywhere"),
    (residual, "no mask", "the derivative of maximum is missing", "gradient of h"),
    (residual, "one for the other", "A: it is the gradient of B", "exchanged"),
    (residual, "exchanged", "A, B: the gradients of A and B are exchanged", "it is the"),
    (attention, "without the sum", "what goes back to e in e.sum(axis=1, keepdims=True) is lost", r"s\.max"),
    (attention, "factor", "p @ v, or on the way back from there to what goes back to q @ k.T", "between"),
]


@pytest.mark.parametrize(("build", "mistake", "said", "not_said"), CASES, ids=[case[1] for case in CASES])
def test_what_is_said_is_true(build, mistake, said, not_said):
    f, inputs = build(mistake)
    report = gradcheck(f, *inputs)
    assert not report and gradcheck(build("")[0], *inputs)
    text = "\n".join(line for line in str(report).replace("\n  ", " ").splitlines() if re.match(r"[\w, ]+: ", line))
    text = re.sub(r" \(line \d+: .*?\)(?=$|, or on)", "", text, flags=re.MULTILINE)
    assert said in text and not re.search(not_said, text), report
