"""The gradient check. What is checked (problem.py), numeric derivatives (numeric.py), of which entries (sample.py), the verdict
(verdict.py) and its words (words.py), all inputs in turn (compare.py), laws that hold of every gradient (laws.py); what is wrong
(evidence.py, diagnosis.py, hypotheses.py, situation.py), the report of it (report.py); and a second opinion (taylor.py)."""

from .gradcheck import gradcheck
from .report import Report, Row
from .taylor import TaylorReport, taylor_test

__all__ = ["Report", "Row", "TaylorReport", "gradcheck", "taylor_test"]
