"""The report on a wrong gradient in a function of Tensors names the wrong operation, or the gap in the record."""

import re

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, gradcheck, no_grad, op
from minigrad.layers import LSTMCell, Module, unroll
from minigrad.scan import scan

pytestmark = pytest.mark.usefixtures("clean_registry")

rng = np.random.default_rng(11)
X, W, H = rng.normal(size=(3, 1, 3)), rng.normal(size=(3, 3)), rng.normal(size=(1, 3))


def declare():
    """A tanh with sigmoid's formula, and a product that is right."""
    @op(lambda g, y: g * y * (1 - y))
    def wrong_tanh(x):
        return np.tanh(x)

    @op(lambda g, b: g * b, lambda g, a: g * a)
    def product(a, b):
        return a * b

    return wrong_tanh, product


def in_a_lambda(wrong_tanh, product):
    return gradcheck(lambda x, W: product(wrong_tanh(x @ W), 2), X, W)


def in_a_cell(wrong_tanh, product):
    class Cell(LSTMCell):
        def forward(self, x, state):
            h, C = super().forward(x, state)
            return wrong_tanh(h), product(C, C)

    class Model(Module):
        def __init__(self):
            self.cell = Cell(3, 3, rng=rng)

        def forward(self, x, h, C):
            return unroll(self.cell, x, (h, C))[0]

    return gradcheck(Model(), X, H, H[::-1])


def in_a_scan(wrong_tanh, product):
    return gradcheck(lambda x, h, W: scan(lambda h, x, W: (wrong_tanh(product(x, x) + h @ W),), (h,), x, (W,))[0], X, H, W)


@pytest.mark.parametrize(("checked", "times"), [
    (in_a_lambda, ""), (in_a_cell, ", used 3 times,"), (in_a_scan, ", used 3 times,")])
def test_the_wrong_operation_is_named_wherever_it_is_used(checked, times):
    report = checked(*declare())
    wrong = [row for row in report.rows if row.verdict == "WRONG"]
    (said,) = {row.notes for row in wrong}
    assert len(said) == 1 and said[0].startswith(f"the operation wrong_tanh{times} has a wrong gradient for x: ")
    assert "it is g times y (1 - y), as for sigmoid" in said[0]


def test_static_arguments_constants_and_two_wrong_operations():
    wrong_tanh, _ = declare()

    @op(lambda g, x_shape: np.ones(x_shape) * g.sum(), lambda g, b: 5 * g)  # for b, a constant here, it is wrong too
    def scaled_sum(x, b, *, axis):
        return x.sum(axis=axis) + b

    report = gradcheck(lambda x: scaled_sum(wrong_tanh(x), 3.0, axis=0), H)
    tanh, total = report.rows[0].notes
    assert tanh.startswith("the operation wrong_tanh has a wrong gradient for x: ")
    assert total.startswith("the operation scaled_sum has a wrong gradient for x: ")
    assert "; b: " not in total
    assert "as for sigmoid" not in str(gradcheck(lambda x: scaled_sum(wrong_tanh(x), 3.0, axis=0), H, hints="family"))


def cut_by_numpy(x, W):
    z = mg.tanh(x)
    return Tensor(z.numpy()) @ W


def cut_by_detach(x, W):
    h = Tensor(H)
    for t in range(3):
        h = mg.tanh(x[t] + h.detach() @ W)
    return h


def cut_by_no_grad(x, W):
    with no_grad():
        z = mg.tanh(x) * 2
    return z @ W


def cut_in_numpy(x, W):
    return np.tanh(x.numpy()) @ W


@pytest.mark.parametrize(("f", "said"), [
    (cut_by_numpy, "from a in matmul (line N: return Tensor(z.numpy()) @ W) to the result of tanh (line N: z = mg.tanh(x))"),
    (cut_by_detach, "from a in matmul (line N: h = mg.tanh(x[t] + h.detach() @ W)) to the result of tanh (line N:"),
    (cut_by_no_grad, "from a in matmul (line N: return z @ W) to x"),
    (cut_in_numpy, "from a in matmul (line N: return np.tanh(x.numpy()) @ W) to the inputs, on which it depends"),
])
def test_a_gap_in_the_record_is_found(f, said):
    report = gradcheck(f, X, W)
    x = report.rows[0]
    assert x.verdict == "WRONG" and f"every operation is right by itself, but nothing flows back {said}" in re.sub(
        r"\(line \d+", "(line N", x.notes[-1])


def test_a_constant_that_changes_nothing_is_no_gap():
    """Softmax is the same without its largest logit, so that may be a constant."""
    def f(x, W):
        e = mg.exp(x - x.numpy().max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True) @ W.detach()

    (said,) = {note for row in gradcheck(f, X, W).rows for note in row.notes if row.verdict == "WRONG"}
    assert "nothing flows back from b in matmul" in said and "nor from" not in said


def test_one_wrong_call_of_many_and_inputs_beyond_the_budget():
    wrong_tanh, product = declare()

    @op(lambda g, x: 2 * x * g * (x < 1))  # wrong for large numbers only
    def wrong_square(x):
        return x * x

    def many(x):
        for i in range(20):
            x = x + wrong_square(product(mg.tanh(x), 9 if i == 7 else 0.1))
        return mg.tanh(0.01 * x)

    notes = gradcheck(many, X[0, 0]).rows[0].notes
    assert notes[0].startswith("the operation wrong_square, used 20 times, has a wrong gradient for x"), notes
    report = gradcheck(lambda x, W: product(wrong_tanh(x @ W), 2), X, W, budget=100)
    assert all("the operation wrong_tanh has a wrong gradient for x" in str(row.notes) for row in report.rows), report
