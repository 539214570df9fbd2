"""The worker's answers for `minigrad check FILE`: the things that the file defines, their outputs and their gradients."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.check.adapters import with_cache, with_loss
from minigrad.check.by_hand import ByHand
from minigrad.check.compare import Check
from minigrad.check.gradcheck import given as all_arrays
from minigrad.check.gradcheck import in_single, kept, left_out, second_order
from minigrad.check.noise import generator
from minigrad.check.problem import Problem
from minigrad.check.recurrence import check_time_axis
from minigrad.check.same import by_name
from minigrad.check.sizes import at_other_sizes
from minigrad.core import Op
from minigrad.student_file import (
    CannotCheckError, FormulaError, check_inputs, check_readable, explained, load_file, number_of_inputs, refuse_forks,
    things_to_check,
)
from minigrad.tensor import Tensor

from .channel import Message

Answer = tuple[Message, list[np.ndarray]]
DEFAULT_SHAPE = (3, 4)


class Answers:
    """Answers about one file. One thing is open at a time; until the next, its parameters may have other values."""

    def __init__(self, line: Any, plan: Mapping[str, Any]) -> None:
        self.path, self.lent, self.rounding = Path(plan["path"]), ExitStack(), ExitStack()
        self.functions: list[Any] = []  # first and second order
        self.backward: Any = None  # gradients written by hand
        self.step: Any = None  # one step of the recurrence
        self.module: Any = None
        sys.addaudithook(refuse_forks)

    def answer(self, message: Message, arrays: list[np.ndarray]) -> Answer:
        """A message and its arrays. Errors have the words of student_file.py."""
        try:
            with explained(self.path), np.errstate(all="ignore"):
                return getattr(self, f"_{message['do']}")(message, arrays)
        except CannotCheckError as error:
            return {"error": str(error), "wrong": isinstance(error, FormulaError)}, []

    def _load(self, message: Message, _: list) -> Answer:
        check_readable(self.path)
        self.module = module = load_file(self.path)
        self.given = check_inputs(module)
        self.things = things_to_check(module, message["name"], self.given)
        if message["backward"]:
            (self.backward,) = things_to_check(module, message["backward"], self.given).values()
        if message["step"]:
            (self.step,) = things_to_check(module, message["step"], self.given).values()
        return {"names": list(self.things)}, []

    def _open(self, message: Message, _: list) -> Answer:
        self.lent.close()
        name, shapes = message["name"], message["shapes"]
        thing, given = self.things[name], None if shapes else self.given.get(name)
        if isinstance(thing, type):
            raise CannotCheckError(f"{name} is a class: make one in the file, say what it takes, and name that. For example\n"
                                   f"  {name.lower()} = {name}(...)\n"
                                   f'  check_inputs = {{"{name.lower()}": (x, (h, c))}}\nand then {self.path}:{name.lower()}')
        if not callable(thing):
            raise CannotCheckError(f"{name} is {thing!r:.60}, not a function, operation or Module that can be called")
        rng = np.random.default_rng(message["seed"])
        tried = [] if given is not None else shapes or [DEFAULT_SHAPE] * number_of_inputs(thing)
        self.thing, self.inputs = thing, tuple(rng.uniform(message["low"], message["high"], shape) for shape in tried)
        try:
            with explained(self.path):
                return self._opened(name, rng, given, tried, message["time_axis"])
        except FormulaError:
            raise
        except CannotCheckError as error:
            hint = "" if shapes or given is not None or "not written yet" in str(error) else (
                f"\n({len(tried)} input(s) of shape {DEFAULT_SHAPE} from {message['low']:g} to {message['high']:g} were tried; "
                "give other shapes, one for each input: --shape 3,4 --shape 4,5; other numbers: --positive, or --low and "
                "--high; or the inputs themselves, as check_inputs in the file: see --help)")
            raise CannotCheckError(f"{error}{hint}") from None

    def _opened(self, name: str, rng: np.random.Generator, given: Any, tried: list, time_axis: Any) -> Answer:
        if given is not None:
            self.inputs = given(rng) if callable(given) else given
            if not isinstance(self.inputs, tuple):
                raise CannotCheckError(f"check_inputs[{name!r}] must be a tuple of the inputs, as in (x, (h, c)) or (x,), or "
                                       f"a function of a numpy Generator that returns one, not {type(self.inputs).__name__}")
        check_time_axis(time_axis, self.inputs)
        if self.backward is not None or isinstance(self.thing, (with_cache, with_loss)):
            return self._opened_by_hand(given, tried, time_axis)
        before, self.problem = kept(self.thing), Problem(self.thing, self.inputs)
        float32 = any(t.dtype == np.float32 for t in all_arrays(self.inputs, self.problem))
        self.lent.enter_context(self.problem)
        self.functions = [self.problem.function()]
        message, arrays = _described(self.functions[0])
        return {**message, "float32": float32, "given": given is not None, "shapes_tried": [list(shape) for shape in tried],
                "left_out": [*left_out(self.thing, before), *self._not_checked(name)]}, arrays

    def _not_checked(self, name: str) -> list[str]:
        """That the file seems to have a backward pass of this function, which is not the one that was checked."""
        names = {f"{name}_backward", f"backward_{name}", name.replace("forward", "backward")} - {name}
        found = [one for one in sorted(names) if callable(getattr(self.module, one, None)) and not isinstance(self.thing, Op)]
        return [f"{one} was not checked: if it gives the gradients of {name}, add --backward {one}" for one in found]

    def _opened_by_hand(self, given: Any, tried: list, time_axis: Any) -> Answer:
        function = ByHand(self.thing, self.backward or self.thing.backward, self.inputs, step=self.step, time_axis=time_axis)
        self.functions = [function]
        message, arrays = _described(function)
        return {**message, "float32": function.in_float32, "given": given is not None,
                "shapes_tried": [list(shape) for shape in tried], "left_out": [], "by_hand": True}, arrays

    def _by_hand(self, message: Message, _: list) -> Answer:
        function = self.functions[0]
        notes = [*function.notes, *(f"hint: {note}" for note in (at_other_sizes(function) if message["right"] else ()))]
        return {"shape_problems": [[name, text] for name, text in function.shape_problems.items()],
                "not_given": [[name, list(x.shape)] for name, x in function.not_given.items()], "notes": notes}, []

    def _values(self, message: Message, xs: list[np.ndarray]) -> Answer:
        return {}, [self.functions[message["order"] - 1].values(xs)]

    def _gradients(self, message: Message, arrays: list[np.ndarray]) -> Answer:
        return {}, self.functions[message["order"] - 1].gradients(arrays[:-1], arrays[-1], message["create_graph"])

    def _round(self, message: Message, _: list) -> Answer:
        self.rounding.close()
        if message["eps"]:
            function, rng = self.functions[message["order"] - 1], np.random.default_rng(message["seed"])
            self.rounding.enter_context(function.rounding_otherwise(message["eps"], rng))
        return {}, []

    def _changed(self, message: Message, _: list) -> Answer:
        return {"names": self.functions[message["order"] - 1].changed()}, []

    def _second(self, _: Message, arrays: list[np.ndarray]) -> Answer:
        if isinstance(self.functions[0], ByHand):
            raise CannotCheckError("--order 2 needs gradients that the engine computes; these are written by hand")
        if not any(y.requires_grad for y in self.problem.outputs()):
            return {"names": None}, []
        self.functions = [self.functions[0], second_order(self.functions[0], arrays[0])]
        return _described(self.functions[1])

    def _single(self, _: Message, arrays: list[np.ndarray]) -> Answer:
        self.lent.close()
        if isinstance(self.functions[0], ByHand):
            alone = ByHand(self.thing, self.functions[0].backward, self.inputs, dtype=None)
            found, dtypes = alone.gradients(alone.xs, arrays[0]), [x.dtype for x in alone.xs]
        else:
            found, dtypes = in_single(self.thing, self.inputs, arrays[0])
        return {"single": [dtype == np.float32 for dtype in dtypes]}, found

    def _words(self, message: Message, _: list) -> Answer:
        """Hints for each wrong gradient, from a check in this process, because here it sees the program line by line."""
        check = Check(self.functions[message["order"] - 1], generator(message["seed"]), message["budget"], message["hints"],
                      message["time_axis"])
        check.report()
        return {"words": [[f.input.name, check.evidence.said(f, message["hints"])] for f in check.findings if f.wrong.any()]}, []

    def _finite(self, _: Message, __: list) -> Answer:
        if isinstance(self.functions[0], ByHand):
            return {"finite": bool(np.isfinite(self.functions[0].values(self.functions[0].xs)).all())}, []
        inputs = [Tensor(x, True) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in self.inputs]
        outputs = self.thing(*inputs)
        return {"finite": all(bool(np.isfinite(y).all()) for y in by_name(outputs, "output").values())}, []


def _described(function: Any) -> Answer:
    """Names, inputs, shapes and precision."""
    shapes = [list(shape) for shape in function.shapes]
    return {"names": function.names, "shapes": shapes, "eps": function.eps}, list(function.xs)
