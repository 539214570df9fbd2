"""What is checked: a function of arrays, and a function that gives its gradients; wherever these come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from .noise import Noise
from .numeric import Differences

Arrays = list[np.ndarray]


class Function(Protocol):
    """names, xs: of the inputs, and the values at which their gradients are checked. shapes: of the outputs. eps: the largest
    machine epsilon of all that is computed. order: 2 if the outputs are gradients themselves. It may also have
    trace(xs), the Trace (trace.py) of the NumPy code that computes the outputs, for guesses at what is wrong."""

    names: list[str]
    shapes: list[tuple[int, ...]]
    eps: float
    order: int

    @property
    def xs(self) -> Arrays: ...

    def values(self, xs: Sequence[np.ndarray]) -> np.ndarray:
        """All outputs, one after the other in a vector; NaN if the function refuses these inputs."""

    def gradients(self, xs: Sequence[np.ndarray], v: np.ndarray, create_graph: bool = False) -> Arrays:
        """Of v . values(xs), for each input; NaN if the function refuses these inputs."""

    def rounding_otherwise(self, eps: float, rng: np.random.Generator) -> AbstractContextManager[Any] | None:
        """Inside the block all is computed with other rounding errors on the way, of the size eps; None where that cannot be
        had."""

    def changed(self) -> list[str]:
        """Names of the inputs that the function itself has changed."""

    def held(self) -> Arrays:
        """The inputs as the last call was given them, not copies."""


@dataclass
class Point:
    """A function at some values of its inputs. scale: the size of inputs that are all zero. noise: of the function nearby."""

    function: Function
    xs: Arrays
    scale: float
    noise: Noise | None = None

    def at(self, xs: Arrays) -> Point:
        """The same function at other values nearby."""
        return replace(self, xs=xs)

    def values(self) -> np.ndarray:
        return self.function.values(self.xs)

    def gradients(self, v: np.ndarray, create_graph: bool = False) -> Arrays:
        return self.function.gradients(self.xs, v, create_graph)

    def of_input(self, i: int) -> Callable[[np.ndarray], np.ndarray]:
        """The outputs as a function of input number i."""
        return lambda x: self.function.values([*self.xs[:i], x, *self.xs[i + 1:]])

    def differences(self, i: int) -> Differences:
        """Of the outputs, by input number i."""
        return Differences(self.of_input(i), self.xs[i], self.function.eps, self.scale, self.noise)


def cut(v: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> Arrays:
    """A vector in pieces of these shapes."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    ends = np.cumsum(sizes, dtype=int)
    return [v[end - size:end].reshape(shape) for end, size, shape in zip(ends, sizes, shapes)]


def joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """All numbers, one array's after the other's."""
    return np.concatenate([np.zeros(0), *(array.ravel() for array in arrays)])
