"""Types that editors must know without running code. pytest does not run this file: .ci/run gives it to a type checker, once
with an installed minigrad and once with an editable one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import minigrad
import minigrad.testing
from minigrad import Tensor, concat, grad, op, sigmoid, stack
from minigrad.layers import GRU, LSTM, RNN, Linear, LSTMCell, Module, cross_entropy
from minigrad.optim import Adam

if TYPE_CHECKING:
    from typing_extensions import assert_type


class Model(Module):
    def __init__(self, rng: np.random.Generator) -> None:
        self.lstm, self.output = LSTM(2, 3, rng=rng), Linear(3, 4, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        h, _ = self.lstm(x)
        return self.output(h)


@op(lambda g, y: g * y)
def own(x, *, axis=0):
    return np.exp(x)


def use(x: Tensor, rng: np.random.Generator) -> None:
    assert_type(sigmoid(x), Tensor)
    assert_type(2 * x @ x.T, Tensor)
    assert_type(concat(x, x, axis=-1), Tensor)
    assert_type(concat(np.zeros(3), x), Tensor)
    assert_type(stack(*[x, x]).sum(axis=0).shape, tuple[int, ...])
    assert_type(own(x, axis=1), Tensor)
    assert_type(Linear(2, 3, rng=rng)(x), Tensor)
    assert_type(LSTM(2, 3, rng=rng)(x), tuple[Tensor, tuple[Tensor, Tensor]])
    assert_type(LSTMCell(2, 3, rng=rng)(x), tuple[Tensor, Tensor])
    assert_type(LSTM(2, 3, rng=rng).cells[0].W_f, Tensor)
    assert_type(RNN(2, 3, rng=rng)(x), tuple[Tensor, Tensor])
    assert_type(GRU(2, 3, rng=rng)(x, None), tuple[Tensor, Tensor])
    model = Model(rng)
    assert_type(model(x), Tensor)
    assert_type(Adam(model.parameters()).state_dict(), dict[str, np.ndarray])
    assert_type(cross_entropy(model(x), [0, 1]), Tensor)
    assert_type(grad(x.sum(), x), np.ndarray)
    assert_type(minigrad.gradcheck(own, x).verdict, str)
    minigrad.testing.check_op(own, axis=0)
    LSTM(2, 3, rng=rng)(np.zeros((2, 1, 2)), (np.zeros((1, 1, 3)), x))
    print([1, 2] @ x, x.reshape(2, -1).transpose(1, 0), x.sum(axis=(0, 1)), 0.5 + x.mean(axis=0), x[0, ..., None])
    model(x, x)  # type: ignore[call-arg]  # forward takes one
    x.sum(axis="rows")  # type: ignore[arg-type]
    Linear(2, 3, rng=rng)(object())  # type: ignore[arg-type]
    print(minigrad.no_such_name)  # type: ignore[attr-defined]
