"""The public tests for students: inputs and the right numbers, without a reference, in one JSON file.

A test that students write is tried on the kit's own functions. A model that they train is measured by a function in the starter.
"""

from __future__ import annotations

import inspect
import json
import textwrap
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..check.function import Arrays, cut
from .assignment import Assignment, AssignmentError, Question, chosen, load_assignment
from .client import WorkerEndedError
from .example import Ask, Example
from .hints import Mistake, mistakes
from .judging import (
    ENDED, FORWARD, GRADIENTS, NOT_RUN, SECOND, Finding, Remote, by_fault, failed, of_a_test, part_of, parts_of,
)
from .trained import trained
from .worker.channel import packed, unpacked
from .worker.grading import ALL

FIELDS = ("name", "points", "kind", "thing", "names", "outputs", "takes", "parts", "allow", "withhold", "order", "variant",
          "seconds", "weights", "measure")
# What a student's test is tried on in public: the square of the first input, its gradient, and two wrong ones.
RIGHT = {"the square": (lambda x, *_: x * x, lambda x, *others: 2 * x * others[-1])}
PLANTED = {"a wrong sign": (lambda x, *_: x * x, lambda x, *others: -2 * x * others[-1]),
           "a factor of two": (lambda x, *_: x * x, lambda x, *others: 4 * x * others[-1])}
MOST = 1000  # numbers that students get of a wrong solution's part, to keep the file small
CLOSE = 1e-8  # relative to the largest number: another order of adding is far below, a wrong equation far above


class Stored(Example):
    """An example with stored right numbers."""

    def __init__(self, question: Question, data: dict[str, Any]) -> None:
        self.question, self.seed, self.parameters, self.model = question, data["seed"], [], None
        arrays = [np.array(numbers, kind).reshape(shape) for kind, shape, numbers in data["arrays"]]
        self.inputs = unpacked(data["inputs"], arrays)
        self.names, self.of_inputs = data["names"], data["of_inputs"]
        self.xs, self.right, self.v, self.right_gradients, self.second, self.limits = (unpacked(data[key], arrays) for key in (
            "xs", "right", "v", "gradients", "second", "limits"))
        self.shapes, self.rng = [y.shape for y in self.right], np.random.default_rng()

    def returned(self, xs: Any) -> Arrays:
        """The stored outputs; they hold for the stored inputs only."""
        return list(self.right)

    def gradients(self, xs: Any, cotangents: Any) -> Arrays:
        """The stored gradients; they hold for the stored cotangent only."""
        return list(self.right_gradients)

    def measured_by(self, ask: Ask, weights: dict[str, np.ndarray]) -> tuple[float, float, float] | Finding:
        """The loss of weights by the submission's own function `measure`, and the stored losses worth nothing and everything."""
        question, arrays = self.question, []  # type: ignore[var-annotated]
        given = {**{name: x for name, x in zip(question.names, self.inputs) if name not in question.takes}, **weights}
        answer, found = ask({"do": "outputs", "thing": question.measure, "kind": "function", "takes": list(given),
                             "parts": ["loss"], "inputs": [packed(x, arrays) for x in given.values()]}, arrays)
        loss = failed(answer).text if "error" in answer else part_of(answer, found, "loss")
        if isinstance(loss, str) or loss[0].size != 1:
            text = loss if isinstance(loss, str) else "it must return one number"
            return Finding(False, f"{question.measure}, which measures your weights: {text}", "it cannot be measured")
        return (float(loss[0].item()), *self.limits)

    def weights(self) -> Arrays:
        """The weights of the stored second gradients."""
        return list(self.second[0])

    def second_gradients(self) -> Arrays:
        """The stored second gradients."""
        return list(self.second[1])


def public_tests(assignment: Assignment, sets: int) -> str:
    """The content of the file for students."""
    questions = []
    for number in range(assignment.variants):
        each = load_assignment(assignment.folder, variant=number)
        known = mistakes(each)
        for question in each.questions:
            entry: dict[str, Any] = {name: getattr(question, name) for name in FIELDS}
            entry["make"] = packed(question.make, [])
            entry["fault"] = textwrap.dedent(inspect.getsource(question.fault)) if question.fault else ""
            if question.variant == number or number == 0:
                count = 0 if question.kind == "trains" and not question.measure else min(sets, question.sets)
                entry["sets"] = [stored_data(Example(question, f"public {i}")) for i in range(count)]
                asks = [(m, m.local(each)) for m in known if question.name in m.loses and question.name not in m.hangs
                        and question.kind != "trains"]  # no two trainings give the same numbers
                entry["hints"] = [_hint(m, ask, [Stored(question, one) for one in entry["sets"]]) for m, ask in asks]
                questions.append(entry)
    about = {key: getattr(assignment, key) for key in ("name", "file", "title", "crash_loss", "version")}
    return json.dumps({**about, "questions": questions}, separators=(",", ":"))


def stored_data(example: Example) -> dict[str, Any]:
    """The example without its reference. A student's test gets other functions in public, so nothing of these is stored."""
    right = [] if example.question.kind in ("tests", "trains") else example.returned(example.xs)
    v = np.random.default_rng(0).normal(size=sum(y.size for y in right)).round(6)  # rounded, to keep the file short
    remote = Remote(example, lambda message, arrays: ({}, []))
    gradients = example.gradients(example.xs, cut(v, example.shapes)) if right and remote.leaves else []
    arrays: Arrays = []
    second: list[Arrays] = []
    if example.question.order == 2:
        second = [example.weights(), example.second_gradients()]
    values = {"inputs": example.inputs, "xs": list(example.xs), "right": right, "v": v, "gradients": gradients,
              "second": second, "limits": example.limits}
    forms = {key: packed(value, arrays) for key, value in values.items()}
    return {**forms, "seed": example.seed, "names": example.names, "of_inputs": example.of_inputs,
            "arrays": [[array.dtype.str, list(array.shape), array.ravel().tolist()] for array in arrays]}


