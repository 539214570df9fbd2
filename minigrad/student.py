"""Checks a student's file: all operations that it declares with @op and all names in its `check_inputs`, or one function,
operation or Module.

The file runs in a process of its own, which sends only numbers. The verdict is made here, so the file cannot change its judge.
The sentences about the likely mistake come from that process, because it sees the program; they are only hints.
"""

from __future__ import annotations

import linecache
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .check import Report
from .check.gradcheck import judge, written_by_hand
from .check.report import INCONCLUSIVE, OK, WRONG
from .course.checked import FORGED, Ask, Checked, asking, texts
from .course.client import Worker, WorkerEndedError, clean, one_line
from .course.library import ROOT
from .course.worker.channel import Message
from .student_file import CannotCheckError, FormulaError, split_target

# The file belongs to the user, and runs with the user's rights.
LIMITS: dict[str, Any] = {"memory": 8 << 30, "files": 1 << 30, "processes": None, "seconds": None}
MOST_HINTS, LONGEST_HINT = 3, 1000  # hints for one gradient; characters of a hint


class FailedFormula(Report):
    """A report without rows, for a formula that failed."""

    def __str__(self) -> str:
        return "\n".join([f"gradient: {self.verdict}", *(text for _, text in self.notes), f"again: {self.again}"])


@dataclass(frozen=True)
class Options:
    """shapes: the inputs' shapes; by default the file's check_inputs, or (3, 4) for each. low, high: the range of their
    values. timeout: seconds for the file and for each check. backward: the name of the file's function that gives gradients
    written by hand; step: the name of its function for one step of the recurrence. The others are gradcheck's options. The file's
    output goes to standard error."""

    shapes: tuple[tuple[int, ...], ...] = ()
    low: float = -2.0
    high: float = 2.0
    order: int = 1
    seed: int = 0
    budget: int = 20_000
    timeout: float = 60.0
    backward: str = ""
    step: str = ""
    hints: str = "full"
    time_axis: int | None = None


def check_file(target: str, options: Options) -> Iterator[tuple[str, Report | CannotCheckError]]:
    """(name, report) for each thing to check in `target`, which is FILE or FILE:NAME; or (name, why it could not be checked).

    The file runs in a process of its own. If it blocks or crashes that process, a new one goes on with the rest. Raises
    CannotCheckError, with the failing line, if the file itself cannot be run.
    """
    file, name = split_target(target)
    path = Path(file)
    done: list[str] = []
    while True:
        worker = _worker(path)
        try:
            try:
                loaded, _ = _until(worker, time.monotonic() + options.timeout)(
                    {"do": "load", "name": name, "backward": options.backward, "step": options.step}, [])
                names = texts(loaded.get("names"))
            except WorkerEndedError as error:
                raise _last_words(error, path, options) from None
            for thing in (one for one in names if one not in done):
                done.append(thing)
                try:
                    found = _checked(thing, path, options, _until(worker, time.monotonic() + options.timeout))
                except WorkerEndedError as error:
                    yield one_line(thing), _last_words(error, path, options)
                    break
                found, alive = _with_hints(found, options, _until(worker, time.monotonic() + options.timeout))
                yield one_line(thing), found
                if not alive:
                    break
            else:
                return
        finally:
            worker.stop()


