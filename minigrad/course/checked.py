"""A function in a student's file, as a Function for the gradient check: a worker sends its numbers, and they are judged here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from ..check.noise import EPS
from ..student_file import CannotCheckError, FormulaError
from .client import WorkerEndedError, clean, one_line
from .worker.channel import Message

Ask = Callable[[Message, Sequence[np.ndarray]], tuple[Message, list[np.ndarray]]]
FORGED = WorkerEndedError("forged", "it sent an answer of another form")


class Checked:
    """A Function (check/function.py). ask: asks the worker; its `_open` or `_second` (worker/checking.py) sent message and xs."""

    def __init__(self, ask: Ask, message: Message, xs: list[np.ndarray], order: int = 1) -> None:
        self.ask, self.xs, self.order = ask, xs, order
        self.names = [one_line(name) for name in texts(message.get("names"))]
        shapes, eps = message.get("shapes"), message.get("eps")
        if not (isinstance(shapes, list) and all(isinstance(shape, list) and all(type(n) is int and 0 <= n for n in shape)
                                                 for shape in shapes)
                and len(self.names) == len(xs) and all(x.dtype == np.float64 for x in xs) and type(eps) is float):
            raise FORGED
        self.shapes: list[tuple[int, ...]] = [tuple(shape) for shape in shapes]
        self.eps = min(max(EPS, eps), 1e-3) if eps == eps else EPS
        self.rounds = message.get("by_hand") is not True  # only the engine's operations can be rounded otherwise
        self.size = sum(math.prod(shape) for shape in self.shapes)

    def values(self, xs: Sequence[np.ndarray]) -> np.ndarray:
        """All outputs in one vector."""
        return arrays_of(self.ask({"do": "values", "order": self.order}, xs)[1], [(self.size,)])[0]

    def gradients(self, xs: Sequence[np.ndarray], v: np.ndarray, create_graph: bool = False) -> list[np.ndarray]:
        """The gradients of v . values(xs)."""
        message = {"do": "gradients", "order": self.order, "create_graph": create_graph}
        return arrays_of(self.ask(message, [*xs, v])[1], [x.shape for x in xs])

    def rounding_otherwise(self, eps: float, rng: np.random.Generator) -> AbstractContextManager[None] | None:
        """Inside the block the worker makes other rounding errors."""
        return self._rounding(eps, rng) if self.rounds else None

    @contextmanager
    def _rounding(self, eps: float, rng: np.random.Generator) -> Iterator[None]:
        self.ask({"do": "round", "order": self.order, "eps": eps, "seed": int(rng.integers(2 ** 32))}, [])
        yield
        self.ask({"do": "round", "order": self.order, "eps": 0.0, "seed": 0}, [])

    def changed(self) -> list[str]:
        """Names of the inputs that the function has changed."""
        return [one_line(name) for name in texts(self.ask({"do": "changed", "order": self.order}, [])[0].get("names"))]

    def held(self) -> list[np.ndarray]:
        """Empty: no process can share memory with this one."""
        return []


def asking(ask: Ask) -> Ask:
    """The same `ask`, but it raises the worker's errors as those of student_file.py."""
    def checked(message: Message, arrays: Sequence[np.ndarray] = ()) -> tuple[Message, list[np.ndarray]]:
        answer, found = ask(message, arrays)
        if "error" in answer:
            raise (FormulaError if answer.get("wrong") is True else CannotCheckError)(clean(str(answer["error"])))
        return answer, found
    return checked


def texts(found: Any) -> list[str]:
    """A list of strings, or WorkerEndedError."""
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise FORGED
    return found


def arrays_of(found: list[np.ndarray], shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """Arrays of numbers with exactly these shapes, or WorkerEndedError."""
    if [array.shape for array in found] != list(shapes) or any(array.dtype.kind != "f" for array in found):
        raise FORGED
    return found

