"""Derivatives from function values alone. Nothing here uses the engine, so no fault of the engine can hide in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from .noise import EPS, STAIRCASE, Function, Noise, generator, natural_size, noise_of, norm, own_level
from .slopes import SAFETY, Column, Derivative, Derivatives, contradicts, weighed

QUICK_STEP = 2.0 ** -9  # relative to the size of the entries: truncation and rounding errors are about equal there
FAR_STEP = 2.0 ** -5  # the same, if rounding errors hide the derivative
CAREFUL_STEP = 2.0 ** -8  # the first of three steps, each half of the last; their error is of order step^6
SHRINKS = (0, 5, 10, 16, 24, 28)  # further halvings, if f is not smooth or not finite so far away
UNMISTAKABLE = 1e-3  # with a bound below this share of the derivative, its value at this step is beyond doubt
GOOD = 1e-8  # with a bound below this share of the derivative, no other step is tried
SURE, CLEAR = 2, 1e-6  # enough steps, if so many agree so well and all contradict the expected value
CERTAIN = 8  # after so many entries where this was so, others need not show it
STRUCTURE = 1e-3  # if noise falls below this share of itself at a smaller step, it was no noise, but f's own shape
SMALLEST = 2.0 ** -200  # smaller entries count as this size, so that steps cannot underflow
PLACES = (0.1357, 0.3819, 0.6127, 0.8643)  # between the points of a careful slope
NODES = np.arange(5) / 4
INTERPOLATION = [[np.prod([(place - b) / (a - b) for b in NODES if b != a]) for a in NODES] for place in PLACES]  # Lagrange
LARGEST_JACOBIAN = 4_000_000  # numbers; larger ones are not kept
BLOCK = 16_384  # numbers: with so many outputs of several entries at once, NumPy's calls cost little


def derivatives(f: Function, x: np.ndarray, v: np.ndarray, *, expected: np.ndarray | None = None) -> Derivatives:
    """d(v . f(x)) / dx entry by entry; see Differences."""
    return Differences(f, x).of(v, expected)


class Line(NamedTuple):
    """A line through x. beside: f above and below x and the step after rounding, then the same for half the step. smaller: by
    so many halvings an entry is smaller than the direction's number for it."""

    direction: np.ndarray
    jitter: float
    beside: Sequence[Any]
    smaller: float = 0.0


