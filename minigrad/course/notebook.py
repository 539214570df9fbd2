"""check("name") in a notebook: what the public tests say of a question, answered by what the notebook defines. Nothing is
graded here, so it runs in the notebook's own process."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from .assignment import AssignmentError
from .classroom import assignment_at
from .example import Example
from .hints import Local, hint, mistakes, said
from .judging import Finding, judged, parts_of
from .public import judged_stored
from .worker.grading import Answers


def report(name: str, namespace: Mapping[str, Any], folder: str | Path = ".", student: str = "", hints: str = "full") -> str:
    """The public verdict on question `name` in words. folder: with assignment.py, or with what was released."""
    assignment = assignment_at(Path(folder), student)
    questions = [question for question in assignment.questions if question.name == name]
    if not questions:
        raise AssignmentError(f"there is no question {name!r}; there are {', '.join(q.name for q in assignment.questions)}")
    (question,), line = questions, Local()
    answers = Answers(line, {})
    answers.module = SimpleNamespace(**namespace)

    def ask(message: Any, arrays: Any) -> Any:
        line.pair = message.pop("pair", None)
        return answers.answer(message, [array.copy() for array in arrays])
    stored = assignment.stored.get(name)
    if stored == []:
        return f"{name} has no public tests: it is graded with the hidden ones"
    examples = stored or [Example(question, f"public {i}") for i in range(question.sets)]
    found = [judged_stored(example, ask) if stored else judged(example, ask) for example in examples]
    known = [] if assignment.stored else mistakes(assignment)
    lines = []
    for part, points in parts_of(question, examples[0].names).items():
        findings = [one.get(part, Finding(False)) for one in found]
        wrong = next((finding for finding in findings if not finding.ok), None)
        lines.append(f"{name}, {part} ({points:g} points): {'right' if wrong is None else said(wrong, hints)}")
        advice = hint(assignment, known, part, findings) if wrong and hints != "none" else ""
        lines += [f"  hint: {advice}"] if advice else []
    return "\n".join(lines)


def check(name: str, folder: str | Path = ".", student: str = "", hints: str = "full") -> None:
    """Print what the public tests say of a question, answered by what was defined where this is called."""
    print(report(name, sys._getframe(1).f_globals, folder, student, hints))
