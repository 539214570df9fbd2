"""What must hold of every gradient, whatever the function: each of these laws found real errors.

The gradient is linear in g, the gradient arriving at the output, and zero for g = 0; it is the same when it is computed
again; and it shares no memory with anything.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..core import record_of
from ..tensor import Tensor
from .problem import gradients
from .report import INCONCLUSIVE, WRONG

LINEAR = 1e-6  # relative to the largest gradient: far above most rounding errors, far below what a non-linear formula does
MOST_NOISE = 1e-3  # of which a gradient that consists of rounding errors has more: it obeys no law
SAME = 1e-12  # relative to the largest gradient: a sum may be added up in another order on several threads
SCALES = (1e-6, 1e6)


def broken_laws(outputs: Callable[[], list[Tensor]], leaves: list[Tensor], v: np.ndarray, found: list[np.ndarray],
                bounds: list[np.ndarray], rng: np.random.Generator) -> list[tuple[str, str]]:
    """(verdict, what is wrong) for each law that does not hold. found: the gradients for the cotangent v; bounds: what their
    numeric values may be off, which is more where large terms cancel."""
    ys, notes = outputs(), []
    sizes = [np.abs(g).max(initial=0) if np.isfinite(g).all() else np.inf for g in found]
    errors = [bound[np.isfinite(bound)].max(initial=0) if np.isfinite(bound).any() else np.inf for bound in bounds]
    tolerances = [max(LINEAR, 300 * lowest_precision(ys)) * size + error if error < MOST_NOISE * size else np.inf
                  for size, error in zip(sizes, errors)]

    def agree(some: list[np.ndarray], other: list[np.ndarray], tolerances: list[float], factor: float = 1) -> bool:
        """Where they are finite: a large g may overflow."""
        return all((np.abs(a - b)[np.isfinite(a) & np.isfinite(b)] <= factor * tolerance).all()
                   for a, b, tolerance in zip(some, other, tolerances))

    if any((a[np.isfinite(g)] != 0).any() for a, g in zip(gradients(ys, leaves, 0 * v), found)):
        notes.append((WRONG, "the gradient is not zero where no gradient arrives (g = 0): a formula adds something that is not "
                             "multiplied by g"))
    elif not (all(agree(gradients(ys, leaves, scale * v), [scale * g for g in found], tolerances, scale) for scale in SCALES)
              and agree(gradients(ys, leaves, w := v * rng.choice([-1.0, 2.0], v.shape)),
                        [a - b for a, b in zip(gradients(ys, leaves, v + w), found)], tolerances, 4)):
        notes.append((WRONG, "the gradient is not linear in g, the gradient arriving at the output: twice g must give twice the "
                             "gradient"))
    again = gradients(ys, leaves, v)
    if not agree(again, found, [SAME * size for size in sizes]):
        notes.append((INCONCLUSIVE, "the gradient has other values when it is computed again: does a formula draw random "
                                    "numbers, or change something that it keeps?"))
    arrays = [("the cotangent", v), *((f"input {i}", leaf.array) for i, leaf in enumerate(leaves))]
    for i, g in enumerate(again):
        shared = [name for name, array in arrays if np.shares_memory(g, array)]
        if shared:
            notes.append((WRONG, f"gradient {i} shares memory with {', '.join(shared)}: writing into one changes the other"))
        arrays.append((f"gradient {i}", g))
    return notes


def lowest_precision(outputs: list[Tensor]) -> float:
    """The largest machine epsilon of all that they were computed with: 2e-16, or 1e-7 if some of it was float32."""
    nodes = {node for y in outputs if y.node is not None for node in record_of(y.node)}
    return max((float(np.finfo(node.dtype).eps) for node in nodes), default=0.0)
