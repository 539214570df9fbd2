"""assert_same notices differences, describes them, and leaves nothing changed; right functions pass."""

import random

import numpy as np
import pytest
from wrong_forwards import MISTAKES, MISTAKES_IN_THE_LOOP, student_cell, student_sequence

import minigrad as mg
from minigrad import Tensor, assert_same
from minigrad.layers import GRU, LSTM, RNN, Dropout, GRUCell, Linear, LSTMCell, Module, RNNCell, Sequential, cross_entropy

SEQUENCE = {RNNCell: RNN, LSTMCell: LSTM, GRUCell: GRU}
SIZES = [(3, 4), (4, 4)]  # of input and hidden: equal ones hide what is exchanged from any check of shapes


def state_of(kind, dtype, *shape):
    h, c = np.random.default_rng(1).normal(size=(2, *shape)).astype(dtype)
    return (Tensor(h), Tensor(c)) if kind is LSTMCell else Tensor(h)


def cells(kind, D, H, right="", wrong="", dtype=float):
    rng = np.random.default_rng(0)
    x, state = rng.normal(size=(2, D)).astype(dtype), state_of(kind, dtype, 2, H)
    return student_cell(kind, right, wrong)(D, H, rng=rng, dtype=dtype), kind(D, H, rng=rng, dtype=dtype), x, state


def sequences(kind, D, H, cell_mistake=("", ""), loop_mistake=("", ""), T=5, dtype=float):
    mine, _, _, _ = cells(kind, D, H, *cell_mistake, dtype=dtype)
    rng = np.random.default_rng(0)
    x, state = rng.normal(size=(T, 2, D)).astype(dtype), state_of(kind, dtype, 1, 2, H)
    return student_sequence(mine, *loop_mistake), SEQUENCE[kind](D, H, rng=rng, dtype=dtype), x, state


def message(*arguments):
    with pytest.raises(AssertionError) as raised:
        assert_same(*arguments)
    return str(raised.value)


# -- mistakes, and what is right ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", SEQUENCE)
def test_what_is_right_passes(kind, sizes, dtype):
    assert_same(*cells(kind, *sizes, dtype=dtype))
    assert_same(*sequences(kind, *sizes, dtype=dtype))
    assert_same(*sequences(kind, *sizes, T=100, dtype=dtype))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(("kind", "mistake", "right", "wrong"), MISTAKES)
def test_mistakes_in_a_cell(kind, mistake, right, wrong, sizes):
    assert "differs at index" in message(*cells(kind, *sizes, right, wrong))
    assert "differs at index" in message(*sequences(kind, *sizes, (right, wrong)))


@pytest.mark.parametrize("kind", SEQUENCE)
@pytest.mark.parametrize(("mistake", "right", "wrong"), MISTAKES_IN_THE_LOOP)
def test_mistakes_in_a_loop(kind, mistake, right, wrong):
    assert "differs at index" in message(*sequences(kind, 4, 4, loop_mistake=(right, wrong)))


@pytest.mark.parametrize(("mine", "reference", "inputs"), [
    (lambda x: (x @ x.T) @ x, lambda x: x @ (x.T @ x), [np.random.default_rng(0).normal(size=(50, 50))]),
    (lambda x: (x - x.mean()) ** 2, lambda x: x * x - 2 * x * x.mean() + x.mean() ** 2, [1e6 + np.arange(5.0)]),
    (lambda x: np.exp(x) / np.exp(x).sum(), mg.softmax, [np.linspace(-30, 30, 7)]),
    (lambda x: 0.5 + 0.5 * np.tanh(0.5 * x), mg.sigmoid, [np.linspace(-40, 40, 9)]),
    (lambda x, n: -mg.log(mg.softmax(x)[0, n[0]]), cross_entropy, [Tensor([[2.0, 0.0, -1.0]]), np.array([0])]),
    (lambda x: 1e-20 * x, lambda x: x / 1e20, [np.arange(3.0)]),
    (lambda x: (x, {"h": 1, "c": x > 0}), lambda x: [x + 0, {"c": x > 0, "h": 1}], [np.array([np.inf, -np.inf, np.nan, 1.0])]),
])
def test_another_order_of_the_same_computation_passes(mine, reference, inputs):
    assert_same(mine, reference, *inputs)
    assert_same(reference, mine, *inputs)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_small_differences_count_at_any_scale(scale):
    x = scale * np.array([1.0, -2.0, 3.0])
    assert_same(lambda x: x * (1 + 1e-15), lambda x: x, x)
    assert "[0]" in message(lambda x: x * (1 + 1e-12), lambda x: x, x)
    message(lambda x: x.astype(np.float32).astype(float), lambda x: x / 3 * 3, x / 7)
    assert_same(lambda x: x + np.float32(1e-7) * x, lambda x: x, x.astype(np.float32))
    message(lambda x: x + np.float32(1e-4) * x, lambda x: x, x.astype(np.float32))


