"""Slopes of each output, and of the weighted sum of all outputs: values, bounds, kinks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .noise import norm

SAFETY = 16  # rounding errors count so many times


@dataclass
class Column:
    """For each output along one direction: its slope, a bound on the slope's truncation error, and its rounding error. At a
    kink `low` and `high` are the slopes to the left and to the right, and `gap` is their difference as the largest step shows
    it; elsewhere all three are NaN. doubt: the distance to another step's slope."""

    slope: np.ndarray
    truncation: np.ndarray
    rounding: np.ndarray
    low: np.ndarray
    high: np.ndarray
    gap: np.ndarray
    doubt: np.ndarray

    @property
    def bound(self) -> np.ndarray:
        """The error bound; infinite at a kink and where f is not finite."""
        bound = self.truncation + SAFETY * self.rounding
        return np.where(np.isfinite(bound) & np.isfinite(self.slope) & np.isnan(self.low), bound, np.inf)

    def improved(self, finer: Column) -> Column:
        """The better of two columns for each output. If they contradict each other, f changes nearby, or has more noise than
        measured: the finer one wins, with their difference as a doubt, until a third one agrees with it."""
        ours, theirs = self.bound, finer.bound
        smaller = np.where(np.isnan(self.gap), theirs < ours + self.doubt, theirs < self.gap / 4)  # noise does not hide a kink
        kink = finer.gap > ours + self.doubt  # the coarser one should have noticed it
        between = np.where(np.isnan(self.gap), ours, self.gap)
        apart = contradicts(finer.slope, theirs, self.slope, between) & np.isfinite(between)
        doubt = np.where(apart, np.abs(finer.slope - self.slope), 0.0)
        better = smaller | kink | ~np.isfinite(self.slope) | apart
        finer = replace(finer, doubt=doubt)
        return Column(*(np.where(better, getattr(finer, name), getattr(self, name)) for name in self.__dataclass_fields__))


def contradicts(value: np.ndarray | float, bound: np.ndarray | float, coarser: np.ndarray | float,
                its_bound: np.ndarray | float) -> np.ndarray:
    """The finer bound is mostly rounding errors, but these are rarely half of it (a quarter, if the values differ altogether)."""
    apart = np.abs(value - coarser)
    altogether = apart > np.maximum(np.abs(value), np.abs(coarser)) / 4
    return np.isfinite(bound) & (apart > bound / np.where(altogether, 4, 2) + its_bound)


@dataclass
class Derivative:
    """The derivative of v . f(x) along one direction: value, a bound on its error, the part of the bound from rounding in f,
    and the sum of |v_k df_k|; `column` has the terms without v. secant: the same sum for the changes over the first step to
    one side.

    At a kink the bound is infinite, and `low` and `high` are the smallest and the largest value from slopes to the left
    and to the right; at a jump they are infinite. Elsewhere they are NaN.
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


@dataclass
class Derivatives:
    """Arrays like x with the fields of Derivative for each entry; NaN for entries that were not requested.

    jacobian: (outputs, entries), or None if it is too large or not all entries were requested.
    """

    value: np.ndarray
    bound: np.ndarray
    rounding: np.ndarray
    terms: np.ndarray
    low: np.ndarray
    high: np.ndarray
    secant: np.ndarray
    jacobian: np.ndarray | None = field(default=None, repr=False)

    def put(self, entries: Any, one: Derivative, units: Any) -> None:
        """Fill in a derivative for the entry with this number, or for several, in units of x."""
        for name in ("value", "bound", "rounding", "terms", "low", "high", "secant"):
            getattr(self, name).flat[entries] = getattr(one, name) / units
        if self.jacobian is not None:
            self.jacobian[:, entries] = one.column / units


def weighed(column: Column, secant: np.ndarray, v: np.ndarray, together: float) -> Derivative:
    """The derivative of v . f: truncation errors add up; rounding errors add like random numbers, times `together`. If the
    columns of several directions stand below each other, all without kinks, it has arrays of numbers."""
    weights, kink = np.abs(v), ~np.isnan(column.low)
    sums: tuple[Any, Any, Any] = column.slope @ v, np.abs(column.slope) @ weights, secant @ weights
    value, terms, total = sums
    rounding = SAFETY * together * norm(weights * column.rounding)
    bound = (column.truncation + column.doubt) @ weights + rounding
    finite = np.isfinite(bound + value)
    if not kink.any() or not finite:
        known: Any = np.where(finite, bound, math.inf)[()]
        return Derivative(value, known, rounding, terms, column.slope.T, secant=total)
    if np.isinf(column.low).any():
        return Derivative(value, math.inf, rounding, terms, column.slope, -math.inf, math.inf, total)
    ends = v * np.where(kink, column.low, column.slope), v * np.where(kink, column.high, column.slope)
    margin = 2 * rounding + float(weights[~kink] @ column.truncation[~kink])
    return Derivative(value, math.inf, rounding, terms, column.slope, float(np.minimum(*ends).sum()) - margin,
                      float(np.maximum(*ends).sum()) + margin, total)
