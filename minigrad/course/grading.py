"""Grades one submission: every question at public and hidden inputs, part by part. The result is complete at any
time.

A part earns its points if it is right at all inputs: two public sets, the same for everybody, and two hidden sets, made from
the secret and the student's id. If a question fails, later questions get the reference's answers. All public inputs come
first; the hidden ones follow in fresh workers. So messages about the public tests cannot contain hidden inputs.
"""

from __future__ import annotations

import hashlib
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..version import __version__
from .assignment import Assignment, AssignmentError, Question
from .client import PROTECTION, CannotStartError, WorkerEndedError, one_line
from .example import Example
from .explain import Case, program
from .hints import Mistake, hint, said
from .judging import NOT_RUN, Finding, judged, parts_of
from .public import judged_stored
from .session import Session, SubmissionError, content_of

AFTER_A_HANG = 0.2  # share of its time that a question gets after it hung once
SETS = 2  # of public inputs, and of hidden ones
NOT_YOURS = "This could not be graded, and it is not your mistake: please tell the course staff."
Result = dict[str, Any]


@dataclass(frozen=True)
class Rules:
    """The rules of grading. secret: None for public inputs alone. hints: "none", "family" or "full". seconds: time limit for
    running the file, and for each part. only: names of questions; empty for all. explain: keep a program that shows each lost
    point. walls: the strongest walls to try."""

    secret: bytes | None = None
    hints: str = "full"
    seconds: float = 10.0
    only: tuple[str, ...] = ()
    explain: bool = False
    walls: str = "namespaces"


def empty_result(name: str, version: str, student: str, rules: Rules, questions: Sequence[Question] = ()) -> Result:
    """The result before grading begins. only: the questions that are graded, if not all."""
    questions = [q for q in questions if not rules.only or q.name in rules.only]
    return {
        "assignment": one_line(name), "version": f"{version} (minigrad {__version__})", "student": one_line(student),
        "submission": "", "secret": hashlib.sha256(rules.secret).hexdigest()[:12] if rules.secret else "",
        "public": rules.secret is None, "points": 0.0, "max": sum(q.points for q in questions), "deduction": 0.0, "messages": [],
        "only": list(rules.only),
        "protection": "", "seconds": 0.0, "questions": [
            {"name": q.name, "points": 0.0, "max": q.points, "parts": [], "message": "not graded"} for q in questions]}


def grade(assignment: Assignment, path: Path, student: str, rules: Rules, known: Sequence[Mistake] = (),
          save: Callable[[Result], None] = lambda result: None) -> Result:
    """The result; `save` gets it after every question. No submission can make this raise an exception."""
    result = empty_result(assignment.name, assignment.version, student, rules, assignment.questions)
    start = time.monotonic()
    save(result)
    try:
        content = content_of(path)
        result["submission"] = hashlib.sha256(content).hexdigest()[:12]
        with Session(assignment, content, path.suffix == ".ipynb", rules.seconds, rules.walls) as session:
            round_ = Round(assignment, session, rules, known, path, student)
            entries = {entry["name"]: entry for entry in result["questions"]}
            asked = {name for q in assignment.questions if q.name in entries for name in (*needs_of(assignment, q), q.name)}
            for seeds in _seeds(rules.secret, student):
                session.drop()
                session.hidden = seeds[0].startswith("hidden")
                for question in assignment.questions:
                    if question.name not in asked:
                        continue
                    round_.grade(question, entries.get(question.name, {}), seeds)  # no entry: others need it
                    result["protection"] = PROTECTION.get(session.walls, "") + _open_to_all(assignment, session.walls)
                    result["seconds"] = round(time.monotonic() - start, 2)
                    _add_up(assignment, result, session)
                    save(result)
    except SubmissionError as error:
        result["messages"].append(str(error))
    except (AssignmentError, CannotStartError) as error:
        result["messages"].append(NOT_YOURS)
        result["error"] = str(error)
    except Exception as error:  # a mistake in the grader, or a full disk: earned points stay
        result["messages"].append(NOT_YOURS)
        result["error"] = "".join(traceback.format_exception(error))
    save(result)
    return result


def _open_to_all(assignment: Assignment, walls: str) -> str:
    """A warning if another user can read the assignment: without namespaces the submission is such a user."""
    file = assignment.folder.resolve() / "assignment.py"
    if not walls.startswith("user") or not file.exists():
        return ""
    reached = file.stat().st_mode & 0o004 and all(folder.stat().st_mode & 0o001 for folder in file.parents)
    return "; but every user can read the assignment's folder, and so could the submission: make its mode 0700" if reached else ""


