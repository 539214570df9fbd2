"""Makes a function of arrays from a function of Tensors or a Module. It works on fresh inputs and changes nothing outside."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any

import numpy as np

from ..core import Op, grad, record_of, switched
from ..tensor import Tensor, replace_data, stand_ins
from ..training import no_grad
from .function import cut, joined
from .lending import trace_of
from .noise import EPS
from .trace import Trace


class Problem:
    """f with its own inputs. `leaves`: all inputs and parameters that can have gradients; `names`: their names.

    dtype: of all floating-point numbers; by default each keeps its own. Use it in a `with` block: until its end, stand-ins
    replace a Module's parameters. At its end, the state of the global random generators is put back.
    """

    def __init__(self, f: Callable, inputs: tuple, dtype: Any = np.float64) -> None:
        self.f, self.dtype = f, dtype
        self.made: dict[int, Tensor] = {}  # a leaf for each of the user's Tensors, so that a Tensor given twice is one leaf
        self.arguments = tuple(self._fresh(x) for x in inputs)
        self.parameters: list[tuple[str, Tensor]] = list(f.named_parameters()) if hasattr(f, "named_parameters") else []
        named = [(name, leaf) for argument, x in zip(argument_names(f, len(inputs)), self.arguments)
                 for name, leaf in _leaves(x, argument)]
        taken = {name for name, _ in named}
        named += [(f"{name} (parameter)" if name in taken else name, parameter) for name, parameter in self.parameters
                  if parameter.requires_grad]
        first_name: dict[int, str] = {}
        for name, leaf in named:
            first_name[id(leaf)] = f"{first_name[id(leaf)]} = {name}" if id(leaf) in first_name else name
        self.leaves = list({id(leaf): leaf for _, leaf in named}.values())
        self.names = [first_name[id(leaf)] for leaf in self.leaves]
        if not self.leaves:
            raise TypeError("gradcheck: no input has floating-point numbers, so there is nothing to check; "
                            "integer arrays are constants: convert them with .astype(float)")

    def __enter__(self) -> Problem:
        self.random = random.getstate(), np.random.get_state()
        parameters = [parameter for _, parameter in self.parameters]
        self.stand_ins = stand_ins(parameters, [p.numpy().astype(self.dtype or p.dtype) for p in parameters])
        self.stand_ins.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.stand_ins.__exit__(None, None, None)
        random.setstate(self.random[0])
        np.random.set_state(self.random[1])

    def _fresh(self, x: Any) -> Any:
        """A leaf for every array of numbers, in the same nesting; integer and boolean arrays stay arrays."""
        if isinstance(x, tuple) or isinstance(x, list) and any(isinstance(item, (Tensor, np.ndarray, tuple)) for item in x):
            items = [self._fresh(item) for item in x]
            return type(x)(*items) if hasattr(x, "_fields") else tuple(items)  # a named tuple remains one
        if isinstance(x, Tensor) and id(x) in self.made:
            return self.made[id(x)]
        array = x.numpy() if isinstance(x, Tensor) else np.asarray(x)
        if array.dtype.kind not in "iuf" or array.dtype.kind != "f" and not isinstance(x, (int, float, list)):
            return x
        leaf = Tensor(array.astype(self.dtype or (array.dtype if array.dtype.kind == "f" else float)), requires_grad=True)
        if isinstance(x, Tensor):
            self.made[id(x)] = leaf
        return leaf

    def function(self) -> Recorded:
        recorded = Recorded(self.outputs, self.names, self.leaves)
        operation = self.f.func if isinstance(self.f, partial) else self.f
        if isinstance(operation, Op):
            static = self.f.keywords if isinstance(self.f, partial) else {}
            recorded.trace = partial(self._trace, partial(operation.function, **static))
        return recorded

    def _trace(self, f: Callable, xs: Sequence[np.ndarray]) -> Trace:
        """The trace of an operation's NumPy function."""
        values = {id(leaf): (name, x) for leaf, name, x in zip(self.leaves, self.names, xs)}
        return trace_of(f, lambda mark: [f(*(mark(*values[id(x)]) if id(x) in values else x for x in self.arguments))])

    def outputs(self) -> list[Tensor]:
        """f's outputs, without nesting. Operations that join them here would hide their own errors."""
        return _parts(self.f(*self.arguments))


