"""The verdict: which entries of a gradient are right, from arrays alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..tensor import Tensor
from .noise import norm
from .slopes import Derivatives

TOO_WIDE = 1e-3  # a bound wider than this part of the gradient's own size shows nothing
ULPS = 300  # rounding errors that a right gradient may have, in units of the terms that it adds up
TREMBLES = 16  # or times what it changes by if all inputs change by a few rounding errors


@dataclass
class Finding:
    """What is known of one input: flat arrays of the entries that were looked at.

    Each entry is wrong, unknown, on a kink, hidden by rounding errors, or right and seen. still: hidden, and f hardly changes
    there, as the gradient says. bound: of the numeric value; error: what a right gradient may differ from it by, rounding
    errors of its own included; size: what both are measured by.
    """

    number: int
    name: str
    leaf: Tensor
    analytic: np.ndarray
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

    def of_entries(self, name: str) -> np.ndarray:
        return getattr(self.numeric, name).ravel()[self.entries]

    @property
    def a(self) -> np.ndarray:
        return self.analytic.ravel()[self.entries]

    @property
    def seen(self) -> np.ndarray:
        return ~(self.wrong | self.unknown | self.on_kink | self.hidden)


def judged(number: int, name: str, leaf: Tensor, analytic: np.ndarray, numeric: Derivatives, entries: np.ndarray, *, eps: float,
           tremor: np.ndarray, silence: np.ndarray, repeatable: bool, order: int) -> Finding:
    """silence: slopes that may stay below the rounding errors of inner values near 1, if f does not change at all."""
    a = analytic.ravel()[entries]
    value, bound, rounding, terms, low, high, secant = (getattr(numeric, part).ravel()[entries] for part in (
        "value", "bound", "rounding", "terms", "low", "high", "secant"))
    silent = (terms == 0) & (secant == 0) & (np.abs(a) <= silence.ravel()[entries])
    bound = np.where(silent, np.maximum(bound, silence.ravel()[entries]), bound)
    known = value[bound <= np.abs(value)]
    size = np.maximum(np.abs(value), norm(known) / np.sqrt(max(1, value.size)))
    size = np.fmax(size, secant)  # where f is level: what it does a step away
    ulps, trembles = ULPS * eps * terms, TREMBLES * tremor.ravel()[entries]
    inexact = ulps + trembles
    error = bound + inexact
    on_kink = np.isfinite(low) & np.isfinite(high)
    right = np.where(on_kink, (low - ulps <= a) & (a <= high + ulps), np.abs(a - value) <= error)
    wide = ~(error <= TOO_WIDE * size) | (size == 0)  # written so that NaN counts as unknown, or else as wrong
    in_noise = (0 < trembles) & (np.abs(a) <= trembles) & right  # the gradient itself
    hidden = wide & ~on_kink & np.isfinite(error) & ((error <= 3 * (rounding + inexact)) | in_noise | silent)
    unknown = wide & ~hidden & ~on_kink | (not repeatable) | ~np.isfinite(value)
    if order == 2:  # what is a kink of f is a jump of its gradient
        unknown |= on_kink & ~right
    wrong = ~right & ~unknown
    return Finding(number, name, leaf, analytic, numeric, entries, error, size, wrong, unknown, on_kink & ~wrong, hidden & ~wrong,
                   np.zeros(a.shape, bool))