class Differences:
    """Central differences of f around x, extrapolated to step 0 (Richardson). f takes an array like x and returns a vector.

    Two steps are enough for most derivatives: four evaluations of f, and these five points show how fast Taylor's terms
    shrink. If that bound is not good, or the derivative is not the expected one, more and smaller steps follow, with a
    bound that assumes less; each output gets its best step.

    eps: the machine epsilon of f's computation. scale: the size to assume if all entries are zero. noise: f's noise, measured
    along all entries at once unless given.
    """

    def __init__(self, f: Function, x: np.ndarray, eps: float = EPS, scale: float = 1.0,
                 noise: Noise | None = None) -> None:
        self.f, self.x, self.eps = f, x, eps
        self.here = f(x.copy())
        self.random = generator(1)  # a step with round numbers could be a period of f, or of its rounding errors
        self.reach = np.maximum(np.maximum(np.abs(x), norm(x.ravel()) / math.sqrt(x.size) if x.any() else scale), SMALLEST)
        self.far = generator(0).choice([-1, 1], x.shape) * self.reach
        self.shorter = natural_size(f, x, self.far, self.here) if x.size else 1.0
        self.sizes, self.near = self.shorter * self.reach, self.shorter * self.far
        if noise is not None:
            self.noise = noise

    @cached_property
    def noise(self) -> Noise:
        return self._noise_along(self.near)

    def _noise_along(self, direction: np.ndarray) -> Noise:
        return noise_of(self.f, self.x, direction, direction / self.shorter, self.here, self.eps)

    def of(self, v: np.ndarray, expected: np.ndarray | None = None, entries: np.ndarray | None = None,
           tick: Callable[[], None] = lambda: None) -> Derivatives:
        """The derivatives for entries with these flat numbers, by default all. v: the outputs' weights. expected: the expected
        derivatives; others are measured with more care. tick: called after each entry."""
        found = Derivatives(*(np.full(self.x.shape, np.nan) for _ in range(7)))
        if entries is None and v.size * self.x.size <= LARGEST_JACOBIAN:
            found.jacobian = np.zeros((v.size, self.x.size))
        together = self.noise.together(v) if self.x.size else 1.0
        numbers = np.arange(self.x.size) if entries is None else entries
        length, certain = 1 + BLOCK // max(1, v.size), 0
        for some in (numbers[start:start + length] for start in range(0, len(numbers), length)):
            units = 2.0 ** np.round(np.log2(self.sizes.flat[some]))
            goals = None if expected is None else expected.flat[some] * units
            lines = [self._through(*pair) for pair in zip(some, units)]
            quick = weighed(*self._quick([np.array(part) for part in zip(*(line.beside for line in lines))], self.noise.error),
                            v, together)
            found.put(some, quick, units)
            contradicted = np.zeros(len(some), bool) if goals is None else clearly_not(quick, goals)
            for k in np.flatnonzero(~(settled(quick, goals) & np.isfinite(quick.bound)) | self._drowned(quick, self.noise.error)):
                if certain < CERTAIN or not contradicted[k]:
                    close, sure = self._along(lines[k], v, None if goals is None else goals[k], together)
                    found.put(some[k], close, units[k])
                    certain += sure
            for _ in some:
                tick()
        return found

    def _through(self, i: int, unit: float) -> Line:
        """The line through the entry with flat number i; unit is about as large as the entry."""
        direction = np.zeros(self.x.shape)
        direction.flat[i] = unit
        own = abs(self.x.flat[i])
        return self._line(direction, math.log2(unit / max(own, SMALLEST)) if own else 0.0)

    def _line(self, direction: np.ndarray, smaller: float = 0.0) -> Line:
        jitter = 1 - self.random.uniform(0, 0.25)
        beside = [part for half in (1, 2) for part in self._values(direction, QUICK_STEP * jitter / half)]
        return Line(direction, jitter, beside, smaller)

    def along(self, direction: np.ndarray, v: np.ndarray, expected: float | None = None, together: float = 1.0) -> Derivative:
        """d/dt v . f(x + t direction) at t = 0; the direction's numbers are about as large as x's."""
        return self._along(self._line(direction), v, expected, together)[0]

    def _along(self, line: Line, v: np.ndarray, expected: float | None, together: float) -> tuple[Derivative, bool]:
        found, sure = self._closely(line, v, expected, together, self.noise.error)
        if expected is None or sure or found.allows(expected):
            return found, sure
        error = np.maximum(self.noise.error, self._noise_along(line.direction).error)
        if (error <= 2 * self.noise.error).all():
            return found, sure
        return self._closely(line, v, expected, together, error)  # with this direction's own noise

    def _closely(self, line: Line, v: np.ndarray, expected: float | None, together: float,
                 noise: np.ndarray) -> tuple[Derivative, bool]:
        """The derivative, and whether it certainly differs from the expected one."""
        column, secant = self._quick(line.beside, noise)
        best, steps = None, []
        quick = found = weighed(column, secant, v, together)
        if self._drowned(found, noise):
            large = self._careful(line.direction, FAR_STEP * line.jitter, noise).improved(column)
            further = weighed(large, secant, v, together)
            if further.bound <= UNMISTAKABLE * abs(further.value):
                found, best = further, large
        if settled(found, expected) or best is not None and (expected is None or found.allows(expected)):
            return found, False
        for shrink in (*SHRINKS, *(line.smaller + shrink for shrink in SHRINKS if line.smaller + shrink > SHRINKS[-1])):
            column = self._careful(line.direction, CAREFUL_STEP * line.jitter / 2 ** shrink, noise)
            steps.append(weighed(column, secant, v, together))
            best = column if best is None else best.improved(column)
            found = weighed(best, secant, v, together)
            if settled(found, expected):
                break
            if len(steps) == SURE and expected is not None and all(
                    clearly_not(step, expected) and abs(step.value - found.value) <= step.bound + found.bound
                    for step in (quick, *steps)):
                return found, True
        far = [abs(step.value - found.value) if step.bound < math.inf else 0.0 for step in steps]
        apart = [gap > step.bound + found.bound for gap, step in zip(far, steps)]
        if False in apart:  # a smaller step contradicts where a larger one agrees: there is more noise than measured
            found.bound = max([found.bound, *(gap for gap, so in list(zip(far, apart))[apart.index(False):] if so)])
        finer = [step for step in steps if step.bound < math.inf]
        finer = finer[1 + min(range(len(finer)), key=lambda k: abs(finer[k].value - found.value)):] if finer else []
        for a, b, c in zip(finer, finer[1:], finer[2:]):  # do they agree, but not with the best step?
            gap = abs(b.value - found.value)
            if max(abs(a.value - b.value), abs(c.value - b.value)) < min(UNMISTAKABLE * abs(b.value), gap / SAFETY):
                found.bound = max(found.bound, gap)
        if expected is not None and math.isnan(found.low) and not abs(found.value - expected) <= found.bound and any(
                abs(step.value - expected) <= step.bound <= UNMISTAKABLE * abs(step.value)
                and contradicts(found.value, found.bound, step.value, step.bound) for step in steps):
            found.bound = math.inf  # one step confirms the expected value, another contradicts it
        return found, False

    def _quick(self, beside: Sequence[Any], noise: np.ndarray) -> tuple[Column, np.ndarray]:
        """The slope from a line's step and half of it; and the larger slope to one side at the step. Let a1, a2, ... be the
        terms of Taylor's series at the step, divided by it. The error is about a5, and a5 is assumed to be less than
        32 max(a3, a4) max(a3 / a1, a4 / a2). For several lines, each part of `beside` has a row for each line, and so has the
        result."""
        above, below, taken, near_above, near_below, near_taken = beside
        taken, near_taken = np.expand_dims(taken, -1), np.expand_dims(near_taken, -1)
        coarse, fine = (above - below) / (2 * taken), (near_above - near_below) / (2 * near_taken)
        bend, near_bend = (above + below - 2 * self.here) / taken, (near_above + near_below - 2 * self.here) / near_taken
        few = self._few([above, near_above, below, near_below])
        rounding = self._error(noise, few, above, below) / near_taken + self._inner(fine, noise, above, below)
        secant = np.where(few, 0, np.maximum(np.abs(above - self.here), np.abs(below - self.here)) / taken)
        correction = (fine - coarse) / 3
        a1, a2 = np.abs(fine + correction), np.abs(near_bend)
        a3, a4 = (np.maximum(0.0, np.abs(a) - SAFETY * rounding) for a in (correction, bend - 2 * near_bend))
        ratio = np.maximum(*(np.divide(a, np.maximum(a, b), out=np.zeros(a.shape), where=a > 0) for a, b in ((a3, a1), (a4, a2))))
        nan, truncation = np.full(a1.shape, np.nan), 32 * np.maximum(a3, a4) * ratio
        return Column(fine + correction, truncation, rounding, nan, nan, nan, 0 * a1), secant

    def _careful(self, direction: np.ndarray, first: float, noise: np.ndarray) -> Column:
        """The slope from the steps `first`, a half and a quarter of it. The bound is ten times the extrapolation's last
        correction, plus a term for slopes to the right and the left that do not approach each other."""
        above, below, taken = zip(*(self._values(direction, first * part) for part in (1.0, 0.75, 0.5, 0.25)))
        slopes = [(above[i] - below[i]) / (2 * taken[i]) for i in (0, 2, 3)]
        bends = [(above[i] + below[i] - 2 * self.here) / taken[i] for i in (0, 2, 3)]
        sides = np.array([[self.here, *values[::-1]] for values in (below, above)])
        own, third = own_level(sides, 4), own_level(sides, 3)
        exact, few = np.maximum(own, third), self._few([*above, *below])  # samples may be small by chance
        finer = (0 < exact) & (exact < STRUCTURE * noise) & ~few
        if finer.any():
            exact = np.maximum(exact, self._between(direction, first, sides))
        error = np.where(finer & (exact < STRUCTURE * noise), exact, noise)
        rounding = self._error(error, few, above[0], below[0]) / taken[3] + self._inner(slopes[2], noise, above[0], below[0])
        hidden = SAFETY * rounding
        slope, correction = romberg(slopes)
        truncation = 10 * np.maximum(0.0, np.abs(correction) - hidden) + SAFETY * np.maximum(0, own - error) / taken[3]
        truncation += np.maximum(0.0, np.abs(bends[0] - 2 * bends[1]) - hidden) / 10  # of order step^3 for a smooth f
        changes = [np.abs(a - b) for a, b in zip(slopes, slopes[1:])]
        rough = changes[0] < 3 * changes[1]  # if f is smooth enough to extrapolate, the second is a quarter of the first
        truncation += np.where(rough, 4 * np.maximum(0.0, changes[1] - hidden), 0)
        jumps = [np.abs(bend) for bend in bends]
        kink = jumps[2] > np.maximum(jumps[0] / 2, 4 * hidden)  # for a smooth f it shrinks to 1/4
        bent = np.abs(np.diff(sides[:, 1:], n=2, axis=1)).max(axis=(0, 1)) / taken[3]
        apart = kink & (bent > jumps[2] / 4)  # the sides are not straight: a sharp bend, or rounding errors
        kink, truncation = kink & ~apart, truncation + np.where(apart, jumps[2], 0)
        alike = np.abs(jumps[2] - jumps[1]) <= jumps[2] / 20  # the first step reached another kink
        jump = kink & ~alike & (jumps[2] > 2 * jumps[0])  # f itself jumps: slopes grow as the step shrinks
        ends, unsure = one_sided(sides, taken[3])
        low, high = ends.min(axis=0) - unsure, ends.max(axis=0) + unsure
        low, high = (np.where(kink, np.where(jump, side * np.inf, end), np.nan) for side, end in ((-1, low), (1, high)))
        gap = np.where(kink, jumps[2] * np.where(jump, taken[3] / CAREFUL_STEP, 1), np.nan)
        return Column(np.where(kink, slopes[2], slope), truncation, 2 * rounding, low, high, gap, 0 * truncation)

    def _between(self, direction: np.ndarray, step: float, sides: np.ndarray) -> np.ndarray:
        """The distance of f between the five points of each side from the polynomial through them. In equal steps f may move by
        equal rounding errors; these places are not in equal steps."""
        off = np.zeros(self.here.shape)
        for sign, side in zip((-1, 1), sides):
            for place, weights in zip(PLACES, INTERPOLATION):
                off = np.fmax(off, np.abs(self.f(self.x + sign * place * step * direction) - weights @ side))
        return off

    def _drowned(self, found: Derivative, noise: np.ndarray) -> Any:
        """Do rounding errors hide a derivative that is not 0? (Larger errors than f's own may be its shape.)"""
        return (found.terms > 0) & (found.bound > UNMISTAKABLE * np.abs(found.value)) & (found.bound <= 4 * found.rounding) & (
            noise <= STAIRCASE * self.eps * np.abs(self.here)).all()

    def _values(self, direction: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray, float]:
        """f on the right and on the left, and the step after rounding."""
        move = step * direction
        above, below = self.x + move, self.x - move
        taken = np.vdot(above - below, direction) / np.vdot(direction, direction) / 2
        return self.f(above), self.f(below), taken

    def _few(self, values: list[np.ndarray]) -> np.ndarray:
        """Has an output only a few different values on each side? Then it moves by single rounding errors, if at all."""
        half = len(values) // 2

        def repeated(side: list[np.ndarray]) -> Any:
            seen = [np.broadcast_to(self.here, side[0].shape), *side]
            return sum(np.any([value == earlier for earlier in seen[:k]], axis=0) for k, value in enumerate(seen) if k)

        return np.minimum(repeated(values[:half]), repeated(values[half:])) >= half / 2

    def _error(self, measured: np.ndarray, few: np.ndarray, above: np.ndarray, below: np.ndarray) -> np.ndarray:
        """The rounding error of each output: as measured, but at least that of numbers of its size."""
        error = measured + self.eps * np.maximum(np.abs(above), np.abs(below))
        return np.where(few, np.maximum(error, self.eps * self.noise.scale), error)

    @staticmethod
    def _inner(slope: np.ndarray, noise: np.ndarray, above: np.ndarray, below: np.ndarray) -> np.ndarray:
        """The rounding error of a slope if the output is a product with an inner value that does not change here, but is no
        more exact than the output."""
        size = np.maximum(np.abs(above), np.abs(below))
        return np.abs(slope) * np.divide(noise, size, out=np.zeros(size.shape), where=size > 0) / 4


