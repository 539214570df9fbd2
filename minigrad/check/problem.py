"""What is checked: a function with fresh float64 inputs, whatever it was given, and how to leave no trace in that."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from ..core import grad
from ..tensor import Tensor, stand_ins
from ..training import no_grad


class Problem:
    """f with its own inputs: `leaves` are all that it can be differentiated for, parameters too, and `names` theirs.

    dtype: of all floating-point numbers; by default each keeps its own. Use it in a `with`: a Module's parameters
    have stand-ins until the block ends, and the state of the global random generators is put back.
    """

    def __init__(self, f: Callable, inputs: tuple, dtype: Any = np.float64) -> None:
        self.f, self.dtype = f, dtype
        self.made: dict[int, Tensor] = {}  # of each of the user's Tensors, so that one given twice enters twice
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
        """A leaf for every array of numbers, in the same nesting; integer and boolean arrays as they are."""
        if isinstance(x, tuple) or isinstance(x, list) and any(isinstance(item, (Tensor, np.ndarray, tuple)) for item in x):
            items = [self._fresh(item) for item in x]
            return type(x)(*items) if hasattr(x, "_fields") else tuple(items)  # a named tuple stays one
        if isinstance(x, Tensor) and id(x) in self.made:
            return self.made[id(x)]
        array = x.numpy() if isinstance(x, Tensor) else np.asarray(x)
        if array.dtype.kind not in "iuf" or array.dtype.kind != "f" and not isinstance(x, (int, float, list)):
            return x
        leaf = Tensor(array.astype(self.dtype or (array.dtype if array.dtype.kind == "f" else float)), requires_grad=True)
        if isinstance(x, Tensor):
            self.made[id(x)] = leaf
        return leaf

    def outputs(self) -> list[Tensor]:
        """What f returns, without its nesting. Joining them here by operations would hide these operations' errors."""
        return list(_parts(self.f(*self.arguments)))


@contextmanager
def at(values: Sequence[np.ndarray], leaves: Sequence[Tensor]) -> Iterator[None]:
    """Inside the block the leaves have other values; an f that refuses them ends it."""
    before = [leaf.numpy() for leaf in leaves]
    try:
        for leaf, array in zip(leaves, values):
            leaf.data = array
        with suppress(ValueError, ArithmeticError):
            yield
    finally:
        for leaf, array in zip(leaves, before):
            leaf.data = array


def _parts(outputs: Any) -> Iterator[Tensor]:
    if isinstance(outputs, (tuple, list)):
        for output in outputs:
            yield from _parts(output)
    elif isinstance(outputs, Tensor):
        yield outputs
    else:
        raise TypeError(f"gradcheck: f must return a Tensor or a tuple of Tensors, not {type(outputs).__name__}")


def vector(outputs: list[Tensor]) -> np.ndarray:
    """All the outputs' values, one after the other."""
    return np.concatenate([np.zeros(0), *(y.numpy().ravel() for y in outputs)])


def cut(v: np.ndarray, like: list[Tensor]) -> list[np.ndarray]:
    """A vector as long as vector(like), in pieces of the outputs' shapes."""
    ends = np.cumsum([y.size for y in like])
    return [v[end - y.size:end].reshape(y.shape) for y, end in zip(like, ends)]


def gradients(outputs: list[Tensor], leaves: list[Tensor], v: np.ndarray, create_graph: bool = False) -> list[np.ndarray]:
    """The engine's gradients of v . outputs, zeros where it finds no path."""
    total = [np.zeros(leaf.shape, leaf.dtype) for leaf in leaves]
    for y, g in zip(outputs, cut(v, outputs)):
        for i, found in enumerate(grad(y, leaves, g, create_graph, allow_unused=True) if y.requires_grad else ()):
            if found is not None:
                total[i] = total[i] + np.asarray(found.numpy() if isinstance(found, Tensor) else found)
    return total


def values_at(outputs: Callable[[], list[Tensor]], *leaves: Tensor) -> Callable[..., np.ndarray]:
    """The outputs' values as a function of these inputs'; NaN where f refuses a step out of its domain."""
    size = vector(outputs()).size

    def values(*arrays: np.ndarray) -> np.ndarray:
        found = np.full(size, np.nan)
        with at(arrays, leaves):
            found = vector(outputs())
        return found
    return values


def unrecorded(outputs: Callable[[], list[Tensor]]) -> Callable[[], list[Tensor]]:
    """The same numbers without recording, which is faster, unless f needs the record, as it does if it calls grad()."""
    quiet = no_grad()(outputs)
    try:
        return quiet if vector(quiet()).size == vector(outputs()).size else outputs
    except RuntimeError:
        return outputs


def _leaves(x: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(x, tuple):
        for i, item in enumerate(x):
            yield from _leaves(item, f"{name}[{i}]")
    elif isinstance(x, Tensor) and x.requires_grad:
        yield name, x


def argument_names(f: Callable, n: int) -> list[str]:
    """The names of f's positional parameters, as far as it has any."""
    try:
        parameters = inspect.signature(getattr(f, "forward", f)).parameters.values()
    except (TypeError, ValueError):
        parameters = {}.values()  # type: ignore[assignment]
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in parameters if p.kind == p.VAR_POSITIONAL), None)
    return names[:n] + [f"{rest}[{i - len(names)}]" if rest else f"input {i}" for i in range(len(names), n)]
