"""Gradients written by hand in NumPy: makes a Function for the check from forward(*inputs) and backward(g, *inputs)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ..tensor import Tensor
from .function import Arrays, cut, joined
from .lending import trace_of
from .nested import leaves, rebuilt
from .noise import EPS
from .problem import argument_names
from .recurrence import Recurrence
from .trace import Trace

REFUSALS = (ValueError, ArithmeticError, AssertionError)  # of a forward that does not take some numbers
LOOKS = 100  # in so many calls the check looks for arguments that are changed in place
PREFIXES = ("", "d", "d_", "grad_")  # of a gradient's name, before the input's name


class ByHand:
    """A Function (function.py). forward and backward get fresh copies each time. backward is called right after forward,
    because it may use values that forward has kept. `inputs` may be nested in tuples, lists and dicts; only their arrays of
    floating-point numbers are differentiated.

    Raises TypeError for outputs that are not numbers, and for gradients that belong to no input.
    """

    order = 1

    def __init__(self, f: Callable, backward: Callable, inputs: tuple, dtype: Any = np.float64, step: Callable | None = None,
                 time_axis: int | None = None) -> None:
        for what, function in (("f", f), ("backward", backward), ("step", step)):
            if function is not None and not callable(function):
                raise TypeError(f"gradcheck: {what} must be a function, not {function!r:.60}")
        self.f, self.backward, self.name = f, backward, getattr(f, "__name__", type(f).__name__)
        self.name_of_backward = getattr(f, "name_of_backward", getattr(backward, "__name__", type(backward).__name__))
        extra = getattr(f, "parameters", None)  # with_loss: global variables
        inputs = tuple(rebuilt(x, _as_array) for x in inputs)
        self.inputs = inputs if extra is None else (*inputs, extra)
        named = [leaf for name, x in zip(argument_names(f, len(inputs)), inputs) for leaf in leaves(x, name)]
        named += [leaf for name, x in (extra or {}).items() for leaf in leaves(x, name)]
        found = [(name, x) for name, x in named if _differentiable(x)]
        if not found:
            raise TypeError("gradcheck: no input is an array of floating-point numbers, so there is nothing to check; "
                            "integer arrays and Python's numbers are constants")
        self.every = {name: np.array(x, dtype or x.dtype) for name, x in found}  # arrays of floating-point numbers
        self.in_float32 = any(x.dtype == np.float32 for _, x in found)  # before the conversion
        self.names = list(self.every)
        self.notes: dict[str, None] = {}  # a dict keeps the order, and each note once
        self.looked = 0
        self.shape_problems: dict[str, str] = {}
        self.output = self._call(self.xs)
        outputs = [np.asarray(y) for y in _outputs(self.output)]
        every = [y for _, y in leaves(self.output, "")]
        others = [y for y in every if isinstance(y, (np.ndarray, complex)) and np.asarray(y).dtype.kind in "cO"]
        if others or not outputs:
            y = next(iter([*others, *every]), None)
            kind = f"an array of dtype {y.dtype}" if isinstance(y, np.ndarray) else type(y).__name__
            raise TypeError(f"gradcheck: {self.name} must return an array of floating-point numbers, or a tuple of them, not "
                            f"{kind}")
        self.shapes, self.size = [y.shape for y in outputs], sum(y.size for y in outputs)
        self.traced = f  # f, or its step, whose operations are traced
        if step is not None:
            try:
                self.traced = Recurrence(step, time_axis or 0, self._fresh(self.xs), outputs)
            except (Exception, SystemExit) as error:  # the student's code may raise anything
                self.notes[f"step is not used: {type(error).__name__}: {error} (it is called with the arguments of {self.name}, "
                           "but with x at one time step, and returns the new states)"] = None
        self.eps = max(EPS, *(float(np.finfo(a.dtype).eps) for a in (*outputs, *self.xs)))
        given = self._given()
        self.not_given = {name: x for name, x in self.every.items() if name not in given}
        self.names = [name for name in self.every if name in given]  # the other arrays are constants from now on

    @property
    def xs(self) -> Arrays:
        return [self.every[name] for name in self.names]

    def with_inputs(self, every: dict[str, np.ndarray]) -> ByHand:
        """The same with other arrays of floating-point numbers, perhaps of other sizes; global variables stay the same."""
        arguments = self._filled(iter(every.values()))
        return ByHand(self.f, self.backward, tuple(arguments[:-1] if getattr(self.f, "parameters", None) else arguments))

    def _fresh(self, xs: Sequence[np.ndarray]) -> list[Any]:
        """Copies of all arguments, with these numbers in the differentiated arrays."""
        return self._filled(map(np.array, {**self.every, **dict(zip(self.names, xs))}.values()))

    def _filled(self, arrays: Iterator[Any]) -> list[Any]:
        """The arguments, with these in place of the differentiated arrays; the other arrays are copied."""
        return [rebuilt(x, lambda a: next(arrays) if _differentiable(a) else a.copy() if isinstance(a, np.ndarray) else a)
                for x in self.inputs]

    def _call(self, xs: Sequence[np.ndarray]) -> Any:
        arguments = self._fresh(xs)
        ys = self.f(*arguments)
        self._note_changes(self.name, arguments, xs)
        return ys

    def _note_changes(self, who: str, arguments: list[Any], xs: Sequence[np.ndarray]) -> None:
        self.looked += 1
        if self.looked > LOOKS:  # a function that changes its arguments does so early
            return
        now = (a for x in arguments for _, a in leaves(x, "") if _differentiable(a))
        before = {**self.every, **dict(zip(self.names, xs))}
        for (name, x), a in zip(before.items(), now):
            if not np.array_equal(a, x, equal_nan=True):
                self.notes[f"{who} changes its argument {name} in place: let it work on a copy"] = None

    def values(self, xs: Sequence[np.ndarray]) -> np.ndarray:
        with suppress(*REFUSALS):
            y = joined([np.asarray(y) for y in _outputs(self._call(xs))])
            if y.size == self.size:
                return y
        return np.full(self.size, np.nan)

    def gradients(self, xs: Sequence[np.ndarray], v: np.ndarray, create_graph: bool = False) -> Arrays:
        found = {name: np.full(x.shape, np.nan) for name, x in zip(self.names, xs)}
        try:
            ys = self._call(xs)
        except REFUSALS:
            return list(found.values())
        with suppress(ArithmeticError):
            found |= self._backward(ys, xs, v)
        return [found[name] for name in self.names]

    def _backward(self, ys: Any, xs: Sequence[np.ndarray], v: np.ndarray) -> dict[str, np.ndarray]:
        """The gradients that backward gives, by name of the input."""
        g, arguments = self._cotangent(ys, v), self._fresh(xs)
        result = self._call_backward(g, arguments)
        self._note_changes(self.name_of_backward, arguments, xs)
        before = leaves(self._cotangent(self.output, v), "")
        if any(isinstance(a, np.ndarray) and not np.array_equal(a, b) for (_, a), (_, b) in zip(leaves(g, ""), before)):
            self.notes[f"{self.name_of_backward} changes g, the gradient that arrives, in place: let it work on a copy"] = None
        return {name: self._checked(name, g) for name, g in self._by_input(result).items()}

    def _call_backward(self, g: Any, arguments: list[Any]) -> Any:
        """backward(g, *arguments), or backward(g) if it takes only g, such as the method of a layer that keeps its inputs."""
        try:
            parameters = inspect.signature(self.backward).parameters.values()
        except (TypeError, ValueError):
            return self.backward(g, *arguments)
        alone = len(parameters) == 1 and all(p.kind == p.POSITIONAL_OR_KEYWORD for p in parameters)
        return self.backward(g) if alone else self.backward(g, *arguments)

    def _cotangent(self, ys: Any, v: np.ndarray) -> Any:
        """v in the structure of the outputs; None for outputs without a gradient."""
        pieces = iter(cut(v, self.shapes))
        return rebuilt(ys, lambda y: _like(y, next(pieces)) if _is_output(y) else None)

    def _by_input(self, result: Any) -> dict[str, Any]:
        """backward's result, by name of the input. backward returns a dict, or one gradient for each argument, or for each
        array of floating-point numbers."""
        if isinstance(result, dict):
            return self._by_name(result)
        parts = list(result) if isinstance(result, (tuple, list)) else [result]
        if len(parts) == len(self.inputs):
            inside = [[a for _, a in leaves(x, "") if _differentiable(a)] for x in self.inputs]
            for x, part in zip(self.inputs, parts):
                if isinstance(x, float) and part is not None:
                    self.notes[f"{self.name_of_backward} returns a gradient for the number {x:g}, which is a constant here: pass "
                               "an array, as np.array(...), to check it"] = None
            parts = [g for arrays, part in zip(inside, parts) for g in self._of_argument(arrays, part)]
        elif len(parts) == sum(map(_differentiable, self.inputs)):  # one for each array; a dict of settings has none
            given = iter(parts)
            parts = [next(given) if any(x is a for a in self.inputs) else None for x in self._arrays()]
        if len(parts) != len(self.every):
            raise TypeError(f"gradcheck: {self.name_of_backward} returned {len(parts)} gradients for {len(self.every)} inputs "
                            f"({', '.join(self.every)}): return one for each, None where it is not computed, or a dict by name")
        return {name: g for name, g in zip(self.every, parts) if g is not None}

    def _arrays(self) -> list[np.ndarray]:
        """All arrays of floating-point numbers among the inputs."""
        return [a for x in self.inputs for _, a in leaves(x, "") if _differentiable(a)]

    @staticmethod
    def _of_argument(arrays: list[np.ndarray], part: Any) -> list[Any]:
        """The gradients for all arrays of one argument, nested or not."""
        if not arrays or part is None:
            return [None] * len(arrays)
        return [part] if len(arrays) == 1 and not isinstance(part, (dict, tuple, list)) else [g for _, g in leaves(part, "")]

    def _by_name(self, result: dict[Any, Any]) -> dict[str, Any]:
        """Keys are names of arguments, or keys of a dict argument, with or without a d in front."""
        names = {**{_key(name): name for name in self.every}, **{name: name for name in self.every}}
        twice = {key for key in names if sum(_key(name) == key for name in self.every) > 1} - set(self.every)
        found = {}
        for key, g in result.items():
            known = next((k for k in (str(key).removeprefix(d) for d in PREFIXES) if k in names), None)
            if known in twice:
                raise TypeError(f"gradcheck: {self.name_of_backward} returned {key!r}, which two inputs have as a key: return a "
                                "tuple of dicts, one for each argument")
            if known is None:
                self.notes[f"{self.name_of_backward} returns {key!r}, which is no input of floating-point numbers: it was not "
                           "checked"] = None
            elif g is not None:
                found[names[known]] = g
        if not found:
            raise TypeError(f"gradcheck: {self.name_of_backward} returned a dict with the keys {', '.join(map(str, result))}; "
                            f"they must be names of inputs, with or without a d in front: {', '.join(map(_key, self.every))}")
        return found

    def _checked(self, name: str, g: Any) -> np.ndarray:
        """One gradient in an array of its own; NaN if its shape is not the input's (the report says so)."""
        array, shape = np.array(g), self.every[name].shape
        if array.dtype.kind not in "biuf":
            raise TypeError(f"gradcheck: {self.name_of_backward} returned for {name} a {type(g).__name__} of dtype "
                            f"{array.dtype}, not an array of numbers")
        if array.shape != shape:
            self.shape_problems[name] = f"the gradient has shape {array.shape}, not {shape}{self._advice(name, array.shape)}"
            return np.full(shape, np.nan)
        return array if array.dtype.kind == "f" else array.astype(float)

    def _advice(self, name: str, shape: tuple[int, ...]) -> str:
        right = self.every[name].shape
        others = " or ".join(other for other, x in self.every.items() if x.shape == shape)
        or_that = f", or is it the gradient of {others}?" if others else ""
        if shape == right[::-1]:
            return ": is it transposed" + (or_that or "?")
        if int(np.prod(shape)) == int(np.prod(right)):
            return ": reshape it" + or_that
        if len(shape) > len(right) and shape[len(shape) - len(right):] == right:
            axes = ", ".join(map(str, range(len(shape) - len(right))))
            return f": is it not summed over axis {axes} (time, batch), where it is broadcast" + (or_that or "?")
        if shape in ((), (1,)):
            return ": is it summed over too many axes" + (or_that or "?")
        return f": is it the gradient of {others}, in a wrong place?" if others else ""

    def _given(self) -> set[str]:
        """The inputs whose gradients backward gives. Adds a note if backward uses values that forward keeps elsewhere."""
        v, ys = np.ones(self.size), self._call(self.xs)
        found = self._backward(ys, self.xs, v)
        with suppress(Exception):  # forward at other values, backward at these
            self.f(*self._fresh([1.01 * x + 0.01 for x in self.xs]))
            again = self._by_input(self._call_backward(self._cotangent(self.output, v), self._fresh(self.xs)))
            other = [name for name, g in found.items() if name not in self.shape_problems
                     and not np.array_equal(g, again[name], equal_nan=True)]
            if other and np.array_equal(self.values(self.xs), self.values(self.xs), equal_nan=True):  # else f is random
                self.notes[f"{self.name_of_backward} uses what the last call of {self.name} has kept, or keeps something itself: "
                           "here each call of it follows one with the same inputs"] = None
        return set(found)

    def trace(self, xs: Sequence[np.ndarray]) -> Trace:
        """The trace of forward, or of its recurrence, at these values."""
        values = {**self.every, **dict(zip(self.names, xs))}

        def call(mark: Callable[[str, np.ndarray], Any]) -> list[Any]:
            marked = (mark(name, x) if name in self.names else x.copy() for name, x in values.items())
            return list(_outputs(self.traced(*self._filled(marked))))

        return trace_of(self.traced, call)

    def rounding_otherwise(self, eps: float, rng: np.random.Generator) -> None:
        return None

    def changed(self) -> list[str]:
        return []  # every call gets copies; a note tells of changes

    def held(self) -> Arrays:
        return []


def _as_array(x: Any) -> Any:
    return x.numpy() if isinstance(x, Tensor) else np.asarray(x) if isinstance(x, np.floating) else x


def _differentiable(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def _key(name: str) -> str:
    """parameters['Wx'] -> Wx"""
    return name.rpartition("[")[2].strip("]'\"")


def _is_output(y: Any) -> bool:
    """Is y an array of numbers that can have a gradient?"""
    return isinstance(y, (float, np.floating)) or _differentiable(y)


def _like(y: Any, g: np.ndarray) -> Any:
    return g.astype(y.dtype) if isinstance(y, np.ndarray) else float(g)


def _outputs(ys: Any) -> Iterator[Any]:
    return (y for _, y in leaves(ys, "") if _is_output(y))
