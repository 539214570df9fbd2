"""The comparison: all inputs of a problem, one after the other, from the numeric derivatives to the report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from ..tensor import Tensor
from .evidence import Evidence
from .laws import broken_laws, lowest_precision
from .noise import EPS, STAIRCASE, Noise, noise_of
from .numeric import Differences
from .problem import at, cut, gradients, unrecorded, values_at, vector
from .report import INCONCLUSIVE, Progress, Report
from .sample import directions, samples
from .slopes import SAFETY, Derivatives
from .verdict import TREMBLES, ULPS, Finding, judged
from .words import row

BALANCED = 32  # an output whose rounding errors are more than this many times another's has a smaller weight
TREMORS = 8  # times that the gradients are computed at inputs a few rounding errors away
STILL = 1e-3  # a gradient within this part of f's slope over its input's own size says that f is level here
AROUND, STEP_AROUND, POINTS_AROUND = 2.0 ** -18, 2.0 ** -26, 24  # slopes around a kink: how far away, steps, and how many
FURTHER = 64.0 ** np.arange(10)  # times the input's own size: is f level, or do rounding errors hide how it changes?
STAIRS = 2.0 ** np.arange(-3, 9)  # the same: does it climb in steps that are too large to be seen nearby?
ASIDE, ENTRIES_ASIDE = 2.0 ** -10, 8  # where it is looked whether only these very values are wrong


class Check:
    """The gradients of all `outputs` together, for each of `leaves`."""

    def __init__(self, outputs: Callable[[], list[Tensor]], names: list[str], leaves: list[Tensor],
                 rng: np.random.Generator, budget: int, order: int = 1) -> None:
        self.outputs, self.names, self.leaves, self.order = outputs, names, leaves, order
        self.rng, self.budget, self.quiet = rng, budget, unrecorded(outputs)
        ys = outputs()
        self.repeatable = np.array_equal(vector(ys), vector(outputs()), equal_nan=True)
        self.eps = max(EPS, lowest_precision(ys))
        sizes = [float(np.sqrt(np.mean(leaf.numpy() ** 2))) for leaf in leaves if leaf.size]
        self.scale = min((size for size in sizes if size > 0), default=1.0)  # of inputs that are all zero
        self.differences = [Differences(values_at(self.quiet, leaf), leaf.numpy(), self.eps, self.scale) for leaf in leaves]
        self.noise = self._noise()
        for differences in self.differences:
            differences.noise = self.noise
        self.weights = self._weights()
        self.v = self.weights * rng.normal(size=vector(ys).size)
        self.analytic = gradients(outputs(), leaves, self.v)
        self.tremor = self.tremor_of(self.eps)

    def _differences_nearby(self, leaf: Tensor) -> Differences:
        return Differences(values_at(self.quiet, leaf), leaf.numpy(), self.eps, self.scale, self.noise)

    def _noise(self) -> Noise:
        """Of f, along all inputs at once."""
        def together(name: str) -> np.ndarray:
            return np.concatenate([np.zeros(0), *(getattr(d, name).ravel() for d in self.differences)])

        values = values_at(self.quiet, *self.leaves)
        return noise_of(lambda x: values(*cut(x, self.leaves)), together("x"), together("near"), together("far"),
                        vector(self.quiet()), self.eps)

    def _weights(self) -> np.ndarray:
        """Outputs whose values are known less exactly than others' count less: their rounding errors would hide the others."""
        error = np.maximum(self.noise.error, self.eps * self.noise.scale)
        known = error[(0 < error) & np.isfinite(error)]
        if not known.size:
            return np.array(1.0)
        return np.minimum(1, BALANCED * known.min() / np.where(error > 0, error, known.min()))

    def tremor_of(self, eps: float) -> list[np.ndarray]:
        """By how much the engine's gradients differ among inputs and cotangents that are a few machine epsilons away. Where
        large terms cancel on the way, that is all that shows how inexact a right gradient is. (What it is at exactly x does
        not count: a formula may be wrong for just these values.)"""
        lowest, highest = ([np.full(leaf.shape, extreme) for leaf in self.leaves] for extreme in (np.inf, -np.inf))

        def shaken(array: np.ndarray) -> np.ndarray:
            return array * (1 + eps * self.rng.choice([-4, -3, -2, -1, 1, 2, 3, 4], array.shape))

        for _ in range(TREMORS if self.repeatable else 0):
            with at([shaken(d.x) for d in self.differences], self.leaves):
                for low, high, g in zip(lowest, highest, gradients(self.outputs(), self.leaves, shaken(self.v))):
                    np.fmin(low, g, out=low)
                    np.fmax(high, g, out=high)
        return [np.where(np.isfinite(high - low), high - low, 0) for low, high in zip(lowest, highest)]

    def report(self, both_paths: bool = False) -> Report:
        """both_paths: the gradient as computed with create_graph=True must be right too."""
        self.outputs()
        changed = [name for name, leaf, d in zip(self.names, self.leaves, self.differences)
                   if not np.array_equal(leaf.numpy(), d.x, equal_nan=True)]
        if changed:
            return Report([], self.order, [(INCONCLUSIVE, f"f changes its input {', '.join(changed)}: let it work on a copy")])
        paths = [self.analytic] + ([gradients(self.outputs(), self.leaves, self.v, True)] if both_paths else [])
        chosen = samples([leaf.size for leaf in self.leaves], self.budget, self.rng)
        with Progress(sum(len(sample) for sample in chosen)) as progress:
            findings = [self._finding(i, [path[i] for path in paths], chosen[i], progress.tick) for i in range(len(chosen))]
        self.findings = findings
        bounds = [f.numeric.bound + TREMBLES * tremor if f.numeric.value.any() else np.full(tremor.shape, np.inf)
                  for f, tremor in zip(findings, self.tremor)]  # where f is constant there is nothing but rounding errors
        notes = broken_laws(self.outputs, self.leaves, self.v, self.analytic, bounds, self.rng) if self.repeatable else []
        for i, finding in enumerate(findings):  # both paths: the one that is further off is reported
            self.analytic[i] = finding.analytic
        evidence = Evidence(self.outputs, self.quiet, self.leaves, self.v, self.weights, self.rng, self.budget,
                            self.eps, self.scale, self.tremor, findings, self._differences_nearby,
                            lambda f, analytic, numeric: self._judged(f.number, analytic, numeric, f.entries))
        rows = [row(finding, self.repeatable, partial(evidence.diagnosis, finding)) for finding in findings]
        return Report(rows, self.order, notes)

    def _finding(self, i: int, paths: list[np.ndarray], entries: np.ndarray, tick: Callable[[], None]) -> Finding:
        differences, everything = self.differences[i], len(entries) == self.leaves[i].size
        numeric = differences.of(self.v, paths[0], None if everything else entries, tick)
        worst = max(paths, key=lambda g: np.nan_to_num(np.abs(g - numeric.value), nan=np.inf).max(initial=0))
        finding = self._judged(i, worst, numeric, entries)
        if not everything and not finding.wrong.any():
            culprit, direction = directions(differences, self.v, worst, self.tremor[i], self.rng)
            if culprit is not None:
                entries = np.union1d(entries, [culprit])
                numeric = differences.of(self.v, worst, entries)
            finding = replace(self._judged(i, worst, numeric, entries), direction=direction)
        self._look_for_stairs(finding, differences)
        if self.order == 1:
            self._look_around_kinks(finding)
        if finding.hidden.any() and not (finding.seen | finding.wrong | finding.unknown | finding.on_kink).any():
            self._look_further(finding, differences)
        return finding

    def _judged(self, i: int, analytic: np.ndarray, numeric: Derivatives, entries: np.ndarray) -> Finding:
        silence = self.eps * np.abs(self.v).sum() / self.differences[i].sizes
        return judged(i, self.names[i], self.leaves[i], analytic, numeric, entries, eps=self.eps, tremor=self.tremor[i],
                      silence=silence, repeatable=self.repeatable, order=self.order)

    def _look_for_stairs(self, finding: Finding, differences: Differences) -> None:
        """Where f did not change at all, it may still climb as the gradient says, in steps too large to be seen nearby."""
        flat = finding.wrong & (finding.of_entries("terms") == 0)
        for count, number in enumerate(np.flatnonzero(flat)):
            entry, claimed, step = finding.entries[number], finding.a[number], np.zeros(differences.x.shape)
            close = []
            for reach in differences.reach.flat[entry] * STAIRS:
                step.flat[entry] = reach
                slope = self.v @ (differences.f(differences.x + step) - differences.f(differences.x - step)) / reach / 2
                close.append(abs(slope - claimed) <= abs(claimed) / 2)
            if any(one and next_one for one, next_one in zip(close, close[1:])):
                finding.wrong[number], finding.hidden[number], finding.error[number] = False, True, abs(claimed)
            elif count >= ENTRIES_ASIDE and finding.wrong[flat][:count].all():
                break

    def _look_around_kinks(self, finding: Finding) -> None:
        """Where the gradient is right at values nearby, several kinks may meet. Then all slopes around are ones that it may have;
        and where f has more than two along an entry, the chain rule may give yet another value. What is left is said to be
        wrong, as for relu(x) - relu(-x) at 0, where f has no kink."""
        wrong = np.flatnonzero(finding.wrong)
        if not wrong.size:
            return
        some = finding.entries[wrong[:: -(-wrong.size // ENTRIES_ASIDE)]]
        with self._moved(ASIDE):
            analytic = gradients(self.outputs(), self.leaves, self.v)[finding.number]
            found = self._differences_nearby(finding.leaf).of(self.v, analytic, some)
            error = found.bound + ULPS * self.eps * found.terms
            right = (np.abs(analytic - found.value) <= error) & np.isfinite(error)
            finding.kinks_meet = bool(right.ravel()[some].all())
        if not finding.kinks_meet:
            return  # it is wrong everywhere
        around = [self._slopes_around(finding, finding.entries[wrong]) for _ in range(POINTS_AROUND)]
        slopes, errors, rights = (np.array(parts) for parts in zip(*around))
        sums, errors_of_sums = slopes @ self.v, errors @ np.abs(self.v)
        a = finding.a[wrong]
        inside = ((sums - errors_of_sums).min(axis=0) <= a) & (a <= (sums + errors_of_sums).max(axis=0))
        gaps = np.diff(np.sort(slopes, axis=0), axis=0)
        unlike = gaps > 2 * errors.max(axis=0) + np.maximum(gaps.sum(axis=0), np.abs(slopes).max(axis=0)) / 1000
        several = (unlike.sum(axis=0) > 1).any(axis=-1)
        accepted = wrong[inside | several & (rights.mean(axis=0) > 0.9)]
        finding.wrong[accepted], finding.on_kink[accepted] = False, True

    def _slopes_around(self, finding: Finding, entries: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """At a point near x, for entries of an input: the outputs' slopes, their errors, and whether the gradient is right."""
        leaf, size, v = finding.leaf, self.differences[finding.number].sizes, np.abs(self.v)
        slopes, errors = np.zeros((2, len(entries), v.size))
        right = np.ones(len(entries), bool)
        with self._moved(AROUND):
            analytic = gradients(self.outputs(), self.leaves, self.v)[finding.number]
            x, values = leaf.numpy(), values_at(self.quiet, leaf)
            for k, entry in enumerate(entries):
                step = np.zeros(x.shape)
                step.flat[entry] = STEP_AROUND * size.flat[entry]
                above, below = values(x + step), values(x - step)
                slopes[k] = (above - below) / step.flat[entry] / 2
                errors[k] = SAFETY * self.eps * (np.abs(above) + np.abs(below)) / step.flat[entry]
                right[k] = abs(analytic.flat[entry] - self.v @ slopes[k]) <= v @ (errors[k] + 1e-6 * np.abs(slopes[k]))
        return slopes, errors, right

    @contextlib.contextmanager
    def _moved(self, distance: float) -> Iterator[None]:
        """All inputs moved a little, in a direction of their own."""
        there = [d.x + distance * d.sizes * self.rng.normal(size=d.x.shape) for d in self.differences]
        with at(there, self.leaves):
            yield

    def _look_further(self, finding: Finding, differences: Differences) -> None:
        """Nothing of this input is seen: is f level here, beside what it does further away?"""
        bounds = finding.of_entries("bound")

        def changes_at(step: np.ndarray) -> np.ndarray:
            changes = np.abs([differences.f(differences.x + side * step) - differences.here for side in (-1, 1)])
            return np.where(np.isfinite(changes), changes, 0).max(axis=0)

        if not any(changes_at(differences.far * further).any() for further in FURTHER):  # all entries at once: f is constant
            finding.still[:] = np.abs(finding.a) <= finding.error - bounds
            return
        for number, entry in enumerate(finding.entries):
            claimed, error, step = abs(finding.a[number]), finding.error[number], np.zeros(differences.x.shape)
            for reach in differences.reach.flat[entry] * FURTHER:
                step.flat[entry] = reach
                changes = changes_at(step)
                secant = float(np.abs(self.v) @ changes) / reach
                rounding = (changes <= STAIRCASE * self.eps * differences.noise.scale).all()
                finding.still[number] = claimed + error <= STILL * secant or rounding and claimed <= error - bounds[number]
                if changes.any():
                    break
            if (~finding.still[:number + 1]).sum() > ENTRIES_ASIDE:
                break
