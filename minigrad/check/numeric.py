"""Derivatives from function values alone. Nothing here uses the engine, so no fault of the engine can hide in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

QUICK_STEP = 2.0 ** -9  # relative to the size of the entries: truncation and rounding errors are about equal there
CAREFUL_STEP, LEVELS = 2.0 ** -8, 3  # the first step, and how many times it is halved; the error is then of order step^6
SHRINKS = (0, 5, 10, 16, 24)  # how many more halvings, where the function is not smooth or not finite so far away
UNMISTAKABLE = 1e-3  # a bound within this part of the derivative leaves no doubt what the derivative is at this step
GOOD = 1e-7  # a bound within this part of the derivative is not worth another try
SMALLEST = 2.0 ** -200  # entries below it are taken for this size, so that steps cannot underflow
LARGEST_JACOBIAN = 4_000_000  # numbers; larger ones are not kept
SAFETY = 16  # rounding errors are counted this many times
EPS = float(np.finfo(float).eps)

Function = Callable[[np.ndarray], np.ndarray]


@dataclass
class Derivative:
    """Of v . f(x) along one direction: value, a bound on its error, the part of the bound that rounding in f causes, and
    the sum of the sizes of the terms v_k df_k, which are in `column` without v.

    At a kink the bound is infinite, and the slopes to the left and the right are `low` and `high`, in order; at a jump
    they are infinite. Elsewhere they are NaN.
    """

    value: float
    bound: float
    rounding: float
    terms: float
    column: np.ndarray
    low: float = math.nan
    high: float = math.nan

    def scaled(self, factor: float) -> Derivative:
        """What it is in other units; factor > 0."""
        return Derivative(self.value * factor, self.bound * factor, self.rounding * factor, self.terms * factor,
                          self.column * factor, self.low * factor, self.high * factor)


@dataclass
class Derivatives:
    """Arrays like x, of what Derivative says for each entry; NaN for entries that were not asked for.

    jacobian: (outputs, entries), or None if it would be large or not all entries were asked for.
    """

    value: np.ndarray
    bound: np.ndarray
    rounding: np.ndarray
    terms: np.ndarray
    low: np.ndarray
    high: np.ndarray
    jacobian: np.ndarray | None = field(default=None, repr=False)


def derivatives(f: Function, x: np.ndarray, v: np.ndarray, *, expected: np.ndarray | None = None,
                entries: np.ndarray | None = None, eps: float = EPS, scale: float = 1.0,
                tick: Callable[[], None] = lambda: None) -> Derivatives:
    """d(v . f(x)) / dx entry by entry. f takes an array like x and returns a vector as long as v.

    expected: what the derivatives may be; where they are something else, they are found out with more care.
    entries: the flat numbers of the entries to look at, by default all. eps: the machine epsilon of what f computes with.
    scale: the size of the entries if all are zero. tick: called after each entry.
    """
    found = Derivatives(*(np.full(x.shape, np.nan) for _ in range(6)))
    differences = Differences(f, x, v, eps, scale)
    if entries is None and v.size * x.size <= LARGEST_JACOBIAN:
        found.jacobian = np.zeros((v.size, x.size))
    for i in range(x.size) if entries is None else entries:
        one = differences.entry(i, None if expected is None else expected.flat[i])
        for name in ("value", "bound", "rounding", "terms", "low", "high"):
            getattr(found, name).flat[i] = getattr(one, name)
        if found.jacobian is not None:
            found.jacobian[:, i] = one.column
        tick()
    return found


class Differences:
    """Central differences of v . f around x, extrapolated to step 0 (Richardson).

    Most derivatives are settled by two steps: four evaluations of f, and five points say how fast Taylor's terms
    shrink. If that bound is not good, or if the derivative is not what is expected, there are more and smaller steps, and
    a bound that relies on less.
    """

    def __init__(self, f: Function, x: np.ndarray, v: np.ndarray, eps: float = EPS, scale: float = 1.0) -> None:
        self.f, self.x, self.v, self.eps = f, x, v, eps
        if x.size:
            rms = np.sqrt(np.mean(x * x)) if x.any() else scale
            self.sizes = np.maximum(np.maximum(np.abs(x), rms), SMALLEST)
            self.here = f(x.copy())
            self.noise, self.noise_of_sum = noise_of(f, x, self.sizes, v)
        self.random = np.random.default_rng(0)  # a step that is a power of two could be a period of f

    def entry(self, i: int, expected: float | None = None) -> Derivative:
        """For the entry with flat number i."""
        unit = 2.0 ** np.round(np.log2(self.sizes.flat[i]))
        direction = np.zeros(self.x.shape)
        direction.flat[i] = unit
        return self.along(direction, None if expected is None else expected * unit).scaled(1 / unit)

    def along(self, direction: np.ndarray, expected: float | None = None) -> Derivative:
        """d/dt v . f(x + t direction) at t = 0; the direction's numbers are about as large as x's."""
        jitter = 1 - self.random.integers(16) / 64
        quick = self._quick(direction, QUICK_STEP * jitter)
        if self._good(quick) and (expected is None or abs(quick.value - expected) <= quick.bound):
            return quick
        best, others = None, []
        for shrink in SHRINKS:
            found = self._careful(direction, CAREFUL_STEP * jitter / 2 ** shrink)
            others.append(found)
            if best is None or found.bound < best.bound or not math.isfinite(best.value):
                best = found
            elif _contradict(found, best):  # f is another function from nearby
                best = found
            if self._good(best) and (expected is None or abs(best.value - expected) <= best.bound):
                break
        assert best is not None
        if best.bound == math.inf:
            best.low, best.high = found.low, found.high
        elif expected is not None and not abs(best.value - expected) <= best.bound and any(
                abs(other.value - expected) <= other.bound <= UNMISTAKABLE * abs(other.value) and _contradict(best, other)
                for other in others) or not best.terms and expected and any(other.terms for other in others):
            # One step says that what is expected is right, another that it is wrong; or f is flat nearby, and not further off:
            # there may be a kink between, or rounding errors may hide all changes.
            best.bound, best.low, best.high = math.inf, math.nan, math.nan
        else:
            best.low = best.high = math.nan
        return best

    @staticmethod
    def _good(found: Derivative) -> bool:
        return found.bound <= max(GOOD * abs(found.value), 4 * found.rounding)

    def _quick(self, direction: np.ndarray, step: float) -> Derivative:
        """From steps `step` and step / 2. With the terms of Taylor's series at `step`, divided by it, called a1, a2, ...:
        the error is about a5, and a5 is taken for less than 32 max(a3, a4) max(a3 / a1, a4 / a2)."""
        coarse, bend, _ = self._slopes(direction, step)
        fine, bend_fine, rounding = self._slopes(direction, step / 2)
        weights = np.abs(self.v)
        correction = (fine - coarse) / 3
        column = fine + correction
        a1, a2 = weights @ np.abs(column), weights @ np.abs(bend_fine)
        a3, a4 = (max(0.0, weights @ np.abs(a) - rounding.terms) for a in (correction, bend - 2 * bend_fine))
        ratio = max(min(1.0, a / b) if b > 0 else 1.0 if a > 0 else 0.0 for a, b in ((a3, a1), (a4, a2)))
        bound = 32 * max(a3, a4) * ratio + rounding.sum if np.isfinite([a1, a2, rounding.sum]).all() else math.inf
        return Derivative(float(self.v @ column), float(bound), rounding.sum, float(a1), column)

    def _careful(self, direction: np.ndarray, first: float) -> Derivative:
        """From LEVELS steps. The bound adds up ten times the last correction of the extrapolation, what rounding does, and
        how far the slopes to the right and the left are from approaching each other."""
        steps = [self._slopes(direction, first / 2 ** level) for level in range(LEVELS)]
        column, correction = romberg([slope for slope, _, _ in steps])
        jumps = [np.abs(self.v * bend).sum() for _, bend, _ in steps]
        slope, jump, rounding = steps[-1]
        bend = np.abs(self.v) @ np.abs(steps[0][1] - 2 * steps[1][1]) - rounding.terms  # where f is smooth, of order step^3
        bound = 10 * max(0.0, abs(self.v @ correction) - rounding.sum) + 2 * rounding.sum + max(0.0, bend) / 10
        changes = [abs(self.v @ (a - b)) for (a, _, _), (b, _, _) in zip(steps, steps[1:])]
        if changes[0] < 3 * changes[1]:  # where f is smooth enough to extrapolate the second is a quarter of the first
            bound += 4 * max(0.0, changes[1] - rounding.sum)
        left, right = self.v * (slope - jump / 2), self.v * (slope + jump / 2)
        low = np.minimum(left, right).sum() - 2 * rounding.terms
        high = np.maximum(left, right).sum() + 2 * rounding.terms
        if jumps[-1] > max(jumps[0] / 2, 4 * rounding.terms):  # where f is smooth it shrinks to 1/4
            bound = np.inf
            if jumps[-1] > 2 * jumps[0]:  # f itself jumps: slopes grow as the step shrinks
                low, high = -np.inf, np.inf
        if bound != bound or not np.isfinite([*jumps, rounding.sum]).all():
            bound, low, high = math.inf, math.nan, math.nan
        return Derivative(float(self.v @ column), float(bound), rounding.sum,
                          float(np.abs(self.v) @ np.abs(column)), column, float(low), float(high))

    def _slopes(self, direction: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray, Rounding]:
        """Of each output by itself, as two kinks may cancel in the sum: its central slope, and right minus left slope."""
        above, below = self.x + step * direction, self.x - step * direction
        f_above, f_below = self.f(above), self.f(below)
        taken = ((above - below) * direction).sum() / (direction * direction).sum() / 2  # the step after rounding
        errors = np.abs(self.v) * (self.noise + self.eps * (np.abs(f_above) + np.abs(f_below)))
        largest = errors.max(initial=0) or 1.0  # so that squares neither overflow nor vanish
        norm = largest * math.sqrt(((errors / largest) ** 2).sum())
        rounding = Rounding(float(SAFETY * (norm + self.noise_of_sum) / taken),
                            float(SAFETY * errors.sum() / taken))
        return (f_above - f_below) / (2 * taken), (f_above + f_below - 2 * self.here) / taken, rounding


def _contradict(finer: Derivative, coarser: Derivative) -> bool:
    """The finer one's bound is mostly rounding errors, which are rarely a quarter of it."""
    return abs(finer.value - coarser.value) > finer.bound / 4 + coarser.bound


