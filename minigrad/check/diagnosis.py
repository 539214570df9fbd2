"""What a wrong gradient most likely is: patterns that explain all of its numbers.

Each hypothesis computes the gradient that the mistake would give, from the numeric gradient, the cotangent g, the
input and the output; it is named only if that reproduces every entry of the analytic gradient to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np

from .numeric import Derivatives

Hypothesis = tuple[str, np.ndarray, np.ndarray]  # what to say, the gradient that it would give, its error bound


def diagnose(analytic: np.ndarray, numeric: Derivatives, x: np.ndarray, y: np.ndarray, g: np.ndarray,
             for_ones: Callable[[], Derivatives]) -> list[str]:
    """Every explanation that fits, the first one most likely; one sentence that says so if none does.

    analytic, x: like the input; y, g: output and cotangent, of one shape. for_ones() is the numeric gradient for g = 1.
    """
    if not np.isfinite(analytic).all():
        return [f"{(~np.isfinite(analytic)).sum()} entries are NaN or infinite"]
    if not analytic.any():
        return ["it is zero everywhere: no gradient reaches this input (a detach() or an array on the way?)"]
    found = [text for text, gradient, bound in _hypotheses(numeric, x, y, g, for_ones)
             if gradient.shape == analytic.shape and (np.abs(analytic - gradient) <= 2 * bound + 1e-11 * np.abs(gradient)).all()]
    factor = _factor(analytic, numeric, x, y)
    found += [factor] if factor and not any("sign" in text for text in found) else []
    return found or [_place(analytic, numeric, x) or "no simple pattern explains the wrong entries"]


def _hypotheses(numeric: Derivatives, x: np.ndarray, y: np.ndarray, g: np.ndarray,
                for_ones: Callable[[], Derivatives]) -> Iterator[Hypothesis]:
    n, bound = numeric.value, numeric.bound
    yield "the sign is flipped", -n, bound
    for i, j in combinations(range(n.ndim), 2):
        if n.shape[i] == n.shape[j]:
            yield f"it is transposed: axes {i} and {j} are exchanged", n.swapaxes(i, j), bound.swapaxes(i, j)
    for axis, length in enumerate(n.shape):
        if length > 2:
            yield f"it is reversed along axis {axis}", np.flip(n, axis), np.flip(bound, axis)
        for k in range(1, length):
            yield f"it is rolled by {k} along axis {axis}", np.roll(n, k, axis), np.roll(bound, k, axis)
    ones = for_ones()
    yield "g, the gradient arriving at the output, is ignored: this is the gradient for g = 1", ones.value, ones.bound
    for axis in range(g.ndim if g.ndim > 1 else 0):
        yield f"it is g summed over axis {axis}", g.sum(axis=axis), np.zeros(g.sum(axis=axis).shape)
    if x.shape == y.shape:
        yield "it is g itself: the derivative of the operation is missing", g, np.zeros(g.shape)
        with np.errstate(all="ignore"):
            s = 1 / (1 + np.exp(-x))
            for text, slope in (
                ("y (1 - y), as for sigmoid", y * (1 - y)), ("1 - y^2, as for tanh", 1 - y * y),
                ("x (1 - x), sigmoid's at the input instead of the output", x * (1 - x)),
                ("1 - x^2, tanh's at the input instead of the output", 1 - x * x),
                ("y", y), ("x", x), ("1 / x", 1 / x), ("1 / y", 1 / y), ("cos x", np.cos(x)), ("exp x", np.exp(x)),
                ("sigmoid(x)", s), ("s (1 - s) with s = sigmoid(x)", s * (1 - s)), ("1 - tanh(x)^2", 1 - np.tanh(x) ** 2),
            ):
                yield f"it is g times {text}", g * slope, np.abs(g) * 1e-12


def _factor(analytic: np.ndarray, numeric: Derivatives, x: np.ndarray, y: np.ndarray) -> str | None:
    """One factor between all entries."""
    n = numeric.value
    if np.count_nonzero(n) < 2:
        return None
    factor = float((analytic * n).sum() / (n * n).sum())
    if not (np.abs(analytic - factor * n) <= 2 * np.abs(factor) * numeric.bound + 1e-11 * np.abs(factor * n)).all():
        return None
    lengths = {length for array in (x, y) for length in (*array.shape, array.size) if length > 1}
    hint = "".join(f" (1/{length}: is it divided by a length or a size?)" for length in sorted(lengths)
                   if np.isclose(factor * length, 1, rtol=1e-6))
    hint += "".join(f" ({length} is a length or a size of the arrays)" for length in sorted(lengths)
                    if np.isclose(factor, length, rtol=1e-6))
    return f"every entry is {factor:.6g} times what it should be{hint}"


def _place(analytic: np.ndarray, numeric: Derivatives, x: np.ndarray) -> str | None:
    """Where the wrong entries are, if they are all the entries of one kind."""
    wrong = ~(np.abs(analytic - numeric.value) <= numeric.bound)
    zero = " and zero there" if not analytic[wrong].any() else ""
    for text, kind in (("negative", x < 0), ("positive", x > 0)):
        if kind.any() and not kind.all() and (wrong == kind).all():
            return f"it is wrong{zero} where the input is {text}, and right elsewhere"
    for axis, length in enumerate(wrong.shape):
        slices = np.moveaxis(wrong, axis, 0).reshape(length, -1)
        at = np.flatnonzero(slices.all(axis=1))
        if 0 < len(at) < length and len(at) == at[-1] - at[0] + 1 and not np.delete(slices, at, axis=0).any():
            where = f"index {at[0]}" if len(at) == 1 else f"indices {at[0]}..{at[-1]}"
            return f"it is wrong{zero} at {where} of axis {axis}, and right elsewhere"
    return f"{wrong.sum()} entries are zero and should not be" if zero else None
