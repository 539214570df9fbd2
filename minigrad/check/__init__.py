"""The gradient check: numeric derivatives (numeric.py), the comparison (gradcheck.py), what is wrong (diagnosis.py), the
report of it (report.py), and a second opinion (taylor.py)."""

from .gradcheck import gradcheck
from .report import Report, Row
from .taylor import TaylorReport, taylor_test

__all__ = ["Report", "Row", "TaylorReport", "gradcheck", "taylor_test"]