@dataclass
class Rounding:
    """What rounding errors in f do to a slope: to the weighted sum of all outputs, and to the sum of the terms' sizes."""

    sum: float
    terms: float


def noise_of(f: Function, x: np.ndarray, sizes: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, float]:
    """The rounding error of each of f's values, and of v . f: what is left of third differences at steps so small that
    any smooth f is a parabola there. They have standard deviation sqrt(1 + 9 + 9 + 1) times that of one value.
    Of the two sides of x the noisier counts, unless it is noisier by far: then there is a kink.

    After J. More and S. Wild, "Estimating computational noise" (2011).
    """
    step = sizes * 2.0 ** -20 * np.random.default_rng(0).choice([-1, 1], x.shape)
    sides = [np.diff([f(x + side * k * step) for k in range(1, 8)], n=3, axis=0) for side in (-1, 1)]

    def of_sides(differences: list[np.ndarray]) -> np.ndarray:
        quieter, noisier = np.sort([np.abs(third).max(axis=0) for third in differences], axis=0)
        return np.where(noisier <= 100 * quieter, noisier, quieter) / math.sqrt(20)

    return of_sides(sides), float(of_sides([third @ v for third in sides]))


def romberg(slopes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The limit of central differences at steps h, h/2, h/4, ... and the last correction."""
    column, power = slopes, 1
    while len(column) > 1:
        power *= 4
        last = column[-1]
        column = [(power * fine - coarse) / (power - 1) for coarse, fine in zip(column, column[1:])]
    return column[0], column[0] - last
