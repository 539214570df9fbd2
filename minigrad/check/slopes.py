"""What is known of slopes: for each output, and of the weighted sum of all outputs; values, bounds, kinks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from .noise import norm

SAFETY = 16  # rounding errors are counted this many times


@dataclass
class Column:
    """Along one direction, of each output: its slope, a bound on the slope's truncation error, and its rounding error. At a
    kink `low` and `high` are the slopes to the left and to the right, and `gap` is what the largest step would show of their
    difference; elsewhere they are NaN. doubt: how far another step's slope is away."""

    slope: np.ndarray
    truncation: np.ndarray
    rounding: np.ndarray
    low: np.ndarray
    high: np.ndarray
    gap: np.ndarray
    doubt: np.ndarray

    @property
    def bound(self) -> np.ndarray:
        """Infinite at a kink and where f is not finite."""
        bound = self.truncation + SAFETY * self.rounding
        return np.where(np.isfinite(bound) & np.isfinite(self.slope) & np.isnan(self.low), bound, np.inf)

    def improved(self, finer: Column) -> Column:
        """The better of two for each output. If they contradict each other, f is another function from nearby, or has more noise
        than was measured: the finer one is taken, with their difference as a doubt, until a third one agrees with it."""
        ours, theirs = self.bound, finer.bound
        smaller = np.where(np.isnan(self.gap), theirs < ours + self.doubt, theirs < self.gap / 4)  # noise does not hide a kink
        kink = finer.gap > ours + self.doubt  # which the coarser one should have noticed
        between = np.where(np.isnan(self.gap), ours, self.gap)
        apart = contradicts(finer.slope, theirs, self.slope, between) & np.isfinite(between)
        doubt = np.where(apart, np.abs(finer.slope - self.slope), 0.0)
        better = smaller | kink | ~np.isfinite(self.slope) | apart
        finer = replace(finer, doubt=doubt)
        return Column(*(np.where(better, getattr(finer, name), getattr(self, name)) for name in self.__dataclass_fields__))


def contradicts(value: np.ndarray | float, bound: np.ndarray | float, coarser: np.ndarray | float,
                its_bound: np.ndarray | float) -> np.ndarray:
    """The finer one's bound is mostly rounding errors, which are rarely half of it; a quarter, where they differ altogether."""
    apart = np.abs(value - coarser)
    altogether = apart > np.maximum(np.abs(value), np.abs(coarser)) / 4
    return np.isfinite(bound) & (apart > bound / np.where(altogether, 4, 2) + its_bound)


@dataclass
class Derivative:
    """Of v . f(x) along one direction: value, a bound on its error, the part of the bound that rounding in f causes, and
    the sum of the sizes of the terms v_k df_k, which are in `column` without v. secant: the same sum for the changes over the
    first step to one side.

    At a kink the bound is infinite, and `low` and `high` are the smallest and the largest value that slopes to the left
    and to the right give; at a jump they are infinite. Elsewhere they are NaN.
    """

    value: float
    bound: float
    rounding: float
    terms: float
    column: np.ndarray
    low: float = math.nan
    high: float = math.nan
    secant: float = 0.0

    def allows(self, value: float) -> bool:
        return abs(self.value - value) <= self.bound < math.inf or self.low <= value <= self.high

    def scaled(self, factor: float) -> Derivative:
        """What it is in other units; factor > 0."""
        return Derivative(*(getattr(self, name) * factor for name in self.__dataclass_fields__))


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
    secant: np.ndarray
    jacobian: np.ndarray | None = field(default=None, repr=False)


def weighed(column: Column, v: np.ndarray, together: float, secant: np.ndarray) -> Derivative:
    """Of v . f: truncation errors add up, rounding errors like random numbers, `together` times as much."""
    weights, kink = np.abs(v), ~np.isnan(column.low)
    value, terms = float(v @ column.slope), float(weights @ np.abs(column.slope))
    rounding = SAFETY * together * norm(weights * column.rounding)
    bound = float(weights @ (column.truncation + column.doubt)) + rounding
    total = float(weights @ secant)
    if not kink.any() or not math.isfinite(bound + value):
        return Derivative(value, bound if math.isfinite(bound + value) else math.inf, rounding, terms, column.slope, secant=total)
    if np.isinf(column.low).any():
        return Derivative(value, math.inf, rounding, terms, column.slope, -math.inf, math.inf, total)
    ends = v * np.where(kink, column.low, column.slope), v * np.where(kink, column.high, column.slope)
    margin = 2 * rounding + float(weights[~kink] @ column.truncation[~kink])
    return Derivative(value, math.inf, rounding, terms, column.slope, float(np.minimum(*ends).sum()) - margin,
                      float(np.maximum(*ends).sum()) + margin, total)
