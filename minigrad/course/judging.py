"""The verdict on a question at one set of inputs, part by part: the ordinary gradient check judges the worker's numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from .. import assert_same
from ..check.compare import Check
from ..check.function import Arrays, cut, joined
from ..check.noise import EPS, generator
from ..check.report import INCONCLUSIVE, KINK, OK, UNSEEN, WRONG
from .client import WorkerEndedError
from .example import Ask, Example, unquoted
from .finding import ACCEPTS, ENDED, FORWARD, GRADIENTS, NOT_RUN, SECOND, Finding, failed, part_of, parts_of
from .trained import trained
from .worker.grading import ALL, second_order

BUDGET = 20_000
CLOSE = 1e-9  # relative to the largest number: rounding errors are far below, a wrong equation is far above


def judged(example: Example, ask: Ask) -> dict[str, Finding]:
    """A finding for each part. If the worker ends, later parts are not run."""
    findings: dict[str, Finding] = {}
    try:
        if example.question.kind == "tests":
            findings.update(of_a_test(example, ask))
        elif example.question.kind == "trains":
            findings.update(trained(example, ask, example.measured))
        else:
            findings.update(_forward(example, ask))
            remote = Remote(example, ask)
            if remote.leaves:
                findings.update(_gradients(remote))
            if example.question.order == 2:
                findings[SECOND] = _second(example, ask)
    except WorkerEndedError as error:
        where = f" (line {error.line})" if error.line else ""
        missing = [part for part in parts_of(example.question, example.names) if part not in findings]
        for number, part in enumerate(missing):
            findings[part] = Finding(False, NOT_RUN if number else f"{error}{where}",
                                     NOT_RUN if number else f"{ENDED[error.kind]}{where}", ended=True)
    for finding in findings.values():
        finding.example = example
    return findings


def _forward(example: Example, ask: Ask) -> dict[str, Finding]:
    question = example.question
    outputs = [part for part in question.parts if part in question.outputs] if question.kind == "function" else [FORWARD]
    if not outputs:
        return {}
    answer, found = ask(*example.asked("outputs", example.xs, [np.ones(shape) for shape in example.shapes]))
    if "error" in answer:
        return {part: failed(answer) for part in outputs}
    if question.kind != "function":
        return {FORWARD: _same(found, example, example.outputs)}
    mine = {part: part_of(answer, found, part) for part in outputs}
    return {part: Finding(False, one, "TypeError") if isinstance(one, str) else by_fault(example, one) if question.fault else
            _same(one, example, partial(_output, example, part)) for part, one in mine.items()}


def _second(example: Example, ask: Ask) -> Finding:
    """The gradient of the gradient, compared with the reference's."""
    weights = example.weights()
    answer, found = ask(*example.asked("second", example.xs, weights))
    if "error" in answer:
        return failed(answer)
    return _same(found, example, lambda xs: second_order(example.question.reference, xs, *weights))


def of_a_test(example: Example, ask: Ask) -> dict[str, Finding]:
    """A student's test must accept all right gradients; otherwise no found error counts. If it finds no error, accepting counts
    nothing, because `return True` accepts, too."""
    question, verdicts = example.question, {}
    pairs = list({**question.right, **question.planted}.items())
    for i in example.rng.permutation(len(pairs)):  # a random order, so counting calls tells nothing
        name, pair = pairs[i]
        message, arrays = example.asked("verdict", example.xs)
        answer, found = ask({**message, "pair": pair}, arrays)
        if "error" in answer:
            return {part: failed(answer) for part in parts_of(question, example.names)}
        verdicts[name] = bool([array.shape for array in found] == [()] and found[0] != 0)
    refused = [name for name in question.right if not verdicts[name]]
    everything = bool(question.planted) and all(verdicts.values())
    words = {ACCEPTS: f"it refuses what is right: {', '.join(refused)}" if refused else
             "it accepts everything, wrong gradients too" if everything else ""}
    for name in question.planted:
        words[f"finds {name}"] = "it accepts a wrong gradient" if verdicts[name] else "it refuses everything" if refused else ""
    numbers = [np.array([verdicts[name] for name, _ in pairs], dtype=float)]
    return {part: Finding(not text, text, "wrong values" if text else "", numbers=numbers) for part, text in words.items()}


