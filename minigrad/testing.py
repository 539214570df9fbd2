"""Hypothesis strategies and helpers for tests of one's own operations. The only file that needs hypothesis.

    from minigrad.testing import check_op

    def test_softplus():
        check_op(softplus, low=-5, high=5)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from . import cases, ops
from .cases import Case, Choose
from .check import gradcheck
from .op import Op
from .tensor import Tensor


def assert_gradients(f: Callable, *inputs: Any, order: int = 1, seed: int = 0) -> None:
    """AssertionError, with gradcheck's report, unless all gradients of f are right."""
    report = gradcheck(f, *inputs, order=order, seed=seed)
    assert report, f"\n{report}"


def check_op(operation: Op, *, low: float = -2.0, high: float = 2.0, order: int = 2, max_examples: int = 50,
             **static: Any) -> None:
    """A full property test of an elementwise operation: shapes that broadcast, 0-d, size 0 and 1, memory layouts, constants
    among the inputs; gradients up to `order`. Its inputs are between low and high. AssertionError with the report.

    An operation that needs other shapes takes a Case: see `calls`.
    """
    case = Case(lambda choose: (cases.broadcastable_shapes(choose, len(operation.inputs)), static), cases.between(low, high))

    @settings(max_examples=max_examples, deadline=None)
    @given(calls(operation, case))
    def gradients_are_right(call: Call) -> None:
        assert_gradients(call.f, *call.inputs, order=order)

    gradients_are_right()


def _strategy(f: Callable[..., Any], *arguments: Any) -> st.SearchStrategy:
    """What f(choose, *arguments) makes, with hypothesis choosing."""
    @st.composite
    def drawn(draw: st.DrawFn) -> Any:
        return f(lambda options: draw(st.sampled_from(list(options))), *arguments)
    return drawn()


def shapes() -> st.SearchStrategy[tuple[int, ...]]:
    """Up to 3 axes, 0-d and lengths 0 and 1 included; square or cubic half of the time."""
    return _strategy(cases.shape)


def broadcastable_shapes(n: int) -> st.SearchStrategy[list[tuple[int, ...]]]:
    """n shapes that broadcast with each other."""
    return _strategy(cases.broadcastable_shapes, n)


def matmul_shapes() -> st.SearchStrategy[list[tuple[int, ...]]]:
    """Two shapes that np.matmul takes."""
    return _strategy(cases.matmul_shapes)


def concat_shapes() -> st.SearchStrategy[tuple[list[tuple[int, ...]], int]]:
    """Shapes that differ along one axis at most, and that axis."""
    return _strategy(cases.concat_shapes)


def away_from(points: list[float], gap: float = 0.1, low: float = -2.0, high: float = 2.0) -> st.SearchStrategy[float]:
    """Numbers in low .. high that are no nearer than gap to any of the points: kinks and poles."""
    return st.floats(low, high).filter(lambda x: all(abs(x - point) >= gap for point in points))


@st.composite
def tensors(draw: st.DrawFn, shape: Any = None, dtype: Any = np.float64, elements: st.SearchStrategy[float] | None = None,
            requires_grad: bool = True) -> Tensor:
    """Tensors; shape: a shape or a strategy for shapes; elements: a strategy for the numbers."""
    shape = draw(shapes() if shape is None else shape) if shape is None or isinstance(shape, st.SearchStrategy) else shape
    size = int(np.prod(shape))
    numbers = draw(st.lists(elements if elements is not None else st.floats(-2, 2), min_size=size, max_size=size))
    return Tensor(np.array(numbers, dtype).reshape(shape), requires_grad)


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
