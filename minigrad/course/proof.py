"""Proves an assignment before its release: the solution, the starter and every wrong solution get the points that they must."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from .assignment import Assignment, load_assignment
from .example import Example
from .grading import Result, Rules, grade, needs_of
from .hints import Mistake, mistakes
from .judging import judged
from .public import load_public, stored_data
from .release import released
from .starter import solution_lines, starter

NEARLY = 1e-6


def prove(folder: Path, say: Callable[[str], None] = print) -> int:
    """Prove the assignment in a folder, and print what was proved and what fails. Returns the exit code: 0, or 1 if it fails."""
    problems = 0
    assignment = load_assignment(folder)
    for question in assignment.questions:  # an error here would otherwise be told as many lost points
        example = Example(question, "public 0")
        stored_data(example)
        if earned := _earned_by_zeros(example):
            say(f"note: in {question.name}, zeros of the right shapes earn the points of {', '.join(earned)}")
    tried = {name for mistake in mistakes(assignment) for name, points in mistake.loses.items() if points}
    if untried := [question.name for question in assignment.questions if question.name not in tried]:
        say(f"note: no wrong solution loses points in {', '.join(untried)}, so nothing proves that mistakes are found there")
    for number in range(assignment.variants):
        each = load_assignment(folder, variant=number)
        problems += _told(_proofs(each, mistakes(each)) if not number else _of_variant(each, number), say)
    say(f"{assignment.name}: {'ready for release' if not problems else f'{problems} problem(s)'}")
    return 1 if problems else 0


def _earned_by_zeros(example: Example) -> list[str]:
    """The parts of a function for which zeros are right, so that they need no work."""
    question, shapes = example.question, {f"d{name}": x.shape for name, x in zip(example.names, example.xs)}
    if question.kind != "function":
        return []
    shapes.update(zip(question.outputs, example.shapes))
    answer = {"parts": {part: place for place, part in enumerate(question.parts)}}
    found = judged(example, lambda message, arrays: (answer, [np.zeros(shapes[part]) for part in question.parts]))
    return [part for part, finding in found.items() if finding.ok]


def _told(proofs: Iterator[tuple[str, list[str]]], say: Callable[[str], None]) -> int:
    problems = 0
    for name, found in proofs:
        problems += len(found)
        say(f"{'FAILS' if found else 'ok':<6} {name}")
        for line in found:
            say(f"       {line}")
    return problems


def _of_variant(assignment: Assignment, number: int) -> Iterator[tuple[str, list[str]]]:
    """The proofs of another variant: only questions that have variants, and the mistakes in them."""
    solution, known = (assignment.folder / "solution.py").read_bytes(), mistakes(assignment)
    own = tuple(question.name for question in assignment.questions if question.variant == number)
    yield f"variant {number + 1}: the solution gets all points", _all_points(graded(assignment, solution, only=own))
    for mistake in known:
        if mistake.variant == number and mistake.loses.keys() & set(own):
            yield f"variant {number + 1}: wrong/{mistake.path.name}", _as_it_says(assignment, known, mistake, solution)


def _proofs(assignment: Assignment, known: list[Mistake]) -> Iterator[tuple[str, list[str]]]:
    solution = (assignment.folder / "solution.py").read_bytes()
    start = time.monotonic()
    for student in ("proof", "another"):
        yield f"the solution gets all {assignment.points:g} points (student {student!r})", _all_points(
            graded(assignment, solution, student=student))
    seconds = (time.monotonic() - start) / 2
    yield f"grading the solution takes {seconds:.1f} seconds of {assignment.seconds:g}", (
        ["it takes too long: use smaller inputs, or say assignment(..., seconds=...)"] if seconds > assignment.seconds else [])
    text = solution.decode()
    result = graded(assignment, starter(text).encode())
    points = result["points"]
    found = [*result["messages"], *([f"it gets {points:g}"] if points else [])]
    if starter(text) == text:
        found.append("it is the solution: mark what is left out by ### BEGIN SOLUTION and ### END SOLUTION")
    yield "the starter can be run and gets 0 points", found
    for mistake in (one for one in known if not one.variant):
        yield f"wrong/{mistake.path.name} loses {', '.join(_range(mistake, name) for name in mistake.loses)}", _as_it_says(
            assignment, known, mistake, solution)
    with tempfile.TemporaryDirectory() as place:
        files = released(assignment, Path(place))
        content = {file: file.read_text(encoding="utf-8") for file in files}
        yield f"the release ({', '.join(file.name for file in files)}) has no line of the solution", [
            f"{file.name} has: {line}" for file in files for line in sorted(solution_lines(text)) if line in content[file]]
        public = grade(load_public(Path(place)), assignment.folder / "solution.py", "proof", Rules())
        yield "the public tests accept the solution", _all_points(public)
    yield "there is a handout", [] if (assignment.folder / "handout.md").is_file() else ["handout.md is missing"]


def graded(assignment: Assignment, content: bytes, known: list[Mistake] = [], student: str = "proof",  # noqa: B006
           only: tuple[str, ...] = ()) -> Result:
    """The result of a file with this content, also at hidden inputs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / assignment.file
        path.write_bytes(content)
        return grade(assignment, path, student, Rules(b"proof", only=only), known)


def _all_points(result: Result) -> list[str]:
    lost = [f"{q['name']}, {part['name']}: {part['text'] or part['hidden_text']}" for q in result["questions"]
            for part in q["parts"] if not (part["public"] and part["hidden"] is not False)]
    return [*result["messages"], *([result["error"]] if "error" in result else []), *lost]


def _as_it_says(assignment: Assignment, known: list[Mistake], mistake: Mistake, solution: bytes) -> list[str]:
    """Run all questions, because any of them may call the same function. Training takes long: run it only if the mistake names it
    or a question that it needs."""
    only = {q.name for q in assignment.questions
            if q.kind != "trains" or {q.name, *needs_of(assignment, q)} & mistake.loses.keys()}
    result = graded(assignment, solution + b"\n\n" + mistake.text, known, only=tuple(only))
    problems = list(result["messages"])
    for question in result["questions"]:
        name, lost = question["name"], question["max"] - question["points"]
        least, most = mistake.loses.get(name, 0.0), mistake.most.get(name, 0.0)
        if not least - NEARLY <= lost <= most + NEARLY:
            parts = ", ".join(part["name"] for part in question["parts"] if not part["points"])
            problems.append(f"{name} loses {lost:g}, not {_range(mistake, name).split()[-1]}: {parts or 'nothing'}")
    hints = {part["hint"] for question in result["questions"] for part in question["parts"]}
    trains = {q.name for q in assignment.questions if q.kind == "trains"}  # no two runs give the same numbers
    if mistake.hint not in hints and not mistake.loses.keys() <= trains:
        problems.append(f"its hint is not shown; shown is {' / '.join(sorted(hints - {''})) or 'none'}")
    return problems


def _range(mistake: Mistake, question: str) -> str:
    """The points that it claims to lose."""
    least, most = mistake.loses.get(question, 0.0), mistake.most.get(question, 0.0)
    return f"{question} {least:g}" + (f"..{most:g}" if most > least else "")
