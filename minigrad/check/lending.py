"""Traces one call: the function gets arrays with ids, and its module gets, for this call, a NumPy that makes arrays with ids."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from ..core import Op
from .adapters import lent_globals
from .formulas import FORMULAS
from .trace import Trace, join_sigmoids, join_squares, name_calls, split_by_weights
from .tracing import Traced, deeply, first_traced, ids_of, plain, record, traced


def trace_of(f: Callable, call: Callable[[Callable[[str, np.ndarray], Any]], list[Any]]) -> Trace:
    """call(mark) calls f with arguments in which mark(name, x) stands for input x, and returns the outputs."""
    trace = Trace()

    def mark(name: str, x: np.ndarray) -> Traced:
        trace.inputs[name] = trace.new_ids(x.shape)
        return traced(x.copy(), trace.inputs[name], trace)

    with _lent(f, trace):
        outputs = call(mark)
    trace.outputs = np.concatenate([ids_of(y).ravel() for y in outputs])
    trace.prune()
    join_sigmoids(trace)
    join_squares(trace)
    split_by_weights(trace)
    name_calls(trace)
    return trace


class _Numpy:
    """NumPy, but new arrays can carry ids, because students fill them step by step."""

    def __init__(self, trace: Trace) -> None:
        for name in ("zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like", "full_like", "eye", "array",
                     "asarray"):
            setattr(self, name, functools.partial(_new, getattr(np, name), trace))

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def _new(make: Callable, trace: Trace, *args: Any, **kwargs: Any) -> Any:
    value = make(*deeply(plain, args), **kwargs)
    ids = np.zeros(value.shape, int)
    if make in (np.array, np.asarray) and next(first_traced(args[0]), None) is not None:
        ids = np.array(deeply(ids_of, args[0]))
    return traced(value, ids, trace)


def _operation(op: Op, trace: Trace) -> Callable:
    """The engine's operation for arrays that carry ids."""
    def call(*xs: Any, **static: Any) -> Any:
        xs = tuple(xs[0]) if op.variadic and len(xs) == 1 and isinstance(xs[0], (list, tuple)) else xs
        if op.__name__ not in FORMULAS:  # it may consist of NumPy functions that only move numbers
            return op.function(*xs, **static)
        y = np.asarray(op.function(*map(plain, xs), **static))
        return traced(y, record(trace, op.__name__, FORMULAS[op.__name__], xs, y), trace)

    return call


@contextmanager
def _lent(f: Callable, trace: Trace) -> Iterator[None]:
    """The modules of f and of the functions that it calls see _Numpy and traced operations; float() keeps ids."""
    numpy, found = _Numpy(trace), {}
    instead = {id(np): numpy, **{id(getattr(np, name)): new for name, new in vars(numpy).items()}}
    for function in _functions(f, {}):
        variables = function.__globals__
        new = {name: instead[id(x)] for name, x in variables.items() if id(x) in instead}
        new |= {name: _operation(x, trace) for name, x in variables.items() if isinstance(x, Op)}
        found[id(variables)] = variables, {**new, "float": lambda x=0.0: x if isinstance(x, Traced) else float(x)}
    with ExitStack() as stack:
        for variables, new in found.values():
            stack.enter_context(lent_globals(variables, new))
        yield


def _functions(f: Any, seen: dict[int, Any]) -> Iterator[Any]:
    """f and the functions that it may call, as far as they can be found."""
    if id(f) in seen or (getattr(f, "__module__", None) or "").split(".")[0] in ("numpy", "builtins", "minigrad"):
        return
    seen[id(f)] = f
    inner = [getattr(f, name, None) for name in ("forward_with_cache", "f", "function", "func", "__wrapped__", "__func__")]
    if hasattr(f, "__globals__"):
        yield f
        inner += [cell.cell_contents for cell in f.__closure__ or () if cell != type(cell)()]
        inner += [f.__globals__.get(name) for name in f.__code__.co_names]
    for g in inner:
        if callable(g):
            yield from _functions(g, seen)
