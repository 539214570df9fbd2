"""A report says no more than what was seen: each case has numbers that invite a sentence which is not true of the code."""

import numpy as np
import pytest

from minigrad import gradcheck, with_cache, with_loss


def normal(*shapes):
    rng = np.random.default_rng(5)
    return [rng.normal(size=shape) for shape in shapes]


def said(*arguments, **options):
    report = gradcheck(*arguments, **options)
    assert not report
    return str(report).replace("\n  ", " ")


def test_nan_without_g_is_no_term_without_g():
    def divided_by_its_norm(g, x, W):
        dW = x.T @ g
        return g @ W.T, dW / np.linalg.norm(dW)

    text = said(np.matmul, *normal((4, 3), (3, 2)), backward=divided_by_its_norm)
    assert "not multiplied by g" not in text and "not linear in g" in text


def test_nan_without_g_is_wrong_even_if_all_else_is_right():
    def by_and_times_the_norm(g, x):
        return g / np.linalg.norm(g) * np.linalg.norm(g) * np.cos(x)

    assert "for g = 0 it must be zero, and it is NaN" in said(np.sin, *normal((4, 3)), backward=by_and_times_the_norm)


def unroll(x, W, U):
    h, hs = np.zeros((2, 3)), []
    for x_t in x:
        h = np.tanh(x_t @ W + h @ U)
        hs.append(h)
    return np.stack(hs)


def test_a_step_that_gives_nothing_is_no_evidence_for_later_ones():
    """U gets nothing from step 0, where the state is zero, whatever the formula: the slopes are wrong in all steps."""
    def back(d, x, hs, slopes, W, U):
        dx, dW, dU, dh = np.zeros_like(x), 0 * W, 0 * U, 0
        for t in reversed(range(len(x))):
            dz = (d[t] + dh) * slopes[t]
            dx[t], dh = dz @ W.T, dz @ U.T
            dW += x[t].T @ dz
            dU += (hs[t - 1] if t else np.zeros((2, 3))).T @ dz
        return dx, dW, dU

    def residual_backward(d, x, W, U, V, R):
        a = unroll(x, W, U)
        c = unroll(a, V, R)
        da, dV, dR = back(d, a, a + c, 1 - (a + c) ** 2, V, R)
        return *back(d + da, x, a, 1 - a * a, W, U), dV, dR

    text = said(lambda x, W, U, V, R: (a := unroll(x, W, U)) + unroll(a, V, R),
                *normal((4, 2, 2), (2, 3), (3, 3), (3, 3), (3, 3)), backward=residual_backward)
    assert "comes with what flows back from later steps" not in text
    assert "U, R: it is wrong for what arrives at step 1 and later ones of the output, and zero, as it should be, for" in text


def test_one_factor_that_gives_one_norm_is_clipping():
    (x,) = normal((4, 3))

    def loss(W, V):
        h = np.tanh(x @ W)
        e = h @ V
        dV, dW = h.T @ (2 * e), x.T @ (2 * e @ V.T * (1 - h * h))
        norm = np.sqrt((dV ** 2).sum() + (dW ** 2).sum())
        return (e ** 2).sum(), 0.25 / norm * dW, 0.25 / norm * dV

    text = said(with_loss(loss), *normal((3, 5), (5, 2)))
    assert "their common norm is 0.25" in text and "one error" not in text


def test_a_value_is_not_the_probabilities_of_itself():
    """Without positive targets the gradient of p is 1 / (1 - p): what is wrong is the second derivative of the sigmoid."""
    def loss(x, w):
        p = 1 / (1 + np.exp(-(x @ w)))
        y = np.zeros(p.shape)
        value = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
        d = (p - y) / p.size * p * (1 - p)
        return value, np.outer(d, w), x.T @ d

    assert "is used as the gradient" not in said(with_loss(loss), *normal((4, 3), (3,)))


def test_what_is_read_once_has_no_first_times():
    def loss(x, U):
        h, hs = x[:, 0], []
        for t in range(x.shape[1]):
            h = np.tanh(x[:, t] + h @ U)
            hs.append(h)
        p = np.sin(hs[-1] @ U)
        dh = np.cos(hs[-1] @ U) @ U.T
        dU, dx = hs[-1].T @ np.cos(hs[-1] @ U), np.zeros_like(x)
        dh = dh + 0.3 * np.cos(hs[-1])  # the error
        for t in reversed(range(x.shape[1])):
            dz = dh * (1 - hs[t] ** 2)
            dx[:, t] = dz
            dU += (hs[t - 1] if t else x[:, 0]).T @ dz
            dh = dz @ U.T
        dx[:, 0] += dh
        return p.sum(), dx, dU

    text = said(with_loss(loss), *normal((2, 4, 3), (3, 3)))
    assert "follows from one error" in text and "times that this line runs" not in text


def test_what_is_lost_altogether_is_not_the_carry_alone():
    def forward(x, h, U):
        hs, zs = [h], []
        for x_t in x:
            z = x_t + hs[-1] @ U
            hs.append(np.where(z > 0, z, 0.1 * z))
            zs.append(z)
        return np.stack(hs[1:]), (hs, zs, U)

    def backward(g, cache):
        (hs, zs, U), dx, dh = cache, np.zeros_like(g), 0
        dU = np.zeros_like(U)
        for t in reversed(range(len(g))):
            dx[t] = (g[t] + dh) * (zs[t] > 0)
            dU += hs[t].T @ dx[t]
            dh = dx[t] @ U.T
        return dx, dh, dU

    text = said(with_cache(forward, backward), *normal((4, 2, 3), (2, 3), (3, 3)))
    assert "carry" not in text and "0.1 * z" in text


def test_halves_of_a_feature_axis_are_not_steps():
    text = said(lambda x: np.sin(x), *normal((3, 6)), backward=lambda g, x: np.roll(g, 3, axis=1) * np.cos(x))
    assert "g were rolled by 3, so that its halves are exchanged, along axis 1" in text and "a step too many" not in text


@pytest.mark.parametrize(("spread", "end"), (
    (lambda a: ((a - a.mean(axis=0)) ** 2).mean(axis=0), "to a - a.mean(axis=0) in (a - a.mean(axis=0)) ** 2"),
    (lambda a: a.var(axis=0), "to a in a.var(axis=0)"),
))
def test_a_factor_may_be_that_of_the_mean_further_back(spread, end):
    """The mean in the variance is divided by n - 1 on the way back."""
    def forward(a):
        sd = np.sqrt(spread(a) + 0.1)
        return a / sd

    def backward(g, a):
        sd = np.sqrt(spread(a) + 0.1)
        dvar = -(g * a).sum(axis=0) / sd ** 2 * 0.5 / sd
        return g / sd + 2 * (a - a.mean(axis=0)) * dvar / (len(a) - 1)

    assert end in said(forward, *normal((4, 3)), backward=backward)
