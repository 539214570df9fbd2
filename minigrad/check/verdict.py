"""The verdict: which entries of a gradient are right, from arrays alone, and what that makes of the whole input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..tensor import Tensor
from .numeric import Derivatives

TOO_WIDE = 1e-3  # a bound wider than this part of the gradient's own size shows nothing
ULPS = 300  # rounding errors that a right gradient may have, in units of the terms that it adds up
TREMBLES = 16  # or times what it changes by if all inputs change by a few rounding errors


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


def judged(name: str, leaf: Tensor, analytic: np.ndarray, numeric: Derivatives, entries: np.ndarray, *, v: np.ndarray,
           eps: float, tremor: np.ndarray, repeatable: bool, order: int) -> Finding:
    a = analytic.ravel()[entries]
    value, bound, rounding, terms, low, high = (getattr(numeric, part).ravel()[entries] for part in (
        "value", "bound", "rounding", "terms", "low", "high"))
    finite = value[np.isfinite(value)]
    size = np.maximum(np.abs(value), np.sqrt(np.mean(finite * finite)) if finite.size else 0)
    wide = ~(bound <= TOO_WIDE * size)  # comparisons are written so that NaN counts as unknown, or else as wrong
    in_noise = wide & np.isfinite(bound) & (bound <= 3 * rounding)  # too small to show beside f's rounding errors
    trembles = TREMBLES * tremor.ravel()[entries]
    in_noise |= wide & (0 < trembles) & (np.abs(a) <= trembles) & (np.abs(a - value) <= bound) & np.isnan(low)  # a is noise
    in_noise |= (bound == 0) & (np.abs(a) * np.abs(leaf.numpy().ravel()[entries]) <= eps * np.abs(v).sum())
    on_kink = np.isfinite(low) & np.isfinite(high)
    unknown = wide & ~in_noise & ~on_kink | (not repeatable) | ~np.isfinite(value)
    ulps = ULPS * eps * terms
    inexact = ulps + trembles
    right = np.where(on_kink, (low - ulps <= a) & (a <= high + ulps), np.abs(a - value) <= bound + inexact)
    if order == 2:  # what is a kink of f is a jump of its gradient
        unknown |= on_kink & ~right
    wrong = ~right & ~unknown & ~(in_noise & (bound == 0))
    return Finding(name, leaf, analytic, numeric, entries, wrong, unknown, on_kink & ~wrong, in_noise & ~wrong)
