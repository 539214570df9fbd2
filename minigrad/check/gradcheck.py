"""gradcheck: does the gradient that the engine computes agree with the function's own differences?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..backward import grad
from ..tensor import Tensor
from .compare import Check
from .numeric import EPS
from .problem import Problem, argument_names, cut, gradients
from .report import INCONCLUSIVE, KINK, OK, WRONG, Report, Row
from .verdict import TREMBLES


def gradcheck(f: Callable, *inputs: Any, order: int = 1, seed: int = 0, budget: int = 20_000) -> Report:
    """Compare the gradient of f with central differences, for every entry of every input.

    f: function of Tensors to a Tensor or nested tuples of them; or a Module, whose named parameters are then
    checked too. inputs: Tensors, arrays or nested tuples of them; everything is computed on float64 copies.
    Integer and boolean arrays are passed on as constants; a Tensor given twice enters f twice and is one input.
    order=2 checks the gradient of the gradient as well, and the gradient on both of the engine's paths.

    The outputs are weighted with random numbers (drawn from `seed`), since with ones a transposed gradient can
    pass. An entry is ok if analytic and numeric value agree within the numeric value's own error bound.

    budget: how many calls of f the check may take. Most entries need four. Where that is not enough for all, a random
    sample of entries is checked, and random directions through all of them; if one of those fails, an entry that is to
    blame is searched. The report says how many of how many were looked at.

        report = gradcheck(lambda x, W: tanh(x @ W), x, W)
        print(report); assert report

    Inputs or parameters in float32 are checked in float64 at the same values; then the float32 gradient is held against
    that. Raises TypeError for outputs that are not Tensors, and if no input has floating-point numbers.
    """
    if order not in (1, 2):
        raise ValueError(f"gradcheck: order must be 1 or 2, not {order}")
    if budget < 1:
        raise ValueError(f"gradcheck: budget must be 1 or more, not {budget}")
    rng = np.random.default_rng(seed)
    again = f"gradcheck({getattr(f, '__name__', type(f).__name__)}, {', '.join(argument_names(f, len(inputs)))}"
    again += f"{', order=2' if order == 2 else ''}, seed={seed}{f', budget={budget}' if budget != 20_000 else ''})"
    with Problem(f, inputs) as problem, np.errstate(all="ignore"):  # a step out of f's domain shows as a value not finite
        check = Check(problem, problem.outputs, problem.names, problem.leaves, rng, budget)
        report = check.report(both_paths=order == 2)
        first = report
        if order == 2 and report and any(y.requires_grad for y in problem.outputs()):
            report = _second_order(problem, check.v, rng, budget)
    if first and any(t.dtype == np.float32 for t in _given(inputs, problem)):
        with Problem(f, inputs, dtype=None) as single, np.errstate(all="ignore"):
            found = gradients(single.outputs(), single.leaves, check.v)
            report = replace(report, rows=_with_float32(report.rows, check, found, single.leaves))
    return replace(report, again=again)


def _second_order(problem: Problem, v: np.ndarray, rng: np.random.Generator, budget: int) -> Report:
    cotangents = [Tensor(g, requires_grad=True) for g in cut(v, problem.outputs())]

    def first_gradients() -> list[Tensor]:
        found = [grad(y, problem.leaves, g, create_graph=True, allow_unused=True)
                 for y, g in zip(problem.outputs(), cotangents) if y.requires_grad]
        return [gradient for of_y in found for gradient in of_y if gradient is not None]

    names = ["cotangent"] if len(cotangents) == 1 else [f"cotangent[{i}]" for i in range(len(cotangents))]
    return Check(problem, first_gradients, [*problem.names, *names], [*problem.leaves, *cotangents], rng, budget,
                 order=2).report()


def _given(inputs: Any, problem: Problem) -> Iterator[Any]:
    """All arrays and Tensors that the user gave, and the parameters."""
    for x in inputs:
        if isinstance(x, (tuple, list)):
            yield from _given(x, problem)
        elif hasattr(x, "dtype"):
            yield x
    yield from (parameter for _, parameter in problem.parameters)


def _with_float32(rows: list[Row], check: Check, single: list[np.ndarray], leaves: list[Tensor]) -> list[Row]:
    """What the float32 gradients are worth, measured by the float64 ones of `check`. Branches of f may flip, and what
    consists of rounding errors may be anything, so only gross errors count."""
    found = list(rows)
    for i, (right, tremor, g, leaf) in enumerate(zip(check.analytic, check.tremor, single, leaves)):
        if leaf.dtype == np.float32 and right.size:
            eps, size = float(np.finfo(np.float32).eps), float(np.abs(right).max()) or 1.0
            errors = float(np.abs(g - right)[(g != 0) | (right == 0)].max(initial=0)) / size / eps
            allowed = 0.1 / eps + TREMBLES * float(tremor.max()) / EPS / size
            verdict, note = rows[i].verdict, f"in float32 it is right to {errors:.2g} rounding errors"
            if not g.any() and right.any():
                note = "in float32 it is 0 everywhere: it is lost in rounding errors"
            elif not np.isfinite(errors):
                verdict = max(verdict, INCONCLUSIVE, key=(OK, KINK, INCONCLUSIVE, WRONG).index)
                note = "in float32 it is not finite"
            elif errors > allowed or g.dtype != leaf.dtype:
                verdict, note = WRONG, f"in float32 it is WRONG by {errors:.2g} rounding errors"
            found[i] = replace(rows[i], verdict=verdict, notes=(*rows[i].notes, note))
    return found
