"""Hypothesis strategies and helpers for tests of your own operations. Only this file needs hypothesis.

    from minigrad.testing import check_op

    def test_softplus():
        check_op(softplus, low=-5, high=5)

It tries shapes that broadcast, memory layouts and constants, and fails if a gradient is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, Signature
from types import MappingProxyType
from typing import Any

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from . import cases, ops
from .cases import Case, Choose
from .check import gradcheck
from .check.problem import argument_names
from .core import Op
from .tensor import Tensor
from .types import Operation


def assert_gradients(f: Callable, *inputs: Any, order: int = 1, seed: int = 0) -> None:
    """AssertionError, with gradcheck's report, unless all gradients of f are right."""
    report = gradcheck(f, *inputs, order=order, seed=seed)
    assert report, f"\n{report}"


def check_op(operation: Operation, *, low: float = -2.0, high: float = 2.0, order: int = 2, max_examples: int = 50,
             **static: Any) -> None:
    """A full property test of an elementwise operation. It tries shapes that broadcast, 0-d, size 0 and 1, memory layouts,
    constants among the inputs, and gradients up to `order`. Inputs are between low and high: choose a range in which the
    function changes. It does not try special points, such as 0: give them to gradcheck. Raises AssertionError with the report.

    For an operation that needs other shapes, write a Case: see `calls`.
    """
    if not isinstance(operation, Op):
        raise TypeError(f"check_op needs an operation declared with @op, not {type(operation).__name__}")
    case = Case(lambda choose: (cases.broadcastable_shapes(choose, len(operation.inputs)), static), cases.between(low, high))

    @settings(max_examples=max_examples, deadline=None, phases=[phase for phase in Phase if phase is not Phase.explain])
    @given(calls(operation, case))
    def gradients_are_right(call: Call) -> None:
        assert_gradients(call.f, *call.inputs, order=order)

    gradients_are_right()


def _strategy(f: Callable[..., Any], *arguments: Any) -> st.SearchStrategy:
    """A strategy for f(choose, *arguments): hypothesis chooses."""
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
    """Numbers in low .. high, at least gap away from all of the points: kinks and poles."""
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
    """One way to call an operation, for gradcheck(f, *inputs)."""

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
    names, own = [], argument_names(operation, len(arrays))
    arguments: list[Callable[[tuple], Any]] = []  # each gives one argument of the operation, from the leaves
    differentiable = choose(range(len(arrays)))  # this input always requires a gradient
    for i, array in enumerate(arrays):
        if i != differentiable and choose([False, False, True]):
            layout = choose(list(CONSTANTS))
            arguments.append(_constant(CONSTANTS[layout](array)))
            described += f", {i} constant, {layout}"
            continue
        stored, view, layout = _layout(array, choose)
        arguments.append(_view_of_leaf(len(inputs), view))
        names.append(own[i] if own[i].isidentifier() else f"x{i}")
        inputs.append(stored)
        described += f", {i} {layout}"
    ends = ["", "transposed", "summed"]  # the last two change the layout of the arriving gradient: not contiguous, or stride 0
    end = choose(ends[:2] if operation is ops.softmax else ends)  # softmax sums to 1: its gradient would be 0

    def f(*leaves: Tensor) -> Any:
        y = operation(*(argument(leaves) for argument in arguments), **static)
        if isinstance(y, list):
            return tuple(y)
        return y.T if end == "transposed" else y.sum(axis=0) if end == "summed" and y.ndim else y

    f.__signature__ = Signature([Parameter(name, Parameter.POSITIONAL_ONLY) for name in names])  # type: ignore[attr-defined]
    return Call(f, inputs, f"{described}, output {end}" if end else described)


def _read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


CONSTANTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "contiguous": lambda a: a, "column by column": np.asfortranarray, "read-only": _read_only,
    "negative strides": lambda a: np.flip(np.flip(a).copy()),
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
}
"""The same values in other memory layouts."""


def _constant(array: np.ndarray) -> Callable[[tuple], Any]:
    return lambda leaves: array


def _view_of_leaf(i: int, view: Callable[[Tensor], Tensor]) -> Callable[[tuple], Any]:
    return lambda leaves: view(leaves[i])


