"""The plain recurrent network: h_t = f(h_{t-1}, x_t).

Source: C. Olah, "Understanding LSTM Networks" (2015); J. Elman, "Finding structure in time" (1990).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import Tensor, concat, tanh

from .initial import check_generator, constant, recurrent_weight
from .module import Module
from .recurrent import Recurrent, cell_input


class RNNCell(Module):
    """One step:  h_t = tanh(W [h_{t-1}, x_t] + b)

    x (B, D), h (B, H) -> h_t (B, H), with W (H + D, H) and b (H,). Without h it starts from zeros.
    init: "uniform" (within +-1/sqrt(H)), "xavier" or "orthogonal"; b starts at 0.
    Raises ValueError where a shape does not fit.
    """

    def __init__(self, input_size: int, hidden_size: int, *, rng: np.random.Generator, init: str = "uniform",
                 dtype: Any = np.float64) -> None:
        check_generator(rng)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.W = recurrent_weight(init, rng, input_size, hidden_size, dtype)
        self.b = constant(0.0, (hidden_size,), dtype)

    def forward(self, x: Any, h: Any = None) -> Tensor:
        x, h = cell_input(self, x, h, "h")
        return tanh(concat(h, x, axis=-1) @ self.W + self.b)


class RNN(Recurrent):
    __doc__ = f"""Layers of RNNCells. {Recurrent.__doc__}"""

    cell, equations = RNNCell, RNNCell.forward

    @staticmethod
    def prepare(cell: RNNCell, x: Tensor) -> tuple[Tensor, Tensor]:
        """W_x x + b for all time steps (T, B, H), and W_h (H, H)."""
        return x @ cell.W[cell.hidden_size:] + cell.b, cell.W[:cell.hidden_size]

    @staticmethod
    def step(h: Tensor, from_x: Tensor, W_h: Tensor) -> tuple[Tensor]:
        """RNNCell's equation, as W [h, x] = W_h h + W_x x."""
        return tanh(h @ W_h + from_x),
