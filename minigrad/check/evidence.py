"""The evidence for a diagnosis: all that is known of a wrong gradient, at the given values and at others nearby."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .diagnosis import diagnose
from .function import Point, cut
from .sample import CALLS
from .situation import Situation
from .verdict import TREMBLES, ULPS, Finding, judged

CALLS_FOR_A_GUESS = 2000  # of f, to see what the gradient would be if an input had another value


@dataclass
class Evidence:
    """The function here, its cotangent v, which is `weights` times random numbers, and a finding for each input."""

    here: Point
    v: np.ndarray
    weights: np.ndarray
    rng: np.random.Generator
    budget: int
    findings: list[Finding]

    def diagnosis(self, finding: Finding) -> list[str]:
        if finding.kinks_meet:
            return []
        if np.isfinite(finding.of_entries("low")[finding.wrong]).any():
            return ["no diagnosis: wrong entries lie on a kink of f, where its slope is none of the gradient's"]
        if finding.numeric.jacobian is None:
            return ["for a diagnosis check a smaller case (fewer hidden units, inputs or time steps)"]
        situations = [_situation(self.here, self.v, finding, self.findings)]
        if CALLS * sum(x.size for x in self.here.xs) <= self.budget:
            there, v, findings = self._elsewhere
            if all(np.isfinite(f.numeric.value).all() for f in findings):
                situations.append(_situation(there, v, findings[finding.input.number], findings))
        return diagnose(situations)

    @cached_property
    def _elsewhere(self) -> tuple[Point, np.ndarray, list[Finding]]:
        """Another point not far away: every number of every input and parameter times 0.8 .. 1.25, and what is zero up to a
        tenth of `scale`; a cotangent; and what is found there."""
        there = self.here.at([np.where(x == 0, 0.1 * self.here.scale, x) * self.rng.uniform(0.8, 1.25, x.shape)
                              for x in self.here.xs])
        v = self.weights * self.rng.normal(size=self.v.size)
        inputs = [replace(f.input, differences=there.differences(f.input.number), analytic=g)
                  for f, g in zip(self.findings, there.gradients(v))]
        return there, v, [judged(of, of.differences.of(v), f.entries, v, there.function.order)
                          for of, f in zip(inputs, self.findings)]


def _situation(point: Point, v: np.ndarray, finding: Finding, findings: list[Finding]) -> Situation:
    """All that the hypotheses may look at, at one point."""
    this, numeric = finding.input, finding.numeric
    values = {f.input.name: x for f, x in zip(findings, point.xs)}

    def again(changes: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
        if CALLS * this.x.size <= CALLS_FOR_A_GUESS:
            with contextlib.suppress(Exception):  # f may refuse what it was not made for, in any way
                there = point.at([{**values, **changes}[f.input.name] for f in findings])
                found = there.differences(this.number).of(v)
                return found.value, found.bound
        return None

    assert numeric.jacobian is not None
    error = numeric.bound + ULPS * this.eps * numeric.terms + TREMBLES * this.tremor
    shapes = point.function.shapes
    return Situation(
        this.name, values[this.name], this.analytic, numeric.value, error, numeric.jacobian,
        np.divide(error, numeric.terms, out=np.zeros(error.shape), where=numeric.terms > 0),
        cut(point.values(), shapes), cut(v, shapes),
        {name: value for name, value in values.items() if name != this.name},
        {f.input.name: f.numeric.value for f in findings if f is not finding}, again)
