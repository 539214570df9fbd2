"""The verdict: decides from arrays alone which entries of a gradient are right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .noise import norm
from .numeric import Differences
from .slopes import Derivatives

TOO_WIDE = 1e-3  # a bound wider than this share of the gradient's size shows nothing
ULPS = 300  # rounding errors that a right gradient may have, relative to its terms
TREMBLES = 16  # or so many times its change if all inputs change by a few rounding errors
STEADY = 100  # unless that is so many times f's own errors: then a formula treats exactly these values in a way of its own


@dataclass
class Input:
    """One input of the function, at a point. differences: the outputs' differences for it. analytic: the gradient to check.
    tremor: the gradient's change among inputs a few rounding errors away."""

    number: int
    name: str
    differences: Differences
    analytic: np.ndarray
    tremor: np.ndarray

    @property
    def x(self) -> np.ndarray:
        return self.differences.x

    @property
    def eps(self) -> float:
        return self.differences.eps


@dataclass
class Finding:
    """The findings on one input: flat arrays for the checked entries.

    Each entry is wrong, unknown, on a kink, hidden by rounding errors, or right and seen. still: hidden, and f hardly changes
    there, as the gradient says. bound: error bound of the numeric value. error: the largest difference to it of a right
    gradient, with its own rounding errors. size: the scale for both. kinks_meet: the gradient is right nearby. jumps: f jumps
    near the unknown entries.
    """

    input: Input
    numeric: Derivatives
    entries: np.ndarray
    error: np.ndarray
    size: np.ndarray
    wrong: np.ndarray
    unknown: np.ndarray
    on_kink: np.ndarray
    hidden: np.ndarray
    still: np.ndarray
    direction: str = ""
    kinks_meet: bool = False
    jumps: bool = False

    def of_entries(self, name: str) -> np.ndarray:
        return getattr(self.numeric, name).ravel()[self.entries]

    @property
    def errors(self) -> np.ndarray:
        """`error` as an array like the input; infinite where nothing was checked."""
        errors = np.full(self.input.x.shape, np.inf)
        errors.flat[self.entries] = self.error
        return errors

    @property
    def a(self) -> np.ndarray:
        return self.input.analytic.ravel()[self.entries]

    @property
    def seen(self) -> np.ndarray:
        return ~(self.wrong | self.unknown | self.on_kink | self.hidden)


def judged(of: Input, numeric: Derivatives, entries: np.ndarray, v: np.ndarray, weights: np.ndarray, order: int = 1,
           repeatable: bool = True) -> Finding:
    """The analytic gradient of v . f compared with the numeric one, for entries with these flat numbers. weights: what v's
    numbers were multiplied by."""
    a = of.analytic.ravel()[entries]
    value, bound, rounding, terms, low, high, secant = (getattr(numeric, part).ravel()[entries] for part in (
        "value", "bound", "rounding", "terms", "low", "high", "secant"))
    silence = of.eps * np.abs(v).sum() / of.differences.sizes.ravel()[entries]  # inner values near 1 may hide so much of a slope,
    silent = (terms == 0) & (secant == 0) & (np.abs(a) <= silence)  # if f does not change at all
    bound = np.where(silent, np.maximum(bound, silence), bound)
    seen, quiet = bound <= np.abs(value), _quiet(numeric, entries, v, weights)
    known = value[seen]
    others = np.minimum(norm(known), quiet * norm(known / quiet[seen])) / np.sqrt(max(1, value.size))
    size = np.maximum(np.abs(value), others)
    size = size if known.size else np.fmax(size, secant)  # if f is level: its change a step away
    ulps, trembles = ULPS * of.eps * terms, TREMBLES * of.tremor.ravel()[entries]
    trembles = np.where((trembles > TOO_WIDE * size) & (trembles > STEADY * (bound + ulps)), 0, trembles)
    inexact = ulps + trembles
    error = bound + inexact
    on_kink = np.isfinite(low) & np.isfinite(high)
    right = np.where(on_kink, (low - ulps <= a) & (a <= high + ulps), np.abs(a - value) <= error)
    wide = ~(error <= TOO_WIDE * size) | (size == 0)  # written so that NaN counts as unknown, or else as wrong
    in_noise = (0 < trembles) & (np.abs(a) <= trembles) & right  # the gradient itself
    hidden = wide & ~on_kink & np.isfinite(error) & ((error <= 3 * (rounding + inexact)) | in_noise | silent)
    unknown = wide & ~hidden & ~on_kink | (not repeatable) | ~np.isfinite(value)
    if order == 2:  # a kink of f is a jump of its gradient
        unknown |= on_kink & ~right
    wrong = ~right & ~unknown
    return Finding(of, numeric, entries, error, size, wrong, unknown, on_kink & ~wrong, hidden & ~wrong, np.zeros(a.shape, bool))


def _quiet(numeric: Derivatives, entries: np.ndarray, v: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """For each entry: how much smaller weights have made its derivative. It must not look too small to matter."""
    if numeric.jacobian is None:
        return np.ones(len(entries))
    changes = np.abs(numeric.jacobian[:, entries])
    whole = np.abs(v / weights) @ changes
    return np.divide(np.abs(v) @ changes, whole, out=np.ones(len(entries)), where=whole > 0)
