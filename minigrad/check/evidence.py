"""The evidence for a diagnosis: all that is known of a wrong gradient, at the given values and at others nearby."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..tensor import Tensor
from .diagnosis import diagnose
from .numeric import Differences
from .problem import at, cut, gradients
from .sample import CALLS
from .slopes import Derivatives
from .situation import Situation
from .verdict import TREMBLES, ULPS, Finding

CALLS_FOR_A_GUESS = 2000  # of f, to see what the gradient would be if an input had another value


@dataclass
class Evidence:
    """The outputs of f, recorded or quietly without a record, their cotangent v, which is
    `weights` times random numbers, and a finding for each of the leaves.
    differences(leaf): of the outputs by one input. judge(finding, analytic, numeric): the finding with other gradients."""

    outputs: Callable[[], list[Tensor]]
    quiet: Callable[[], list[Tensor]]
    leaves: list[Tensor]
    v: np.ndarray
    weights: np.ndarray
    rng: np.random.Generator
    budget: int
    eps: float
    scale: float
    tremor: list[np.ndarray]
    findings: list[Finding]
    differences: Callable[[Tensor], Differences]
    judge: Callable[[Finding, np.ndarray, Derivatives], Finding]

    def diagnosis(self, finding: Finding) -> list[str]:
        if finding.kinks_meet:
            return []
        if np.isfinite(finding.of_entries("low")[finding.wrong]).any():
            return ["no diagnosis: wrong entries lie on a kink of f, where its slope is none of the gradient's"]
        if finding.numeric.jacobian is None:
            return ["for a diagnosis check a smaller case (fewer hidden units, inputs or time steps)"]
        situations = [self._situation(finding, self.findings, self.v)]
        if CALLS * sum(leaf.size for leaf in self.leaves) <= self.budget:
            values, v, there = self._elsewhere
            with at(values, self.leaves):
                if there and all(np.isfinite(f.numeric.value).all() for f in there):
                    situations.append(self._situation(there[finding.number], there, v))
        return diagnose(situations)

    @cached_property
    def _elsewhere(self) -> tuple[list[np.ndarray], np.ndarray, list[Finding]]:
        """Another point not far away: every number of every input and parameter times 0.8 .. 1.25, and what is zero up to a
        tenth of `scale`; a cotangent; and what is found there, nothing if f refuses these values."""
        arrays = [leaf.numpy() for leaf in self.leaves]
        values = [np.where(array == 0, 0.1 * self.scale, array) * self.rng.uniform(0.8, 1.25, array.shape) for array in arrays]
        v, there = self.weights * self.rng.normal(size=self.v.size), []
        with at(values, self.leaves):
            there = [self.judge(f, g, self.differences(f.leaf).of(v))
                     for f, g in zip(self.findings, gradients(self.outputs(), self.leaves, v))]
        return values, v, there

    def _situation(self, finding: Finding, findings: list[Finding], v: np.ndarray) -> Situation:
        """All that the hypotheses may look at, at the inputs' present values."""
        values = {f.name: f.leaf.numpy() for f in findings}

        def again(changes: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
            if CALLS * finding.leaf.size > CALLS_FOR_A_GUESS:
                return None
            found = None
            with contextlib.suppress(Exception), at([{**values, **changes}[f.name] for f in findings], self.leaves):
                found = self.differences(finding.leaf).of(v)  # f may refuse what it was not made for, in any way
            return None if found is None else (found.value, found.bound)

        numeric = finding.numeric
        assert numeric.jacobian is not None
        error = numeric.bound + ULPS * self.eps * numeric.terms + TREMBLES * self.tremor[finding.number]
        ys = self.quiet()
        return Situation(
            finding.name, values[finding.name], finding.analytic, numeric.value, error, numeric.jacobian,
            np.divide(error, numeric.terms, out=np.zeros(error.shape), where=numeric.terms > 0),
            [y.numpy() for y in ys], cut(v, ys),
            {name: value for name, value in values.items() if name != finding.name},
            {f.name: f.numeric.value for f in findings if f is not finding}, again)
