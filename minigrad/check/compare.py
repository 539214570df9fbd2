"""The comparison: which entries are looked at, when two numbers agree, and what is said of each input."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..tensor import Tensor
from .diagnosis import diagnose
from .laws import broken_laws, lowest_precision
from .numeric import EPS, Derivatives, Differences, derivatives
from .problem import Problem, cut, gradients, unrecorded, values_at, vector
from .report import INCONCLUSIVE, KINK, OK, WRONG, Progress, Report, Row
from .situation import Situation

TOO_WIDE = 1e-3  # a bound wider than this part of the gradient's own size shows nothing
ULPS = 300  # rounding errors that a right gradient may have, in units of the terms that it adds up
TREMBLES = 16  # or times what it changes by if all inputs change by a few rounding errors
CALLS, CALLS_AT_FIRST = 4, 20  # of f, for an entry and for the first of an input
DIRECTIONS = 8  # through all entries of an input of which only a sample is looked at one by one
NO_DIRECTION = "; no random direction through all of them shows anything, as f is not smooth along them"
CALLS_FOR_A_GUESS = 2000  # of f, to see what the gradient would be if an input had another value


@dataclass
class Finding:
    """What is known of one input: flat arrays of the entries that were looked at."""

    name: str
    leaf: Tensor
    analytic: np.ndarray
    numeric: Derivatives
    entries: np.ndarray
    wrong: np.ndarray
    unknown: np.ndarray
    on_kink: np.ndarray
    hidden: np.ndarray
    direction: str = ""

    def of_entries(self, name: str) -> np.ndarray:
        return getattr(self.numeric, name).ravel()[self.entries]


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
        sizes = [float(np.sqrt(np.mean(leaf._data * leaf._data))) for leaf in leaves if leaf.size]
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
        samples = self._samples()
        with Progress(sum(len(sample) for sample in samples)) as progress:
            findings = [self._finding(i, [path[i] for path in paths], samples[i], progress.tick) for i in range(len(samples))]
        bounds = [f.numeric.bound + TREMBLES * tremor if f.numeric.value.any() else np.full(tremor.shape, np.inf)
                  for f, tremor in zip(findings, self.tremor)]  # where f is constant there is nothing but rounding errors
        notes = broken_laws(self.outputs, self.leaves, self.v, self.analytic, bounds, self.rng) if self.repeatable else []
        for i, finding in enumerate(findings):  # both paths: the one that is further off is reported
            self.analytic[i] = finding.analytic
        rows = [self._row(finding, findings) for finding in findings]
        return Report(rows, self.order, notes)

    def _samples(self) -> list[np.ndarray]:
        """The flat numbers of the entries to look at in each input: all, if the budget allows."""
        sizes = [leaf.size for leaf in self.leaves]
        left = self.budget - CALLS_AT_FIRST * len(sizes)
        if CALLS * sum(sizes) <= left:
            return [np.arange(size) for size in sizes]
        left = max(len(sizes), (left - CALLS * DIRECTIONS * len(sizes)) // CALLS)
        samples = [np.arange(0)] * len(sizes)
        for done, i in enumerate(np.argsort(sizes, kind="stable")):  # what small inputs do not need is for the large ones
            quota = min(sizes[i], max(1, left // (len(sizes) - done)))
            samples[i] = np.sort(self.rng.choice(sizes[i], quota, replace=False))
            left -= quota
        return samples

    def _finding(self, i: int, paths: list[np.ndarray], entries: np.ndarray, tick: Callable[[], None]) -> Finding:
        leaf = self.leaves[i]
        original, everything = leaf.numpy(), len(entries) == leaf.size
        try:
            values = values_at(self.quiet, leaf)
            numeric = derivatives(values, original, self.v, expected=paths[0], entries=None if everything else entries,
                                  eps=self.eps, scale=self.scale, tick=tick)
            worst = max(paths, key=lambda g: np.nan_to_num(np.abs(g - numeric.value), nan=np.inf).max(initial=0))
            finding = self._judged(self.names[i], leaf, worst, numeric, entries)
            if not everything and not finding.wrong.any():
                differences = Differences(values, original, self.v, self.eps, self.scale)
                culprit, direction = self._directions(differences, worst, self.tremor[i])
                if culprit is not None:
                    entries = np.union1d(entries, [culprit])
                    numeric = derivatives(values, original, self.v, expected=worst, entries=entries, eps=self.eps,
                                          scale=self.scale)
                finding = replace(self._judged(self.names[i], leaf, worst, numeric, entries), direction=direction)
        finally:
            leaf.data = original
        return finding

    def _directions(self, differences: Differences, analytic: np.ndarray, tremor: np.ndarray) -> tuple[int | None, str]:
        """Derivatives along random directions through all entries; an entry to blame if one is wrong, and what was seen."""
        if not np.isfinite(analytic).all():
            return int(np.argmin(np.isfinite(analytic))), ""
        agreeing = 0
        for _ in range(DIRECTIONS):
            direction = self.rng.normal(size=analytic.shape) * differences.sizes
            agrees = self._agrees(differences, analytic, tremor, direction)
            agreeing += agrees is True
            if agrees is False:
                suspects = np.arange(analytic.size)
                while len(suspects) > 1:
                    half = suspects[:len(suspects) // 2]
                    part = np.zeros(analytic.shape)
                    part.flat[half] = direction.flat[half]
                    suspects = half if self._agrees(differences, analytic, tremor, part) is False else suspects[len(half):]
                return int(suspects[0]), "; a random direction through all of them disagrees"
        if not agreeing:
            return None, NO_DIRECTION
        return None, f"; {agreeing} random directions through all of them agree"

    def _agrees(self, differences: Differences, analytic: np.ndarray, tremor: np.ndarray, direction: np.ndarray) -> bool | None:
        """None if f is not smooth enough along this direction to tell."""
        expected, terms = float((analytic * direction).sum()), float(np.abs(analytic * direction).sum())
        found = differences.along(direction, expected)
        inexact = ULPS * self.eps * (found.terms + terms) + TREMBLES * float((tremor * np.abs(direction)).sum())
        if not found.bound <= max(TOO_WIDE * max(found.terms, terms), 3 * found.rounding) or found.bound == np.inf:
            return None
        return abs(found.value - expected) <= found.bound + inexact

    def _judged(self, name: str, leaf: Tensor, analytic: np.ndarray, numeric: Derivatives, entries: np.ndarray) -> Finding:
        a = analytic.ravel()[entries]
        value, bound, rounding, terms, low, high = (getattr(numeric, part).ravel()[entries] for part in (
            "value", "bound", "rounding", "terms", "low", "high"))
        finite = value[np.isfinite(value)]
        size = np.maximum(np.abs(value), np.sqrt(np.mean(finite * finite)) if finite.size else 0)
        wide = ~(bound <= TOO_WIDE * size)  # comparisons are written so that NaN counts as unknown, or else as wrong
        in_noise = wide & np.isfinite(bound) & (bound <= 3 * rounding)  # too small to show beside f's rounding errors
        tremor = TREMBLES * self._tremor_of(leaf).ravel()[entries]
        in_noise |= wide & (0 < tremor) & (np.abs(a) <= tremor) & (np.abs(a - value) <= bound) & np.isnan(low)  # a is noise
        in_noise |= (bound == 0) & (np.abs(a) * np.abs(leaf._data.ravel()[entries]) <= self.eps * np.abs(self.v).sum())
        on_kink = np.isfinite(low) & np.isfinite(high)
        unknown = wide & ~in_noise & ~on_kink | (not self.repeatable) | ~np.isfinite(value)
        ulps = ULPS * self.eps * terms
        inexact = ulps + tremor
        right = np.where(on_kink, (low - ulps <= a) & (a <= high + ulps), np.abs(a - value) <= bound + inexact)
        if self.order == 2:  # what is a kink of f is a jump of its gradient
            unknown |= on_kink & ~right
        wrong = ~right & ~unknown & ~(in_noise & (bound == 0))
        return Finding(name, leaf, analytic, numeric, entries, wrong, unknown, on_kink & ~wrong, in_noise & ~wrong)

    def _tremor_of(self, leaf: Tensor) -> np.ndarray:
        return next(tremor for one, tremor in zip(self.leaves, self.tremor) if one is leaf)

    def _row(self, finding: Finding, findings: list[Finding]) -> Row:
        entries, wrong, unknown = finding.entries, finding.wrong, finding.unknown
        if not len(entries):
            return Row(finding.name, finding.leaf.shape, 0, 0, 0, None, 0.0, 0.0, 0.0, OK)
        a = finding.analytic.ravel()[entries]
        value, bound = finding.of_entries("value"), finding.of_entries("bound")
        in_bounds = np.nan_to_num(np.abs(a - value) / np.maximum(bound, 1e-300), posinf=1e299)
        severity = np.where(wrong, 2.0, unknown) * 1e300 + in_bounds
        worst = int(np.argmax(severity))
        undecided = unknown.any() or "disagrees" in finding.direction or finding.direction == NO_DIRECTION
        verdict = WRONG if wrong.any() else INCONCLUSIVE if undecided else KINK if finding.on_kink.any() else OK
        size = np.maximum(np.abs(value), np.sqrt(np.mean(value * value)))
        seen = ~finding.on_kink & ~finding.hidden & ~unknown & (size > 0)
        return Row(finding.name, finding.leaf.shape, finding.leaf.size, len(entries), int((wrong | unknown).sum()),
                   tuple(int(i) for i in np.unravel_index(entries[worst], finding.leaf.shape)),
                   float(a[worst]), float(value[worst]), float(bound[worst]), verdict,
                   tuple([*self._notes(finding, a), *(self._diagnosis(finding, findings) if verdict == WRONG else ())]),
                   float((bound[seen] / size[seen]).max(initial=0.0)))

    def _notes(self, finding: Finding, a: np.ndarray) -> Iterator[str]:
        value, bound = finding.of_entries("value"), finding.of_entries("bound")
        if len(a) < finding.leaf.size:
            yield f"{len(a)} of {finding.leaf.size} entries were checked one by one{finding.direction}"
        if not self.repeatable:
            yield "f gives other values when it is called again with the same inputs (does it draw random numbers?)"
        elif finding.unknown.any():
            jumps = np.isinf(finding.of_entries("low")).any()
            yield f"f {'jumps' if jumps else 'is not smooth or not finite'} near the entries that fail"
        if finding.on_kink.any():
            yield f"{finding.on_kink.sum()} entries lie on a kink of f, where any slope between left and right is accepted"
        hidden = finding.hidden & ((value != 0) | (a != 0))
        if hidden.any():
            yield (f"{hidden.sum()} entries are too small to show beside the rounding errors of f, "
                   f"errors up to {bound[hidden].max():.1e} in them would not be seen")
        if not a.any() and not value.any():
            yield "the gradient is 0 everywhere: this input was not really tested (try other values)"

    # -- diagnosis ----------------------------------------------------------------------------

    def _diagnosis(self, finding: Finding, findings: list[Finding]) -> list[str]:
        if finding.numeric.jacobian is None:
            return ["for a diagnosis check a smaller case (fewer hidden units, inputs or time steps)"]
        situations = [self._situation(finding, findings, self.v)]
        if CALLS * sum(leaf.size for leaf in self.leaves) <= self.budget:
            with contextlib.suppress(ValueError, ArithmeticError), self.problem.moved(self.rng, self.scale):  # f may refuse them
                v = self.rng.normal(size=self.v.size)
                there = [self._judged(f.name, f.leaf, g, self._numeric(f.leaf, v), f.entries)
                         for f, g in zip(findings, gradients(self.outputs(), self.leaves, v))]
                if all(np.isfinite(f.numeric.value).all() for f in there):
                    situations.append(self._situation(there[findings.index(finding)], there, v))
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
        error = numeric.bound + ULPS * self.eps * numeric.terms + TREMBLES * self._tremor_of(finding.leaf)
        ys = self.quiet()
        return Situation(
            finding.name, values[finding.name], finding.analytic, numeric.value, error, numeric.jacobian,
            np.divide(error, numeric.terms, out=np.zeros(error.shape), where=numeric.terms > 0),
            [y.numpy() for y in ys], cut(v, ys),
            {name: value for name, value in values.items() if name != finding.name},
            {f.name: f.numeric.value for f in findings if f is not finding}, again)
