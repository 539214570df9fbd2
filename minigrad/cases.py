"""Inputs for each operation: shapes, static arguments, and values away from kinks and poles.

The command line, the strategies and the tests share this table. They pass `choose`, which picks one of several
options: a seeded random choice, or hypothesis, which also finds the smallest failing case. About half of the
shapes are square or cubic, because only these let a wrong axis give a wrong number instead of an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import ops

Choose = Callable[[Sequence[Any]], Any]
Shape = tuple[int, ...]
Values = Callable[[np.random.Generator, list[Shape]], list[np.ndarray]]


def shape(choose: Choose, min_ndim: int = 0) -> Shape:
    """A shape of up to 3 axes; 0-d and lengths 0 and 1 included."""
    if choose([True, False]):
        return (choose([2, 3]),) * choose([2, 3])
    ndim = choose([n for n in (1, 2, 0, 3) if n >= min_ndim])
    return tuple(choose([3, 2, 1, 4, 0]) for _ in range(ndim))


def broadcastable_shapes(choose: Choose, n: int) -> list[Shape]:
    """n shapes that broadcast with each other."""
    full = shape(choose)
    shapes = []
    for _ in range(n):
        axes = full[choose([0, 0, *range(len(full) + 1)]):]
        shapes.append(tuple(choose([length, length, 1]) for length in axes))
    return shapes


def matmul_shapes(choose: Choose) -> list[Shape]:
    """Two shapes that np.matmul takes: 1-d, 2-d, stacks, broadcast stacks."""
    if choose([True, False]):
        n = choose([2, 3])
        return [(n, n), (n, n)]
    rows, inner, columns = (choose([2, 3, 4, 1, 0]) for _ in range(3))
    a, b = (rows, inner), (inner, columns)
    stack_a, stack_b = choose([((), ()), ((2,), ()), ((), (3,)), ((2,), (2,)), ((2, 1), (3,)), ((1,), (2,)), ((0,), ())])
    kind = choose(["matrices", "a is 1-d", "b is 1-d", "both are 1-d"])
    return [a[1:] if kind in ("a is 1-d", "both are 1-d") else stack_a + a,
            b[:1] if kind in ("b is 1-d", "both are 1-d") else stack_b + b]


def concat_shapes(choose: Choose) -> tuple[list[Shape], int]:
    """Shapes that differ along one axis at most, and that axis."""
    base = shape(choose, min_ndim=1)
    axis = choose(range(-len(base), len(base)))
    lengths = [choose([base[axis], 1, 2, 0]) for _ in range(choose([2, 1, 3]))]
    where_axis = axis % len(base)
    return [base[:where_axis] + (length,) + base[where_axis + 1:] for length in lengths], axis


def index(choose: Choose, shape: Shape) -> Any:
    """An index into an array of this shape, of any kind that NumPy has."""
    every_second = np.arange(int(np.prod(shape))).reshape(shape) % 2 == 0
    options: list[Any] = [..., None, (..., None), (), np.ones(shape, bool), every_second]
    if shape:
        n = shape[0]
        options += [slice(1, None), slice(None, None, -1), slice(None, None, 2), (slice(0, 2), ...), np.arange(n) % 2 == 0,
                    np.array([], int)]
        if n:
            options += [0, -1, np.array([0, n - 1, 0]), [n - 1, 0, 0], np.array([[0, -1], [0, 0]]), (0, ...), (0, None),
                        ((0, 0),)]
    if len(shape) > 1 and all(shape):
        options += [(0, slice(None, None, -1)), (slice(None), -1), (slice(None), np.array([0, 0])), (0, (-1, -1)),
                    (np.array([0, 0]), np.array([-1, -1])), (np.array([0, -1, 0]), None, slice(0, 1)),
                    (np.array([[0], [0]]), np.array([0, -1]))]
    return choose(options)


def _axis(choose: Choose, shape: Shape, nonempty: bool = False) -> dict[str, Any]:
    """axis (one, several or None) and keepdims of a reduction; nonempty: no axis of length 0."""
    usable = [i for i, n in enumerate(shape) if n or not nonempty]
    options: list[Any] = [None] if all(shape) or not nonempty else []
    options += [*usable, *(i - len(shape) for i in usable)] + ([tuple(usable[::-1]), (usable[-1],)] if usable else [])
    return {"axis": choose(options), "keepdims": choose([False, True])}


# -- values ---------------------------------------------------------------------------------------


def between(low: float, high: float) -> Values:
    return lambda rng, shapes: [rng.uniform(low, high, shape) for shape in shapes]


FROM_MINUS_2_TO_2 = between(-2, 2)


def away_from_zero(rng: np.random.Generator, shapes: list[Shape]) -> list[np.ndarray]:
    return [rng.uniform(0.2, 2, shape) * rng.choice([-1, 1], shape) for shape in shapes]


def _numerator_denominator(rng: np.random.Generator, shapes: list[Shape]) -> list[np.ndarray]:
    return [rng.uniform(-2, 2, shapes[0]), away_from_zero(rng, shapes[1:])[0] * 2]


def _base_exponent(rng: np.random.Generator, shapes: list[Shape]) -> list[np.ndarray]:
    return [rng.uniform(0.3, 2, shapes[0]), rng.uniform(-2, 3, shapes[1])]


def distinct(rng: np.random.Generator, shapes: list[Shape]) -> list[np.ndarray]:
    """Values in all arrays together, at least 1/4 apart."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    values = (rng.permutation(sum(sizes)) - sum(sizes) / 2) / 4
    return [part.reshape(shape) for part, shape in zip(np.split(values, np.cumsum(sizes)[:-1]), shapes)]