def test_a_reference_that_jumps_hides_nothing():
    assert "reference itself changes that much" in message(lambda x: x * 0.9, lambda x: np.where(x >= 1, x, 100 * x), np.ones(2))


# -- what it says -------------------------------------------------------------------------------------


def test_the_message_names_output_index_values_and_time_step():
    wrong = np.zeros((5, 2, 3))
    wrong[2:, 1, 0] = 0.25
    text = message(lambda x: (x, (x + wrong,)), lambda x: (x, (x,)), np.ones((5, 2, 3)))
    assert "output[1][0], of shape (5, 2, 3), differs at index [2, 1, 0]: mine 1.25, reference 1.0" in text
    assert "3 of 30 numbers differ, the first at time step 2 (x is taken as (T, B, D))" in text and "output[0]" not in text
    assert "time step" not in message(lambda x: x + wrong[0], lambda x: x + wrong[4], np.ones((2, 3)))  # a cell has none
    assert "output['h'] differs" in message(lambda x: {"h": x}, lambda x: {"h": -x}, 1.0).replace(", of shape (),", "")


@pytest.mark.parametrize(("mine", "reference", "words"), [
    (lambda x: (x, x), lambda x: x, "mine returns output[0], output[1], reference returns output"),
    (lambda x: None, lambda x: x, "mine returns nothing, reference returns output"),
    (lambda x: None, lambda x: (), "both return nothing, so nothing was compared"),
    (lambda x: x[:1], lambda x: x, "output has shape (1,), in reference (2,)"),
    (lambda x: x.astype(np.float32), lambda x: x, "output has dtype float32, in reference float64"),
    (lambda x: x.astype(int), lambda x: x.astype(int) + (x > 1), "mine 2, reference 3"),
    (lambda x: x > 1, lambda x: x > 0, "mine False, reference True"),
    (lambda x: x * np.nan, lambda x: x * np.nan, "output is NaN everywhere in both"),
    (lambda x: x * np.nan, lambda x: x, "mine nan, reference 1.0"),
    (lambda x: x / 0.0, lambda x: -x / 0.0, "mine inf, reference -inf"),
    (lambda x: x, lambda x: x * np.random.default_rng().normal(), "reference itself gives other values"),
    (lambda x: x * random.Random().random(), lambda x: x, "mine itself gives other values"),
])
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_is_said(mine, reference, words):
    assert words in message(mine, reference, np.array([1.0, 2.0]))


def test_outputs_that_are_no_numbers():
    with pytest.raises(TypeError, match=r"output\[1\] is 'text'"):
        assert_same(lambda x: (x, "text"), lambda x: (x, "text"), 1.0)


def test_parameters_that_do_not_fit_are_listed():
    class Mine(Module):
        def __init__(self):
            self.W = Tensor(np.ones((3, 2)), requires_grad=True)
            self.c = Tensor(np.ones(2), requires_grad=True)

        def forward(self, x):
            return x @ self.W + self.c

    text = message(Mine(), Linear(2, 2, rng=np.random.default_rng(0)), np.ones((1, 2)))
    assert "missing: b, of shape (2,)" in text and "unexpected: c, of shape (2,)" in text
    assert "W has shape (3, 2), in reference (2, 2)" in text
    rng = np.random.default_rng(0)
    assert "W has dtype float32, in reference float64" in message(
        Linear(2, 2, rng=rng, dtype=np.float32), Linear(2, 2, rng=rng), np.ones((1, 2)))


