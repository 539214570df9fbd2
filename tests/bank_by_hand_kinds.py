"""The parts of the bank of passes written by hand: kinds of right passes with drawn inputs, and mistakes planted in them."""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from minigrad import gradcheck
from minigrad.check.report import Report


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z, axis=-1):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


class Draw:
    """Sizes and numbers for one pass: sometimes one step, a batch of one, a state or biases of zeros, integers for data."""

    def __init__(self, rng: np.random.Generator, integers: bool = True) -> None:
        self.rng, self.integers = rng, integers
        self.T = 1 if rng.random() < 0.15 else int(rng.integers(2, 6))
        self.B = 1 if rng.random() < 0.25 else int(rng.integers(2, 5))
        self.D, self.H, self.V = (int(n) for n in rng.integers(2, 5, size=3))
        self.V += 1

    def normal(self, *shape, scale=1.0):
        return scale * self.rng.normal(size=shape)

    def weights(self, *shape):
        return self.rng.normal(size=shape) / max(1.0, np.sqrt(shape[0]))

    def state(self, *shape):
        return np.zeros(shape) if self.rng.random() < 1 / 3 else 0.5 * self.rng.normal(size=shape)

    bias = state

    def data(self, *shape):
        if self.integers and self.rng.random() < 0.1:
            return self.rng.integers(-2, 3, size=shape)
        return self.rng.normal(size=shape)

    def numbers(self, high, *shape):
        return self.rng.integers(0, high, size=shape)


@dataclass(frozen=True)
class Kind:
    """f and its gradients, in any form that gradcheck takes. later: f is made after inputs are drawn, as f()."""

    name: str
    f: Callable
    draw: Callable[[Draw], tuple]
    backward: Callable | None = None
    later: bool = False

    def function(self) -> Callable:
        return self.f() if self.later else self.f

    def check(self, inputs: tuple, seed: int) -> Report:
        return gradcheck(self.function(), *inputs, backward=self.backward, seed=seed)


@dataclass(frozen=True)
class Mistake:
    """edits: pairs of old and new text in the source of the function `where`, or triples with another function's name.

    good: claims (bank_by_hand_judge.py) or regular expressions; a good sentence about it contains one. fine: claims that are
    true besides, and neither help nor mislead. All other claims mislead.
    """

    id: str
    kind: str
    family: str
    what: str
    where: str
    edits: tuple[tuple[str, ...], ...]
    good: tuple[str, ...]
    fine: tuple[str, ...] = ()


def planted(mistake: Mistake, module: ModuleType) -> Kind:
    """The kind with the mistake in its source."""
    text = inspect.getsource(module)
    for old, new, *where in mistake.edits:
        function = _function(text, where[0] if where else mistake.where)
        if function.count(old) != 1:
            raise ValueError(f"{mistake.id}: {old!r} is {function.count(old)} times in {mistake.where}")
        text = text.replace(function, function.replace(old, new))
    namespace: dict[str, Any] = {"__name__": f"{module.__name__}_{mistake.id}"}
    file = f"<{mistake.id}>"
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file  # a student's lines can be quoted
    exec(compile(text, file, "exec"), namespace)
    return next(kind for kind in namespace["KINDS"] if kind.name == mistake.kind)


def _function(text: str, name: str) -> str:
    start = text.index(f"\ndef {name}(") + 1
    ends = [i for i in (text.find(f"\n{word}", start) for word in ("def ", "class ", "KINDS", "#", "@")) if i > 0]
    return text[start:min(ends, default=len(text))]
