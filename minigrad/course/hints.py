"""Hints: which known mistake gives exactly the submission's numbers? If none does, the gradient check's sentence, cut to the
level that the assistant allows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..check.function import Arrays
from .assignment import Assignment, AssignmentError, module_of
from .judging import Finding, judged
from .session import helper
from .worker.channel import Message
from .worker.grading import Answers


@dataclass
class Mistake:
    """A wrong solution: the points that it loses by question, and the hint for students with the same mistake. most: the upper
    end, if the loss is a range, as for a trained model."""

    path: Path
    loses: dict[str, float]
    hint: str
    text: bytes
    most: dict[str, float] = field(default_factory=dict)
    variant: int = 0  # variant of the questions that it loses, from 0
    hangs: tuple[str, ...] = ()  # questions that it never answers, so nobody asks them
    found: dict[Any, dict[str, Finding]] = field(default_factory=dict)  # by question and inputs

    def local(self, assignment: Assignment) -> Any:
        """Asks it like a worker. It is trusted, so it runs in this process."""
        if not hasattr(self, "_ask"):
            solution = (assignment.folder / "solution.py").read_bytes()
            line = Local()
            answers = Answers(line, {})
            answers.module = module_of(solution + b"\n\n" + self.text, self.path)

            def ask(message: Message, arrays: Sequence[np.ndarray]) -> tuple[Message, Arrays]:
                line.pair = message.pop("pair", None)
                return answers.answer(message, [array.copy() for array in arrays])
            self._ask = ask
        return self._ask


class Local:
    """A channel without a second process: it answers the worker's questions at once."""

    pair: Any = None

    def ask(self, message: Message, arrays: Sequence[np.ndarray]) -> tuple[Message, Arrays]:
        """The answer of the other side."""
        return helper([], None, lambda: self.pair)(message, list(arrays))


def mistakes(assignment: Assignment) -> list[Mistake]:
    """The mistakes in the folder wrong/, or the released ones. AssignmentError if a file's first lines say nothing."""
    if assignment.stored:
        return assignment.known
    found = []
    for path in sorted((assignment.folder / "wrong").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        loses = ", ".join(re.findall(r"^# loses:(.*)$", text, re.MULTILINE))
        hint = re.search(r"^# hint: (.*(?:\n#  .*)*)$", text, re.MULTILINE)
        variant = re.search(r"^# variant: (\d+)$", text, re.MULTILINE)
        hangs = re.search(r"^# hangs: (.*)$", text, re.MULTILINE)
        number = r"(\d+(?:\.\d+)?)"
        matches = [(one, re.fullmatch(rf"\s*(\S+) {number}(?:\.\.{number})?\s*", one)) for one in loses.split(",")]
        pairs = [match.groups() for _, match in matches if match]
        named = [*(name for name, _, _ in pairs), *(hangs[1].split(", ") if hangs else ())]
        unknown = {*named} - {question.name for question in assignment.questions}
        unread = [one.strip() for one, match in matches if not match]
        if unread or hint is None or unknown or len({name for name, _, _ in pairs}) < len(pairs):
            raise AssignmentError(f"{path} must begin with lines as '# loses: tanh 2.5, train 4..8' and '# hint: ...', each "
                                  "question once" + (f"; this cannot be read: {', '.join(unread)}" if any(unread) else "")
                                  + (f"; there is no question {', '.join(sorted(unknown))}" if unknown else ""))
        words = re.sub(r"\n#\s+", " ", hint[1])
        found.append(Mistake(path, {name: float(least) for name, least, _ in pairs}, words, text.encode(),
                             {name: float(most or least) for name, least, most in pairs}, int(variant[1]) - 1 if variant else 0,
                             tuple(hangs[1].split(", ")) if hangs else ()))
    return found


def hint(assignment: Assignment, known: list[Mistake], part: str, findings: list[Finding]) -> str:
    """The hint of a wrong solution with the same numbers for this part at all these inputs; "" if there is none."""
    shown = [finding for finding in findings if finding.example is not None]
    if len(shown) < 2 or not all(finding.numbers or finding.text for finding in shown):
        return ""
    question = shown[0].example.question  # type: ignore[union-attr]
    for mistake in sorted((m for m in known if question.name in m.loses), key=lambda m: sum(m.loses.values())):
        if all(_same(finding, _of_mistake(mistake, assignment, part, finding)) for finding in shown):
            return mistake.hint
    return ""


def _of_mistake(mistake: Mistake, assignment: Assignment, part: str, finding: Finding) -> Finding:
    """The wrong solution's answer for a part of the question, at the same inputs."""
    example = finding.example
    assert example is not None
    if example.question.name in mistake.hangs:
        return Finding(False, ended=True)
    key = example.question.name, example.seed
    if key not in mistake.found:
        mistake.found[key] = judged(example, mistake.local(assignment))
    return mistake.found[key].get(part, Finding(False))


def _same(mine: Finding, other: Finding) -> bool:
    """Equal numbers; or, without numbers, the same error, or both hang."""
    if mine.ended or other.ended:
        return mine.ended and other.ended
    if not mine.numbers and not other.numbers:
        return bool(mine.text) and re.sub(r" in line \d+", "", mine.text) == re.sub(r" in line \d+", "", other.text)

    def close(a: np.ndarray, b: np.ndarray) -> bool:
        size = np.abs(b[np.isfinite(b)]).max(initial=0)
        return a.shape == b.shape and np.allclose(a, b, rtol=1e-8, atol=1e-10 * size, equal_nan=True)
    return len(mine.numbers) == len(other.numbers) and all(map(close, mine.numbers, other.numbers))


def said(finding: Finding, level: str) -> str:
    """The finding's text at a level: only that it is wrong, the family of the mistake, or the full sentence."""
    if level == "full":
        return finding.text
    if finding.error and finding.error != "wrong values":
        return finding.error
    return f"wrong values: {finding.family}" if level == "family" and finding.family else "wrong values"
