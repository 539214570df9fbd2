"""What the report says of a wrong gradient: the mistake that was planted, and never another one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import gradcheck, op
from minigrad.layers import LSTMCell

pytestmark = pytest.mark.usefixtures("clean_registry")

RIGHT = {  # forward, and the derivative from output and input
    "tanh": (np.tanh, lambda x, y: 1 - y * y),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda x, y: y * (1 - y)),
    "exp": (np.exp, lambda x, y: y),
    "cube": (lambda x: x ** 3, lambda x, y: 3 * x * x),
    "sine": (np.sin, lambda x, y: np.cos(x)),
}
FAMILIES = {  # what is planted, and what a right diagnosis contains
    "negated": (lambda g, x, y, slope: -g * slope, "sign is flipped"),
    "doubled": (lambda g, x, y, slope: 2 * g * slope, "is 2 times what it should be"),
    "divided by the length": (lambda g, x, y, slope: g * slope / len(x), "1/3: is it divided by a length"),
    "zero": (lambda g, x, y, slope: 0.0 * g, "zero everywhere"),
    "transposed": (lambda g, x, y, slope: (g * slope).swapaxes(0, 1), "transposed: axes 0 and 1"),
    "reversed": (lambda g, x, y, slope: (g * slope)[::-1], "reversed along axis 0"),
    "rolled": (lambda g, x, y, slope: np.roll(g * slope, 1, axis=1), "rolled by 1 along axis 1"),
    "g ignored": (lambda g, x, y, slope: slope + 0.0 * g, "is ignored: this is the gradient for g = 1"),
    "passed through": (lambda g, x, y, slope: g, "it is g itself"),
    "another function's": (lambda g, x, y, slope: g * x * (1 - x), "x (1 - x)"),
    "first row lost": (lambda g, x, y, slope: g * slope * (np.arange(3) > 0)[:, None], "zero there at index 0 of axis 0"),
    "negative inputs lost": (lambda g, x, y, slope: g * slope * (x > 0), "zero there where the input is negative"),
    "something else": (lambda g, x, y, slope: g * (slope + 0.1 * x * x * y + 0.05), "no simple pattern"),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("function", RIGHT)
@settings(max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_the_planted_mistake_is_named_first(function, family, seed):
    forward, derivative = RIGHT[function]
    plant, expected = FAMILIES[family]

    @op(lambda g, x, y: plant(g, x, y, derivative(x, y)))
    def student(x):
        return forward(x)

    x = np.random.default_rng(seed).uniform(0.2, 2, (3, 3)) * np.where(np.eye(3), -1, 1)
    (row,) = gradcheck(student, x, seed=seed).rows
    assert row.verdict == "WRONG"
    assert expected in row.notes[0]


def test_what_is_right_gets_no_diagnosis():
    assert gradcheck(mg.tanh, np.ones((2, 2))).rows[0].notes == ()


def test_a_bias_summed_over_the_wrong_axis():
    @op(lambda g: g, lambda g: g.sum(axis=1))
    def add_bias(x, b):
        return x + b

    row = gradcheck(add_bias, np.ones((3, 3)), np.ones(3)).rows[1]
    assert row.verdict == "WRONG" and "g summed over axis 1" in row.notes[0]


def test_a_cell_whose_h_part_never_gets_its_gradient():
    class Cell(LSTMCell):
        def forward(self, x, state):
            return super().forward(x, (state[0].detach(), state[1]))

    rng = np.random.default_rng(0)
    report = gradcheck(Cell(2, 3, rng=rng), rng.normal(size=(2, 2)), (rng.normal(size=(2, 3)), rng.normal(size=(2, 3))))
    assert [(row.name, row.notes[0][:23]) for row in report.rows if row.verdict == "WRONG"] == [
        ("state[0]", "it is zero everywhere: ")]
