"""The plain recurrent network: h_t = f(h_{t-1}, x_t).

Source: C. Olah, "Understanding LSTM Networks" (2015); J. Elman, "Finding structure in time" (1990).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from minigrad import Tensor, concat, relu, tanh

from .initial import check_generator, constant, recurrent_weight
from .module import Module
from .recurrent import Recurrent, cell_input

NONLINEARITIES = {"tanh": tanh, "relu": relu}


class RNNCell(Module):
    """One step:  h_t = tanh(W [h_{t-1}, x_t] + b)

    with nonlinearity="relu":  h_t = max(0, W [h_{t-1}, x_t] + b)

    x (B, D), h (B, H) -> h_t (B, H), with W (H + D, H) and b (H,). Without h it starts from zeros.
    nonlinearity: "tanh" or "relu". It is not saved with the parameters: pass it again before you load, as in PyTorch.
    init: "uniform" (within +-1/sqrt(H)), "xavier" or "orthogonal"; b starts at 0.
    Raises ValueError for another nonlinearity or init, and if a shape does not fit.
    """

    input_size: int
    hidden_size: int
    nonlinearity: str
    W: Tensor
    b: Tensor

    def __init__(self, input_size: int, hidden_size: int, *, rng: np.random.Generator, nonlinearity: str = "tanh",
                 init: str = "uniform", dtype: npt.DTypeLike = np.float64) -> None:
        check_generator(rng)
        if nonlinearity not in list(NONLINEARITIES):
            raise ValueError(f"nonlinearity must be {' or '.join(map(repr, NONLINEARITIES))}, not {nonlinearity!r}")
        self.input_size, self.hidden_size, self.nonlinearity = input_size, hidden_size, nonlinearity
        self.W = recurrent_weight(init, rng, input_size, hidden_size, dtype)
        self.b = constant(0.0, (hidden_size,), dtype)

    def forward(self, x: npt.ArrayLike, h: npt.ArrayLike | None = None) -> Tensor:
        x, h = cell_input(self, x, h, "h")
        return NONLINEARITIES[self.nonlinearity](concat(h, x, axis=-1) @ self.W + self.b)


class RNN(Recurrent[Tensor]):
    """Plain recurrent layers over whole sequences. At each time step, with [h, x] for h and x side by side:

        h_t = tanh(W [h_{t-1}, x_t] + b)
        with nonlinearity="relu":  h_t = max(0, W [h_{t-1}, x_t] + b)

        rnn = RNN(65, 128, rng=np.random.default_rng(0))
        outputs, h = rnn(x)              # x (T, B, 65) -> (T, B, 128), (1, B, 128)

    Call it with x (T, B, D), an array or a Tensor, and h_0 (L, B, H), or None for zeros. It returns the outputs h_1 .. h_T of
    the top layer (T, B, H), and h_T of all layers (L, B, H).
    T: time steps, B: sequences in a batch, D: input_size, H: hidden_size.

    - num_layers: L; each layer takes the outputs of the layer below as its inputs.
    - batch_first: x and the outputs are (B, T, ...) instead of (T, B, ...); states keep their shape.
    - bidirectional: each layer has a second cell, which reads the sequence from its end. The outputs of both stand side by
      side (T, B, 2H), and states are (2L, B, H): layer 0 forwards, layer 0 backwards, layer 1 forwards, ...
    - nonlinearity: "tanh" or "relu". init, dtype: see RNNCell.

    `cells` holds the RNNCells; names of their parameters are "cells.0.W" and so on.
    Raises ValueError for another nonlinearity or init, and if a shape does not fit.

    Source: C. Olah, "Understanding LSTM Networks" (2015); J. Elman, "Finding structure in time" (1990).
    """

    cell: type[RNNCell] = RNNCell
    equations: Any = RNNCell.forward
    cells: list[RNNCell]

    @staticmethod
    def prepare(cell: RNNCell, x: Tensor) -> tuple[Tensor, Tensor]:
        """W_x x + b for all time steps (T, B, H), and W_h (H, H)."""
        return x @ cell.W[cell.hidden_size:] + cell.b, cell.W[:cell.hidden_size]

    @staticmethod
    def step(h: Tensor, from_x: Tensor, W_h: Tensor) -> tuple[Tensor]:
        """RNNCell's equation, as W [h, x] = W_h h + W_x x."""
        return tanh(h @ W_h + from_x),

    @staticmethod
    def relu_step(h: Tensor, from_x: Tensor, W_h: Tensor) -> tuple[Tensor]:
        """RNNCell's equation with relu."""
        return relu(h @ W_h + from_x),

    def step_of(self, cell: RNNCell) -> Callable[..., tuple[Tensor]]:
        return self.relu_step if cell.nonlinearity == "relu" else self.step
