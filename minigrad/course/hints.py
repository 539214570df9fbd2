"""Hints: which known mistake gives the very numbers that a submission gave? Else what the gradient check says, as far as the
assistant wants it to be said."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..check.function import Arrays, cut
from .assignment import Assignment, AssignmentError, module_of
from .example import Example
from .judging import FORWARD, Finding, _part
from .worker.grading import Answers

LEVELS = ("none", "family", "full")
FAMILIES = [  # what a sentence of the diagnosis is about; the first that fits
    ("sign is flipped", "a sign"), ("zero everywhere", "no gradient arrives here"),
    ("NaN or infinite", "numbers that are not finite"),
    ("transposed", "a transpose, or the order of axes"), ("exchanged", "two things are exchanged"),
    ("other order", "the order of elements"), ("wrong places", "the order of elements"),
    ("overwritten", "something is not added up"), ("uses of", "something is not added up"),
    ("summed over", "a sum over an axis"),
    ("averaged", "a mean in the place of a sum"), ("is ignored", "the gradient that arrives is not used"),
    ("axis 0", "something is not added up over the first axis (time?)"), ("left out", "a part of what arrives is left out"),
    ("only ind", "a part of what arrives is left out"), ("is lost", "a gradient that arrives is lost"),
    ("term", "a term of a sum"), ("derivative", "the derivative of an activation"), ("factor", "a factor"),
    ("times", "a factor"),
    ("instead", "one value is taken for another"), ("linear in g", "how the gradient that arrives is used"),
    ("not zero where no gradient", "something is added that does not depend on what arrives"), ("shape", "a shape"),
    ("in row", "it is wrong in some places, and right in others"),
    ("entries", "it is wrong in some places, and right in others"),
]


@dataclass
class Mistake:
    """A wrong solution: what it loses by question, and the hint for whoever made the same mistake."""

    path: Path
    loses: dict[str, float]
    hint: str
    text: bytes
    answers: dict[Any, Arrays] = field(default_factory=dict)

    def local(self, assignment: Assignment) -> Any:
        """Asks it as a worker is asked; it is ours, so it runs here."""
        if not hasattr(self, "_ask"):
            solution = (assignment.folder / "solution.py").read_bytes()
            answers = Answers(None, {})
            answers.module = module_of(solution + b"\n\n" + self.text, self.path)
            self._ask = lambda message, arrays: answers.answer(message, [array.copy() for array in arrays])
        return self._ask


def mistakes(assignment: Assignment) -> list[Mistake]:
    """What is in the folder wrong/, with its first lines. AssignmentError if these say nothing."""
    found = []
    for path in sorted((assignment.folder / "wrong").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        loses = re.search(r"^# loses: (.*)$", text, re.MULTILINE)
        hint = re.search(r"^# hint: (.*(?:\n#  .*)*)$", text, re.MULTILINE)
        pairs = re.findall(r"(\S+) ([\d.]+)(?:, |$)", loses[1]) if loses else []
        unknown = {name for name, _ in pairs} - {question.name for question in assignment.questions}
        if not pairs or hint is None or unknown:
            raise AssignmentError(f"{path} must begin with lines as '# loses: tanh 2.5, lstm 5' and '# hint: ...'"
                                  + (f"; there is no question {', '.join(unknown)}" if unknown else ""))
        words = re.sub(r"\n#\s+", " ", hint[1])
        found.append(Mistake(path, {name: float(points) for name, points in pairs}, words, text.encode()))
    return found


def hint(assignment: Assignment, known: list[Mistake], part: str, findings: list[Finding]) -> str:
    """The hint of the wrong solution that gives the same numbers for this part at all of these inputs; "" if there is none."""
    shown = [finding for finding in findings if finding.numbers and finding.example is not None]
    if len(shown) < 2:
        return ""
    question = shown[0].example.question  # type: ignore[union-attr]
    for mistake in sorted((m for m in known if question.name in m.loses), key=lambda m: sum(m.loses.values())):
        if all(_same(finding.numbers, _numbers(mistake, assignment, part, finding)) for finding in shown):
            return mistake.hint
    return ""


def _numbers(mistake: Mistake, assignment: Assignment, part: str, finding: Finding) -> Arrays:
    """What the wrong solution answers for a part of the question, at the same inputs."""
    example, ask = finding.example, mistake.local(assignment)
    assert example is not None
    key = example.question.name, part, example.seed
    if key not in mistake.answers:
        mistake.answers[key] = _asked(example, ask, part, finding)
    return mistake.answers[key]


def _asked(example: Example, ask: Any, part: str, finding: Finding) -> Arrays:
    v = np.ones(sum(int(np.prod(shape)) for shape in example.shapes)) if finding.v is None else finding.v
    cotangents = cut(v, example.shapes)
    if example.question.kind == "function":
        answer, found = ask(*example.asked("outputs", example.xs, cotangents))
        place = "" if "error" in answer else _part(answer, found, part)
        return place if isinstance(place, list) else []
    if part == FORWARD:
        answer, found = ask(*example.asked("outputs", example.xs))
    else:
        leaf = example.names.index(part.removeprefix("gradient of "))
        answer, found = ask(*example.asked("gradient", example.xs, cotangents, leaf))
    return [] if "error" in answer else found


def _same(mine: Arrays, other: Arrays) -> bool:
    def close(a: np.ndarray, b: np.ndarray) -> bool:
        size = np.abs(b[np.isfinite(b)]).max(initial=0)
        return a.shape == b.shape and np.allclose(a, b, rtol=1e-8, atol=1e-10 * size, equal_nan=True)
    return len(mine) == len(other) and all(map(close, mine, other))


def said(finding: Finding, level: str) -> str:
    """What the finding says at a level: nothing but that it is wrong, the family of the mistake, or the whole sentence."""
    if level == "full":
        return finding.text
    if finding.error and finding.error != "wrong values":
        return finding.error
    if level == "none":
        return "wrong values"
    for words, family in FAMILIES:
        if words in finding.text:
            return f"wrong values; the check thinks of: {family}"
    return "wrong values"
