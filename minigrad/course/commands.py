"""The commands of the course kit: minigrad grade, and minigrad assignment."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from ..check.report import HINTS
from .assignment import AssignmentError
from .classroom import WAYS, assignment_at, failed_result, grade_class, grade_one, submissions
from .grading import NOT_YOURS, Result, Rules
from .proof import prove
from .release import bundle, release
from .results import FORMATS, replace, table, text
from .template import new

NO_SECRET = ("give a --secret FILE for the hidden inputs, or say --public. Make one, and keep it: "
             """python -c "import secrets; print(secrets.token_hex(16))" > secret""")
ACTIONS = {"new": "Write a small assignment that runs, to be changed.",
           "test": "Prove it: the solution gets all points, the starter none, each wrong solution loses just what it says.",
           "release": "Write DIR/release for the students: starter, notebook, handout and public tests.",
           "bundle": "Write DIR/NAME.zip for Gradescope, and DIR/secret."}


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add `grade` and `assignment` to the command line."""
    grade = commands.add_parser("grade", help="grade a submission, or a folder of them", description=(
        "Grade a file, a notebook, or a folder of submissions. The submission runs in a process of its own, which only says "
        "numbers; the verdict is made in another one. Exit code 0: it was graded; 2: it could not be."))
    grade.add_argument("submission", type=Path, metavar="SUBMISSION",
                       help=".py, .ipynb, or a folder with a file or folder for each student")
    grade.add_argument("--assignment", type=Path, required=True, metavar="DIR",
                       help="the folder with assignment.py, or what was released to students")
    grade.add_argument("--out", type=Path, metavar="FILE", help="also write the result there, anew after every question")
    grade.add_argument("--format", choices=FORMATS, help="of --out (default gradescope; csv for a folder)")
    grade.add_argument("--secret", type=Path, metavar="FILE", help="what hidden inputs are made from, with the student's id")
    grade.add_argument("--student", metavar="ID", help="default: the name of the file or folder")
    grade.add_argument("--public", action="store_true", help="the public tests alone")
    grade.add_argument("--hints", choices=HINTS, default="full", help="what is said of a mistake (default %(default)s)")
    grade.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
                       help="submissions at a time (default %(default)s)")
    grade.add_argument("--timeout", type=float, default=10.0, metavar="S",
                       help="seconds for the file, and for a question at one set of inputs (default %(default)s)")
    grade.add_argument("--question", action="append", default=[], metavar="NAME",
                       help="only this one; once more for another. What it needs is run too, without points")
    grade.add_argument("--explain", action="store_true",
                       help="for assistants: a program that shows each lost point, hidden inputs too")
    grade.set_defaults(run=lambda options: _grade(grade, options))

    kit = commands.add_parser("assignment", help="make, prove, release and bundle an assignment")
    actions = kit.add_subparsers(dest="action", required=True)
    for name, words in ACTIONS.items():
        action = actions.add_parser(name, help=words, description=words)
        action.add_argument("folder", type=Path, metavar="DIR", help="the folder of the assignment")
        action.set_defaults(run=_assignment)
    action.add_argument("--secret", type=Path, metavar="FILE", help="what hidden inputs are made from; made if it is not there")
    action.add_argument("--wheels", type=Path, metavar="FOLDER", help="with NumPy's wheel, so that no internet is needed")


def _grade(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if options.jobs < 1 or not 0 < options.timeout < 1e6:
        parser.error("--jobs must be 1 or more, and --timeout above 0")
    path, folder = options.submission, options.assignment
    file, problem = "", ""
    try:
        assignment = assignment_at(folder)
        file, names = assignment.file, [question.name for question in assignment.questions]
        if unknown := [name for name in options.question if name not in names]:
            problem = f"there is no question {', '.join(unknown)}; there are {', '.join(names)}"
    except AssignmentError as error:
        problem = str(error)  # graded nevertheless: the result says it
    many = path.is_dir() and not any((path / file).with_suffix(suffix).is_file() for suffix in (".py", ".ipynb") if file)
    form = options.format or ("csv" if many else "gradescope")
    public = options.public or (folder / "public.json").is_file() and not (folder / "assignment.py").exists()
    try:
        secret = None if public else options.secret.read_bytes().strip() if options.secret else b""
        if secret == b"":
            problem = problem or NO_SECRET
    except OSError as error:
        secret, problem = b"", (
            f"the secret cannot be read: {options.secret}: {error.strerror}; `minigrad assignment bundle` makes one")
    if problem:
        print(f"cannot grade: {problem}", file=sys.stderr)
        if options.out is not None and not many:
            replace(options.out, WAYS[form](failed_result(folder, options.student or "", Rules(b"-"), NOT_YOURS, problem)))
        return 2
    rules = Rules(secret, options.hints, options.timeout, tuple(options.question), options.explain)
    if many:
        results = grade_class(folder, list(submissions(path, file)), rules, options.out, form, options.jobs)
        print(_overview(results) if options.out is not None else table(results))
    else:
        path = path / file if path.is_dir() else path
        student = options.student if options.student is not None else path.stem
        results = [grade_one(folder, path, student, rules, options.out, form)]
        print(text(results[0]))
    for words in dict.fromkeys(result["error"] for result in results if "error" in result):
        print(f"cannot grade: {words}", file=sys.stderr)
    return 2 if any("error" in result for result in results) or not results else 0


def _overview(results: list[Result]) -> str:
    lines = [f"{result['student']:<32} {result['points']:g} of {result['max']:g}" + (f"  {' '.join(result['messages'])}"[:200])
             for result in results]
    return "\n".join([*lines, *sorted({result["protection"] for result in results if result["protection"]})])


def _assignment(options: argparse.Namespace) -> int:
    try:
        if options.action == "new":
            new(options.folder)
        elif options.action == "test":
            return prove(options.folder)
        elif options.action == "release":
            release(options.folder)
        else:
            bundle(options.folder, options.secret, options.wheels)
    except (AssignmentError, OSError) as error:
        print(f"assignment {options.action}: {error}", file=sys.stderr)
        return 2
    return 0
