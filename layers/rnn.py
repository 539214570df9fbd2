"""The plain recurrent network: h_t = f(h_{t-1}, x_t).

Shapes: T time steps, B sequences in a batch, D inputs, H hidden units, L layers.
Source: C. Olah, "Understanding LSTM Networks" (2015); J. Elman, "Finding structure in time" (1990).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import Tensor, concat, stack, tanh

from .initial import check_generator, constant, recurrent_weight
from .module import Module, as_input, check_shape


class RNNCell(Module):
    """One step:  h_t = tanh(W [h_{t-1}, x_t] + b)

    x (B, D), h (B, H) -> h_t (B, H), with W (H + D, H) and b (H,). Without h it starts from zeros.
    init: "uniform" (within +-1/sqrt(H)) or "orthogonal"; b starts at 0.
    Raises ValueError where a shape does not fit.
    """

    def __init__(self, input_size: int, hidden_size: int, *, rng: np.random.Generator, init: str = "uniform",
                 dtype: Any = np.float64) -> None:
        check_generator(rng)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.W = recurrent_weight(rng, input_size, hidden_size, init, dtype)
        self.b = constant(0.0, (hidden_size,), dtype)

    def forward(self, x: Any, h: Any = None) -> Tensor:
        x, h = cell_input(self, x, h=h)
        return tanh(concat(h, x, axis=-1) @ self.W + self.b)

    def steps(self, x: Tensor, h: Tensor) -> list[Tensor]:
        """h_1 .. h_T for x (T, B, D), from the state h (B, H). The same equation with W [h, x] = W_h h + W_x x,
        where W_x x is one product for all time steps."""
        W_h, W_x = self.W[:self.hidden_size], self.W[self.hidden_size:]
        from_x = x @ W_x + self.b
        outputs = []
        for t in range(len(x)):
            h = tanh(h @ W_h + from_x[t])
            outputs.append(h)
        return outputs


class RNN(Module):
    """Layers of RNNCells over whole sequences; each layer takes the outputs of the layer below as its inputs.

    x (T, B, D), h_0 (L, B, H) or None for zeros -> outputs of the top layer (T, B, H), final state h_T (L, B, H).
    Raises ValueError where a shape does not fit.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, *, rng: np.random.Generator,
                 init: str = "uniform", dtype: Any = np.float64) -> None:
        check_layers(num_layers)
        self.cells = [RNNCell(input_size if layer == 0 else hidden_size, hidden_size, rng=rng, init=init, dtype=dtype)
                      for layer in range(num_layers)]

    def forward(self, x: Any, h_0: Any = None) -> tuple[Tensor, Tensor]:
        x, h_0 = sequence_input(self, x, h_0=h_0)
        final = []
        for layer, cell in enumerate(self.cells):
            outputs = cell.steps(x, h_0[layer])
            final.append(outputs[-1] if outputs else h_0[layer])
            x = stack(*outputs) if outputs else empty_outputs(x, cell)
        return x, stack(*final)


def check_layers(num_layers: int) -> None:
    if num_layers < 1:
        raise ValueError(f"num_layers must be 1 or more, not {num_layers}")


def cell_input(cell: Any, x: Any, **states: Any) -> list[Tensor]:
    """x and the states as Tensors of the right shapes; a state that is None becomes zeros."""
    dtype = cell.parameters()[0].dtype
    x = as_input(x, dtype)
    owner = f"{type(cell).__name__}({cell.input_size}, {cell.hidden_size})"
    check_shape(owner, "x", x, ("batch", cell.input_size))
    return [x, *_states(owner, states, (len(x), cell.hidden_size), dtype)]


def sequence_input(model: Any, x: Any, **states: Any) -> list[Tensor]:
    """The same for whole sequences and all layers."""
    cell = model.cells[0]
    dtype = cell.parameters()[0].dtype
    x = as_input(x, dtype)
    owner = f"{type(model).__name__}({cell.input_size}, {cell.hidden_size}, num_layers={len(model.cells)})"
    check_shape(owner, "x", x, ("time", "batch", cell.input_size))
    return [x, *_states(owner, states, (len(model.cells), x.shape[1], cell.hidden_size), dtype)]


def _states(owner: str, states: dict[str, Any], shape: tuple[int, ...], dtype: Any) -> list[Tensor]:
    found = []
    for name, state in states.items():
        state = Tensor(np.zeros(shape, dtype)) if state is None else as_input(state, dtype)
        check_shape(owner, name, state, shape)
        found.append(state)
    return found


def empty_outputs(x: Tensor, cell: Any) -> Tensor:
    """The outputs of no time steps."""
    return Tensor(np.zeros((0, x.shape[1], cell.hidden_size), x.dtype))
