"""A report says no more than what was seen: each case has numbers that invite a sentence which is not true of the code."""

import numpy as np

from minigrad import gradcheck


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
