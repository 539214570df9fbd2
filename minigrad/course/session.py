"""A submission and its workers, one after the other. A fresh worker starts only after a failure or for other rules."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..check.function import cut
from .assignment import Assignment, Question
from .client import Worker, WorkerEndedError, clean
from .example import given
from .library import WORKER, library
from .worker.channel import Message, unpacked
from .worker.grading import parts_of_answer

LARGEST = 5 << 20  # bytes in a submission
LARGEST_HELP = 10_000  # numbers in an array for a stand-in, which the grader's process computes
MOST_CRASHES = 5  # statements that may end a worker; after that the rest of the file is not run


class SubmissionError(Exception):
    """There is nothing to grade; the message is for the student."""


def content_of(path: Path) -> bytes:
    """The bytes of a submission: a regular file, not a link to one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise SubmissionError(f"{clean(path.name)} was not handed in as a file: {error.strerror}") from None
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        raise SubmissionError(f"{clean(path.name)} is no ordinary file")
    with open(descriptor, "rb") as file:
        if about.st_size > LARGEST:
            raise SubmissionError(f"{clean(path.name)} is larger than {LARGEST >> 20} MB: hand in your code alone")
        return file.read(LARGEST)


class Session:
    """A submission that answers questions. seconds: time limit for running the file. failures: the statements that failed in
    the last worker. walls: the strength of the walls around the workers."""

    def __init__(self, assignment: Assignment, content: bytes, notebook: bool, seconds: float,
                 walls: str = "namespaces") -> None:
        self.assignment, self.content, self.notebook = assignment, np.frombuffer(content, np.uint8), notebook
        self.seconds, self.wanted = seconds, walls
        self.skip: list[int] = []
        self.failures: list[dict[str, Any]] = []
        self.crashes: list[dict[str, Any]] = []
        self.walls = ""
        self.worker: Worker | None = None
        self.key: Any = None
        self.hidden = False  # has it seen hidden inputs? Then its later output may tell of them
        self.pair: Any = None  # function and gradient for a student's test
        self.forms: dict[str, str] = {}  # by name of a function: does it return its parts as a dict, a tuple or an array?
        self.dead: WorkerEndedError | None = None  # the reason why the file cannot run at all

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: Any) -> None:
        self.drop()

    def drop(self) -> None:
        """End the worker; the next question gets a fresh one."""
        if self.worker is not None:
            self.worker.stop()
        self.worker = None

    def asking(self, question: Question, stand_ins: Sequence[str], seconds: float) -> Any:
        """A function that asks a worker. The worker has the imports that the question allows, and stand-ins for failed
        questions. All answers together may take so many seconds."""
        key = "minigrad" in question.allow, question.withhold, tuple(stand_ins)
        if self.dead is not None:
            raise self.dead
        if self.worker is None or key != self.key:
            self.drop()
            self.worker, self.key = self._loaded(*key), key
        worker, left = self.worker, [seconds]

        def ask(message: Message, arrays: Sequence[np.ndarray]) -> tuple[Message, list[np.ndarray]]:
            start = time.monotonic()
            try:
                self.pair = message.pop("pair", None)  # the worker must not see it
                answer, found = worker.ask(message, arrays, max(0.0, left[0]))
            finally:
                left[0] -= time.monotonic() - start
            if answer.get("form") in ("dict", "tuple", "array"):
                self.forms[question.thing] = answer["form"]  # a stand-in returns what the student's own returned
            return answer, found
        return ask

    def _loaded(self, with_minigrad: bool, withhold: tuple[str, ...], stand_ins: tuple[str, ...]) -> Worker:
        questions = [self.assignment.question(name) for name in stand_ins]
        about = {q.thing: {"kind": q.kind, "arguments": list(q.takes or q.names), "form": self.forms.get(q.thing, "")}
                 for q in questions}
        while True:
            worker = Worker("grading", WORKER, library(withhold, with_minigrad), self.wanted,
                            helps=helper(questions, self.assignment.solution, lambda: self.pair))
            self.walls = worker.walls
            try:
                message = {"do": "load", "notebook": self.notebook, "skip": self.skip, "stand_ins": about}
                answer, _ = worker.ask(message, [self.content], self.seconds)
            except WorkerEndedError as error:
                worker.stop()
                if worker.where is None or worker.where[0] in self.skip or len(self.skip) == MOST_CRASHES:
                    self.dead = error
                    raise
                self.skip.append(worker.where[0])
                self.crashes.append({"line": error.line or worker.where[1], "error": str(error), "all": False})
                continue
            if not self.hidden and not stand_ins:  # only failures without stand-ins cost points
                self.failures = [*self.crashes, *_failures(answer.get("failed"))]
            return worker


def _failures(found: Any) -> list[dict[str, Any]]:
    return [{"line": one["line"] if type(one.get("line")) is int else None, "error": clean(str(one.get("error")), 300),
             "all": one.get("all") is True} for one in (found if isinstance(found, list) else []) if isinstance(one, dict)][:50]


def helper(questions: Sequence[Question], solution: Any, pair: Callable[[], Any]) -> Any:
    """Answers a worker's stand-ins with these questions' references, for functions with the solution's. Answers a student's
    test with the pair of function and gradient under test."""
    def helps(message: Message, arrays: list[np.ndarray]) -> tuple[Message, list[np.ndarray]]:
        try:
            if any(array.size > LARGEST_HELP for array in arrays):
                raise ValueError("that is too large to ask for")
            inputs = [_numbers(unpacked(x, arrays)) for x in message["inputs"]]
            if message["ask"] is None:
                return {}, [np.asarray(pair()[message["what"] == "gradient"](*inputs), dtype=float)]
            question = max((q for q in questions if q.thing == message["ask"]), key=lambda q: len(q.parts))
            if question.kind == "function":
                right = getattr(solution, question.thing)(*inputs)
                names = list(right if isinstance(right, dict) else question.parts)
                return {"names": names}, parts_of_answer(right, names)[1]
            example = given(question, inputs)
            outputs = example.outputs(example.xs)
            if message.get("what") != "gradient":
                return {}, outputs
            found = iter(example.gradients(example.xs, cut(arrays[0], [y.shape for y in outputs])))
            return {}, [next(found) if x.dtype.kind == "f" else np.zeros(x.shape) for x in inputs]
        except Exception as error:  # no question may end the grader
            return {"refused": f"{type(error).__name__}: {error}"[:300]}, []
    return helps


def _numbers(x: Any) -> np.ndarray:
    """An array; integers stay integers, because they may be indices."""
    array = np.asarray(x)
    return array if array.dtype.kind in "biu" else np.asarray(array, dtype=float)
