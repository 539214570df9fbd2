"""The starter that students get, made from the solution:

    ### BEGIN SOLUTION
    @op(lambda g, y: g * (1 - y * y))      left out
    ### END SOLUTION
    ### STARTER @op(todo)                  put in, without the mark
"""

from __future__ import annotations

import re

from .assignment import AssignmentError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
TELLING = 12  # a line of a solution with fewer characters, such as `return h`, tells nothing


def starter(solution: str) -> str:
    """The solution without the lines between the marks, and with the starter lines."""
    lines, inside = [], False
    for number, line in enumerate(solution.split("\n"), 1):
        mark = line.strip()
        if mark in (BEGIN, END):
            if inside == (mark == BEGIN):
                raise AssignmentError(f"solution.py:{number}: {mark} has no partner")
            inside = mark == BEGIN
        elif mark.startswith("### STARTER"):
            lines.append(re.sub(r"### STARTER ?", "", line))
        elif not inside:
            lines.append(line)
    if inside:
        raise AssignmentError(f"solution.py: {BEGIN} has no partner")
    return "\n".join(lines)


def solution_lines(solution: str) -> set[str]:
    """The lines between the marks that are long enough to tell something, and occur nowhere else."""
    inside, found = False, set()
    for line in solution.split("\n"):
        mark = line.strip()
        if mark in (BEGIN, END):
            inside = mark == BEGIN
        elif inside and len(mark) >= TELLING and not mark.startswith("#"):
            found.add(mark)
    rest = starter(solution)
    return {line for line in found if line not in rest}
