"""The record: a graph of nodes, one for each operation that ran, and the switches that say whether and how to record."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import starmap
from types import MappingProxyType
from typing import Any

import numpy as np

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Node:
    """One entry of the record: an operation that ran, or a leaf (`op` is None).

    `saved` has, for each parent, what its formula asked for; a node whose record was freed has None there.
    A node never refers to its own Tensor, so graphs have no reference cycles.
    """

    __slots__ = ("op", "parents", "saved", "static", "order", "shape", "dtype", "kept", "origin")

    _creation = itertools.count()

    def __init__(self, array: np.ndarray, op: Any = None, parents: tuple = (),
                 saved: tuple[Any, ...] | None = None, static: Mapping[str, Any] = NOTHING) -> None:
        self.op = op
        self.parents = parents
        self.saved = saved
        self.static = static
        self.order = next(Node._creation)  # inputs exist before outputs: a topological order
        self.shape = array.shape
        self.dtype = array.dtype
        self.kept: Kept | None = Kept() if op is None else None
        self.origin: str | None = None  # the line that called the operation, with detect_anomaly()


class Kept:
    """What backward() leaves at a node: at leaves, and at results after retain_grad()."""

    grad: np.ndarray | None = None
    backwards = 0  # how many calls of backward() have added to grad


class State(threading.local):
    """What each thread has for itself."""

    recording = True
    anomalies = False  # look for the first number that is not finite
    trace: list[Any] | None = None  # where scan asks to be told of each operation: its node, its arrays and its result


state = State()

# The arrays of a record are freed at the end of a step and asked for again in the next one. glibc gives freed memory back to the
# system, and each 4 KB asked for anew cost 1 to 2 us. Once a large array was freed, it keeps up to twice its size (here 62 MB)
# for later: mallopt(3), "dynamic mmap threshold". Nothing is written into this one, so it takes no memory itself.
np.empty(31 * 2**20, np.uint8)


@contextmanager
def switched(switch: str, on: Any) -> Iterator[None]:
    before = getattr(state, switch)
    setattr(state, switch, on)
    try:
        yield
    finally:
        setattr(state, switch, before)


def no_grad():
    """Run operations without recording them: `with no_grad(): ...` or `@no_grad()`.

    Each thread has its own switch; it is restored when the block ends, by an exception too.
    """
    return switched("recording", False)


def detect_anomaly():
    """Find the first NaN or infinity: `with detect_anomaly(): ...` around forward and backward.

    Raises FloatingPointError that names the operation, its shapes and the line that called it. Slower: for debugging.
    """
    return switched("anomalies", True)


def set_all(changes: list[tuple[Any, str, Any]]) -> None:
    """Set attributes, each given as (object, name, value): all of them or none, whenever Ctrl-C is pressed.

    Python looks for Ctrl-C between two steps of a program written in Python. The loop of deque is written in C: one step.
    """
    before = [getattr(thing, name) for thing, name, _ in changes]  # kept until all is done, as freeing may run Python
    deque(starmap(setattr, changes), maxlen=0)
    del before


def calling_line() -> str:
    """Where the program outside minigrad is: file, line number and text."""
    frames = traceback.extract_stack()
    outside = [frame for frame in frames if not (frame.filename or "").startswith(_folders())] or frames
    return f'{outside[-1].filename}:{outside[-1].lineno}: {outside[-1].line}'


def stacklevel() -> int:
    """For warnings.warn, so that a warning points at the program outside minigrad."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_folders()):
        frame, level = frame.f_back, level + 1
    return level


def _folders() -> tuple[str, ...]:
    modules = (sys.modules.get(name) for name in ("minigrad", "minigrad.layers", "minigrad.optim"))
    return tuple(os.path.dirname(m.__file__) + os.sep for m in modules if m is not None and m.__file__)


def number_array(data: Any) -> np.ndarray:
    """A fresh plain array of `data`; TypeError if they are not real numbers."""
    if isinstance(data, np.ma.MaskedArray):
        raise TypeError("must be an array without a mask: fill it first")
    try:
        array = np.array(data)
    except ValueError as error:  # ragged lists
        raise TypeError(f"must be numbers in a regular array: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"must be real numbers, not {data!r:.60} of dtype {array.dtype}")
    return array
