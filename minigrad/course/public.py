"""The public tests for students: inputs and the right numbers, without a reference, in one JSON file."""

from __future__ import annotations

import inspect
import json
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ..check.function import Arrays, cut
from .assignment import Assignment, AssignmentError, Question, chosen, load_assignment
from .client import WorkerEndedError
from .example import Ask, Example
from .hints import Mistake, mistakes
from .judging import ENDED, FORWARD, GRADIENTS, NOT_RUN, SECOND, Finding, Remote, by_fault, failed, part_of, parts_of
from .worker.channel import packed, unpacked
from .worker.grading import ALL

FIELDS = ("name", "points", "kind", "thing", "names", "outputs", "takes", "parts", "allow", "withhold", "order", "variant")
MOST = 1000  # numbers that students get of a wrong solution's part, to keep the file small
CLOSE = 1e-8  # relative to the largest number: another order of adding is far below, a wrong equation far above


class Stored(Example):
    """An example with stored right numbers."""

    def __init__(self, question: Question, data: dict[str, Any]) -> None:
        self.question, self.seed, self.parameters, self.model = question, data["seed"], [], None
        arrays = [np.array(numbers, kind).reshape(shape) for kind, shape, numbers in data["arrays"]]
        self.inputs = unpacked(data["inputs"], arrays)
        self.names, self.of_inputs = data["names"], data["of_inputs"]
        self.xs, self.right, self.v, self.right_gradients, self.second = (unpacked(data[key], arrays) for key in (
            "xs", "right", "v", "gradients", "second"))
        self.shapes = [y.shape for y in self.right]

    def returned(self, xs: Any) -> Arrays:
        """The stored outputs; they hold for the stored inputs only."""
        return list(self.right)

    def gradients(self, xs: Any, cotangents: Any) -> Arrays:
        """The stored gradients; they hold for the stored cotangent only."""
        return list(self.right_gradients)

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
                tested = question.kind not in ("tests", "trains")  # the data that judge these stay hidden
                entry["sets"] = [_data(Example(question, f"public {i}")) for i in range(sets if tested else 0)]
                asks = [(m, m.local(each)) for m in known if question.name in m.loses and question.name not in m.hangs]
                entry["hints"] = [_hint(m, ask, [Stored(question, one) for one in entry["sets"]]) for m, ask in asks]
                questions.append(entry)
    about = {key: getattr(assignment, key) for key in ("name", "file", "title", "crash_loss", "version")}
    return json.dumps({**about, "questions": questions}, separators=(",", ":"))


def _data(example: Example) -> dict[str, Any]:
    right = example.returned(example.xs)
    v = np.random.default_rng(0).normal(size=sum(y.size for y in right)).round(6)  # rounded, to keep the file short
    remote = Remote(example, lambda message, arrays: ({}, []))
    gradients = example.gradients(example.xs, cut(v, example.shapes)) if remote.leaves else []
    arrays: Arrays = []
    second: list[Arrays] = []
    if example.question.order == 2:
        second = [example.weights(), example.second_gradients()]
    values = {"inputs": example.inputs, "xs": list(example.xs), "right": right, "v": v, "gradients": gradients,
              "second": second}
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
            question = Question(**plain, reference=tuple, inputs=(), make=unpacked(entry["make"], []),
                                fault=_fault(entry["fault"]))
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
    parts = list(parts_of(example.question, example.names))
    try:
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
