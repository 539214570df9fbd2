"""The course kit: assignments, and grading that can be trusted.

A starter imports `todo` from here, a notebook `check` and `milestone`, and an assignment.py is given `assignment` and `question`
(assignment.py in this folder says what they take). The command line does the rest: python -m minigrad grade, python -m minigrad
assignment.
"""

from typing import Any

from .todo import NotWrittenError, todo

__all__ = ["NotWrittenError", "check", "milestone", "todo"]


def __getattr__(name: str) -> Any:
    if name in ("check", "milestone"):  # imported when they are asked for: they need all of the kit
        from . import notebook
        return getattr(notebook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
