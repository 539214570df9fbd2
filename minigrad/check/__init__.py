"""The gradient check: numeric derivatives (numeric.py), the comparison (gradcheck.py), why a gradient is wrong (diagnosis.py), the report
(report.py)."""

from .gradcheck import gradcheck
from .report import Report, Row

__all__ = ["Report", "Row", "gradcheck"]
