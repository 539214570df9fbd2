"""The gated recurrent unit: one gate decides how much of the state is replaced, another what the new value may see."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from minigrad import Tensor, concat, sigmoid, split, tanh

from .initial import check_generator, constant, recurrent_weight
from .module import Module
from .recurrent import Recurrent, cell_input


class GRUCell(Module):
    """One step:

        z_t = sigma(W_z [h_{t-1}, x_t] + b_z)            update gate
        r_t = sigma(W_r [h_{t-1}, x_t] + b_r)            reset gate
        h~_t = tanh(W_h [r_t * h_{t-1}, x_t] + b_h)      candidate values
        h_t = (1 - z_t) * h_{t-1} + z_t * h~_t

    x (B, D), h (B, H) -> h_t (B, H); without h it starts from zeros.
    Parameters W_z, W_r, W_h of shape (H + D, H), and b_z, b_r, b_h of shape (H,), which start at 0.
    init: "uniform" (within +-1/sqrt(H)), "xavier" or "orthogonal".
    Raises ValueError if a shape does not fit.

    Source: C. Olah, "Understanding LSTM Networks" (2015); K. Cho et al., "Learning phrase representations using RNN
    encoder-decoder" (2014). PyTorch's GRU differs: it applies r_t after the product with W_h, and swaps z_t and
    1 - z_t, so weights cannot be converted.
    """

    input_size: int
    hidden_size: int
    W_z: Tensor
    W_r: Tensor
    W_h: Tensor
    b_z: Tensor
    b_r: Tensor
    b_h: Tensor

    def __init__(self, input_size: int, hidden_size: int, *, rng: np.random.Generator, init: str = "uniform",
                 dtype: npt.DTypeLike = np.float64) -> None:
        check_generator(rng)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.W_z, self.W_r, self.W_h = (recurrent_weight(init, rng, input_size, hidden_size, dtype) for _ in range(3))
        self.b_z, self.b_r, self.b_h = (constant(0.0, (hidden_size,), dtype) for _ in range(3))

    def forward(self, x: npt.ArrayLike, h: npt.ArrayLike | None = None) -> Tensor:
        x, h = cell_input(self, x, h, "h")
        h_x = concat(h, x, axis=-1)
        z = sigmoid(h_x @ self.W_z + self.b_z)
        r = sigmoid(h_x @ self.W_r + self.b_r)
        h_tilde = tanh(concat(r * h, x, axis=-1) @ self.W_h + self.b_h)
        return (1 - z) * h + z * h_tilde


class GRU(Recurrent[Tensor]):
    """Layers of gated recurrent units over whole sequences. At each time step, with [h, x] for h and x side by side:

        z_t = sigma(W_z [h_{t-1}, x_t] + b_z)            update gate
        r_t = sigma(W_r [h_{t-1}, x_t] + b_r)            reset gate
        h~_t = tanh(W_h [r_t * h_{t-1}, x_t] + b_h)      candidate values
        h_t = (1 - z_t) * h_{t-1} + z_t * h~_t

        gru = GRU(65, 128, rng=np.random.default_rng(0))
        outputs, h = gru(x)              # x (T, B, 65) -> (T, B, 128), (1, B, 128)

    Call it with x (T, B, D), an array or a Tensor, and h_0 (L, B, H), or None for zeros. It returns the outputs h_1 .. h_T of
    the top layer (T, B, H), and h_T of all layers (L, B, H).
    T: time steps, B: sequences in a batch, D: input_size, H: hidden_size.

    - num_layers: L; each layer takes the outputs of the layer below as its inputs.
    - batch_first: x and the outputs are (B, T, ...) instead of (T, B, ...); states keep their shape.
    - bidirectional: each layer has a second cell, which reads the sequence from its end. The outputs of both stand side by
      side (T, B, 2H), and states are (2L, B, H): layer 0 forwards, layer 0 backwards, layer 1 forwards, ...
    - init, dtype: see GRUCell, which also names the differences to PyTorch's GRU.

    `cells` holds the GRUCells; names of their parameters are "cells.0.W_z" and so on.
    Raises ValueError if a shape does not fit.

    Source: C. Olah, "Understanding LSTM Networks" (2015); K. Cho et al., "Learning phrase representations using RNN
    encoder-decoder" (2014).
    """

    cell: type[GRUCell] = GRUCell
    equations: Any = GRUCell.forward
    cells: list[GRUCell]

    @staticmethod
    def prepare(cell: GRUCell, x: Tensor) -> tuple[Tensor, ...]:
        """W_x x + b for all time steps (T, B, 3H), with z, r, h~ side by side; W_h for z and r (H, 2H), and for h~ (H, H)."""
        H = cell.hidden_size
        W_x = concat(cell.W_z[H:], cell.W_r[H:], cell.W_h[H:], axis=-1)
        b = concat(cell.b_z, cell.b_r, cell.b_h)
        return x @ W_x + b, concat(cell.W_z[:H], cell.W_r[:H], axis=-1), cell.W_h[:H]

    @staticmethod
    def step(h: Tensor, from_x: Tensor, W_gates: Tensor, W_h: Tensor) -> tuple[Tensor]:
        """GRUCell's equations, as W [h, x] = W_h h + W_x x."""
        H = h.shape[-1]
        z, r = split(sigmoid(h @ W_gates + from_x[:, :2 * H]), 2, axis=-1)
        h_tilde = tanh((r * h) @ W_h + from_x[:, 2 * H:])
        return h + z * (h_tilde - h),