def _seeds(secret: bytes | None, student: str) -> list[list[str]]:
    """Seeds of the inputs in each round: public, then hidden."""
    public = [f"public {i}" for i in range(SETS)]
    if secret is None:
        return [public]
    key = hashlib.sha256(secret + b"\0" + student.encode(errors="replace")).hexdigest()
    return [public, [f"hidden {i} {key}" for i in range(SETS)]]


def _add_up(assignment: Assignment, result: Result, session: Session) -> None:
    earned = sum(entry["points"] for entry in result["questions"])
    result["messages"] = [f"The file cannot be run: {session.dead}"] if session.dead else []
    if session.failures:
        lines = "; ".join(f"line {one['line']}: {one['error']}" if one["line"] else one["error"]
                          for one in session.failures[:5])
        result["messages"].append(
            f"Nothing in the file could run: {lines}" if any(one["all"] for one in session.failures) else
            f"The file does not run to its end, which costs {assignment.crash_loss:.0%} of the points: {lines}")
        result["deduction"] = round(earned * assignment.crash_loss, 4)
    result["points"] = round(earned - result["deduction"], 4)


@dataclass
class Round:
    """The questions of one submission, at public inputs and then at hidden ones."""

    assignment: Assignment
    session: Session
    rules: Rules
    known: Sequence[Mistake]
    path: Path
    student: str

    def __post_init__(self) -> None:
        self.found: dict[str, list[tuple[Example, dict[str, Finding]]]] = {q.name: [] for q in self.assignment.questions}

    def grade(self, question: Question, entry: Result, seeds: list[str]) -> None:
        """Ask one question at these inputs, and update the result."""
        stored = self.assignment.stored.get(question.name)
        if stored == []:
            entry["message"] = "it has no public tests; it is graded with the hidden ones"
            return
        failing = [name for name in needs_of(self.assignment, question) if self._failed(name) and not stored]
        limit = question.seconds or self.rules.seconds
        for example in stored or [Example(question, seed) for seed in seeds[:question.sets]]:
            judge: Any = judged_stored if stored else judged
            hung = any(_ended(findings) for _, findings in self.found[question.name])
            try:
                findings = judge(example, self.session.asking(question, failing, AFTER_A_HANG * limit if hung else limit))
            except WorkerEndedError:  # while the file ran: no question is possible
                findings = {}
            if _ended(findings):
                self.session.drop()
            self.found[question.name].append((example, findings))
        entry["message"] = f"for {', '.join(failing)} it was given the right answers" if failing else ""
        case = Case(self.path, self.assignment.folder, self.student, failing, self.session.forms)
        entry["parts"] = [self._part(question, part, points, case) for part, points in self._points(question).items()]
        entry["points"] = round(sum(part["points"] for part in entry["parts"]), 4)

    def _points(self, question: Question) -> dict[str, float]:
        return parts_of(question, self.found[question.name][0][0].names)

    def _failed(self, name: str) -> bool:
        parts = self._points(self.assignment.question(name)) if self.found[name] else {}
        return not all(part in findings and findings[part].ok for _, findings in self.found[name] for part in parts)

    def _part(self, question: Question, part: str, points: float, case: Case) -> Result:
        findings = [one.get(part, Finding(False, NOT_RUN, NOT_RUN)) for _, one in self.found[question.name]]
        public, hidden = findings[:question.sets], findings[question.sets:]
        wrong = next((finding for finding in public if not finding.ok), None)
        unseen = next((finding for finding in hidden if not finding.ok), None)
        worst = min(findings, key=lambda finding: finding.ok or finding.share)  # it decides about the points
        counts = bool(hidden) or self.rules.secret is None
        advice = hint(self.assignment, list(self.known), part, public) if wrong and self.rules.hints != "none" else ""
        return {
            "name": part, "points": points * (worst.ok or worst.share) if counts else 0.0, "max": points,
            "public": wrong is None, "text": said(wrong, self.rules.hints) if wrong else "", "hint": advice,
            "hidden": unseen is None if hidden else None, "hidden_text": unseen.error if unseen else "",
            "explain": program(case, part, worst) if self.rules.explain and not worst.ok else ""}


def _ended(findings: dict[str, Finding]) -> bool:
    """Has this question ended the worker?"""
    return not findings or any(finding.ended for finding in findings.values())


def needs_of(assignment: Assignment, question: Question) -> list[str]:
    """The questions that it needs, directly or indirectly."""
    found: list[str] = []
    for name in question.needs:
        found += [*needs_of(assignment, assignment.question(name)), name]
    return list(dict.fromkeys(found))
