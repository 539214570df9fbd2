"""Makes the notebook version of an assignment from the handout and the starter: text, a cell for each thing to write, and
its check below it."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from typing import Any

HOW = """## Write here

Fill in the cells that say `not written yet`. Run each of them, and then the check below it: it prints what is right at the public
inputs, and often a hint. You can hand in this notebook as it is. `check` is minigrad's; where the handout excludes minigrad, your
own code must do without it."""
STUDENT = 'STUDENT = ""  # your id: it decides which variant is yours'
UNTESTED = """`{name}` has no public tests; hidden tests grade it. If you have the whole assignment (a folder with assignment.py),
you can check it here: `check("{name}", FOLDER)`."""


def notebook(starter: str, handout: str, questions: Sequence[dict[str, Any]], milestone: bool) -> str:
    """The notebook as JSON text. questions: as in public.json. milestone: is there one?"""
    sections = ["## " * (number > 0) + part.strip() for number, part in enumerate(f"\n{handout}".split("\n## "))]
    last = [part for part in sections if part.startswith("## Milestone")]
    cells = [_text(part) for part in (*(part for part in sections if part and part not in last), HOW)]
    drawn = {one["name"] for one in questions if one["variant"]}
    imported = "from minigrad.course import check" + ", milestone" * milestone
    cells.append(_code("\n".join([imported, *([STUDENT] if drawn else [])])))
    pieces = list(_pieces(starter, {one["thing"] for one in questions}))
    place = {defined: number for number, (_, defined) in enumerate(pieces)}
    behind = {name: max(place.get(one["thing"], len(pieces) - 1) for one in questions if one["name"] == name)
              for name in dict.fromkeys(one["name"] for one in questions)}  # the last variant's place
    tested = {one["name"] for one in questions if one["sets"]}
    for number, (code, _) in enumerate(pieces):
        cells.append(_code(code))
        names = [name for name in behind if behind[name] == number]
        checks = [f'check("{name}"{", student=STUDENT" * (name in drawn)})' for name in names if name in tested]
        cells += [_code("\n".join(checks))] if checks else []
        cells += [_text(UNTESTED.format(name=name)) for name in names if name not in tested]
    cells += map(_text, last)
    cells += [_code("milestone()")] if milestone else []
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return json.dumps({"cells": [{"id": f"cell-{number}", **cell} for number, cell in enumerate(cells)], "nbformat": 4,
                       "nbformat_minor": 5, "metadata": {"kernelspec": kernel}}, indent=1, ensure_ascii=False) + "\n"


def _pieces(starter: str, things: set[str]) -> Iterator[tuple[str, str]]:
    """Code for a cell, and the thing of a question that it defines, or "". Each thing to write has its own cell."""
    lines, begin, end = starter.split("\n"), 0, 0  # end of the last statement; comments after it belong to the next
    for node in ast.parse(starter).body:
        code, name = "\n".join(lines[end:node.end_lineno]), getattr(node, "name", "")
        if name in things or name and ("todo" in code or "NotImplementedError" in code):
            yield from _given(lines[begin:end])
            yield code.strip("\n"), name
            begin = node.end_lineno or 0
        end = node.end_lineno or 0
    yield from _given(lines[begin:])


def _given(lines: list[str]) -> Iterator[tuple[str, str]]:
    if any(map(str.strip, lines)):
        yield "\n".join(lines).strip("\n"), ""


def _text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source.splitlines(keepends=True)}


def _code(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [],
            "source": source.splitlines(keepends=True)}
