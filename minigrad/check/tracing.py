"""Runs a NumPy function on arrays that carry the ids of their numbers, so that its operations become a trace.

Functions that only move numbers (indexing, assignment into a buffer, concatenate, transposed views) move the ids in the same
way. So only operations that compute are recorded, and sums over equal ids undo broadcasting. Unknown functions give constants:
a trace is only for guesses at the mistake, and its gradient is first compared with the numeric one.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .formulas import FORMULAS, einsum_formulas, reduction
from .trace import Edge, Node, Trace

HERE = (__file__, __file__.replace("tracing", "lending"), functools.__file__)


class Traced(np.ndarray):
    """An array with the ids of its numbers; None if an unknown function made it."""

    ids: np.ndarray | None
    of_trace: Trace

    def __array_finalize__(self, other: Any) -> None:
        self.ids = None

    def __getitem__(self, index: Any) -> Any:
        return _moved(lambda a: a[index], self)

    def __setitem__(self, index: Any, value: Any) -> None:
        plain(self)[index] = plain(value)
        if self.ids is not None:
            self.ids[index] = ids_of(value)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if method == "reduce" and ufunc in (np.add, np.maximum, np.minimum):
            name = {np.add: "sum", np.maximum: "max", np.minimum: "min"}[ufunc]
            result = _reduce(name, inputs[0], options.get("axis", 0), options.get("keepdims", False))
        elif method == "accumulate" and ufunc is np.add:
            result = _reduce("cumsum", inputs[0], options.get("axis", 0))
        else:
            y = getattr(ufunc, method)(*map(plain, inputs), **{key: plain(x) for key, x in options.items()})
            if method == "__call__" and ufunc.__name__ in FORMULAS and not isinstance(y, tuple) and "where" not in options:
                trace = next(x.of_trace for x in (*inputs, *(out or ())) if isinstance(x, Traced))
                result = traced(y, record(trace, ufunc.__name__, FORMULAS[ufunc.__name__], inputs, np.asarray(y)), trace)
            else:
                result = y
        if out:
            out[0][...] = result
            return out[0]
        return result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = function.__name__
        if name in MOVING:
            return _moved(lambda *xs: function(*xs, **kwargs), *args)
        if name in REDUCING:
            return _reduce(name, *args, **kwargs)
        if name in ("dot", "outer"):
            return {
                "dot": lambda a, b: np.matmul(a, b) if np.ndim(a) and np.ndim(b) else np.multiply(a, b),
                "outer": lambda a, b: np.multiply(a[:, None], b[None]),
            }[name](*args)
        if (
            name == "einsum"
            and isinstance(args[0], str)
            and (backs := einsum_formulas(args[0], [np.shape(a) for a in args[1:]]))
        ):
            y = np.asarray(np.einsum(args[0], *map(plain, args[1:])))
            trace = next(first_traced(args)).of_trace
            return traced(y, record(trace, "einsum", backs, args[1:], y), trace)
        if name == "where" and len(args) == 3:
            return _moved(lambda x, y: np.where(plain(args[0]), x, y), *args[1:])
        if name == "norm" and set(kwargs) <= {"axis", "keepdims"} and len(args) == 1:
            return np.sqrt(np.sum(np.multiply(args[0], args[0]), **kwargs))
        if name == "clip" and "out" not in kwargs:
            return np.minimum(np.maximum(args[0], args[1]), args[2])
        return function(*deeply(plain, args), **{key: deeply(plain, x) for key, x in kwargs.items()})

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        return self.copy() if np.dtype(dtype).kind == "f" else plain(self).astype(dtype)

    def dot(self, other: Any) -> Any:  # type: ignore[override]
        return np.dot(self, other)

    def item(self, *index: Any) -> Any:
        return self[index] if index else self.reshape(())

    def __float__(self) -> float:
        return float(plain(self))

    T = property(lambda self: self.transpose())


def plain(x: Any) -> Any:
    return x.view(np.ndarray) if isinstance(x, Traced) else x


def ids_of(x: Any) -> np.ndarray:
    return x.ids if isinstance(x, Traced) and x.ids is not None else np.zeros(np.shape(x), int)


def traced(value: Any, ids: np.ndarray, trace: Trace) -> Any:
    if np.asarray(value).dtype.kind != "f":
        return value
    array = np.asarray(value).view(Traced)
    array.ids, array.of_trace = ids, trace
    return array


def deeply(change: Callable[[Any], Any], x: Any) -> Any:
    return type(x)([deeply(change, item) for item in x]) if type(x) in (list, tuple) else change(x)


def first_traced(x: Any) -> Iterator[Traced]:
    for item in x if type(x) in (list, tuple) else ():
        yield from first_traced(item)
    if isinstance(x, Traced):
        yield x


def _moved(move: Callable, *xs: Any) -> Any:
    """A function that only moves numbers, applied to the numbers and to their ids; integers may be indices."""

    def ids_or_index(x: Any) -> Any:
        return ids_of(x) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else 0 if isinstance(x, float) else x

    values, ids = (move(*deeply(part, xs)) for part in (plain, ids_or_index))
    trace = next(first_traced(xs)).of_trace
    if isinstance(values, (list, tuple)):
        return type(values)([traced(value, i, trace) for value, i in zip(values, ids)])
    return traced(values, np.asarray(ids), trace)


def _reduce(name: str, x: Traced, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    value = plain(x)
    y = np.asarray(getattr(value, name)(axis) if name == "cumsum" else getattr(value, name)(axis, keepdims=keepdims))
    return traced(y, record(x.of_trace, name, [reduction(name, value, axis)], [x], y), x.of_trace)


MOVING = {
    "concatenate", "stack", "vstack", "hstack", "column_stack", "split", "array_split", "hsplit", "vsplit", "reshape",
    "ravel", "transpose", "swapaxes", "moveaxis", "rollaxis", "squeeze", "expand_dims", "broadcast_to", "tile", "repeat",
    "roll", "flip", "fliplr", "flipud", "take", "take_along_axis", "atleast_1d", "atleast_2d", "copy", "diag", "diagonal",
    "append", "tril", "triu", "delete", "pad", "dstack", "dsplit", "atleast_3d", "rot90",
}
REDUCING = {"sum", "mean", "max", "min", "amax", "amin", "var", "std", "cumsum"}
for _name in ("reshape", "transpose", "swapaxes", "ravel", "flatten", "squeeze", "copy", "repeat", "take", "diagonal"):
    setattr(
        Traced, _name, lambda self, *args, _name=_name, **kwargs: _moved(lambda a: getattr(a, _name)(*args, **kwargs), self)
    )
for _name in ("sum", "mean", "max", "min", "var", "std", "cumsum"):
    setattr(Traced, _name, lambda self, axis=None, *, _name=_name, **kwargs: _reduce(_name, self, axis, **kwargs))


# -- the operations ------------------------------------------------------------------------------------


def record(
    trace: Trace, name: str, backs: Sequence[Callable[..., np.ndarray]], inputs: Sequence[Any], y: np.ndarray
) -> np.ndarray:
    """Record an operation with the result y; returns y's ids."""
    ids, place = trace.new_ids(y.shape), (name, *_place())
    turn = trace.turns[place] = trace.turns.get(place, -1) + 1
    values = (*(np.array(plain(x), float) for x in inputs), np.array(y))
    node = Node(ids, name, place, turn, values[-1])
    node.edges = [
        Edge(ids_of(x).copy(), back, values, i, node) for i, (x, back) in enumerate(zip(inputs, backs)) if ids_of(x).any()
    ]
    trace.nodes += [node] if node.edges else []
    return ids.copy() if node.edges else np.zeros(y.shape, int)  # the result may be changed in place later


def _place() -> Iterator[tuple[Any, int]]:
    """The running functions, from the caller of NumPy outwards, and their current instructions."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_name != "trace_of":
        if frame.f_code.co_filename not in HERE and "numpy" not in frame.f_globals.get("__name__", "").split(".")[0]:
            yield frame.f_code, frame.f_lasti
        frame = frame.f_back  # type: ignore[assignment]