def one_sided(sides: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """The slopes to the left and to the right, and their error, from five values on each side, `step` apart."""
    here, one, two, three, four = np.moveaxis(sides, 1, 0)
    coarse = (-11 * here + 18 * one - 9 * two + 2 * three) / (6 * step)
    fine = (-25 * here + 48 * one - 36 * two + 16 * three - 3 * four) / (12 * step)
    return fine * [[-1], [1]], np.abs(fine - coarse).max(axis=0)


def settled(found: Derivative, expected: Any) -> Any:
    """Is the derivative exact enough, and the expected one?"""
    exact = found.bound <= np.maximum(GOOD * np.abs(found.value), 4 * found.rounding)
    return exact if expected is None else exact & (np.abs(found.value - expected) <= found.bound)


def clearly_not(found: Derivative, expected: Any) -> Any:
    """Is the derivative exact, and certainly another one?"""
    error = CLEAR * np.abs(found.value)
    return (found.bound <= error) & (np.abs(found.value - expected) > error + 100 * found.bound)


def romberg(slopes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The limit of central differences at steps h, h/2, h/4, ... and the last correction."""
    column, power = slopes, 1
    while len(column) > 1:
        power *= 4
        last = column[-1]
        column = [(power * fine - coarse) / (power - 1) for coarse, fine in zip(column, column[1:])]
    return column[0], column[0] - last
