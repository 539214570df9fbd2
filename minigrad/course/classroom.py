"""Grades one submission into a file, or a folder of submissions in parallel processes. Finished results are always on disk."""

from __future__ import annotations

import hashlib
import multiprocessing
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path

from .assignment import Assignment, AssignmentError, load_assignment
from .client import one_line
from .grading import NOT_YOURS, Result, Rules, empty_result, grade
from .hints import mistakes
from .public import load_public
from .results import gradescope, replace, table, text

WAYS: dict[str, Callable[[Result], str]] = {"gradescope": gradescope, "text": text, "csv": lambda result: table([result])}


def assignment_at(folder: str | Path, student: str = "") -> Assignment:
    """The assignment in a folder, for a student: the complete assignment, or the released one."""
    folder = Path(folder)
    released = (folder / "public.json").is_file() and not (folder / "assignment.py").exists()
    return (load_public if released else load_assignment)(folder, student)


def grade_one(folder: Path, path: Path, student: str, rules: Rules, out: Path | None, form: str) -> Result:
    """Grade a submission. The file `out` exists from the beginning and is complete at any time."""
    def save(result: Result) -> None:
        if out is not None:
            replace(out, WAYS[form](result))

    try:
        assignment = assignment_at(folder, student)
        known = mistakes(assignment)
    except AssignmentError as error:
        result = failed_result(folder, student, rules, NOT_YOURS, str(error))
        save(result)
        return result
    if not path.exists() and path.with_suffix(".ipynb").is_file():
        path = path.with_suffix(".ipynb")
    return grade(assignment, path, student, rules, known, save)


def failed_result(folder: Path, student: str, rules: Rules, message: str, error: str) -> Result:
    """A result without points, which says why."""
    return {**empty_result(folder.name, "", student, rules), "messages": [message], "error": error}


def submissions(folder: Path, file: str) -> Iterator[tuple[str, Path]]:
    """(student, file) for each entry of a folder: a file, or a folder that holds the file to hand in. A link is not followed,
    because it may lead to another student's work; its grade says so."""
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield entry.name, entry / file
        elif entry.suffix in (".py", ".ipynb") or entry.is_symlink():
            yield entry.stem, entry
        else:
            print(f"not graded, because it is no .py, .ipynb or folder: {one_line(entry.name)}", file=sys.stderr)


def grade_class(folder: Path, work: list[tuple[str, Path]], rules: Rules, out: Path | None, form: str,
                jobs: int) -> list[Result]:
    """Grade all submissions. out: a CSV file that grows, or for other formats a folder with a file for each student."""
    results: list[Result | None] = [None] * len(work)
    if out is not None and form != "csv":
        out.mkdir(exist_ok=True, mode=0o700)

    def graded(numbers: Sequence[int], jobs: int) -> Iterator[tuple[int, Result | None]]:
        """Number and result of each of these, None if a process of the pool was killed: then all that were not done have none."""
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            futures: dict[Future, int] = {}
            for number in numbers:
                student, path = work[number]
                own = out / f"{file_name(student)}.{'json' if form == 'gradescope' else 'txt'}" if out and form != "csv" else None
                futures[pool.submit(grade_one, folder, path, student, rules, own, form)] = number
            for future in as_completed(futures):
                error = future.exception()
                yield futures[future], None if error else future.result()

    def keep(number: int, result: Result) -> None:
        results[number] = result
        found = [result for result in results if result is not None]
        if out is not None and form == "csv":
            replace(out, table(found))
        _progress(len(found), len(work))

    again = []
    for number, result in graded(range(len(work)), jobs):
        keep(number, result) if result else again.append(number)
    for number in again:  # each by itself, so that only the one that killed the pool has no result
        ((_, result),) = graded([number], 1)
        words = "grading was cut short: the process that graded it was ended, perhaps by the submission"
        keep(number, result or failed_result(folder, work[number][0], rules, words, f"{work[number][0]}: {words}"))
    return [result for result in results if result is not None]


def file_name(student: str) -> str:
    """A file name for a student's id, with any characters."""
    plain = re.sub(r"[^\w-]", "_", student)[:80]
    return plain if plain == student and plain else f"{plain}-{hashlib.sha256(student.encode()).hexdigest()[:8]}"


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        bar = "#" * (30 * done // total)
        print(f"\rgraded [{bar:<30}] {done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