def by_fault(example: Example, mine: Arrays) -> Finding:
    """For a question with several right answers: the assignment's `fault` judges this one."""
    assert example.question.fault is not None
    try:
        text = example.question.fault(mine[0], *example.inputs)
    except Exception as error:  # an answer that the assistant did not expect
        text = f"it cannot be judged: {type(error).__name__}: {error}"
    return Finding(not text, text, "wrong values" if text else "", numbers=mine)


def _output(example: Example, part: str, xs: Sequence[np.ndarray]) -> Arrays:
    return [example.outputs(xs)[example.question.outputs.index(part)]]


def _same(mine: Arrays, example: Example, right: Callable[[Sequence[np.ndarray]], Arrays]) -> Finding:
    """Compared with the right numbers within CLOSE, because right formulas may round differently."""
    expected = right(example.xs)
    if [a.shape for a in mine] == [b.shape for b in expected] and all(
            (np.abs(a - b) <= CLOSE * np.abs(b).max(initial=0)).all() for a, b in zip(mine, expected)):
        return Finding(True, numbers=mine)
    try:
        assert_same(lambda *_: tuple(mine), lambda *xs: tuple(right(xs)), *example.xs)
    except AssertionError as error:
        text = str(error).partition("\n")[2] or str(error)
        return Finding(False, text.replace("mine", "yours"), "wrong values", numbers=mine)
    return Finding(True, numbers=mine)


class Remote:
    """A Function (check/function.py) with the reference's values and the submission's gradients."""

    order, eps = 1, EPS

    def __init__(self, example: Example, ask: Ask) -> None:
        self.example, self.ask = example, ask
        names, question = example.names, example.question
        self.leaves = [i for i, name in enumerate(names) if question.kind != "function" or f"d{name}" in question.parts]
        self.names, self.xs = [names[i] for i in self.leaves], [example.xs[i] for i in self.leaves]
        self.shapes, self.failed = example.shapes, {}  # type: ignore[var-annotated]

    def keep(self, places: list[int]) -> None:
        """Forget the other inputs."""
        self.leaves = [self.leaves[i] for i in places]
        self.names, self.xs = [self.names[i] for i in places], [self.xs[i] for i in places]

    def _all(self, xs: Sequence[np.ndarray]) -> Arrays:
        everything = list(self.example.xs)
        for i, x in zip(self.leaves, xs):
            everything[i] = x
        return everything

    def values(self, xs: Sequence[np.ndarray]) -> np.ndarray:
        """The reference's outputs in one vector."""
        return joined(self.example.reached(self.example.outputs(self._all(xs))))

    def gradients(self, xs: Sequence[np.ndarray], v: np.ndarray, create_graph: bool = False) -> Arrays:
        """The submission's gradients; NaN if it cannot give one."""
        cotangents, everything = cut(v, self.shapes), self._all(xs)
        if self.example.question.kind == "function":
            answer, found = self.ask(*self.example.asked("outputs", everything, cotangents))
            if "error" in answer:
                self.failed = {name: failed(answer) for name in self.names}
            return [self._checked(name, x, None if "error" in answer else part_of(answer, found, f"d{name}"))
                    for name, x in zip(self.names, xs)]
        if self.example.question.kind != "op":
            answer, found = self.ask(*self.example.asked("gradient", everything, cotangents, ALL))
            if "error" in answer:
                self.failed = {name: failed(answer) for name in self.names}
            elif len(found) != len(xs):
                self.failed = {name: Finding(False, "it sent an answer of another form", "wrong shape") for name in self.names}
            return [self._checked(name, x, None if self.failed else found[i:i + 1])
                    for i, (name, x) in enumerate(zip(self.names, xs))]
        return [self._one(i, name, x, everything, cotangents) for i, name, x in zip(self.leaves, self.names, xs)]

    def _one(self, leaf: int, name: str, x: np.ndarray, xs: Arrays, cotangents: Arrays) -> np.ndarray:
        if name in self.failed:
            return np.full(x.shape, np.nan)
        answer, found = self.ask(*self.example.asked("gradient", xs, cotangents, leaf))
        if "error" in answer:
            self.failed[name] = failed(answer)
        return self._checked(name, x, found)

    def _checked(self, name: str, x: np.ndarray, found: Any) -> np.ndarray:
        """The gradient for an input, if its form is right."""
        if name not in self.failed:
            if isinstance(found, str):
                self.failed[name] = Finding(False, found, "TypeError")
            elif len(found) != 1 or found[0].shape != x.shape:
                shapes = ", ".join(str(array.shape) for array in found) or "nothing"
                self.failed[name] = Finding(False, f"the gradient has shape {shapes}, and {name} has {x.shape}", "wrong shape")
            else:
                return np.asarray(found[0], dtype=float)
        return np.full(x.shape, np.nan)

    def trace(self, xs: Sequence[np.ndarray]) -> Any:
        """The reference's trace."""
        return self.example.trace(dict(zip(self.names, xs)))

    def rounding_otherwise(self, eps: float, rng: np.random.Generator) -> None:
        """Not possible for a submission."""

    def changed(self) -> list[str]:
        """None: the reference changes no inputs."""
        return []

    def held(self) -> Arrays:
        """Empty: no process can share memory with this one."""
        return []


