"""Functions for training loops: backward(), which adds to `.grad`, detach(), no_grad(), detect_anomaly().

After Ctrl-C a change is complete or not begun, so a notebook's cell can be run again.
"""

from __future__ import annotations

import threading
from collections import deque
from itertools import starmap
from typing import TYPE_CHECKING, Any

import numpy as np

from . import core, explain
from .calling_line import calling_line
from .core import Node, Value

if TYPE_CHECKING:
    from contextlib import _GeneratorContextManager


class Accumulator:
    """The `.grad` of a leaf, and of a result after retain_grad()."""

    grad: np.ndarray | None = None
    calls = 0  # how many calls of backward() have added to grad


def backward(y: Value, g: Any = None, retain_graph: bool = False) -> None:
    """Add the gradient of y (dotted with g) to `.grad` of every leaf it depends on, and free the record.

    `g` has y's shape; it may be left out if y is a single number. Called by `Tensor.backward`.
    """
    root = explain.node_of(y, Value, "backward: the tensor")
    record = core.record_of(root)
    wanted = {node for node in record if node.accumulator is not None}
    gradients = core.backward(root, explain.arriving(y, g, Value, "backward"), record, wanted)
    with adding: add_to_grad(gradients)  # in one line, so that Ctrl-C cannot come between the work and the unlocking
    if not retain_graph:
        for node in record:
            node.parents, node.saved, node.static = (), None, core.NOTHING


adding = threading.Lock()  # threads may share parameters


def add_to_grad(gradients: dict[Node, Any]) -> None:
    """Add to every `.grad`, or to none if Ctrl-C comes in between: a cell that is run again must not double some of them."""
    changes: list[tuple[Any, str, Any]] = []
    for node, gradient in gradients.items():
        sums = node.accumulator
        changes.append((sums, "grad", gradient if sums.grad is None else np.asarray(sums.grad + gradient)))
        changes.append((sums, "calls", sums.calls + 1))
    set_all(changes)


def set_all(changes: list[tuple[Any, str, Any]]) -> None:
    """Set attributes, each given as (object, name, value): all of them or none, whenever Ctrl-C is pressed.

    Python looks for Ctrl-C between two steps of a program written in Python. The loop of deque is written in C: one step.
    """
    before = [getattr(thing, name) for thing, name, _ in changes]  # kept until the end, because freeing may run Python
    deque(starmap(setattr, changes), maxlen=0)
    del before


def detach(state: Any) -> Any:
    """The same values, cut off from the graph: of a Tensor, or of nested tuples and lists of Tensors. Call it on the
    state of an RNN or LSTM that is carried from batch to batch. Shapes stay. Raises TypeError for anything else."""
    if isinstance(state, (tuple, list)):
        parts = [detach(part) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    if not isinstance(state, Value):
        raise TypeError(f"detach takes a Tensor or a tuple of Tensors, not {type(state).__name__}")
    return state.detach()  # type: ignore[attr-defined]


def no_grad() -> _GeneratorContextManager[None]:
    """Run operations without recording them: `with no_grad(): ...` or `@no_grad()`.

    Each thread has its own switch; it is restored when the block ends, also by an exception.
    """
    return core.switched("recording", False)


class Anomalies:
    """The observer of detect_anomaly(). It raises FloatingPointError at the first number that is not finite."""

    @staticmethod
    def computed(op: Any, inputs: tuple, arrays: list, y: np.ndarray, node: Any) -> None:
        line = calling_line()
        _check_finite(y, explain.call(op, inputs), line)
        if node is not None:
            node.origin = line

    @staticmethod
    def arrived(node: Any, i: int, vjp: np.ndarray) -> None:
        _check_finite(vjp, explain.formula(node, i), node.origin)


def _check_finite(array: np.ndarray, what: str, line: str) -> None:
    if not np.isfinite(array).all():
        counts = f"{np.isnan(array).sum()} NaN and {np.isinf(array).sum()} infinite of {array.size} numbers"
        raise FloatingPointError(f"{what} gives {counts}" + (f", called at\n  {line}" if line else ""))


def detect_anomaly() -> _GeneratorContextManager[None]:
    """Find the first NaN or infinity: `with detect_anomaly(): ...` around forward and backward.

    Raises FloatingPointError with the operation, its shapes and the calling line. It is slow: use it to debug.
    """
    return core.switched("watch", Anomalies)
