"""The course kit: assignments, and grading that can be trusted.

A starter imports `todo` from here, a notebook `check`, and an assignment.py is given `assignment` and `question` (assignment.py
in this folder says what they take). The command line does the rest: python -m minigrad grade, python -m minigrad assignment.
"""

from .todo import NotWrittenError, todo

__all__ = ["NotWrittenError", "todo"]
