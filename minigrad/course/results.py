"""Results for Gradescope, for a spreadsheet and for a person. Text that a submission can influence is shown as plain text."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Result = dict[str, Any]
FORMATS = ("gradescope", "csv", "text")


def gradescope(result: Result) -> str:
    """results.json for Gradescope. Public tests are visible and have no points; the hidden tests have the points, and appear
    when the assistant publishes the grades."""
    tests: list[Result] = []
    for question in result["questions"]:
        for part in question["parts"]:
            name = f"{question['name']}: {part['name']}"
            tests.append({"name": f"{name} (public test)", "status": "passed" if part["public"] else "failed",
                          "visibility": "visible", "output_format": "text",
                          "output": _lines(part) or "right at the public inputs"})
            pending = part["hidden"] is None
            if not pending:
                tests.append({"name": f"{name} (hidden test)", "score": round(part["points"], 4), "max_score": part["max"],
                              "visibility": "after_published", "output_format": "text",
                              "output": "right" if part["hidden"] else part["hidden_text"]})
            else:
                tests.append({"name": f"{name} (hidden test)", "visibility": "visible", "output_format": "text",
                              "output": f"pending: {part['max']:g} points, graded with inputs that nobody has seen"})
        if not question["parts"]:
            tests.append({"name": question["name"], "score": 0, "max_score": question["max"], "visibility": "visible",
                          "status": "failed", "output_format": "text", "output": question["message"]})
    return json.dumps({"score": 0.0 if result["public"] else round(result["points"], 2), "output_format": "text",
                       "output": "\n".join(_head(result)), "stdout_visibility": "hidden", "tests": tests,
                       "extra_data": {key: result[key] for key in (
                           "assignment", "version", "student", "submission", "secret")}},
                      indent=1)


def _head(result: Result) -> list[str]:
    """Lines about the whole submission, and how it was graded."""
    lines = [*result["messages"], f"protection: {result['protection'] or 'the submission was not run'}",
             f"assignment {result['assignment']}, version {result['version']}, submission {result['submission'] or 'missing'}"
             + (f", secret {result['secret']}" if result["secret"] else "")]
    if result["only"]:
        lines.append(f"Only {', '.join(result['only'])} was graded.")
    if result["public"]:
        lines.append("Only the public tests were run. The grade is made with hidden inputs as well.")
    return lines


def _lines(part: Result) -> str:
    return part["text"] + (f"\nhint: {part['hint']}" if part["hint"] else "")


def text(result: Result) -> str:
    """For a person. The hidden tests stand apart from the public ones."""
    of = f" of {', '.join(result['only'])}" if result["only"] else ""
    lines = [f"{result['student']}: {result['points']:g} of {result['max']:g} points{of}"
             + (", if the hidden tests agree" if result["public"] else "")]
    for question in result["questions"]:
        message = f"  ({question['message']})" if question["message"] else ""
        lines.append(f"\n{question['name']:<24} {question['points']:g} of {question['max']:g}{message}")
        for part in question["parts"]:
            hidden = "pending" if part["hidden"] is None else "right" if part["hidden"] else part["hidden_text"]
            public = "right" if part["public"] else "in part" if part["points"] else "wrong"
            lines.append(f"  {part['name']:<28} {part['points']:g} of {part['max']:g}   public: {public}   hidden: {hidden}")
            lines += [f"      {line}" for line in _lines(part).split("\n") if line]
            lines += ["", part["explain"], ""] if part.get("explain") else []  # not indented: it is pasted into Python
    if result["public"] and any(not part["public"] and not part["explain"] for q in result["questions"] for part in q["parts"]):
        lines += ["", "With --explain you see the inputs of each part that is not right, in a program that repeats the call."]
    return "\n".join([*lines, "", *_head(result)])


def table(results: Sequence[Result]) -> str:
    """CSV: a line for each submission, a column for each question. Their sum is the points and what is deducted."""
    file = io.StringIO()
    questions = [{question["name"]: question["points"] for question in result["questions"]} for result in results]
    names: list[str] = max(map(list, questions), key=len, default=[])  # a submission that could not be graded has no questions
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["student", "points", "max", *names, "deduction", "messages", "submission", "version", "secret",
                     "protection"])
    for result, points in zip(results, questions):
        writer.writerow([_cell(x) for x in (
            result["student"], f"{result['points']:g}", f"{result['max']:g}",
            *(f"{points.get(name, 0):g}" for name in names), f"{result['deduction']:g}",
            " ".join(result["messages"]), result["submission"], result["version"], result["secret"], result["protection"])])
    return file.getvalue()


def _cell(x: str) -> str:
    """Text that no spreadsheet reads as a formula."""
    x = x.replace("\n", " ").replace("\r", " ").replace("\t", " ")
    return f"'{x}" if x[:1] in ("=", "+", "-", "@") else x


def replace(path: Path, content: str) -> None:
    """Write a file in one step: a reader finds the old file or the new one."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
