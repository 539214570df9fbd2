"""Runs the step of scan once and records its arguments, its calls of operations, and the new state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .core import NOTHING, switched
from .tensor import Tensor


class Value:
    """A value in a step: an argument, or the result of an operation."""

    def __init__(self, name: str, array: np.ndarray, varies: bool, op: Any = None, inputs: Sequence[Any] = (),
                 static: Any = NOTHING) -> None:
        self.name, self.array, self.shape, self.dtype = name, array, array.shape, array.dtype
        self.op, self.inputs, self.static = op, inputs, static  # inputs: Values and constants
        self.varies = varies  # it differs from time step to time step
        self.active = False  # it needs a gradient
        self.users: list[Value | None] = []  # results computed from it; None: it is a part of the new state


class Record:
    """A watch. It records inputs and results of operations on Tensors that need a gradient."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, list, np.ndarray]] = []

    def computed(self, op: Any, inputs: tuple, arrays: list, y: np.ndarray, node: Any) -> None:
        if node is not None:
            self.calls.append((node, arrays, y))


def trace(step: Callable, states: int, inputs: list[Tensor], needed: list[bool]) -> tuple[list[Value], list[Value], list[Value]]:
    """Run the step once. Returns its arguments, the results that its new state depends on, and the new state."""
    leaves = [Tensor(t.numpy()[0] if i == states else t.numpy(), requires_grad=True) for i, t in enumerate(inputs)]
    record = Record()
    with switched("recording", True), switched("watch", record), np.errstate(all="ignore"):
        ends = step(*leaves)
    kinds = "s" * states + "x" + "w" * (len(leaves) - states - 1)
    values = {t.node: Value(f"{kind}{i}", t.numpy(), kind in "sx") for i, (t, kind) in enumerate(zip(leaves, kinds))}
    arguments = list(values.values())

    def value(node: Any) -> Value:
        if node not in values:
            raise ValueError(f"scan: the step uses a Tensor of shape {node.shape} that needs a gradient and is not among its "
                             "arguments: pass it as a weight")
        return values[node]

    for node, arrays, y in record.calls:
        own = [array if parent is None else value(parent) for parent, array in zip(node.parents, arrays)]
        varies = any(isinstance(x, Value) and x.varies for x in own)
        values[node] = Value(f"v{len(values)}", y, varies, node.op, own, node.static)
    new_state = [value(t.node) for t in ends if isinstance(t, Tensor) and t.requires_grad]
    useful = set(new_state)
    for end in new_state:
        end.users.append(None)
    for v in reversed(values.values()):
        for x in v.inputs if v in useful else ():
            if isinstance(x, Value):
                useful.add(x)
                x.users.append(v)
    calls = [v for v in values.values() if v.op is not None and v in useful]
    for v, need in zip(arguments, needed):
        v.active = need
    for _ in range(states + 1):  # a state needs a gradient, too, if its new value does
        for v in calls:
            v.active = any(isinstance(x, Value) and x.active for x in v.inputs)
        for s, end in zip(arguments, new_state):
            s.active |= end.active
    return arguments, calls, new_state
