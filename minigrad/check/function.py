"""Function, the thing to check: a function of arrays together with its gradients, from any source."""

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
    """names: the inputs' names. xs: their values for the check. shapes: the outputs' shapes. eps: the largest machine epsilon
    in the computation. order: 2 if the outputs are gradients themselves. It may also have trace(xs), the Trace (trace.py) of
    the NumPy code that computes the outputs, for guesses at the mistake."""

    names: list[str]
    shapes: list[tuple[int, ...]]
    eps: float
    order: int

    @property
    def xs(self) -> Arrays: ...

    def values(self, xs: Sequence[np.ndarray]) -> np.ndarray:
        """All outputs joined in one vector; NaN if the function refuses these inputs."""

    def gradients(self, xs: Sequence[np.ndarray], v: np.ndarray, create_graph: bool = False) -> Arrays:
        """The gradients of v . values(xs), one for each input; NaN if the function refuses these inputs."""

    def rounding_otherwise(self, eps: float, rng: np.random.Generator) -> AbstractContextManager[Any] | None:
        """Inside the block the computation makes other rounding errors, of the size eps; None if that is not possible."""

    def changed(self) -> list[str]:
        """Names of the inputs that the function has changed."""

    def held(self) -> Arrays:
        """The inputs of the last call themselves, not copies."""


@dataclass
class Point:
    """A function at some values of its inputs. scale: the size to assume for inputs of zeros. noise: the function's noise."""

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
        """The outputs as a function of input number i alone."""
        return lambda x: self.function.values([*self.xs[:i], x, *self.xs[i + 1:]])

    def differences(self, i: int) -> Differences:
        """The outputs' differences for input number i."""
        return Differences(self.of_input(i), self.xs[i], self.function.eps, self.scale, self.noise)


def cut(v: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> Arrays:
    """A vector cut into arrays of these shapes."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    ends = np.cumsum(sizes, dtype=int)
    return [v[end - size:end].reshape(shape) for end, size, shape in zip(ends, sizes, shapes)]


def joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """All arrays' numbers in one vector."""
    return np.concatenate([np.zeros(0), *(array.ravel() for array in arrays)])
