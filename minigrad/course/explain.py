"""Writes a program about a lost point, for a disputed grade: all inputs, the call, and the first wrong number.

The program runs the submission without protection. So its first lines say this, and give the command that runs it in a worker.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from ..check.function import Arrays, cut
from .assignment import load_assignment
from .example import Example
from .finding import FORWARD, GRADIENTS, SECOND, Finding
from .judging import CLOSE
from .session import helper
from .worker.channel import unpacked
from .worker.grading import stand_in
from .worker.submission import run

IMPORTS = {
    "Tensor": "minigrad", "assignment_at": "minigrad.course.classroom", "submission": "minigrad.course.explain",
    **dict.fromkeys(("at_the_right_output", "flat", "gradients_of", "outputs_of", "second_order"),
                    "minigrad.course.worker.grading"),
    "inf": "numpy", "nan": "numpy"}


@dataclass(frozen=True)
class Case:
    """A submission as it was graded. right: questions that were given right answers. forms: what its functions return, "dict",
    "tuple" or "array", by name."""

    path: Path
    assignment: Path
    student: str
    right: Sequence[str]
    forms: dict[str, str]


def submission(path: str, right: Sequence[str] = (), assignment: str = "", student: str = "") -> ModuleType:
    """Run a submission as grading does, but in this process and without protection. Returns it as a module."""
    content, stand_ins, here = Path(path).read_bytes(), {}, os.getcwd()
    if right:
        found = load_assignment(assignment, student)
        questions = [found.question(name) for name in right]
        line = SimpleNamespace(ask=helper(questions, found.solution, lambda: None))
        stand_ins = {q.thing: stand_in(line, q.thing, q.kind, list(q.takes or q.names)) for q in questions}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # `run` writes the program there
        try:
            return run(content, path.endswith(".ipynb"), [], stand_ins, lambda number, line: None)[0]
        finally:
            os.chdir(here)


def program(case: Case, part: str, finding: Finding) -> str:
    """A Python program that repeats the call and prints the first wrong number of a part."""
    example = finding.example
    if example is None:
        return f"# {finding.text}"
    whole = f", {list(case.right)}, {str(case.assignment)!r}, {case.student!r}" if case.right else ""
    lines = [f"mine = submission({str(case.path)!r}{whole})"]
    if example.question.kind == "tests":
        lines += _of_a_test(case, example)
    elif example.question.kind in ("function", "trains"):
        lines += _of_a_function(case, example, part, _cotangents(example, finding))
    else:
        lines += _of_tensors(example, part, _cotangents(example, finding))
    if example.question.kind not in ("tests", "trains"):
        lines += _first_wrong(example, part, finding)
    code = "\n".join(lines)
    imports = [f"from {module} import {name}" for name, module in IMPORTS.items() if re.search(rf"\b{name}\b", code)]
    kind, number = example.seed.split()[:2]  # the rest is the secret's
    return "\n".join([*_warning(case, example, kind), f"# {example.question.name}, {part}: {kind} inputs {int(number) + 1}", *(
        f"# {line}" for line in finding.text.split("\n")), "import numpy as np", *imports, "", code])


def _warning(case: Case, example: Example, kind: str) -> list[str]:
    secret = "--secret FILE" if kind == "hidden" else "--public"
    return ["# Unprotected: this program runs the submission with all your rights. Protected, as it was graded, it is run by",
            f"# python -m minigrad grade {str(case.path)!r} --assignment {str(case.assignment)!r} --student {case.student!r} "
            f"{secret} --question {example.question.name} --explain"]


def _cotangents(example: Example, finding: Finding) -> Arrays:
    return [np.ones(shape) for shape in example.shapes] if finding.v is None else cut(finding.v, example.shapes)


def _of_a_test(case: Case, example: Example) -> list[str]:
    names = [_identifier(name) for name in example.names]
    return [*(f"{name} = {_literal(x)}" for name, x in zip(names, example.xs)),
            f"question = assignment_at({str(case.assignment)!r}, {case.student!r}).question({example.question.name!r})",
            "for name, pair in {**question.right, **question.planted}.items():",
            f"    print(name, mine.{example.question.thing}(*pair, {', '.join(names)}))"]


def _of_a_function(case: Case, example: Example, part: str, cotangents: Arrays) -> list[str]:
    message, arrays = example.asked("outputs", example.xs, cotangents)
    lines = [f"{name} = {_literal(unpacked(x, arrays))}" for name, x in zip(message["takes"], message["inputs"])]
    form, place = case.forms.get(message["thing"]), message["parts"].index(part) if part in message["parts"] else 0
    own = f"[{part!r}]" if form == "dict" else f"[{place}]" if form == "tuple" else ""
    return [*lines, f"found = [mine.{message['thing']}({', '.join(message['takes'])}){own if part in message['parts'] else ''}]"]


def _of_tensors(example: Example, part: str, cotangents: Arrays) -> list[str]:
    """The call of an operation, a function of Tensors, or a Module."""
    question, names = example.question, [_Name(_identifier(name)) for name in example.names]
    form = {FORWARD: "Tensor({})", SECOND: "{}"}.get(part, "Tensor({}, requires_grad=True)")
    lines = [f"{name} = {form.format(_literal(x))}" for name, x in zip(names[:example.of_inputs], example.xs)]
    thing = f"mine.{question.thing}"
    if question.kind == "module":
        lines += [f"model = {thing}(*{_literal(question.make)})", "own = dict(model.named_parameters())"]
        names[example.of_inputs:] = [_Name(f"own[{name!r}]") for name in example.names[example.of_inputs:]]
        lines += [f"{name}.data = {_literal(x)}" for name, x in list(zip(names, example.xs))[example.of_inputs:]]
        thing = "model"
    if question.kind == "op" and part != FORWARD:  # a wrong forward costs once
        lines.append(f"formulas = at_the_right_output({thing}, {_literal(example.outputs(example.xs)[0])})")
        thing = "formulas"
    call = f"{thing}({', '.join(map(_literal, example.rebuilt(names)))})"
    if part == FORWARD:
        return [*lines, f"found = outputs_of({call})"]
    if part == SECOND:
        return [*lines, f"found = second_order({thing}, {_literal(names)}, {', '.join(map(_literal, example.weights()))})"]
    leaves = names if part == GRADIENTS else [names[example.names.index(part.removeprefix("gradient of "))]]
    return [*lines, f"arriving = {_literal(cotangents)}", f"found = gradients_of(flat({call}), {_literal(leaves)}, arriving)"]


def _first_wrong(example: Example, part: str, finding: Finding) -> list[str]:
    right, labels = _right(example, part, finding)
    lines = [f"right = {_literal(right)}" + "  # one right answer of several" * bool(example.question.fault)]
    if not finding.numbers:
        return lines
    shapes = [[array.shape for array in arrays] for arrays in (finding.numbers, right)]
    if shapes[0] != shapes[1]:
        return [*lines, 'print("shapes: got", [np.shape(y) for y in found], "right", [y.shape for y in right])']
    with np.errstate(invalid="ignore"):
        off = [np.nan_to_num(np.abs(a - b) / max(np.abs(b).max(initial=0), 1e-300), nan=np.inf)
               for a, b in zip(finding.numbers, right)]
    wrong = next((i for i, one in enumerate(off) if (one > CLOSE).any()), 0)
    place = np.unravel_index(np.argmax(off[wrong] > CLOSE), off[wrong].shape)
    index = ", ".join(map(str, place)) or "()"
    numbers = finding.numbers[wrong][place], right[wrong][place]
    return [*lines, f"# behind the walls it was: {labels[wrong]}[{index}]: got {numbers[0]} right {numbers[1]}",
            f'print("{labels[wrong]}[{index}]: got", np.asarray(found[{wrong}])[{index}], '
            f'"right", right[{wrong}][{index}])']


def _right(example: Example, part: str, finding: Finding) -> tuple[Arrays, Sequence[str]]:
    """The right numbers and their names."""
    question = example.question
    if part in question.outputs:
        return [example.outputs(example.xs)[question.outputs.index(part)]], [part]
    if part == FORWARD:
        found = example.outputs(example.xs)
        return found, [f"output {i}" for i in range(len(found))]
    if part == SECOND:
        return example.second_gradients(), [f"second gradient of {name}" for name in (*example.names, "g")]
    found = example.gradients(example.xs, _cotangents(example, finding))
    if part == GRADIENTS:
        return found, [f"gradient of {name}" for name in example.names]
    name = part[1:] if question.kind == "function" else part.removeprefix("gradient of ")
    return [found[example.names.index(name)]], [part]


class _Name(str):
    """A name, written into the program without quotes."""


def _identifier(name: str) -> str:
    return re.sub(r"\W", "_", name).strip("_")


def _literal(x: Any) -> str:
    """The Python expression for x."""
    if isinstance(x, (tuple, list)):
        inside = ", ".join(map(_literal, x)) + "," * (isinstance(x, tuple) and len(x) == 1)
        return f"({inside})" if isinstance(x, tuple) else f"[{inside}]"
    if isinstance(x, np.ndarray):
        return f"np.array({x.tolist()!r})" if x.size else f"np.zeros({x.shape}, {x.dtype.str!r})"
    return x if isinstance(x, _Name) else repr(x.item() if isinstance(x, np.generic) else x)
