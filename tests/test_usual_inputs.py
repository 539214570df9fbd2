"""Inputs drawn as people usually draw them: the check's random weights must not equal them, or wrong formulas could hide.

Drawn in the same way, the weights would *be* x. Then x.T @ x could replace x.T @ g, and a product would be symmetric by
accident. A function that is constant along x, such as x / |x|, would have no gradient to compare.
"""


import numpy as np
import pytest
from bank import L2, MATMUL, SOFTMAX, SQUARE, STANDARDIZED, TANH, WAYS, WITHOUT_SEED, Wrong, pair, quietly, relative_errors
from thorough import THOROUGH

from minigrad import gradcheck, taylor_test

SEEDS = range(21)
AFFINE = (lambda x, W, b: x @ W + b, [lambda g, W: g @ W.T, lambda g, x: x.T @ g, lambda g: g.sum(axis=0)])
PRODUCT = (lambda a, b: a * b, [lambda g, b: g * b, lambda g, a: g * a])

HIDDEN = {  # (function, right formulas), wrong ones by argument, shapes
    "l2 norm: zero": (L2, {0: lambda g: 0 * g}, (3, 4)),
    "l2 norm: doubled": (L2, {0: lambda g, y, x: 2 * (g - y * (g * y).sum()) / np.sqrt((x * x).sum())}, (5,)),
    "layer norm: 1/std missing": (
        STANDARDIZED, {0: lambda g, y: g - g.mean(axis=-1, keepdims=True) - y * (g * y).mean(axis=-1, keepdims=True)}, (3, 4)),
    "layer norm: zero": (STANDARDIZED, {0: lambda g: 0 * g}, (3, 4)),
    "softmax: zero": (SOFTMAX, {0: lambda g: 0 * g}, (3, 4)),
    "x @ W: dW transposed": (MATMUL, {1: lambda g, x: g.T @ x}, (4, 5), (5, 5)),
    "x @ W: x for g in dW": (MATMUL, {1: lambda g, x: x.T @ x}, (4, 5), (5, 5)),
    "x @ W: W for g in dx": (MATMUL, {0: lambda g, W: W @ W.T}, (4, 4), (4, 4)),
    "x^2: x for g": (SQUARE, {0: lambda g, x: 2 * x * x}, (3, 4)),
    "tanh: x for g": (TANH, {0: lambda g, y, x: x * (1 - y * y)}, (4,)),
    "a b: b for g": (PRODUCT, {0: lambda g, b: b * b}, (3, 3), (3, 3)),
    "a b: a for g": (PRODUCT, {1: lambda g, a: a * a}, (3, 3), (3, 3)),
    "x W + b: x for g in db": (AFFINE, {2: lambda g, x: x.sum(axis=0)}, (3, 4), (4, 4), (4,)),
    "x W + b: g ignored in db": (AFFINE, {2: lambda g: 0 * g[0] + len(g)}, (3, 4), (4, 5), (5,)),
}


def draws(name, way, every):
    """The function with its wrong formula and inputs, for each seed; for some seeds if time is short."""
    (function, formulas), bad, *shapes = HIDDEN[name]
    start = list(HIDDEN).index(name) % every
    for seed in [0] if way in WITHOUT_SEED else SEEDS if THOROUGH else SEEDS[start::every]:
        usual = WAYS[way](seed)
        draw = Wrong(*pair(function, formulas, bad), [usual(shape) for shape in shapes])
        if max(quietly(relative_errors, draw)) > 1e-3:  # else the formula is right for these inputs
            yield seed, draw


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", HIDDEN)
def test_a_wrong_formula_is_refused(name, way):
    for seed, draw in draws(name, way, every=20):
        for of_check in {0, seed} if THOROUGH else {seed}:
            report = gradcheck(draw.f, *draw.inputs, seed=of_check, hints="none")  # to find out what is wrong takes longer
            assert not report, f"inputs of {way} {seed}, check with seed {of_check}:\n{report}"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", HIDDEN)
def test_the_taylor_test_refuses_it_too(name, way):
    for seed, draw in draws(name, way, every=3):
        for of_check in {0, seed}:
            report = taylor_test(draw.f, *draw.inputs, seed=of_check)
            assert not report, f"inputs of {way} {seed}, check with seed {of_check}:\n{report}"


@pytest.mark.parametrize("name", HIDDEN)
def test_the_right_formula_is_not(name):
    for seed, draw in draws(name, "normal", every=10):
        assert gradcheck(draw.truth, *draw.inputs), seed
        assert taylor_test(draw.truth, *draw.inputs), seed