def test_a_parameter_of_which_nothing_was_seen():
    mine, reference, x, (h, c) = cells(LSTMCell, 3, 4)
    mine.forward = lambda x: student_cell(LSTMCell).forward(mine, x, (0 * h, 0 * c))
    assert "nothing was seen of W_f, b_f" in message(mine, reference, x)
    frozen = Linear(3, 2, rng=np.random.default_rng(0))
    frozen.b.requires_grad = False
    assert_same(frozen, Linear(3, 2, rng=np.random.default_rng(1)), x)
    assert not frozen.b.requires_grad
    wrong = Linear(3, 2, rng=np.random.default_rng(0), bias=True)
    wrong.forward = lambda x: x @ wrong.W  # b starts at 0, where this shows nothing
    assert "differs" in message(wrong, frozen, x)


# -- random numbers, and what it leaves behind --------------------------------------------------------


def test_both_see_the_same_random_state_which_is_put_back():
    def noisy(x):
        return x * np.random.normal(size=2) + random.random()

    before = random.getstate(), np.random.get_state()[1].tolist()
    assert_same(noisy, lambda x: noisy(x), np.ones(2))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    generator = np.random.default_rng(0)
    assert_same(lambda x, g: x * g.normal(), lambda x, g: g.normal() * x, np.ones(2), generator)
    assert generator.normal() == np.random.default_rng(0).normal()
    dropout = Sequential(Dropout(0.5, rng=generator))
    assert "Dropout: call .eval() first" in message(dropout, dropout, np.ones(50))
    assert_same(dropout.eval(), dropout, np.ones(50))


def test_neither_can_change_the_other_s_inputs():
    def changes(x, pair):
        x *= 2
        pair[0].data = pair[0].numpy() * 3
        return x + pair[0].numpy() + pair[1][0]

    x, pair = np.ones(2), (Tensor([1.0, 2.0]), [3.0])
    assert_same(changes, changes, x, pair)
    assert x.tolist() == [1, 1] and pair[0].numpy().tolist() == [1, 2]


@pytest.mark.parametrize("fails", [False, True])
def test_parameters_are_put_back_whatever_happens(fails):
    class Trains(Linear):
        def forward(self, x):
            y = super().forward(x)
            y.sum().backward()
            self.W.data -= 0.1 * self.W.grad
            self.b.data = self.b.data + 1
            self.b.requires_grad = False
            if fails:
                raise KeyboardInterrupt
            return y

    mine, reference = (Trains(3, 2, rng=np.random.default_rng(seed)) for seed in range(2))
    before = [(model.W, model.W.numpy(), model.b.numpy()) for model in (mine, reference)]
    mine.W.grad = np.ones((3, 2))
    data = mine.W.data
    with pytest.raises(KeyboardInterrupt) if fails else np.errstate():
        assert_same(mine, reference, np.ones((1, 3)))
    for model, (W, W_values, b_values) in zip((mine, reference), before):
        assert model.W is W and W.requires_grad and model.b.requires_grad
        assert np.array_equal(W.numpy(), W_values) and np.array_equal(model.b.numpy(), b_values)
    assert (mine.W.grad == 1).all() and reference.W.grad is None
    data[0, 0] = 100  # still the array to write into
    assert mine.W.numpy()[0, 0] == 100 and mine.W.data is data
    y = (mine.W * mine.W).sum()
    with pytest.raises(ValueError, match="read-only"):
        data[0, 0] = 5
    assert mg.grad(y, mine.W)[0, 0] == 200


def test_an_array_that_data_handed_out_is_still_the_one_to_write_into():
    layer = Linear(3, 2, rng=np.random.default_rng(0))
    data = layer.W.data
    assert_same(layer, Linear(3, 2, rng=np.random.default_rng(1)), np.ones((1, 3)))
    data[0, 0] = 100
    assert layer.W.data is data and mg.grad((layer.W * layer.W).sum(), layer.W)[0, 0] == 200


def test_functions_may_ask_for_gradients_of_their_inputs():
    assert_same(lambda x: mg.grad((x ** 3).sum(), x), lambda x: 3 * x.numpy() ** 2, Tensor([1.0, 2.0], requires_grad=True))


def test_a_module_against_the_equations_in_plain_numpy():
    layer = Linear(3, 2, rng=np.random.default_rng(0))
    W, b = layer.W.numpy(), layer.b.numpy()
    assert_same(layer, lambda x: x @ W + b, np.ones((4, 3)))
    assert_same(lambda x: x @ W + b, layer, np.ones((4, 3)))
    message(layer, lambda x: x @ W - 1e-9, np.ones((4, 3)))