class Recorded:
    """A Function (function.py) with the engine's gradients: `outputs` of `leaves`; the leaves get the requested values.
    quiet: the same outputs without a record, which is faster. Raises f's own error if f fails at the first values."""

    def __init__(self, outputs: Callable[[], list[Tensor]], names: list[str], leaves: list[Tensor], order: int = 1,
                 quiet: Callable[[], list[Tensor]] | None = None) -> None:
        self.outputs, self.names, self.leaves, self.order = outputs, names, leaves, order
        self.trace: Callable[[Sequence[np.ndarray]], Trace] | None = None  # for an operation's NumPy function
        self.xs = self.present = [leaf.numpy() for leaf in leaves]
        ys = outputs()
        self.shapes, self.eps = [y.shape for y in ys], max(EPS, _lowest_precision(ys))
        self.size = sum(y.size for y in ys)
        self.quiet = quiet or self._unrecorded()

    def _unrecorded(self) -> Callable[[], list[Tensor]]:
        """The outputs without recording, which is faster; with it if f needs the record, for example to call grad()."""
        quiet = no_grad()(self.outputs)
        try:
            return quiet if sum(y.size for y in quiet()) == self.size else self.outputs
        except RuntimeError:
            return self.outputs

    def values(self, xs: Sequence[np.ndarray]) -> np.ndarray:
        self.move(xs)
        try:
            values = joined([y.array for y in self.quiet()])
        except (ValueError, ArithmeticError):
            values = np.zeros(0)
        return values if values.size == self.size else np.full(self.size, np.nan)

    def gradients(self, xs: Sequence[np.ndarray], v: np.ndarray, create_graph: bool = False) -> list[np.ndarray]:
        """The engine's gradients; zeros if it finds no path."""
        self.move(xs)
        with suppress(ValueError, ArithmeticError):
            return self._gradients(v, create_graph)
        return [np.full(x.shape, np.nan) for x in xs]

    def _gradients(self, v: np.ndarray, create_graph: bool) -> list[np.ndarray]:
        total: list[Any] = [None] * len(self.leaves)
        ys = self.outputs()
        if [y.shape for y in ys] != self.shapes:
            raise ValueError("f gives other shapes at other values")
        for y, g in zip(ys, cut(v, self.shapes)):
            for i, found in enumerate(grad(y, self.leaves, g, create_graph, allow_unused=True) if y.requires_grad else ()):
                if found is not None:
                    array = found.numpy() if isinstance(found, Tensor) else found
                    total[i] = array if total[i] is None else total[i] + array
        return [np.zeros(leaf.shape, leaf.dtype) if g is None else g for leaf, g in zip(self.leaves, total)]

    def rounding_otherwise(self, eps: float, rng: np.random.Generator) -> AbstractContextManager[Any]:
        return switched("watch", _RoundingOtherwise(eps, rng))

    def move(self, xs: Sequence[np.ndarray]) -> None:
        """Give the leaves these values; most already have them."""
        moved = [(leaf, x) for leaf, x, now in zip(self.leaves, xs, self.present) if x is not now]
        replace_data([leaf for leaf, _ in moved], [np.array(x, leaf.dtype) for leaf, x in moved])
        self.present = list(xs)

    def changed(self) -> list[str]:
        return [name for name, leaf, x in zip(self.names, self.leaves, self.present)
                if not np.array_equal(leaf.numpy(), x, equal_nan=True)]

    def held(self) -> list[np.ndarray]:
        return [leaf.array for leaf in self.leaves]


class _RoundingOtherwise:
    """A watch that changes the last digit of computed numbers, but not of numbers that an operation only moves."""

    def __init__(self, eps: float, rng: np.random.Generator) -> None:
        self.eps, self.rng = eps, rng

    def computed(self, op: Any, inputs: tuple, arrays: list, y: np.ndarray, node: Any) -> None:
        if y.base is not None or any(y is array for array in arrays):
            return  # a view
        given = np.sort(np.concatenate([np.zeros(1), *(np.abs(np.ravel(array)) for array in arrays), [np.inf]]))
        moved = given[np.searchsorted(given[:-1], np.abs(y))] == np.abs(y)
        y.setflags(write=True)
        y *= 1 + np.where(moved, 0, self.eps * (2 * self.rng.integers(0, 2, y.shape) - 1)).astype(y.dtype)
        y.setflags(write=False)

    def arrived(self, node: Any, i: int, vjp: np.ndarray) -> None:
        pass


def _lowest_precision(outputs: list[Tensor]) -> float:
    """The largest machine epsilon in their computation: 2e-16, or 1e-7 if a part was float32."""
    nodes = {node for y in outputs if y.node is not None for node in record_of(y.node)}
    return max((float(np.finfo(node.dtype).eps) for node in nodes), default=0.0)


def _parts(outputs: Any) -> list[Tensor]:
    if isinstance(outputs, Tensor):
        return [outputs]
    if isinstance(outputs, (tuple, list)):
        return [part for output in outputs for part in _parts(output)]
    raise TypeError(f"gradcheck: f must return a Tensor or a tuple of Tensors, not {type(outputs).__name__}")


def _leaves(x: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(x, tuple):
        for i, item in enumerate(x):
            yield from _leaves(item, f"{name}[{i}]")
    elif isinstance(x, Tensor) and x.requires_grad:
        yield name, x


def argument_names(f: Callable, n: int) -> list[str]:
    """The names of f's positional parameters, if it has any."""
    try:
        parameters = inspect.signature(getattr(f, "forward", f)).parameters.values()
    except (TypeError, ValueError):
        parameters = {}.values()  # type: ignore[assignment]
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in parameters if p.kind == p.VAR_POSITIONAL), None)
    return names[:n] + [f"{rest}[{i - len(names)}]" if rest else f"input {i}" for i in range(len(names), n)]