def _worker(path: Path) -> Worker:
    paths = [str(ROOT.parent), *(folder for folder in sys.path if folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return Worker("checking", "minigrad.course.worker", paths, "none", str(path), sys.stderr.write, path=str(path),
                  environment=environment, cwd=os.getcwd(), **LIMITS)


def _until(worker: Worker, end: float) -> Ask:
    """A function that asks the worker; the answer must come before `end`."""
    return asking(lambda message, arrays: worker.ask(message, arrays, max(0.0, end - time.monotonic())))


def _last_words(error: WorkerEndedError, path: Path, options: Options) -> CannotCheckError:
    if error.kind == "died":
        return CannotCheckError(str(error).replace("its process ended", "the process ended without a word"))
    where = f"{path}:{error.line}: {linecache.getline(str(path), error.line).strip()}\n" if error.line else ""
    return CannotCheckError(f"{where}stopped after {options.timeout:g} seconds (does a loop never end? --timeout gives it "
                            "longer)" if error.kind == "time" else str(error))


def _checked(name: str, path: Path, options: Options, ask: Ask) -> Report | CannotCheckError:
    shapes: Sequence[Sequence[int]] = ()
    try:
        with np.errstate(all="ignore"):
            opened, xs = ask({"do": "open", "name": name, "shapes": options.shapes, "low": options.low, "high": options.high,
                              "seed": options.seed, "time_axis": options.time_axis}, [])
            report = judge(Checked(ask, opened, xs), lambda v: _second(ask, v),
                           (lambda v: _single(ask, v, xs)) if opened.get("float32") is True else None,
                           options.order, options.seed, options.budget, "none")
            if opened.get("by_hand") is True:
                report = _by_hand(report, ask({"do": "by_hand", "right": bool(report)}, [])[0])
        given, shapes = opened.get("given") is True, _shapes(opened.get("shapes_tried"))
        report = replace(report, notes=[*report.notes, *((OK, clean(text)) for text in texts(opened.get("left_out")))])
        if not report and ask({"do": "finite"}, [])[0].get("finite") is not True:
            report = replace(report, notes=[*report.notes, (INCONCLUSIVE, _not_finite(name, options, given))])
    except FormulaError as error:
        if options.order == 2:
            first = _checked(name, path, replace(options, order=1), ask)
            if isinstance(first, Report) and first:
                return CannotCheckError(f"{error}\n(the gradient itself is right, but it cannot be differentiated again)")
            return first
        report, shapes = FailedFormula([], options.order, [(WRONG, str(error))]), options.shapes
    except CannotCheckError as error:
        return error
    return replace(report, again=_command(name, path, options, shapes))


def _with_hints(report: Report | CannotCheckError, options: Options, ask: Ask) -> tuple[Report | CannotCheckError, bool]:
    """The report with hints from the file's process about wrong gradients; and whether that process can still answer."""
    if options.hints == "none" or isinstance(report, CannotCheckError) or not any(row.verdict == WRONG for row in report.rows):
        return report, True
    try:
        answer, _ = ask({"do": "words", "order": report.order, "seed": options.seed, "budget": options.budget,
                         "hints": options.hints, "time_axis": options.time_axis}, [])
        words = {clean(str(name), 200): [f"hint: {clean(text, LONGEST_HINT)}" for text in texts(said)[:MOST_HINTS]]
                 for name, said in _pairs(answer.get("words"))}
    except (CannotCheckError, WorkerEndedError) as error:
        note = OK, f"there is no hint: {error}"
        return replace(report, notes=[*report.notes, note]), not isinstance(error, WorkerEndedError)
    return replace(report, rows=[replace(row, notes=(*row.notes, *words.get(row.name, ()))) if row.verdict == WRONG else row
                                 for row in report.rows]), True


def _by_hand(report: Report, found: Message) -> Report:
    """The report with notes that only a backward pass written by hand can need."""
    problems, not_given = (_pairs(found.get(key)) for key in ("shape_problems", "not_given"))
    shapes = _shapes([shape for _, shape in not_given])
    return written_by_hand(report, {clean(str(name), 200): clean(str(text)) for name, text in problems},
                           {clean(str(name), 200): tuple(shape) for (name, _), shape in zip(not_given, shapes)},
                           [clean(text) for text in texts(found.get("notes"))])


def _pairs(found: Any) -> list[list[Any]]:
    if not isinstance(found, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in found):
        raise FORGED
    return found


def _second(ask: Ask, v: np.ndarray) -> Checked | None:
    message, xs = ask({"do": "second"}, [v])
    return None if message.get("names") is None else Checked(ask, message, xs, order=2)


def _single(ask: Ask, v: np.ndarray, xs: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.dtype]]:
    """The gradients in float32; in float64 if an input has float64."""
    message, found = ask({"do": "single"}, [v])
    single = message.get("single")
    if not isinstance(single, list) or len(single) != len(xs) or [g.shape for g in found] != [x.shape for x in xs]:
        raise FORGED
    return found, [np.dtype(np.float32 if is_single is True else np.float64) for is_single in single]


def _shapes(found: Any) -> list[list[int]]:
    if isinstance(found, list) and all(isinstance(shape, list) and all(type(n) is int for n in shape) for shape in found):
        return found
    raise FORGED


def _not_finite(name: str, options: Options, given: bool) -> str:
    if given:
        return f"{name} is NaN or infinite for the inputs in check_inputs: give it other ones"
    return (f"{name} is NaN or infinite for some of the inputs that were tried, from {options.low:g} to {options.high:g}: if "
            "it is defined for other numbers only, try --positive, or --low and --high")


def _command(name: str, path: Path, options: Options, shapes: Sequence[Sequence[int]]) -> str:
    """The shell command that gives the same report again."""
    words = ["python", "-m", "minigrad", "check", f"{path}:{name}"]
    words += [f"--shape={','.join(map(str, shape))}" for shape in shapes]
    words += [f"--{option}={getattr(options, option)!r}" for option in ("low", "high", "order", "seed", "budget", "timeout")
              if getattr(options, option) != getattr(Options, option)]
    words += [f"--{option}={getattr(options, option)}" for option in ("backward", "step", "hints")
              if getattr(options, option) != getattr(Options, option)]
    words += [f"--time-axis={options.time_axis}"] if options.time_axis is not None else []
    return shlex.join(words)
