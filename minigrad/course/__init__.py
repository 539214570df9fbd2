"""The course kit: assignments, and grading that can be trusted.

A starter imports `todo` from here; a notebook imports `check` and `milestone`. An assignment.py can use `assignment` and
`question` without an import (assignment.py in this folder has their arguments). The commands are python -m minigrad grade and
python -m minigrad assignment.
"""

from typing import Any

from .todo import NotWrittenError, todo

__all__ = ["NotWrittenError", "check", "milestone", "todo"]


def __getattr__(name: str) -> Any:
    if name in ("check", "milestone"):  # imported on demand, because they need the whole kit
        from . import notebook
        return getattr(notebook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
