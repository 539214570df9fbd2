"""The course kit: assignments, and grading that can be trusted.

A starter imports `todo` from here, a notebook `check`, and an assignment.py is given `assignment` and `question` (assignment.py
in this folder says what they take). The command line does the rest: python -m minigrad grade, python -m minigrad assignment.
"""

from typing import Any

from .todo import NotWrittenError, todo

__all__ = ["NotWrittenError", "check", "todo"]


def __getattr__(name: str) -> Any:
    if name == "check":  # imported when it is asked for: it needs all of the kit
        from .notebook import check
        return check
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
