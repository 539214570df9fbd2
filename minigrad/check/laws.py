"""Laws that hold for the gradients of every function. Each law has found real errors.

A gradient is linear in g, the gradient that arrives at the output, and zero for g = 0. A second computation gives the
same. It shares no memory with other arrays.
"""

from __future__ import annotations

import numpy as np

from .function import Point
from .report import INCONCLUSIVE, WRONG

LINEAR = 1e-6  # relative to the largest gradient: far above most rounding errors, far below the error of a non-linear formula
MOST_NOISE = 1e-3  # a gradient with more noise consists of rounding errors, and obeys no law
SAME = 1e-12  # relative to the largest gradient: several threads may add in another order
SCALES = (1e-6, 1e6)
NOT_TIMES_G = "something in it is not multiplied by g: it is not zero where nothing arrives"
NO_G = "it does not depend on g, the gradient arriving at the output: it is the same where nothing arrives"
ADDS_UP = "it grows each time that it is computed: is it added to what the call before has left, and never set to zero?"
ABOUT_G = (NOT_TIMES_G, NO_G, ADDS_UP)
NOT_LINEAR = "the gradient is not linear in g, the gradient arriving at the output"


def broken_laws(here: Point, v: np.ndarray, found: list[np.ndarray], bounds: list[np.ndarray],
                rng: np.random.Generator) -> list[tuple[str, str]]:
    """(verdict, sentence) for each broken law. found: the gradients for the cotangent v. bounds: the error bounds of their
    numeric values, larger if large terms cancel."""
    notes = []
    sizes = [np.abs(g).max(initial=0) if np.isfinite(g).all() else np.inf for g in found]
    errors = [bound[np.isfinite(bound)].max(initial=0) if np.isfinite(bound).any() else np.inf for bound in bounds]
    tolerances = [max(LINEAR, 300 * here.function.eps) * size + error if error < MOST_NOISE * size else np.inf
                  for size, error in zip(sizes, errors)]

    def agree(some: list[np.ndarray], other: list[np.ndarray], tolerances: list[float], factor: float = 1) -> bool:
        """Compares finite entries only, because a large g may overflow."""
        return all((np.abs(a - b)[np.isfinite(a) & np.isfinite(b)] <= factor * tolerance).all()
                   for a, b, tolerance in zip(some, other, tolerances))

    again, at_zero = here.gradients(v), here.gradients(0 * v)
    if not agree(again, found, [SAME * size for size in sizes]):  # then no other law can be tested
        notes.append((INCONCLUSIVE, "the gradient has other values when it is computed again: does a formula draw random "
                                    "numbers, or change something that it keeps?"))
    elif any((_known(a)[np.isfinite(g)] != 0).any() for a, g in zip(at_zero, found)):
        notes.append((WRONG, "the gradient is not zero where no gradient arrives (g = 0): something in it is not "
                             "multiplied by g"))
    elif not all(agree(here.gradients(scale * v), [scale * g for g in found], tolerances, scale) for scale in SCALES):
        notes.append((WRONG, _clipped(here, v) or f"{NOT_LINEAR}: twice g must give twice the gradient"))
    elif not agree(here.gradients(w := v * rng.choice([-1.0, 2.0], v.shape)),
                   [a - b for a, b in zip(here.gradients(v + w), found)], tolerances, 4):
        notes.append((WRONG, f"{NOT_LINEAR}: the gradients for two different g must add up to the gradient for their sum"))
    elif not all(np.isfinite(a[np.isfinite(g)]).all() for a, g in zip(at_zero, found)):
        notes.append((WRONG, f"{NOT_LINEAR}: for g = 0 it must be zero, and it is NaN or infinite"))
    arrays = [("the cotangent", v), *((f"input {i}", x) for i, x in enumerate(here.function.held()))]
    for i, g in enumerate(again):
        shared = [name for name, array in arrays if np.shares_memory(g, array)]
        if shared:
            notes.append((WRONG, f"gradient {i} shares memory with {', '.join(shared)}: writing into one changes the other"))
        arrays.append((f"gradient {i}", g))
    return notes


def not_of_g(here: Point, v: np.ndarray) -> list[str]:
    """For each gradient that is not zero where nothing arrives, or that is another one in the next call: a sentence."""
    return [_not_of_g(*gradients) for gradients in zip(*(here.gradients(times * v) for times in (0, 1, 1, 2)))]


def _not_of_g(at_zero: np.ndarray, once: np.ndarray, again: np.ndarray, twice: np.ndarray) -> str:
    if not np.array_equal(once, again):
        return ADDS_UP if np.allclose(twice - again, 2 * (again - once), rtol=LINEAR) else ""
    at_zero = _known(at_zero)
    return NO_G if at_zero.any() and np.array_equal(at_zero, twice) else NOT_TIMES_G if at_zero.any() else ""


def _known(at_zero: np.ndarray) -> np.ndarray:
    """Zero for NaN, as from a division by the norm of g: that does not show a term without g."""
    return np.where(np.isfinite(at_zero), at_zero, 0)


def _clipped(here: Point, v: np.ndarray) -> str:
    """The sentence for a gradient that stops growing with g."""
    for large, larger in zip(*(here.gradients(scale * v) for scale in (1e6, 1e7))):
        sizes = np.abs(large[large != 0])
        if sizes.size and np.array_equal(large, larger):
            if (sizes == sizes[0]).all() and sizes.size > 1:
                return f"the gradient is clipped at {sizes[0]:.6g}: check it before it is clipped"
            return "the gradient stops growing with g, the gradient arriving at the output: is something clipped on the way?"
    return ""
