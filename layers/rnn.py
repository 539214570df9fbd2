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

    def steps(self, x: Tensor, h: Tensor) -> tuple[list[Tensor], tuple[Tensor]]:
        """h_1 .. h_T for x (T, B, D), from the state h (B, H). The same equation with W [h, x] = W_h h + W_x x,
        where W_x x is one product for all time steps."""
        W_h, W_x = self.W[:self.hidden_size], self.W[self.hidden_size:]
        from_x = x @ W_x + self.b
        outputs = []
        for t in range(len(x)):
            h = tanh(h @ W_h + from_x[t])
            outputs.append(h)
        return outputs, (h,)


class RNN(Recurrent):
    __doc__ = f"""Layers of RNNCells. {Recurrent.__doc__}"""

    cell = RNNCell