def _layout(array: np.ndarray, choose: Choose) -> tuple[np.ndarray, Callable[[Tensor], Tensor], str]:
    """An array to store, a function that views it with `array`'s values, and the layout's name."""
    layouts: list[tuple[np.ndarray, Callable[[Tensor], Tensor], str]] = [(array, lambda t: t, "contiguous")]
    if array.ndim:
        layouts += [
            (array.T.copy(), lambda t: ops.transpose(t), "transposed"),
            (np.repeat(array, 2, axis=-1), lambda t: t[..., ::2], "strided"),
            (array[::-1].copy(), lambda t: t[::-1], "reversed"),
        ]
    return choose(layouts)


# -- random programs --------------------------------------------------------------------------------

# Every value has shape (2, 2), (1, 2), (2, 1) or (), and stays of moderate size.
UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "neg": lambda a: -a,
    "exp": lambda a: ops.exp(ops.tanh(a)),
    "log": lambda a: ops.log(a * a + 1),
    "square": lambda a: ops.tanh(a) ** 2,
    "softmax": lambda a: ops.softmax(a, axis=-1) if a.ndim else a,
    "transpose": lambda a: a.T,
    "reverse": lambda a: a[::-1] if a.ndim else a,
    "repeat an index": lambda a: a[[0, 0], :] if a.shape == (2, 2) else a,
    "row": lambda a: a[:1] if a.ndim else a,
    "column": lambda a: a[:, -1:] if a.ndim else a,
    "sum": lambda a: a.sum(axis=0, keepdims=True) if a.ndim else a,
    "mean": lambda a: a.mean(),
    "reshape": lambda a: a.reshape(-1).reshape(a.shape),
    "where": lambda a: ops.where(a, 0.5, mask=np.eye(2) > 0),
    "constant array": lambda a: a * np.array([[1.0, -0.5], [0.25, 2.0]]),
    "split": lambda a: ops.concat(*ops.split(a, 2, axis=-1)[::-1], axis=-1) if a.ndim and a.shape[-1] == 2 else a,
}
BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: ops.tanh(a) * b,
    "div": lambda a, b: a / (ops.exp(ops.tanh(b)) + 1),
    "matmul": lambda a, b: _square(a) @ ops.tanh(_square(b)),
    "concat": lambda a, b: ops.concat(_square(a)[:1], _square(b)[1:], axis=0),
    "stack": lambda a, b: ops.stack(_square(a), _square(b)).sum(axis=0) * 0.5,
}
Steps = list[tuple[str, int, int | None]]


def _square(a: Tensor) -> Tensor:
    return ops.broadcast_to(a, shape=(2, 2))


def program_steps(*more: str) -> st.SearchStrategy[Steps]:
    """Programs for `run`: operations of the tables and unary `more`, on values numbered modulo their count."""
    number = st.integers(0, 10)
    return st.lists(st.one_of(st.tuples(st.sampled_from([*sorted(UNARY), *more]), number, st.none()),
                              st.tuples(st.sampled_from(sorted(BINARY)), number, number)), min_size=1, max_size=12)


def run(steps: Steps, leaves: Sequence[Tensor],
        more: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType({})) -> list[Tensor]:
    """All values that a program computes from its leaves; any of them may be used again by a later step."""
    values = list(leaves)
    for name, i, j in steps:
        a = values[i % len(values)]
        values.append({**UNARY, **more}[name](a) if j is None else BINARY[name](a, values[j % len(values)]))
    return values[len(leaves):]


@st.composite
def graphs(draw: st.DrawFn) -> Call:
    """Random programs: up to 12 operations on up to 3 inputs, values used several times, at scales from 1e-8 to 1e8. All
    results are outputs."""
    steps = draw(program_steps())
    of_inputs = draw(st.lists(st.sampled_from([(2, 2), (1, 2), (2, 1), ()]), min_size=1, max_size=3))
    rng, scale, output_scale = np.random.default_rng(draw(st.integers(0, 10_000))), *(
        10.0 ** draw(st.integers(-8, 8)) for _ in range(2))

    def f(*leaves: Tensor) -> tuple[Tensor, ...]:
        return tuple(value * output_scale for value in run(steps, [leaf / scale for leaf in leaves]))

    return Call(f, [scale * rng.normal(size=shape) for shape in of_inputs],
                f"graph {steps}, inputs {of_inputs}, scales {scale:g} and {output_scale:g}")
