"""The report on a wrong gradient names the planted mistake, and never another one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thorough import examples

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
    "halved": (lambda g, x, y, slope: g * slope / 2, "is 0.5 times what it should be (or only one of 2 uses"),
    "divided by the length": (lambda g, x, y, slope: g * slope / len(x), "1/3: is it divided by a length"),
    "off by a millionth": (lambda g, x, y, slope: g * slope * (1 + 1e-5), "is 1.00001 times what"),
    "zero": (lambda g, x, y, slope: 0.0 * g, "zero everywhere"),
    "transposed": (lambda g, x, y, slope: (g * slope).swapaxes(0, 1), "transposed: axes 0 and 1"),
    "reversed": (lambda g, x, y, slope: (g * slope)[::-1], "reversed along axis 0"),
    "rolled": (lambda g, x, y, slope: np.roll(g * slope, 1, axis=1), "rolled by 1 along axis 1"),
    "g transposed": (lambda g, x, y, slope: g.swapaxes(0, 1) * slope, "if g were transposed: axes 0 and 1 are exchanged"),
    "misplaced": (lambda g, x, y, slope: (g * slope).ravel()[[4, 0, 1, 2, 8, 3, 5, 7, 6]].reshape(3, 3), "in the wrong places"),
    "g ignored": (lambda g, x, y, slope: slope + 0.0 * g, "is ignored: this is the gradient for g = 1"),
    "g of one row": (lambda g, x, y, slope: g * slope * (np.arange(3) == 1)[:, None], "only index 1 of axis 0 of the output"),
    "g averaged": (lambda g, x, y, slope: g.mean(axis=1, keepdims=True) * slope, "g is averaged over axis 1"),
    "passed through": (lambda g, x, y, slope: g, "it is g itself"),
    "a superfluous factor": (lambda g, x, y, slope: g * slope * x, "the factor x is superfluous"),
    "a factor missing": (lambda g, x, y, slope: g * slope / x, "a factor x is missing"),
    "another function's": (lambda g, x, y, slope: g * x * (1 - x), "x (1 - x)"),
    "a term missing": (lambda g, x, y, slope: g * slope - 2 * g * x * y, "the term + 2 g times x y is missing"),
    "first row lost": (lambda g, x, y, slope: g * slope * (np.arange(3) > 0)[:, None], "index 0 of axis 0 of the output is left"),
    "negative inputs lost": (lambda g, x, y, slope: g * slope * (x > 0), "it is zero where the input is negative"),
    "negative inputs flipped": (lambda g, x, y, slope: g * slope * np.sign(x), "sign is flipped where the input is negative"),
    "one entry": (lambda g, x, y, slope: g * slope * np.where(np.arange(9).reshape(3, 3) == 5, 1.5, 1),
                  "the only wrong entry is [1, 2]"),
    "nearly right": (lambda g, x, y, slope: g * slope * (1 + 1e-3 * np.sin(7 * x)), "nearly right"),
    "something else": (lambda g, x, y, slope: g * (slope + 0.1 * x * x * np.cos(y) + 0.05), "no simple pattern"),
}


def wrong_reports(function, family, seed):
    forward, derivative = RIGHT[function]
    plant = FAMILIES[family][0]

    @op(lambda g, x, y: plant(g, x, y, derivative(x, y)))
    def student(x):
        return forward(x)

    x = np.random.default_rng(seed).uniform(0.2, 2, (3, 3)) * np.where(np.eye(3), -1, 1)
    return gradcheck(student, x, seed=seed).rows


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("function", RIGHT)
@examples(1)
@given(seed=st.integers(0, 10_000))
def test_the_planted_mistake_is_named(function, family, seed):
    (row,) = wrong_reports(function, family, seed)
    assert row.verdict == "WRONG"
    assert any(FAMILIES[family][1] in note for note in row.notes), row.notes


def test_what_is_right_gets_no_diagnosis():
    assert gradcheck(mg.tanh, np.ones((2, 2))).rows[0].notes == ()


def notes_of(f, *inputs, of):
    (row,) = [row for row in gradcheck(f, *inputs).rows if row.name == of]
    assert row.verdict == "WRONG"
    return row.notes


def normal(*shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in shapes]


@pytest.mark.parametrize(("formula", "expected"), [
    (lambda g, x, W: g @ W, "it would be right if W were transposed"),
    (lambda g, x, W: W @ g, "it is W @ g, and g @ W.T is right"),
    (lambda g, x, W: (g @ W.swapaxes(0, 1)).swapaxes(0, 1), "transposed: axes 0 and 1"),
    (lambda g, x, W: x.swapaxes(0, 1) @ g, "it is the gradient of W"),
    (lambda g, x, W: g @ x.swapaxes(0, 1), "x is used where W is right"),
])
def test_matrix_products(formula, expected):
    @op(formula, lambda g, x: x.swapaxes(0, 1) @ g)
    def product(x, W):
        return x @ W

    assert any(expected in note for note in notes_of(product, *normal((3, 3), (3, 3)), of="x"))


@pytest.mark.parametrize(("slope", "expected"), [
    (lambda y: 1, "the factor 1 - y^2, tanh's derivative, is missing"),
    (lambda y: y * (1 - y), "y (1 - y), sigmoid's derivative, stands where 1 - y^2, tanh's derivative, is right"),
    (lambda y: (1 - y * y) ** 2, "the factor (1 - y^2) is superfluous"),
])
def test_the_activation_inside_a_layer(slope, expected):
    @op(lambda g, y, W: (g * (1 - y * y)) @ W.swapaxes(0, 1), lambda g, y, x: x.swapaxes(0, 1) @ (g * slope(y)),
        lambda g, y: g * (1 - y * y))
    def dense(x, W, b):
        return np.tanh(x @ W + b)

    assert any(expected in note for note in notes_of(dense, *normal((5, 3), (3, 4), 4), of="W"))


@pytest.mark.parametrize(("formula", "expected"), [
    (lambda g: g.sum(axis=1), "summed over the wrong axis of the output, 1"),
    (lambda g: g.mean(axis=0), "1/3: is it divided by a length"),
    (lambda g: g[-1], "of several uses of an entry only the last counts"),
    (lambda g: g[0], "only index 0 of axis 0 of the output counts"),
])
def test_a_bias(formula, expected):
    @op(lambda g: g, formula)
    def add_bias(x, b):
        return x + b

    assert any(expected in note for note in notes_of(add_bias, *normal((3, 3), 3), of="b"))


def test_repeated_indices_that_are_overwritten():
    def overwrite(g, x_shape, index):
        total = np.zeros(x_shape)
        total[index] = g
        return total

    @op(overwrite)
    def lookup(x, *, index):
        return x[index]

    notes = notes_of(lambda x: lookup(x, index=[3, 0, 3, 1, 0]), *normal((4, 2)), of="x")
    assert ("of several uses of an entry only the last counts: is it overwritten instead of added up, or are the others lost?"
            in notes[0])


@pytest.mark.parametrize(("axes", "wrong", "expected"), [
    ((1, 2, 0), (1, 2, 0), "transposed: its axes are those of the right one in the order (2, 0, 1)"),
    ((1, 0, 2), (0, 1, 2), "axes 0 and 1 are exchanged"),
])
def test_axes_in_a_wrong_order(axes, wrong, expected):
    @op(lambda g: g.transpose(wrong))
    def moved(x):
        return x.transpose(axes)

    assert any(expected in note for note in notes_of(moved, *normal((3, 3, 3)), of="x"))


@pytest.mark.parametrize(("formula", "expected"), [
    (lambda g, x, y: mg.where(g.reshape(-1, 1), 0.0, mask=x == x), "g, repeated along axis 1"),
    (lambda g, x, y: mg.where(g.reshape(-1, 1), 0.0, mask=x < y.reshape(-1, 1)), "zero where it should not be"),
])
def test_masks_of_a_maximum(formula, expected):
    @op(formula)
    def largest(x):
        return x.max(axis=1)

    assert any(expected in note for note in notes_of(largest, *normal((4, 3)), of="x"))


def test_softmax_without_its_sum():
    @op(lambda g, y: g * y)
    def softmax(x):
        return mg.softmax(x, axis=-1)

    assert "the term - y sum(g y), summed along axis 1, is missing" in notes_of(softmax, *normal((3, 4)), of="x")


def test_several_outputs():
    def backward(g, x):
        return g[0] * (1 - np.tanh(x) ** 2) + g[2] * np.exp(x)

    report = gradcheck(lambda x: (np.tanh(x), np.sin(x), np.exp(x)), *normal((3, 2)), backward=backward)
    assert report.rows[0].notes[0] == "the gradient that arrives at output 1 is lost"


def test_the_part_of_a_weight_that_belongs_to_h():
    H = 4

    @op(lambda g, y, W: (g * y * (1 - y)) @ W[:H].swapaxes(0, 1), lambda g, y, W: (g * y * (1 - y)) @ W[H:].swapaxes(0, 1),
        lambda g, y, h, x: mg.concat(0 * h, x, axis=1).swapaxes(0, 1) @ (g * y * (1 - y)))
    def gate(h, x, W):
        return 1 / (1 + np.exp(-np.concatenate([h, x], axis=1) @ W))

    assert notes_of(gate, *normal((2, H), (2, 3), (H + 3, H)), of="W") == (
        "it is zero in rows 0..3 (as many as h has columns), and right elsewhere",)


def test_a_cell_whose_h_part_never_gets_its_gradient():
    class Cell(LSTMCell):
        def forward(self, x, state):
            return super().forward(x, (state[0].detach(), state[1]))

    rng = np.random.default_rng(0)
    report = gradcheck(Cell(2, 3, rng=rng), rng.normal(size=(2, 2)), (rng.normal(size=(2, 3)), rng.normal(size=(2, 3))))
    (row,) = [row for row in report.rows if row.verdict == "WRONG"]
    assert row.name == "state[0]" and " to state[0]: is there a detach()" in row.notes[0]


@pytest.mark.parametrize("x", [np.ones((2, 2)), np.full((3, 3), 2.0), np.eye(3), np.zeros((2, 2)), np.array([[1.0]])])
def test_special_inputs_give_no_wrong_name(x):
    """With x = 1 the wrong 2x of x^3 is also 2 and 2 x^2: a name must also hold nearby."""
    @op(lambda g, x: 2 * g * x)
    def cube(x):
        return x ** 3

    report = gradcheck(cube, x)
    for note in report.rows[0].notes:
        if x.all() and "no simple" not in note:
            assert any(part in note for part in ("factor x is missing", "g times x; and it is 2", "term")), note


def test_one_wrong_entry_on_a_kink_does_not_silence_the_others():
    def backward(g, x):
        return g * np.where(x >= 0, 3.0, 0.0)

    report = gradcheck(lambda x: 2 * np.maximum(x, 0), np.array([0.0, 1, 2, -3]), backward=backward)
    assert report.rows[0].notes == ("every entry is 1.5 times what it should be (this leaves out entries on kinks)",), report
