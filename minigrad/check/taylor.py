"""The Taylor test: a second opinion on a gradient, as in the lecture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .noise import generator
from .problem import Problem

STEPS = tuple(2.0 ** -k for k in range(4, 12))


@dataclass(frozen=True)
class TaylorReport:
    """The remainders R(h) = |f(x + h d) - f(x) - h g.d| for a random direction d, and the power of h by which they shrink.

    With the right gradient g the power is 2, or more; with a wrong one it is 1. Truthy if it is 2 to within a tenth, or
    if the remainders are rounding errors, as for a linear f. Falsy if g.d itself is so small that rounding errors hide
    it at every step, as for a saturated f: then nothing was tested.
    """

    steps: tuple[float, ...]
    remainders: tuple[float, ...]
    rounding: float
    slope: float  # g.d

    @property
    def orders(self) -> tuple[float, ...]:
        """log2 R(h) / R(h/2) for each pair of steps; NaN where the remainders are rounding errors."""
        return tuple(float(np.log2(a / b)) if min(a, b) > self.rounding else float("nan")
                     for a, b in zip(self.remainders, self.remainders[1:]))

    def __bool__(self) -> bool:
        return self.verdict.startswith("ok")

    @property
    def verdict(self) -> str:
        if not np.isfinite(self.remainders).all():
            return "INCONCLUSIVE, not finite"
        seen = [order for order in self.orders if order == order]
        if seen and not seen[-1] > 1.9:
            return "WRONG, order 1"
        if 0 < abs(self.slope) * self.steps[0] <= self.rounding:
            return f"UNSEEN, the slope {self.slope:.1e} along this direction is hidden by rounding errors (try other values)"
        return "ok, order 2" if seen else ("ok, but the remainders are only rounding errors: f is linear, or does not depend "
                                           "on this direction")

    def __str__(self) -> str:
        lines = [f"{'h':>10}  {'remainder':>10}  order"]
        for step, remainder, order in zip(self.steps, self.remainders, (float("nan"), *self.orders)):
            lines.append(f"{step:>10.2e}  {remainder:>10.2e}  {'-' if order != order else f'{order:.2f}'}")
        return "\n".join([f"Taylor test: {self.verdict}", *lines])


def taylor_test(f: Callable, *inputs: Any, seed: int = 0) -> TaylorReport:
    """Compare f with its first-order Taylor polynomial along a random direction through all inputs and parameters.

    It has gradcheck's arguments; random weights reduce f's outputs to one number. gradcheck looks at each entry; this test
    looks at all entries at once, with two evaluations for each step.
    """
    rng = generator(seed)
    with Problem(f, inputs) as problem, np.errstate(all="ignore"):
        function = problem.function()
        xs, v = function.xs, rng.normal(size=function.size)
        directions = [rng.normal(size=x.shape) * (np.sqrt(np.mean(x ** 2)) or 1.0) if x.size else x for x in xs]
        slope = sum(float((g * d).sum()) for g, d in zip(function.gradients(xs, v), directions))
        here = function.values(xs)
        remainders = tuple(abs(float(v @ (function.values([x + h * d for x, d in zip(xs, directions)]) - here)) - h * slope)
                           for h in STEPS)
    rounding = 1e3 * function.eps * float(np.abs(v) @ np.abs(here) + abs(slope))
    return TaylorReport(STEPS, remainders, rounding, slope)
