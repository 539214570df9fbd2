"""The evidence for a diagnosis: all that is known of a wrong gradient, at the given values and at others nearby."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..tensor import Tensor
from .diagnosis import diagnose
from .numeric import Derivatives, derivatives
from .problem import Problem, cut, gradients, values_at
from .sample import CALLS
from .situation import Situation
from .verdict import TREMBLES, ULPS, Finding

CALLS_FOR_A_GUESS = 2000  # of f, to see what the gradient would be if an input had another value


@dataclass
class Evidence:
    """The outputs of a problem, recorded or quietly without a record, their cotangent v, and a finding for each of the leaves.
    judge(finding, analytic, numeric): the finding with other gradients."""

    problem: Problem
    outputs: Callable[[], list[Tensor]]
    quiet: Callable[[], list[Tensor]]
    leaves: list[Tensor]
    v: np.ndarray
    rng: np.random.Generator
    budget: int
    eps: float
    scale: float
    tremor: list[np.ndarray]
    findings: list[Finding]
    judge: Callable[[Finding, np.ndarray, Derivatives], Finding]

    def diagnosis(self, finding: Finding) -> list[str]:
        if finding.numeric.jacobian is None:
            return ["for a diagnosis check a smaller case (fewer hidden units, inputs or time steps)"]
        situations = [self._situation(finding, self.findings, self.v)]
        if CALLS * sum(leaf.size for leaf in self.leaves) <= self.budget:
            with contextlib.suppress(ValueError, ArithmeticError), self.problem.moved(self.rng, self.scale):  # f may refuse them
                v = self.rng.normal(size=self.v.size)
                there = [self.judge(f, g, self._numeric(f.leaf, v))
                         for f, g in zip(self.findings, gradients(self.outputs(), self.leaves, v))]
                if all(np.isfinite(f.numeric.value).all() for f in there):
                    situations.append(self._situation(there[self.findings.index(finding)], there, v))
        return diagnose(situations)

    def _numeric(self, leaf: Tensor, v: np.ndarray) -> Derivatives:
        """The numeric gradient for all entries of one input, which is then as it was."""
        original = leaf.numpy()
        try:
            return derivatives(values_at(self.quiet, leaf), original, v, eps=self.eps, scale=self.scale)
        finally:
            leaf.data = original

    def _situation(self, finding: Finding, findings: list[Finding], v: np.ndarray) -> Situation:
        """All that the hypotheses may look at, at the inputs' present values."""
        leaves = {f.name: f.leaf for f in findings}
        values = {name: leaf.numpy() for name, leaf in leaves.items()}

        def again(changes: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
            if CALLS * finding.leaf.size > CALLS_FOR_A_GUESS:
                return None
            try:
                for name, value in changes.items():
                    leaves[name].data = value
                found = self._numeric(finding.leaf, v)
            except Exception:  # f may refuse what it was not made for, in any way
                return None
            finally:
                for name, leaf in leaves.items():
                    leaf.data = values[name]
            return found.value, found.bound

        numeric = finding.numeric
        assert numeric.jacobian is not None
        tremor = next(tremor for leaf, tremor in zip(self.leaves, self.tremor) if leaf is finding.leaf)
        error = numeric.bound + ULPS * self.eps * numeric.terms + TREMBLES * tremor
        ys = self.quiet()
        return Situation(
            finding.name, values[finding.name], finding.analytic, numeric.value, error, numeric.jacobian,
            np.divide(error, numeric.terms, out=np.zeros(error.shape), where=numeric.terms > 0),
            [y.numpy() for y in ys], cut(v, ys),
            {name: value for name, value in values.items() if name != finding.name},
            {f.name: f.numeric.value for f in findings if f is not finding}, again)