# -- the table ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """arguments(choose) gives the inputs' shapes and the static arguments; values(rng, shapes) gives the inputs."""

    arguments: Callable[[Choose], tuple[list[Shape], dict[str, Any]]]
    values: Values = FROM_MINUS_2_TO_2

    def draw(self, choose: Choose) -> tuple[list[np.ndarray], dict[str, Any]]:
        shapes, static = self.arguments(choose)
        return self.values(np.random.default_rng(choose(range(1000))), shapes), static


def _elementwise(n: int, values: Values = FROM_MINUS_2_TO_2) -> Case:
    return Case(lambda choose: (broadcastable_shapes(choose, n) if n > 1 else [shape(choose)], {}), values)


def _reduction(values: Values = FROM_MINUS_2_TO_2, nonempty: bool = False) -> Case:
    def arguments(choose: Choose) -> tuple[list[Shape], dict[str, Any]]:
        x = shape(choose)
        if nonempty and x and not any(x):
            x = (1, *x)
        return [x], _axis(choose, x, nonempty)
    return Case(arguments, values)


def _one_axis(values: Values = FROM_MINUS_2_TO_2) -> Case:
    def arguments(choose: Choose) -> tuple[list[Shape], dict[str, Any]]:
        x = tuple(n or 1 for n in shape(choose, min_ndim=1))
        return [x], {"axis": choose(range(-len(x), len(x)))}
    return Case(arguments, values)


def _where(choose: Choose) -> tuple[list[Shape], dict[str, Any]]:
    a, b, mask = broadcastable_shapes(choose, 3)
    return [a, b], {"mask": np.random.default_rng(choose(range(1000))).random(mask) < 0.5}


def _reshape(choose: Choose) -> tuple[list[Shape], dict[str, Any]]:
    x = shape(choose)
    options: list[Any] = [x[::-1], (int(np.prod(x)),), (1, *x)]
    return [x], {"shape": choose(options + ([-1, (-1, 1)] if all(x) else []))}


def _transpose(choose: Choose) -> tuple[list[Shape], dict[str, Any]]:
    x = shape(choose)
    n = len(x)
    return [x], {"axes": choose([None, tuple(range(n)), (*range(1, n), 0)[:n], (n - 1, *range(n - 1))[-n:] if n else ()])}


def _swapaxes(choose: Choose) -> tuple[list[Shape], dict[str, Any]]:
    x = shape(choose, min_ndim=1)
    return [x], {"axis1": choose(range(-len(x), len(x))), "axis2": choose(range(-len(x), len(x)))}


def _broadcast_to(choose: Choose) -> tuple[list[Shape], dict[str, Any]]:
    x, other = broadcastable_shapes(choose, 2)
    return [x], {"shape": np.broadcast_shapes(x, other)}


def _getitem(choose: Choose) -> tuple[list[Shape], dict[str, Any]]:
    x = shape(choose)
    return [x], {"index": index(choose, x)}


def _put(choose: Choose) -> tuple[list[Shape], dict[str, Any]]:
    whole = shape(choose)
    where = index(choose, whole)
    return [np.zeros(whole)[where].shape], {"index": where, "shape": whole}


def _concat(choose: Choose) -> tuple[list[Shape], dict[str, Any]]:
    shapes, axis = concat_shapes(choose)
    return shapes, {"axis": axis}


def _stack(choose: Choose) -> tuple[list[Shape], dict[str, Any]]:
    x = shape(choose)
    return [x] * choose([2, 1, 3]), {"axis": choose(range(-len(x) - 1, len(x) + 1))}


CASES: dict[Any, Case] = {
    ops.add: _elementwise(2),
    ops.sub: _elementwise(2),
    ops.mul: _elementwise(2),
    ops.div: _elementwise(2, _numerator_denominator),
    ops.pow: _elementwise(2, _base_exponent),
    ops.maximum: _elementwise(2, distinct),
    ops.minimum: _elementwise(2, distinct),
    ops.where: Case(_where),
    ops.neg: _elementwise(1),
    ops.exp: _elementwise(1),
    ops.log: _elementwise(1, between(0.3, 3)),
    ops.sqrt: _elementwise(1, between(0.3, 3)),
    ops.abs: _elementwise(1, away_from_zero),
    ops.sigmoid: _elementwise(1, between(-4, 4)),
    ops.tanh: _elementwise(1, between(-3, 3)),
    ops.relu: _elementwise(1, away_from_zero),
    ops.astype: Case(lambda choose: ([shape(choose)], {"dtype": np.float64})),
    ops.sum: _reduction(),
    ops.max: _reduction(distinct, nonempty=True),
    ops.min: _reduction(distinct, nonempty=True),
    ops.logsumexp: _reduction(nonempty=True),
    ops.reshape: Case(_reshape),
    ops.transpose: Case(_transpose),
    ops.swapaxes: Case(_swapaxes),
    ops.broadcast_to: Case(_broadcast_to),
    ops.getitem: Case(_getitem),
    ops.put: Case(_put),
    ops.concat: Case(_concat),
    ops.stack: Case(_stack),
    ops.matmul: Case(lambda choose: (matmul_shapes(choose), {})),
}
"""The inputs of every operation in minigrad's registry."""

COMPOSED: dict[Any, Case] = {
    ops.mean: _reduction(nonempty=True),
    ops.softmax: _one_axis(),
    ops.log_softmax: _one_axis(),
    ops.split: Case(lambda choose: ([(4, 2)], choose([{"sections": 2}, {"sections": [1, 3]}, {"sections": 2, "axis": 1}]))),
}
"""Functions composed of operations."""
