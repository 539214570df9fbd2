"""Finds the wrong operation in a function of Tensors: the engine's record has all operations, and each is checked by itself.

The record is replayed with other inputs. If the replay changes as the gradient says, every operation in it is right, and the
record has a gap: a value that depends on the inputs enters an operation as a constant, as after detach() or .numpy().
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import Op, switched
from .diagnosis import Named
from .function import Arrays, Point, joined
from .noise import generator
from .place import line_of
from .problem import Problem, Recorded
from .verdict import Finding

STEP, NEAR = 1e-5, 1e-6  # of a central difference: its error is about STEP squared; a wrong formula differs by more
MOST_CALLS = 4  # calls of one operation to check
MOST_NAMED = 3
GAP = "something that depends on the inputs enters an operation as a constant, and no gradient flows back through it"


@dataclass(eq=False)
class Call:
    """One call of an operation: its place, inputs and result. node: its entry in the record, or None."""

    op: Op
    arrays: list[Any]
    y: np.ndarray
    node: Any
    place: tuple[Any, ...]

    def name(self, i: int) -> str:
        return f"{self.op.inputs[0]}[{i}]" if self.op.variadic else self.op.inputs[i]

    def again(self, arrays: Sequence[Any]) -> np.ndarray:
        return self.op.function(*arrays, **self.node.static)

    @property
    def line(self) -> str:
        return f" ({line_of(self.place)})" if len(self.place) > 1 else ""


class Calls(list[Call]):
    """A watch (core.py) that keeps all calls."""

    def computed(self, op: Any, inputs: tuple, arrays: list, y: np.ndarray, node: Any) -> None:
        self.append(Call(op, [np.array(a) if isinstance(a, np.ndarray) else a for a in arrays], y.copy(), node,
                         (op.__name__, *_place())))

    def arrived(self, node: Any, i: int, vjp: np.ndarray) -> None:
        pass


def _place() -> list[tuple[Any, int]]:
    """The place in the student's program that called the operation; empty if minigrad called it directly."""
    frame = sys._getframe(2)
    while frame is not None and not (module := frame.f_globals.get("__name__", "")).startswith("minigrad.check"):
        if module.split(".")[0] != "minigrad":
            return [(frame.f_code, frame.f_lasti)]
        frame = frame.f_back  # type: ignore[assignment]
    return []


class Record:
    """All calls at some values of the inputs, and the outputs; `replay` computes them again."""

    def __init__(self, function: Any, xs: Arrays) -> None:
        self.calls = Calls()
        function.move(xs)
        with switched("watch", self.calls):
            self.outputs = function.outputs()
        self.leaves, self.names, self.xs = [leaf.node for leaf in function.leaves], function.names, xs

    def replay(self, xs: Arrays, instead: dict[tuple[int, int], np.ndarray] | None = None) -> np.ndarray:
        """The outputs for other inputs, with the same constants. instead: other constants, by number of call and argument."""
        values = dict(zip(self.leaves, xs))
        for k, call in enumerate(self.calls):
            if call.node is not None:
                own = [values.get(parent, array) for parent, array in zip(call.node.parents, call.arrays)]
                own = [(instead or {}).get((k, i), array) for i, array in enumerate(own)]
                values[call.node] = call.again(own)
        return joined([values[y.node] if y.node in values else y.numpy() for y in self.outputs])

    def source(self, array: np.ndarray, before: int) -> str:
        """Names the value in the record with these numbers, or its source through operations without an entry in it."""
        for k in reversed(range(before)):
            call = self.calls[k]
            if np.array_equal(call.y, array):
                if call.node is not None:
                    return f"the result of {call.op.__name__}{call.line}"
                return next(filter(None, (self.source(a, k) for a in call.arrays if isinstance(a, np.ndarray))), "")
        return next((name for name, x in zip(self.names, self.xs) if np.array_equal(x, array)), "")


def blamed(here: Point, there: Arrays, v: np.ndarray, findings: list[Finding], rng: np.random.Generator,
           budget: int, check: Callable) -> list[Named]:
    """A sentence for all wrong inputs. Nothing if f is itself one operation, not a function of Tensors, or if no operation is
    wrong and there is no gap. there: other values of the inputs. check: compare.Check, which asks for these sentences."""
    if not isinstance(here.function, Recorded) or here.function.trace is not None or here.function.order > 1:
        return []
    with suppress(Exception):  # f and its operations may raise anything for values that they were not made for
        record = Record(here.function, here.xs)
        right = all(_as_replayed(record, v, f) for f in findings if f.wrong.any())
        return _gaps(record, Record(here.function, there)) if right else _wrong_operations(record, rng, budget, check)
    return []


