"""Recurrent: layers of cells over whole sequences, the same for RNN, LSTM and GRU.

Shapes: T time steps, B sequences in a batch, D inputs, H hidden units, L layers.
A cell has the equations of one step as the book writes them. The sequence layer has them again, arranged for speed:
`prepare` computes the parts that do not depend on h for all time steps at once, and scan repeats `step`, the rest, over time.
If you change one, change the other: tests/test_layers.py compares them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from minigrad import Tensor, concat, stack
from minigrad.scan import scan

from .module import Module, _parameters, as_input, check_shape


S = TypeVar("S")  # the state: a Tensor, or a pair of them


class Recurrent(Module, Generic[S]):
    """Cells over a sequence; each layer takes the outputs of the layer below as its inputs.

    num_layers: L. batch_first: x and the outputs are (B, T, ...) instead of (T, B, ...); states keep their shape.
    bidirectional: each layer has a second cell, which reads the sequence from its end; the outputs of both stand
    side by side (..., 2H), and states are (2L, B, H): layer 0 forwards, layer 0 backwards, layer 1 forwards, ...
    All other options go to the cell.

    x (T, B, D), state (L, B, H) or None for zeros -> outputs of the top layer (T, B, H), final state (L, B, H).
    Raises ValueError if a shape does not fit.
    """

    cell: type[Any]
    equations: Any  # the forward of the cell that prepare and step are written for
    prepare: Callable
    step: Callable
    state_names: tuple[str, ...] = ("h_0",)
    input_size: int
    hidden_size: int
    num_layers: int
    directions: int  # 2 if bidirectional, otherwise 1
    batch_first: bool
    cells: list[Any]

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, *, rng: np.random.Generator,
                 batch_first: bool = False, bidirectional: bool = False, **cell_options: Any) -> None:
        if num_layers < 1:
            raise ValueError(f"num_layers must be 1 or more, not {num_layers}")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first, self.directions = batch_first, 2 if bidirectional else 1
        self.cells = [self.cell(input_size if layer == 0 else hidden_size * self.directions, hidden_size, rng=rng, **cell_options)
                      for layer in range(num_layers) for _ in range(self.directions)]

    def forward(self, x: ArrayLike, state: ArrayLike | tuple[ArrayLike, ArrayLike] | None = None) -> tuple[Tensor, S]:
        x, states = self._checked(x, state)
        final = []
        for layer in range(self.num_layers):
            both = []
            for direction in range(self.directions):
                number = layer * self.directions + direction
                outputs, last = self._sequence(self.cells[number], x[::-1] if direction else x, tuple(s[number] for s in states))
                final.append(last)
                both.append(outputs[::-1] if direction else outputs)
            x = both[0] if self.directions == 1 else concat(*both, axis=-1)
        last_states: Any = tuple(stack(*parts) if len(parts) > 1 else parts[0][None] for parts in zip(*final))
        return x.swapaxes(0, 1) if self.batch_first else x, last_states[0] if len(last_states) == 1 else last_states

    def _sequence(self, cell: Any, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One cell over x (T, B, D): its outputs and its last state. If a subclass or a replaced forward gives the cell other
        equations, its own forward runs."""
        forward = getattr(getattr(cell, "forward", None), "__func__", None)
        if forward is type(self).equations and type(cell).__call__ is Module.__call__:
            from_x, *weights = self.prepare(cell, x)
            return scan(self.step_of(cell), state, from_x, weights)
        if not len(x):
            return Tensor(np.zeros((0, *state[0].shape), x.dtype)), state
        outputs, last = unroll(cell, x, state if len(state) > 1 else state[0])
        return outputs, last if len(state) > 1 else (last,)

    def step_of(self, cell: Any) -> Callable:
        """The step that scan repeats for this cell."""
        return self.step

    def _checked(self, x: Any, state: Any) -> tuple[Tensor, list[Tensor]]:
        """x as (T, B, D) and the states as (L, B, H), in the parameters' dtype."""
        owner = f"{type(self).__name__}({self.input_size}, {self.hidden_size}, num_layers={self.num_layers})"
        dtype = _dtype(self.cells[0] if isinstance(self.cells[0], Module) else self)  # a cell may be a function
        x = as_input(x, dtype)
        axes = ("batch", "time") if self.batch_first else ("time", "batch")
        check_shape(owner, "x", x, (*axes, self.input_size))
        if self.batch_first:
            x = x.swapaxes(0, 1)
        return x, checked_states(owner, self.state_names, state, (len(self.cells), x.shape[1], self.hidden_size), dtype)


def unroll(cell: Callable, x: Tensor | np.ndarray, state: Any = None) -> tuple[Tensor, Any]:
    """Run any cell over time: state = cell(x[t], state) for t = 0 .. T - 1.

    cell: a Module or function that gets x_t (B, D) and its last state (at first None if no state is given). It returns its new
    state: h (B, H), or a tuple that begins with h. x (T, B, D) is a Tensor or an array.
    Returns (outputs, state): h_1 .. h_T (T, B, H), and the last state. Raises ValueError if T is 0.

    This is an ordinary loop, so the cell may use any code. RNN, LSTM and GRU run their own cells faster.
    """
    outputs = []
    for x_t in x:
        state = cell(x_t, state)
        outputs.append(state[0] if isinstance(state, (tuple, list)) else state)
    if not outputs:
        raise ValueError("unroll: x has no time steps")
    return stack(*outputs), state


def _dtype(module: Module) -> np.dtype:
    """The dtype of the first parameter. It searches no further, because a cell asks at every time step."""
    own = (x for x in vars(module).values() if isinstance(x, Tensor) and x.is_parameter)
    return next(chain(own, (parameter for _, parameter in _parameters(module)))).dtype


def cell_input(cell: Any, x: ArrayLike, state: Any, *names: str) -> list[Tensor]:
    """A cell's x and states as Tensors of the right shapes; without a state it starts from zeros."""
    dtype = _dtype(cell)
    x = as_input(x, dtype)
    owner = f"{type(cell).__name__}({cell.input_size}, {cell.hidden_size})"
    check_shape(owner, "x", x, ("batch", cell.input_size))
    return [x, *checked_states(owner, names, state, (len(x), cell.hidden_size), dtype)]


def checked_states(owner: str, names: tuple[str, ...], state: Any, shape: tuple[int, ...], dtype: np.dtype) -> list[Tensor]:
    """The one or two parts of a state."""
    if state is None:
        return [Tensor(np.zeros(shape, dtype)) for _ in names]
    parts = (state,) if len(names) == 1 else state
    if not isinstance(parts, (tuple, list)) or len(parts) != len(names):
        raise TypeError(f"{owner}: the state is a pair ({', '.join(names)}), not {type(state).__name__}")
    tensors = [as_input(part, dtype) for part in parts]
    for name, tensor in zip(names, tensors):
        check_shape(owner, name, tensor, shape)
    return tensors
