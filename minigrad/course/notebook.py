"""For notebooks: check("name") prints the public verdict on a question, milestone() runs the assignment's milestone. Both use
the notebook's definitions. They grade nothing, so they run in the notebook's own process."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from .assignment import AssignmentError
from .classroom import assignment_at
from .example import Example
from .hints import Local, hint, mistakes, said
from .judging import NOT_RUN, Finding, judged, parts_of
from .public import judged_stored
from .worker.grading import Answers


def report(name: str, namespace: Mapping[str, Any], folder: str | Path = ".", student: str = "", hints: str = "full") -> str:
    """The public verdict on question `name` in words. folder: of assignment.py, or of the release."""
    assignment = assignment_at(Path(folder), student)
    questions = [question for question in assignment.questions if question.name == name]
    if not questions:
        raise AssignmentError(f"there is no question {name!r}; there are {', '.join(q.name for q in assignment.questions)}")
    (question,), line = questions, Local()
    answers = Answers(line, {})
    answers.module = SimpleNamespace(**namespace)

    def ask(message: Any, arrays: Any) -> Any:
        line.pair = message.pop("pair", None)
        answer, found = answers.answer(message, [array.copy() for array in arrays])
        if answer.get("error", {}).get("type") == "KeyboardInterrupt":  # the next call would not end either
            raise KeyboardInterrupt
        return answer, found
    stored = assignment.stored.get(name)
    if stored == []:
        raise AssignmentError(f"nothing was checked: {name!r} has no public tests, it is graded with hidden ones")
    examples = stored or [Example(question, f"public {i}") for i in range(question.sets)]
    found = [judged_stored(example, ask) if stored else judged(example, ask) for example in examples]
    known, lines, earned, complete = mistakes(assignment), [], 0.0, "complete, "
    for part, points in parts_of(question, examples[0].names).items():
        findings = [one.get(part, Finding(False, NOT_RUN)) for one in found]
        wrong = next((finding for finding in findings if not finding.ok), None)
        lines.append(f"{name}, {part} ({points:g} points): {'right' if wrong is None else said(wrong, hints)}")
        advice = hint(assignment, known, part, findings) if wrong and hints != "none" else ""
        lines += [f"  hint: {advice}"] if advice else []
        earned += points * min(finding.ok or finding.share for finding in findings)
        complete = "" if wrong else complete
    label = name if question.thing == name else f"{name} ({question.thing})"  # `thing` names the variant
    return "\n".join([*lines, f"{label}: {complete}{earned:g} of {question.points:g} points at the public inputs"])


def check(name: str, folder: str | Path = ".", student: str = "", hints: str = "full") -> None:
    """Print the verdict of the public tests on a question. The answer is the caller's definition."""
    print(report(name, sys._getframe(1).f_globals, folder, student, hints))


def milestone(folder: str | Path = ".") -> None:
    """Run the milestone with the functions that the caller has defined."""
    name = Path(assignment_at(Path(folder)).file).stem
    mine = ModuleType(name)
    vars(mine).update({key: value for key, value in sys._getframe(1).f_globals.items() if not key.startswith("__")})
    before = sys.modules.get(name), sys.argv
    sys.modules[name], sys.argv = mine, ["milestone.py"]
    try:
        runpy.run_path(str(Path(folder) / "milestone.py"), run_name="__main__")
    except NotImplementedError as error:
        print(error)
    finally:
        sys.modules.pop(name)
        sys.modules.update({name: before[0]} if before[0] else {})
        sys.argv = before[1]
