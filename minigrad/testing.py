"""Hypothesis strategies and helpers for tests. The only file that needs hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from . import ops
from .cases import Case, Choose
from .check import gradcheck
from .tensor import Tensor


def assert_gradients(f: Callable, *inputs: Any, order: int = 1, seed: int = 0) -> None:
    """AssertionError, with gradcheck's report, unless all gradients of f are right."""
    report = gradcheck(f, *inputs, order=order, seed=seed)
    assert report, f"\n{report}"


@dataclass
class Call:
    """One way to call an operation: `f(*inputs)` is what `gradcheck` takes."""

    f: Callable
    inputs: list[np.ndarray]
    described: str

    def __repr__(self) -> str:
        return self.described


@st.composite
def calls(draw: st.DrawFn, operation: Callable, case: Case) -> Call:
    """Calls of an operation with inputs from its case, in all memory layouts; some inputs are constants."""
    def choose(options: Any) -> Any:
        return draw(st.sampled_from(list(options)))

    arrays, static = case.draw(choose)
    described = f"{operation.__name__}({', '.join(str(a.shape) for a in arrays)}, {static})"
    inputs: list[np.ndarray] = []
    arguments: list[Callable[[tuple], Any]] = []  # from the leaves to what the operation is given
    differentiable = choose(range(len(arrays)))  # at least this one requires a gradient
    for i, array in enumerate(arrays):
        if i != differentiable and choose([False, False, True]):
            arguments.append(_constant(array))
            described += f", {i} constant"
            continue
        stored, view, layout = _layout(array, choose)
        arguments.append(_view_of_leaf(len(inputs), view))
        inputs.append(stored)
        described += f", {i} {layout}"
    transposed = choose([False, True])  # then the gradient arrives in a layout that is not contiguous

    def f(*leaves: Tensor) -> Any:
        y = operation(*(argument(leaves) for argument in arguments), **static)
        if isinstance(y, list):
            return tuple(y)
        return y.T if transposed else y

    return Call(f, inputs, described + (", output transposed" if transposed else ""))


def _constant(array: np.ndarray) -> Callable[[tuple], Any]:
    return lambda leaves: array


def _view_of_leaf(i: int, view: Callable[[Tensor], Tensor]) -> Callable[[tuple], Any]:
    return lambda leaves: view(leaves[i])


def _layout(array: np.ndarray, choose: Choose) -> tuple[np.ndarray, Callable[[Tensor], Tensor], str]:
    """An array to store, a function that views it with `array`'s values (mostly), and the layout's name."""
    layouts: list[tuple[np.ndarray, Callable[[Tensor], Tensor], str]] = [(array, lambda t: t, "contiguous")]
    if array.ndim:
        layouts += [
            (array.T.copy(), lambda t: ops.transpose(t), "transposed"),
            (np.repeat(array, 2, axis=-1), lambda t: t[..., ::2], "strided"),
            (array[::-1].copy(), lambda t: t[::-1], "reversed"),
        ]
    return choose(layouts)
