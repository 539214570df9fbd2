"""gradcheck: does the gradient that the engine computes agree with the function's own differences?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..core import grad
from ..tensor import Tensor
from .compare import Check
from .noise import generator
from .problem import Problem, argument_names, cut, gradients
from .report import OK, Report
from .single import with_float32


def gradcheck(f: Callable, *inputs: Any, order: int = 1, seed: int = 0, budget: int = 20_000) -> Report:
    """Compare the gradient of f with central differences, for every entry of every input.

    f: function of Tensors to a Tensor or nested tuples of them; or a Module, whose named parameters are then
    checked too. inputs: Tensors, arrays or nested tuples of them; everything is computed on float64 copies.
    Integer and boolean arrays are passed on as constants; a Tensor given twice enters f twice and is one input.
    order=2 checks the gradient of the gradient as well, and the gradient on both of the engine's paths.

    The outputs are weighted with random numbers (from `seed`, but nobody else's), since with ones a transposed gradient can
    pass. An entry is ok if analytic and numeric value agree within the numeric value's own error bound. Where f's rounding
    errors hide every entry of an input, the verdict on it is UNSEEN: not ok, and not WRONG.

    budget: how many calls of f the check may take. Most entries need four. Where that is not enough for all, a random
    sample of entries is checked, and random directions through all of them; if one of those fails, an entry that is to
    blame is searched. The report says how many of how many were looked at.

        report = gradcheck(lambda x, W: tanh(x @ W), x, W)
        print(report); assert report

    A gradient check cannot see a wrong forward: with two gates exchanged, a tanh forgotten, or [x, h] for [h, x], f is another
    function, and its gradients are right. Compare f with a reference by assert_same(mine, reference, *inputs).

    Inputs or parameters in float32 are checked in float64 at the same values; then the float32 gradient is held against
    that. Raises TypeError for outputs that are not Tensors, and if no input has floating-point numbers.
    """
    if order not in (1, 2):
        raise ValueError(f"gradcheck: order must be 1 or 2, not {order}")
    if budget < 1:
        raise ValueError(f"gradcheck: budget must be 1 or more, not {budget}")
    rng = generator(seed)
    problem = Problem(f, inputs)
    in_float32 = any(t.dtype == np.float32 for t in _given(inputs, problem))
    with problem, np.errstate(all="ignore"):  # a step out of f's domain shows as a value not finite
        check = Check(problem.outputs, problem.names, problem.leaves, rng, budget)
        report = check.report(both_paths=order == 2)
        first, tremors = report, check.tremor_of(float(np.finfo(np.float32).eps)) if in_float32 else []
        if order == 2 and report and any(y.requires_grad for y in problem.outputs()):
            report = _second_order(problem, check.v, rng, budget)
    if first and in_float32:
        with Problem(f, inputs, dtype=None) as single, np.errstate(all="ignore"):
            found = gradients(single.outputs(), single.leaves, check.v)
            report = replace(report, rows=with_float32(report.rows, check, tremors, found, single.leaves))
    options = [*(["order=2"] if order == 2 else []), f"seed={seed}", *([f"budget={budget}"] if budget != 20_000 else [])]
    return replace(report, again=_again(f, [*argument_names(f, len(inputs)), *options]),
                   notes=[*report.notes, *((OK, text) for text in _left_out(f))])


def _again(f: Callable, arguments: list[str]) -> str:
    """The call in words that can be run where f is known by its name; what has none is said."""
    name = getattr(f, "__qualname__", "").rpartition("<locals>.")[2]
    what = "" if name and "<" not in name and not hasattr(f, "__self__") else (
        f", where f is your {getattr(f, '__qualname__', type(f).__name__).rpartition('.')[2].strip('<>')}")
    call = f"gradcheck({'f' if what else name}, {', '.join(arguments)})"
    return call.replace("input ", "input_") + what


def _left_out(f: Callable) -> Iterator[str]:
    """What a Module holds besides its parameters, which is not checked."""
    for name, t in getattr(f, "not_parameters", lambda: ())():
        kind = "the result of an operation" if t.requires_grad else "a constant"
        yield f"{name}, of shape {t.shape}, is not a parameter of the Module but {kind}, and was not checked"


def _second_order(problem: Problem, v: np.ndarray, rng: np.random.Generator, budget: int) -> Report:
    cotangents = [Tensor(g, requires_grad=True) for g in cut(v, problem.outputs())]

    def first_gradients() -> list[Tensor]:
        found = [grad(y, problem.leaves, g, create_graph=True, allow_unused=True)
                 for y, g in zip(problem.outputs(), cotangents) if y.requires_grad]
        return [gradient for of_y in found for gradient in of_y if gradient is not None]

    names = ["cotangent"] if len(cotangents) == 1 else [f"cotangent[{i}]" for i in range(len(cotangents))]
    return Check(first_gradients, [*problem.names, *names], [*problem.leaves, *cotangents], rng, budget,
                 order=2).report()


def _given(inputs: Any, problem: Problem) -> Iterator[Any]:
    """All arrays and Tensors that the user gave, and the parameters."""
    for x in inputs:
        if isinstance(x, (tuple, list)):
            yield from _given(x, problem)
        elif hasattr(x, "dtype"):
            yield x
    yield from (parameter for _, parameter in problem.parameters)
