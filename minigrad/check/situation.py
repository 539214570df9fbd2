"""Situation: one wrong gradient and all known facts about it, for the hypotheses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

ROUNDING = 1e-11  # rounding error of a formula in float64, relative to its terms
Values = dict[str, np.ndarray]


@dataclass
class Situation:
    """One input x whose gradient is wrong: the engine's gradient and the numeric one, with its error; the Jacobian
    (outputs, entries of x) and its relative error for each entry; outputs ys and their cotangents gs; the other inputs'
    values, and their numeric gradients with errors, by name; and again(changes), the numeric gradient where some inputs have
    other values; lengths of arrays that are no inputs of the check."""

    name: str
    x: np.ndarray
    analytic: np.ndarray
    numeric: np.ndarray
    error: np.ndarray
    jacobian: np.ndarray
    relative_error: np.ndarray
    ys: list[np.ndarray]
    gs: list[np.ndarray]
    others: dict[str, np.ndarray]
    gradients_of_others: dict[str, tuple[np.ndarray, np.ndarray]]
    again: Callable[[dict[str, np.ndarray]], tuple[np.ndarray, np.ndarray] | None]
    lengths: frozenset[int] = frozenset()

    def for_cotangents(self, gs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The numeric gradient, and its error, if these cotangents arrived."""
        v, own = (np.concatenate([np.ravel(g) for g in some]) for some in (gs, self.gs))
        terms = np.abs(v) @ self.sizes
        louder = np.abs(v).max(initial=0) / max(np.abs(own).max(initial=0), np.finfo(float).tiny)
        return (v @ self.jacobian).reshape(self.x.shape), terms.reshape(self.x.shape) * self.relative_error + louder * self.error

    @cached_property
    def sizes(self) -> np.ndarray:
        return np.abs(self.jacobian)


def elementwise(s: Situation) -> Iterator[tuple[str, np.ndarray, Values, Callable[[np.ndarray], np.ndarray]]]:
    """Ways to align g, x, y and the other inputs, element by element; and the way back to x's shape."""
    if len(s.ys) != 1:
        return
    y, g = s.ys[0], s.gs[0]
    inputs = {name if name != "y" else "input y": a for name, a in {s.name: s.x, **s.others}.items()}  # y is the output
    if broadcasts(s.x.shape, y.shape):
        yield "", g, fitting({**inputs, "y": y}, y.shape), lambda a: _sum_to(a, s.x.shape)
    elif y.ndim <= s.x.ndim:
        for axes in combinations(range(s.x.ndim), s.x.ndim - y.ndim):
            if broadcasts(np.expand_dims(g, axes).shape, s.x.shape):
                spread_g, spread_y = (np.broadcast_to(np.expand_dims(a, axes), s.x.shape) for a in (g, y))
                along = f", repeated along axis {', '.join(map(str, axes))}" if axes and y.ndim else ""
                yield along, spread_g, {next(iter(inputs)): s.x, "y": spread_y}, lambda a: a


def broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    return len(shape) <= len(to) and all(n in (1, m) for n, m in zip(shape[::-1], to[::-1]))


def fitting(values: Values, shape: tuple[int, ...]) -> Values:
    return {name: np.broadcast_to(a, shape) for name, a in values.items() if broadcasts(a.shape, shape)}


def _sum_to(a: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Broadcasting undone."""
    a = a.sum(axis=tuple(range(a.ndim - len(shape))))
    return a.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1 != a.shape[i]), keepdims=True)


def with_error(a: np.ndarray, back: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return back(a), ROUNDING * back(np.abs(a))
