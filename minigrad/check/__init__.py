"""The gradient check.

What is checked (function.py): what the engine computes (problem.py), or what somebody wrote in NumPy (by_hand.py, adapters.py).
Numeric derivatives (numeric.py, slopes.py, noise.py) of some entries (sample.py), the verdict (verdict.py, nearby.py) and its
words (words.py), all inputs in turn (compare.py), and laws that hold of every gradient (laws.py). The report (report.py), and a
second opinion (taylor.py).

What is wrong (evidence.py) is found in three ways. From the numeric derivatives of one input (diagnosis.py, hypotheses.py,
blocks.py, situation.py). From the forward, traced line by line (tracing.py, lending.py, trace.py, formulas.py), as a program
(program.py, place.py) into whose backward pass mistakes are planted (planted.py, factors.py, in_time.py) until one gives the
student's numbers (story.py). From experiments, which say where and not what (locate.py)."""

from .adapters import with_cache, with_loss
from .gradcheck import gradcheck
from .report import Report, Row
from .same import assert_same
from .taylor import TaylorReport, taylor_test

__all__ = ["Report", "Row", "TaylorReport", "assert_same", "gradcheck", "taylor_test", "with_cache", "with_loss"]
