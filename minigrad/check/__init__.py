"""The gradient check: numeric derivatives (numeric.py), the comparison (gradcheck.py), what is wrong (diagnosis.py), and
the report of it (report.py)."""

from .gradcheck import gradcheck
from .report import Report, Row

__all__ = ["Report", "Row", "gradcheck"]