def _hint(mistake: Mistake, ask: Ask, examples: list[Stored]) -> dict[str, Any]:
    """A wrong solution's hint and its wrong numbers, without its code."""
    found = [(example.seed, part, finding) for example in examples for part, finding in judged_stored(example, ask).items()
             if not finding.ok and sum(array.size for array in finding.numbers) <= MOST]
    return {"hint": mistake.hint, "loses": sum(mistake.loses.values()), "found": [
        [seed, part, finding.text, [array.tolist() for array in finding.numbers]] for seed, part, finding in found]}


def _mistake(name: str, examples: list[Stored], data: dict[str, Any]) -> Mistake:
    """A released wrong solution, in the form for `hint`."""
    found: dict[Any, dict[str, Finding]] = {(name, example.seed): {} for example in examples}
    for seed, part, text, numbers in data["found"]:
        found[name, seed][part] = Finding(False, text, numbers=[np.array(array) for array in numbers])
    return Mistake(Path(), {name: data["loses"]}, data["hint"], b"", found=found)


def load_public(folder: Path, student: str = "") -> Assignment:
    """The assignment in a student's public.json, with this student's variants."""
    try:
        data = json.loads((folder / "public.json").read_text(encoding="utf-8"))
        found = Assignment(folder, **{key: data[key] for key in ("name", "file", "title", "crash_loss", "version")})
        variants = Counter(entry["name"] for entry in data["questions"])
        for entry in data["questions"]:
            if entry["variant"] != chosen(student, entry["name"], variants[entry["name"]]):
                continue
            plain: Any = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
                          if key in FIELDS}
            plain["weights"] = {key: tuple(shape) for key, shape in entry["weights"].items()}
            question = Question(**plain, reference=tuple, inputs=(), sets=len(entry["sets"]), make=unpacked(entry["make"], []),
                                fault=_fault(entry["fault"]), right=RIGHT, planted=PLANTED)
            found.questions.append(question)
            found.stored[question.name] = examples = [Stored(question, one) for one in entry["sets"]]
            found.known += [_mistake(question.name, examples, hint) for hint in entry["hints"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssignmentError(f"{folder / 'public.json'} cannot be read: {type(error).__name__}: {error}") from None
    return found


def _fault(text: str) -> Any:
    """The function that this text defines. It comes from the assistant, like milestone.py."""
    names: dict[str, Any] = {"np": np}
    exec(text, names)
    return list(names.values())[-1] if text else None


def judged_stored(example: Stored, ask: Ask) -> dict[str, Finding]:
    """A finding for each part, judged by the stored numbers."""
    findings: dict[str, Finding] = {}
    parts, kind = list(parts_of(example.question, example.names)), example.question.kind
    try:
        if kind in ("tests", "trains"):
            findings = of_a_test(example, ask) if kind == "tests" else trained(example, ask, partial(example.measured_by, ask))
            for finding in findings.values():
                finding.example = example
            return findings
        for part in parts:
            findings[part] = _judged(example, ask, part)
            findings[part].example, findings[part].v = example, example.v
    except WorkerEndedError as error:
        for number, part in enumerate(part for part in parts if part not in findings):
            text = NOT_RUN if number else ENDED[error.kind] + (f" (line {error.line})" if error.line else "")
            findings[part] = Finding(False, text, text, ended=True, example=example, v=example.v)
    return findings


def _judged(example: Stored, ask: Ask, part: str) -> Finding:
    cotangents = cut(example.v, example.shapes)
    if example.question.kind == "function":
        leaf = example.question.outputs.index(part) if part in example.question.outputs else example.names.index(part[1:])
        right = [(example.outputs(example.xs) if part in example.question.outputs else example.right_gradients)[leaf]]
        message, arrays = example.asked("outputs", example.xs, cotangents)
    elif part == SECOND:
        given, right = example.second
        message, arrays = example.asked("second", example.xs, given)
    elif part == GRADIENTS:
        right, (message, arrays) = example.right_gradients, example.asked("gradient", example.xs, cotangents, ALL)
    elif part == FORWARD:
        right, (message, arrays) = example.outputs(example.xs), example.asked("outputs", example.xs)
    else:
        leaf = example.names.index(part.removeprefix("gradient of "))
        right, (message, arrays) = [example.right_gradients[leaf]], example.asked("gradient", example.xs, cotangents, leaf)
    answer, found = ask(message, arrays)
    if "error" in answer:
        return failed(answer)
    mine = part_of(answer, found, part) if example.question.kind == "function" else found
    if isinstance(mine, str):
        return Finding(False, mine, "TypeError")
    if example.question.fault:
        return by_fault(example, mine)
    if [a.shape for a in mine] != [b.shape for b in right]:
        shapes = " and ".join(str([a.shape for a in arrays]).strip("[]") for arrays in (mine, right))
        return Finding(False, f"the shapes are not right (yours, and the right ones): {shapes}", "wrong shape")
    wrong = [int((~(np.abs(a - b) <= CLOSE * np.abs(b).max(initial=0) + 1e-300)).sum()) for a, b in zip(mine, right)]
    text = f"{sum(wrong)} of {sum(b.size for b in right)} numbers are wrong"
    return Finding(not any(wrong), text if any(wrong) else "", "wrong values" if any(wrong) else "", numbers=mine)
