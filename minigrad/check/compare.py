"""Compares the gradients of a function for all inputs, from the numeric derivatives to the report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import numpy as np

from .evidence import Evidence
from .function import Arrays, Function, Point, cut, joined
from .laws import broken_laws
from .nearby import look_again
from .noise import generator, noise_of
from .report import INCONCLUSIVE, Progress, Report
from .sample import directions, samples
from .verdict import TREMBLES, Finding, Input, judged
from .words import row

BALANCED = 32  # if an output's rounding errors are so many times larger than another's, it gets a smaller weight
TREMORS = 8  # repetitions with other rounding errors
STUCK = 16  # times larger errors than differences show; smaller ratios are uncertain


class Check:
    """The gradients of a function, of all outputs together, for each input."""

    def __init__(self, function: Function, rng: np.random.Generator, budget: int, hints: str = "full",
                 time_axis: int | None = None) -> None:
        self.function, self.rng, self.budget, self.hints, self.time_axis = function, rng, budget, hints, time_axis
        xs = function.xs
        sizes = [float(np.sqrt(np.mean(x ** 2))) for x in xs if x.size]
        there = Point(function, xs, min((size for size in sizes if size > 0), default=1.0))
        values = there.values()
        self.repeatable = np.array_equal(values, there.values(), equal_nan=True)
        differences = [there.differences(i) for i in range(len(xs))]
        shapes, x, near, far = [x.shape for x in xs], *(joined([getattr(d, name) for d in differences])
                                                        for name in ("x", "near", "far"))
        self.noise = noise_of(lambda x: function.values(cut(x, shapes)), x, near, far, values, function.eps)
        self.here = replace(there, noise=self.noise)
        self._measure_stuck_values(values)
        for d in differences:
            d.noise = self.noise
        self.weights = self._weights()
        self.v = self.weights * rng.normal(size=values.size)
        analytic = self.here.gradients(self.v)
        self.inputs = list(map(Input, range(len(xs)), function.names, differences, analytic, self.tremor(function.eps)))

    def _measure_stuck_values(self, values: np.ndarray) -> None:
        """Outputs may be far less exact than differences show, if an inexact inner value does not change nearby, such as
        1 - y^2 where a tanh is nearly 1. Other rounding errors in all operations show it."""
        noise, eps = self.noise, self.function.eps
        rounding = self.function.rounding_otherwise(eps, generator(3)) if self.repeatable else None
        if rounding is None:
            return
        with rounding:
            off = np.max([np.abs(self.here.values() - values) for _ in range(2 * TREMORS)], axis=0)
        stuck = np.isfinite(off) & (off > STUCK * np.maximum(noise.error, eps * np.abs(values)))
        noise.error = np.where(stuck, off, noise.error)

    def _weights(self) -> np.ndarray:
        """Less exact outputs get smaller weights, because their rounding errors would hide the other outputs."""
        noise = self.noise
        error = np.maximum(noise.error, self.function.eps * noise.scale)
        known = error[(0 < error) & np.isfinite(error)]
        if not known.size:
            return np.array(1.0)
        return np.minimum(1, BALANCED * known.min() / np.where(error > 0, error, known.min()))

    def tremor(self, eps: float) -> Arrays:
        """How much the analytic gradients change if inputs and cotangents change by a few machine epsilons, with other
        rounding errors. If large terms cancel, or a tanh is nearly 1, only this shows how inexact a right gradient is. (The
        gradient at exactly x does not count: a formula may be wrong for just these values.)"""
        roundings = generator(3)
        lowest, highest = ([np.full(x.shape, extreme) for x in self.function.xs] for extreme in (np.inf, -np.inf))

        def shaken(array: np.ndarray) -> np.ndarray:
            return array * (1 + eps * self.rng.choice([-4, -3, -2, -1, 1, 2, 3, 4], array.shape))

        for _ in range(TREMORS if self.repeatable else 0):
            xs, v = [shaken(x) for x in self.function.xs], shaken(self.v)
            with self.function.rounding_otherwise(eps, roundings) or nullcontext():
                gradients = self.function.gradients(xs, v)
            for low, high, g in zip(lowest, highest, gradients):
                np.fmin(low, g, out=low)
                np.fmax(high, g, out=high)
        return [np.where(np.isfinite(high - low), high - low, 0) for low, high in zip(lowest, highest)]

    def report(self, both_paths: bool = False) -> Report:
        """both_paths: the gradient with create_graph=True must also be right."""
        order, changed = self.function.order, ", ".join(self.function.changed())
        if changed:
            return Report([], order, [(INCONCLUSIVE, f"f changes its input {changed}: let it work on a copy")])
        analytic = [of.analytic for of in self.inputs]
        paths = [analytic] + ([self.here.gradients(self.v, True)] if both_paths else [])
        chosen = samples([of.x.size for of in self.inputs], self.budget, self.rng)
        with Progress(sum(len(sample) for sample in chosen)) as progress:
            findings = [self._finding(of, [path[of.number] for path in paths], chosen[of.number], progress.tick)
                        for of in self.inputs]
        self.findings = findings
        bounds = [f.numeric.bound + TREMBLES * f.input.tremor if f.numeric.value.any() else np.full(f.input.x.shape, np.inf)
                  for f in findings]  # if f is constant, there are only rounding errors
        notes = broken_laws(self.here, self.v, analytic, bounds, self.rng) if self.repeatable else []
        self.evidence = Evidence(self.here, self.v, self.weights, self.rng, self.budget, findings, Check, self.time_axis)
        rows = [row(finding, order, self.repeatable, partial(self.evidence.said, finding, self.hints)) for finding in findings]
        return Report(rows, order, notes)

    def _finding(self, of: Input, paths: Arrays, entries: np.ndarray, tick: Callable[[], None]) -> Finding:
        """The finding for the worse of both paths' gradients."""
        everything, order = len(entries) == of.x.size, self.function.order
        numeric = of.differences.of(self.v, paths[0], None if everything else entries, tick)
        of = replace(of, analytic=max(paths, key=lambda g: np.nan_to_num(np.abs(g - numeric.value), nan=np.inf).max(initial=0)))
        finding = judged(of, numeric, entries, self.v, self.weights, order, self.repeatable)
        if not everything and not finding.wrong.any():
            culprit, direction = directions(of, self.v, self.rng)
            if culprit is not None:
                entries = np.union1d(entries, [culprit])
                numeric = of.differences.of(self.v, of.analytic, entries)
            finding = replace(judged(of, numeric, entries, self.v, self.weights, order, self.repeatable), direction=direction)
        look_again(finding, self.here, [of.differences.sizes for of in self.inputs], self.v, self.rng)
        return finding