def _as_replayed(record: Record, v: np.ndarray, f: Finding) -> bool:
    """Does the gradient belong to the record with its constants?"""
    size = STEP * f.input.differences.sizes
    direction = size * generator(4).choice([-1, 1], size.shape)
    ends = [record.replay([x + sign * direction if i == f.input.number else x for i, x in enumerate(record.xs)])
            for sign in (1, -1)]
    terms = np.abs(f.input.analytic * direction).sum() + np.abs(v) @ np.abs(ends[0] - ends[1]) / 2
    return abs((f.input.analytic * direction).sum() - v @ (ends[0] - ends[1]) / 2) <= NEAR * terms


def _gaps(record: Record, other: Record) -> list[Named]:
    """Constants that change with the inputs and change the outputs."""
    found: dict[str, None] = {}
    outputs = record.replay(record.xs)
    for k, (call, elsewhere) in enumerate(zip(record.calls, other.calls)):
        for i, (a, b) in enumerate(zip(call.arrays, elsewhere.arrays)):
            if (call.node is not None and call.node.parents[i] is None and isinstance(a, np.ndarray) and not np.array_equal(a, b)
                    and not np.allclose(record.replay(record.xs, {(k, i): b}), outputs, rtol=1e-9, atol=0)):
                source = record.source(a, k) or "the inputs, on which it depends"
                found[f"from {call.name(i)} in {call.op.__name__}{call.line} to {source}"] = None
    if not found:
        return []
    gaps = ", nor ".join(list(found)[:MOST_NAMED])
    return [Named(f"every operation is right by itself, but nothing flows back {gaps}: is there a detach(), .numpy() or "
                  "no_grad() between them?", GAP)]


def _wrong_operations(record: Record, rng: np.random.Generator, budget: int, check: Callable) -> list[Named]:
    """The operations with a wrong gradient at their own inputs. A look along one direction finds the calls to check."""
    used: dict[Op, list[Call]] = {}
    for call in record.calls:
        if call.node is not None:
            used.setdefault(call.op, []).append(call)
    found: list[Named] = []
    for calls in used.values():
        off = {call: _off(call) for call in calls}
        suspects = sorted((call for call in calls if not off[call] <= NEAR), key=lambda call: -off[call])
        checked = (_by_itself(call, len(calls), rng, budget, check) for call in (
            suspects[:MOST_CALLS] or calls[::-(-len(calls) // MOST_CALLS)]))
        found += [named for named in checked if named][:1]
    return found[:MOST_NAMED]


def _off(call: Call) -> float:
    """The difference between the operation's slope and its gradient's, relative to their terms."""
    with Problem(functools.partial(call.op, **call.node.static), tuple(call.arrays)) as problem:
        function = problem.function()
        needed = {call.name(i) for i, parent in enumerate(call.node.parents) if parent is not None}
        steps = [STEP * np.maximum(np.abs(x), np.sqrt(np.mean(x ** 2))) * generator(4).choice([-1, 1], x.shape) * (name in needed)
                 for name, x in zip(problem.names, function.xs)]
        v = generator(5).normal(size=function.size)
        up, down = (function.values([x + sign * step for x, step in zip(function.xs, steps)]) for sign in (1, -1))
        parts = joined([g * step for g, step in zip(function.gradients(function.xs, v), steps)])
        return float(abs(parts.sum() - v @ (up - down) / 2) / (np.abs(parts).sum() + np.abs(v) @ np.abs(up - down) / 2 or 1.0))


def _by_itself(call: Call, times: int, rng: np.random.Generator, budget: int, check: Callable) -> Named | None:
    """The check's verdict on this operation, for the arguments that need a gradient."""
    with Problem(functools.partial(call.op, **call.node.static), tuple(call.arrays)) as problem:
        checked = check(problem.function(), rng, budget)
        checked.report()
        needed = {call.name(i) for i, parent in enumerate(call.node.parents) if parent is not None}
        wrong = [f for f in checked.findings if f.wrong.any() and f.input.name in needed]
        texts, families = ("; ".join(f"{f.input.name}: {'; '.join(checked.evidence.said(f, hints))}" for f in wrong)
                           for hints in ("full", "family"))
    what = f"the operation {call.op.__name__}{f', used {times} times,' if times > 1 else ''} has a wrong gradient for"
    return Named(f"{what} {texts}", f"{what} {families}") if wrong else None
