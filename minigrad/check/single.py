"""Checks float32 gradients: compares them with the float64 gradients at the same values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .compare import Check
from .report import INCONCLUSIVE, KINK, OK, UNSEEN, WRONG, Row
from .verdict import TREMBLES, ULPS

SATURATED = 64  # rounding errors of f's values that a derivative such as 1 - y^2 may have, where y is nearly 1
EPS, TINY = (float(getattr(np.finfo(np.float32), name)) for name in ("eps", "tiny"))


def with_float32(rows: list[Row], check: Check, tremors: list[np.ndarray], single: list[np.ndarray],
                 dtypes: list[np.dtype]) -> list[Row]:
    """The rows, with notes on the gradients `single` for inputs of these dtypes, some of them float32.

    Each may differ from the check's gradient by float32's rounding errors in its terms and in f's own values, and by its
    tremor, the change of the gradient if all inputs change by such errors.
    """
    return [_with_float32(row, check, i, tremors[i], single[i], dtypes[i]) if i < len(dtypes) else row
            for i, row in enumerate(rows)]


def _with_float32(row: Row, check: Check, i: int, tremor: np.ndarray, g: np.ndarray, dtype: np.dtype) -> Row:
    finding = check.findings[i]
    right, differences = finding.input.analytic, finding.input.differences
    if dtype != np.float32 or not right.size:
        return row
    terms = finding.numeric.terms
    terms = np.fmax(np.where(np.isnan(terms), np.nanmax(terms, initial=0), terms), np.abs(right))
    of_values = float((np.abs(check.v) * differences.noise.scale).max(initial=0)) / differences.sizes
    allowed = EPS * (ULPS * terms + SATURATED * of_values) + TREMBLES * tremor + TINY
    difference = np.abs(g - right)
    verdict, note = row.verdict, f"in float32 it is off by at most {difference.max():.1e}, which rounding errors explain"
    if not g.any() and right.any():
        note = "in float32 it is 0 everywhere: it is lost in rounding errors"
    if not np.isfinite(difference).all():
        verdict = max(verdict, INCONCLUSIVE, key=(OK, KINK, UNSEEN, INCONCLUSIVE, WRONG).index)
        note = "in float32 it is not finite"
    elif (difference > allowed).any() or g.dtype != dtype:
        worst = np.unravel_index(np.argmax(difference / allowed), g.shape)
        verdict, note = WRONG, (f"in float32 it is WRONG: {g[worst]:.8g} at {list(map(int, worst))}, where {right[worst]:.8g} is "
                                f"right, and rounding errors explain a difference of {allowed[worst]:.1e}")
    return replace(row, verdict=verdict, notes=(*row.notes, note))
