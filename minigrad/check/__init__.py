"""The gradient check.

It checks a function (function.py): the engine computes its gradients (problem.py), or somebody wrote them in NumPy (by_hand.py,
adapters.py). compare.py goes through all inputs. It takes numeric derivatives (numeric.py, slopes.py, noise.py) of some entries
(sample.py), makes the verdict (verdict.py, nearby.py, words.py), and tests laws of all gradients (laws.py). report.py has the
report, taylor.py a second opinion.

evidence.py finds the mistake in three ways. It compares the numeric derivatives of one input with known mistakes (diagnosis.py,
hypotheses.py, blocks.py, situation.py). It traces the forward line by line (tracing.py, lending.py, trace.py, formulas.py) as a
program (program.py, place.py), and plants mistakes into its backward pass (planted.py, factors.py, in_time.py) until one gives
the student's numbers (story.py). It experiments, to say where the error is (locate.py)."""

from .adapters import with_cache, with_loss
from .gradcheck import gradcheck
from .report import Report, Row
from .same import assert_same
from .taylor import TaylorReport, taylor_test

__all__ = ["Report", "Row", "TaylorReport", "assert_same", "gradcheck", "taylor_test", "with_cache", "with_loss"]
