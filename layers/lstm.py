"""Long short-term memory: gates decide what the memory cell C forgets, takes in and shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from minigrad import Tensor, concat, sigmoid, tanh

from .initial import check_generator, constant, recurrent_weight
from .module import Module
from .recurrent import Recurrent, cell_input

State = tuple[Tensor, Tensor]


class LSTMCell(Module):
    """One step:

        f_t = sigma(W_f [h_{t-1}, x_t] + b_f)     forget gate
        i_t = sigma(W_i [h_{t-1}, x_t] + b_i)     input gate
        c~_t = tanh(W_c [h_{t-1}, x_t] + b_c)     candidate values
        C_t = f_t * C_{t-1} + i_t * c~_t          memory cell
        o_t = sigma(W_o [h_{t-1}, x_t] + b_o)     output gate
        h_t = o_t * tanh(C_t)

    x (B, D), state (h, c) each (B, H) -> (h_t, C_t) each (B, H); without a state it starts from zeros.
    Parameters W_f, W_i, W_c, W_o of shape (H + D, H), and b_f, b_i, b_c, b_o of shape (H,).

    forget_bias: b_f's initial value. With 1 the memory lasts from the start (Gers et al. 2000; R. Jozefowicz et al.,
    "An empirical exploration of recurrent network architectures", 2015); a larger value makes it last longer. The other
    biases start at 0. init: "uniform" (within +-1/sqrt(H)), "xavier" or "orthogonal".
    Raises ValueError if a shape does not fit.

    Source: C. Olah, "Understanding LSTM Networks" (2015); S. Hochreiter and J. Schmidhuber, "Long short-term
    memory" (1997); the forget gate: F. Gers et al., "Learning to forget" (2000).
    """

    input_size: int
    hidden_size: int
    W_f: Tensor
    W_i: Tensor
    W_c: Tensor
    W_o: Tensor
    b_f: Tensor
    b_i: Tensor
    b_c: Tensor
    b_o: Tensor

    def __init__(self, input_size: int, hidden_size: int, *, rng: np.random.Generator, forget_bias: float = 1.0,
                 init: str = "uniform", dtype: npt.DTypeLike = np.float64) -> None:
        check_generator(rng)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.W_f, self.W_i, self.W_c, self.W_o = (
            recurrent_weight(init, rng, input_size, hidden_size, dtype) for _ in range(4))
        self.b_f = constant(forget_bias, (hidden_size,), dtype)
        self.b_i, self.b_c, self.b_o = (constant(0.0, (hidden_size,), dtype) for _ in range(3))

    def forward(self, x: npt.ArrayLike, state: tuple[npt.ArrayLike, npt.ArrayLike] | None = None) -> State:
        x, h, c = cell_input(self, x, state, "h", "c")
        h_x = concat(h, x, axis=-1)
        f = sigmoid(h_x @ self.W_f + self.b_f)
        i = sigmoid(h_x @ self.W_i + self.b_i)
        c_tilde = tanh(h_x @ self.W_c + self.b_c)
        C = f * c + i * c_tilde
        o = sigmoid(h_x @ self.W_o + self.b_o)
        return o * tanh(C), C


class LSTM(Recurrent[State]):
    """LSTM layers over whole sequences. At each time step, with [h, x] for h and x side by side:

        f_t = sigma(W_f [h_{t-1}, x_t] + b_f)     forget gate
        i_t = sigma(W_i [h_{t-1}, x_t] + b_i)     input gate
        c~_t = tanh(W_c [h_{t-1}, x_t] + b_c)     candidate values
        C_t = f_t * C_{t-1} + i_t * c~_t          memory cell
        o_t = sigma(W_o [h_{t-1}, x_t] + b_o)     output gate
        h_t = o_t * tanh(C_t)

        lstm = LSTM(65, 128, rng=np.random.default_rng(0))
        outputs, (h, C) = lstm(x)             # x (T, B, 65) -> (T, B, 128), each (1, B, 128)
        outputs, (h, C) = lstm(more, (h, C))  # goes on from there

    Call it with x (T, B, D), an array or a Tensor, and a state (h_0, C_0), each (L, B, H), or None for zeros. It returns the
    outputs h_1 .. h_T of the top layer (T, B, H), and the state (h_T, C_T) of all layers, each (L, B, H).
    T: time steps, B: sequences in a batch, D: input_size, H: hidden_size.

    - num_layers: L; each layer takes the outputs of the layer below as its inputs.
    - batch_first: x and the outputs are (B, T, ...) instead of (T, B, ...); states keep their shape.
    - bidirectional: each layer has a second cell, which reads the sequence from its end. The outputs of both stand side by
      side (T, B, 2H), and states are (2L, B, H): layer 0 forwards, layer 0 backwards, layer 1 forwards, ...
    - forget_bias, init, dtype: the cell's, see LSTMCell.

    `cells` holds the LSTMCells; names of their parameters are "cells.0.W_f" and so on.
    Raises ValueError if a shape does not fit, TypeError if the state is not a pair.

    Source: C. Olah, "Understanding LSTM Networks" (2015); S. Hochreiter and J. Schmidhuber, "Long short-term memory" (1997);
    the forget gate: F. Gers et al., "Learning to forget" (2000).
    """

    cell: type[LSTMCell] = LSTMCell
    equations: Any = LSTMCell.forward
    cells: list[LSTMCell]
    state_names: tuple[str, ...] = ("h_0", "c_0")

    @staticmethod
    def prepare(cell: LSTMCell, x: Tensor) -> tuple[Tensor, Tensor]:
        """W_x x + b for all time steps (T, B, 4, H), and W_h (H, 4H), with the four gates side by side: f, i, o, c~."""
        H = cell.hidden_size
        W = concat(cell.W_f, cell.W_i, cell.W_o, cell.W_c, axis=-1)
        b = concat(cell.b_f, cell.b_i, cell.b_o, cell.b_c)
        return (x @ W[H:] + b).reshape(*x.shape[:-1], 4, H), W[:H]

    @staticmethod
    def step(h: Tensor, c: Tensor, from_x: Tensor, W_h: Tensor) -> State:
        """LSTMCell's equations, as W [h, x] = W_h h + W_x x."""
        a = (h @ W_h).reshape(from_x.shape) + from_x
        f, i, o = sigmoid(a[:, :3].swapaxes(0, 1))
        c = f * c + i * tanh(a[:, 3])
        return o * tanh(c), c
