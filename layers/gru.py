"""The gated recurrent unit: one gate decides how much of the state is replaced, another what the new value may see."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import Tensor, concat, sigmoid, stack, tanh

from .initial import check_generator, constant, recurrent_weight
from .module import Module
from .recurrent import Recurrent, cell_input, from_inputs


class GRUCell(Module):
    """One step:

        z_t = sigma(W_z [h_{t-1}, x_t] + b_z)            update gate
        r_t = sigma(W_r [h_{t-1}, x_t] + b_r)            reset gate
        h~_t = tanh(W_h [r_t * h_{t-1}, x_t] + b_h)      candidate values
        h_t = (1 - z_t) * h_{t-1} + z_t * h~_t

    x (B, D), h (B, H) -> h_t (B, H); without h it starts from zeros.
    Parameters W_z, W_r, W_h of shape (H + D, H), and b_z, b_r, b_h of shape (H,), which start at 0.
    init: "uniform" (within +-1/sqrt(H)), "xavier" or "orthogonal".
    Raises ValueError where a shape does not fit.

    Source: C. Olah, "Understanding LSTM Networks" (2015); K. Cho et al., "Learning phrase representations using RNN
    encoder-decoder" (2014). PyTorch's GRU is another one: it applies r_t after the product with W_h, and swaps z_t and
    1 - z_t, so weights cannot be converted.
    """

    def __init__(self, input_size: int, hidden_size: int, *, rng: np.random.Generator, init: str = "uniform",
                 dtype: Any = np.float64) -> None:
        check_generator(rng)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.W_z, self.W_r, self.W_h = (recurrent_weight(init, rng, input_size, hidden_size, dtype) for _ in range(3))
        self.b_z, self.b_r, self.b_h = (constant(0.0, (hidden_size,), dtype) for _ in range(3))

    def forward(self, x: Any, h: Any = None) -> Tensor:
        x, h = cell_input(self, x, h, "h")
        h_x = concat(h, x, axis=-1)
        z = sigmoid(h_x @ self.W_z + self.b_z)
        r = sigmoid(h_x @ self.W_r + self.b_r)
        h_tilde = tanh(concat(r * h, x, axis=-1) @ self.W_h + self.b_h)
        return (1 - z) * h + z * h_tilde

    def steps(self, x: Tensor, h: Tensor) -> tuple[list[Tensor], tuple[Tensor]]:
        """h_1 .. h_T for x (T, B, D), from the state h (B, H). The same equations with the weights in a stack, z, r, h~, and
        W [h, x] = W_h h + W_x x, where W_x x is one product for all time steps."""
        H = self.hidden_size
        W = stack(self.W_z, self.W_r, self.W_h)
        b = stack(self.b_z, self.b_r, self.b_h)
        W_gates, W_h, W_x = W[:2, :H], W[2, :H], W[:, H:]
        from_x = from_inputs(x, W_x, b)
        outputs = []
        for t in range(len(x)):
            z, r = sigmoid(h @ W_gates + from_x[:2, t])
            h_tilde = tanh((r * h) @ W_h + from_x[2, t])
            h = (1 - z) * h + z * h_tilde
            outputs.append(h)
        return outputs, (h,)


class GRU(Recurrent):
    __doc__ = f"""Layers of GRUCells. {Recurrent.__doc__}"""

    cell = GRUCell
