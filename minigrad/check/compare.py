"""The comparison: all inputs of a problem, one after the other, from the numeric derivatives to the report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from ..tensor import Tensor
from .evidence import Evidence
from .laws import broken_laws, lowest_precision
from .numeric import EPS, Derivatives, Differences, derivatives
from .problem import Problem, gradients, unrecorded, values_at, vector
from .report import INCONCLUSIVE, Progress, Report
from .sample import directions, samples
from .verdict import TREMBLES, Finding, judged
from .words import row


class Check:
    """The gradients of all `outputs` together, for each of `leaves`."""

    def __init__(self, problem: Problem, outputs: Callable[[], list[Tensor]], names: list[str], leaves: list[Tensor],
                 rng: np.random.Generator, budget: int, order: int = 1) -> None:
        self.problem, self.outputs, self.names, self.leaves, self.order = problem, outputs, names, leaves, order
        self.rng, self.budget, self.quiet = rng, budget, unrecorded(outputs)
        ys = outputs()
        self.repeatable = np.array_equal(vector(ys), vector(outputs()), equal_nan=True)
        self.eps = max(EPS, lowest_precision(ys))
        self.v = rng.normal(size=vector(ys).size)
        self.analytic = gradients(ys, leaves, self.v)
        sizes = [float(np.sqrt(np.mean(leaf.numpy() ** 2))) for leaf in leaves if leaf.size]
        self.scale = min((size for size in sizes if size > 0), default=1.0)  # of inputs that are all zero
        self.tremor = self._tremor()

    def _tremor(self) -> list[np.ndarray]:
        """By how much the engine's gradients change if inputs and cotangent change by a few machine epsilons. Where large
        terms cancel on the way, that is all that shows how inexact a right gradient is."""
        before = [leaf.numpy() for leaf in self.leaves]
        found = [np.zeros(leaf.shape) for leaf in self.leaves]
        for k in (-4, -3, -2, -1, 1, 2, 3, 4) if self.repeatable else ():
            for leaf, array in zip(self.leaves, before):
                leaf.data = array * (1 + k * self.eps)
            v = self.v * (1 + self.eps * self.rng.integers(-4, 5, self.v.shape))
            with contextlib.suppress(ValueError, ArithmeticError):  # f may refuse them
                for most, g, there in zip(found, self.analytic, gradients(self.outputs(), self.leaves, v)):
                    np.fmax(most, np.abs(there - g), out=most)
        for leaf, array in zip(self.leaves, before):
            leaf.data = array
        return found

    def report(self, both_paths: bool = False) -> Report:
        """both_paths: the gradient as computed with create_graph=True must be right too."""
        before = [leaf.numpy() for leaf in self.leaves]
        self.outputs()
        changed = [name for name, leaf, array in zip(self.names, self.leaves, before)
                   if not np.array_equal(leaf.numpy(), array, equal_nan=True)]
        if changed:
            return Report([], self.order, [(INCONCLUSIVE, f"f changes its input {', '.join(changed)}: let it work on a copy")])
        paths = [self.analytic] + ([gradients(self.outputs(), self.leaves, self.v, True)] if both_paths else [])
        chosen = samples([leaf.size for leaf in self.leaves], self.budget, self.rng)
        with Progress(sum(len(sample) for sample in chosen)) as progress:
            findings = [self._finding(i, [path[i] for path in paths], chosen[i], progress.tick) for i in range(len(chosen))]
        bounds = [f.numeric.bound + TREMBLES * tremor if f.numeric.value.any() else np.full(tremor.shape, np.inf)
                  for f, tremor in zip(findings, self.tremor)]  # where f is constant there is nothing but rounding errors
        notes = broken_laws(self.outputs, self.leaves, self.v, self.analytic, bounds, self.rng) if self.repeatable else []
        for i, finding in enumerate(findings):  # both paths: the one that is further off is reported
            self.analytic[i] = finding.analytic
        evidence = Evidence(self.problem, self.outputs, self.quiet, self.leaves, self.v, self.rng, self.budget, self.eps,
                            self.scale, self.tremor, findings,
                            lambda f, analytic, numeric: self._judged(f.leaf, analytic, numeric, f.entries))
        rows = [row(finding, self.repeatable, partial(evidence.diagnosis, finding)) for finding in findings]
        return Report(rows, self.order, notes)

    def _finding(self, i: int, paths: list[np.ndarray], entries: np.ndarray, tick: Callable[[], None]) -> Finding:
        leaf = self.leaves[i]
        original, everything = leaf.numpy(), len(entries) == leaf.size
        try:
            values = values_at(self.quiet, leaf)
            numeric = derivatives(values, original, self.v, expected=paths[0], entries=None if everything else entries,
                                  eps=self.eps, scale=self.scale, tick=tick)
            worst = max(paths, key=lambda g: np.nan_to_num(np.abs(g - numeric.value), nan=np.inf).max(initial=0))
            finding = self._judged(leaf, worst, numeric, entries)
            if not everything and not finding.wrong.any():
                differences = Differences(values, original, self.v, self.eps, self.scale)
                culprit, direction = directions(differences, worst, self.tremor[i], self.rng)
                if culprit is not None:
                    entries = np.union1d(entries, [culprit])
                    numeric = derivatives(values, original, self.v, expected=worst, entries=entries, eps=self.eps,
                                          scale=self.scale)
                finding = replace(self._judged(leaf, worst, numeric, entries), direction=direction)
        finally:
            leaf.data = original
        return finding

    def _judged(self, leaf: Tensor, analytic: np.ndarray, numeric: Derivatives, entries: np.ndarray) -> Finding:
        i = next(i for i, one in enumerate(self.leaves) if one is leaf)
        return judged(self.names[i], leaf, analytic, numeric, entries, v=self.v, eps=self.eps, tremor=self.tremor[i],
                      repeatable=self.repeatable, order=self.order)