def _gradients(remote: Remote) -> dict[str, Finding]:
    """One check for all gradients, because the diagnosis of one looks at the others."""
    if remote.example.question.kind in ("tensors", "module"):
        return _together(remote, _each(remote))
    return _each(remote)


def _together(remote: Remote, found: dict[str, Finding]) -> dict[str, Finding]:
    """All gradients as one part, because they come from one forward. numbers: all gradients, or [] if one is missing."""
    wrong = {part: finding for part, finding in found.items() if not finding.ok}
    numbers = [finding.numbers for finding in found.values()]
    text = "; ".join(f"{part}: {finding.text}" for part, finding in list(wrong.items())[:3])
    errors = list(dict.fromkeys(finding.error for finding in wrong.values()))
    return {GRADIENTS: Finding(not wrong, text, errors[0] if errors else "", numbers=[a for arrays in numbers for a in arrays]
                               if all(numbers) else [], v=next((f.v for f in found.values() if f.v is not None), None),
                               family="; ".join(dict.fromkeys(f.family for f in wrong.values() if f.family)))}


def _each(remote: Remote) -> dict[str, Finding]:
    before = "d" if remote.example.question.kind == "function" else "gradient of "
    v = generator(1).normal(size=sum(int(np.prod(shape)) for shape in remote.shapes))
    remote.gradients(remote.xs, v)
    for finding in remote.failed.values():
        finding.v = v
    found = {f"{before}{name}": finding for name, finding in remote.failed.items()}
    remote.keep([i for i, name in enumerate(remote.names) if name not in remote.failed])
    if not remote.leaves:
        return found
    with np.errstate(all="ignore"):
        check = Check(remote, generator(0), BUDGET)
        report = check.report()
    notes = [text for verdict, text in report.notes if verdict != OK]
    for row, of, known in zip(report.rows, check.inputs, check.findings):
        ok = row.verdict in (OK, KINK) or (
            row.verdict in (UNSEEN, INCONCLUSIVE) and _as_reference(remote, check.v, of.number, of.analytic))
        words = unquoted(row.notes) if row.verdict == WRONG else ""
        family = unquoted(check.evidence.said(known, "family")) if row.verdict == WRONG else ""
        finding = remote.failed.get(row.name) or Finding(ok, "" if ok else words or "wrong values",
                                                         "" if ok else "wrong values", False, [of.analytic], check.v,
                                                         family=family)
        found[f"{before}{row.name}"] = finding
    if notes and all(finding.ok for finding in found.values()):
        found = {part: Finding(False, "; ".join(notes), "wrong values", False, finding.numbers, check.v)
                 for part, finding in found.items()}
    return found


def _as_reference(remote: Remote, v: np.ndarray, place: int, mine: np.ndarray) -> bool:
    """If differences show nothing: does it equal the reference's gradient?"""
    gradients = remote.example.gradients(remote._all(remote.xs), cut(v, remote.shapes))
    right = gradients[remote.leaves[place]]
    return bool(np.allclose(mine, right, rtol=1e-9, atol=1e-12 * max(1.0, np.abs(right).max(initial=0))))
