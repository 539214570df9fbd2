"""gradcheck: does the gradient that the engine computes agree with the function's own differences?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..core import grad
from ..core import state as switches
from ..tensor import Tensor
from .adapters import with_cache, with_loss
from .by_hand import ByHand
from .compare import Check
from .function import Arrays, Function, cut
from .noise import generator
from .problem import Problem, Recorded, argument_names
from .recurrence import check_time_axis
from .report import HINTS, NOT_GIVEN, OK, WRONG, Report, Row
from .single import with_float32
from .sizes import at_other_sizes


def gradcheck(f: Callable, *inputs: Any, backward: Callable | None = None, step: Callable | None = None, order: int = 1,
              seed: int = 0, budget: int = 20_000, hints: str = "full", time_axis: int | None = None) -> Report:
    """Compare the gradient of f with central differences, for every entry of every input.

    f: function of Tensors to a Tensor or nested tuples of them; or a Module, whose named parameters are then
    checked too. inputs: Tensors, arrays or nested tuples of them; everything is computed on float64 copies.
    Integer and boolean arrays are constants. If a Tensor is given twice, it enters f twice and counts as one input.
    order=2 also checks the gradient of the gradient, and the gradient on both of the engine's paths.

    The outputs are weighted with random numbers (from `seed`, equal to nobody else's), because with ones a transposed gradient
    can pass. An entry is ok if analytic and numeric value agree within the numeric value's error bound. If f's rounding errors
    hide every entry of an input, its verdict is UNSEEN: neither ok nor WRONG.

    budget: how many calls of f the check may take. Most entries need four. If it is not enough for all, a random sample of
    entries is checked, and random directions through all entries. If a direction fails, a wrong entry is searched. The report
    says how many of how many entries were checked.

        report = gradcheck(lambda x, W: tanh(x @ W), x, W)
        print(report); assert report

    hints: how much the report says about the likely mistake. "full": the mistake, its place, and the line of f. "family": the
    kind of mistake without the formula, for graded work. "none": only the verdicts. time_axis: the axis of the first input and
    of the outputs that is time, if the report cannot see it (no output depends on a later input).

    backward: gradients written by hand in NumPy. Then f(*inputs) returns an array, or nested tuples of arrays, and
    backward(g, *inputs), with g in the same structure, returns a gradient (or None) for each argument, or a dict of gradients
    by name. Inputs may be dicts; integer arrays and Python's numbers are constants. Other forms: with_cache, with_loss.

        gradcheck(rnn_forward, x, h0, Wx, Wh, b, backward=rnn_backward)

    step: one step of f's recurrence, step(x_t, h, Wx, Wh, b), which returns h or a tuple of states. It changes no verdict. If f
    cannot be traced, such as compiled code, the report names the mistake by the step's lines and variables. step has f's
    arguments in their order, first x and then the states. Called in a loop, it must give f's own numbers.

    A gradient check cannot see a wrong forward: with two gates exchanged, a tanh forgotten, or [x, h] for [h, x], f is another
    function, and its gradients are right. Compare f with a reference by assert_same(mine, reference, *inputs).

    Inputs or parameters in float32 are checked in float64 at the same values; then the float32 gradient is compared with the
    float64 gradient. Raises TypeError for outputs that are not Tensors, and if no input has floating-point numbers.
    """
    if order not in (1, 2):
        raise ValueError(f"gradcheck: order must be 1 or 2, not {order}")
    if budget < 1:
        raise ValueError(f"gradcheck: budget must be 1 or more, not {budget}")
    if step is not None and backward is None and not isinstance(f, (with_cache, with_loss)):
        raise ValueError("gradcheck: step= is for gradients written by hand, with backward=; those of Tensors are recorded")
    check_time_axis(time_axis, inputs)
    if hints not in HINTS:
        raise ValueError(f"gradcheck: hints must be one of {', '.join(map(repr, HINTS))}, not {hints!r}")
    options = [*(["order=2"] if order == 2 else []), f"seed={seed}", *([f"budget={budget}"] if budget != 20_000 else []),
               *([f"hints={hints!r}"] if hints != "full" else []),
               *([f"time_axis={time_axis}"] if time_axis is not None else [])]
    functions = {"backward": backward, "step": step}
    judged = partial(judge, seed=seed, budget=budget, hints=hints, time_axis=time_axis)
    if backward is None and isinstance(f, (with_cache, with_loss)):
        backward = f.backward
    if backward is not None:
        if order == 2:
            raise ValueError("gradcheck: order=2 needs gradients that the engine computes; these are written by hand")
        report = _by_hand(f, backward, inputs, judged, step, time_axis)
    else:
        report = _of_engine(f, inputs, order, judged)
    return replace(report, again=_again(f, argument_names(f, len(inputs)), functions, options))


def _of_engine(f: Callable, inputs: tuple, order: int, judged: Callable[..., Report]) -> Report:
    before, problem = kept(f), Problem(f, inputs)
    in_float32 = any(t.dtype == np.float32 for t in given(inputs, problem))
    with ExitStack() as lent, np.errstate(all="ignore"):  # a step out of f's domain gives a value that is not finite
        lent.enter_context(problem)
        function = problem.function()

        def second(v: np.ndarray) -> Recorded | None:
            return second_order(function, v) if any(y.requires_grad for y in problem.outputs()) else None

        def single(v: np.ndarray) -> tuple[list[np.ndarray], list[np.dtype]]:
            lent.close()  # the parameters get their own values back, in float32
            return in_single(f, inputs, v)

        report = judged(function, second, single if in_float32 else None, order)
    return replace(report, notes=[*report.notes, *((OK, text) for text in left_out(f, before))])


def _by_hand(f: Callable, backward: Callable, inputs: tuple, judged: Callable[..., Report], step: Callable | None,
             time_axis: int | None) -> Report:
    def single(v: np.ndarray) -> tuple[Arrays, list[np.dtype]]:
        alone = ByHand(f, backward, inputs, dtype=None)
        return alone.gradients(alone.xs, v), [x.dtype for x in alone.xs]

    with np.errstate(all="ignore"):
        function = ByHand(f, backward, inputs, step=step, time_axis=time_axis)
        report = judged(function, lambda v: None, single if function.in_float32 else None, 1)
        others = at_other_sizes(function) if report else []
    not_given = {name: x.shape for name, x in function.not_given.items()}
    return written_by_hand(report, function.shape_problems, not_given, [*function.notes, *others])


def written_by_hand(report: Report, shape_problems: dict[str, str], not_given: dict[str, tuple[int, ...]],
                    notes: list[str]) -> Report:
    """The report with notes about gradients of a wrong shape and missing gradients, for a backward pass written by hand."""
    rows = [replace(row, verdict=WRONG, failing=row.checked, notes=(shape_problems[row.name],)) if row.name in shape_problems
            else row for row in report.rows]
    rows += [Row(name, shape, math.prod(shape), 0, 0, None, 0.0, 0.0, 0.0, NOT_GIVEN) for name, shape in not_given.items()]
    return replace(report, rows=rows, notes=[*report.notes, *((OK, text) for text in notes)])


def judge(function: Function, second: Callable[[np.ndarray], Function | None],
          single: Callable[[np.ndarray], tuple[list[np.ndarray], list[np.dtype]]] | None, order: int, seed: int,
          budget: int, hints: str = "full", time_axis: int | None = None) -> Report:
    """The report on a function. second(v): its gradients, for the cotangent v, as a function again; None if there are
    none. single: its gradients in float32, and the inputs' dtypes, if some are float32."""
    check = Check(function, generator(seed), budget, hints, time_axis)
    report = first = check.report(both_paths=order == 2)
    tremors = check.tremor(float(np.finfo(np.float32).eps)) if single else []
    if order == 2 and report:
        again = second(check.v)
        report = Check(again, check.rng, budget, hints).report() if again is not None else report
    if first and single:
        found, dtypes = single(check.v)
        report = replace(report, rows=with_float32(report.rows, check, tremors, found, dtypes))
    return report


def in_single(f: Callable, inputs: tuple, v: np.ndarray) -> tuple[list[np.ndarray], list[np.dtype]]:
    """The gradients in the precision of the inputs and parameters, and their dtypes."""
    with Problem(f, inputs, dtype=None) as problem:
        alone = problem.function()
        return alone.gradients(alone.xs, v), [x.dtype for x in alone.xs]


def _again(f: Callable, arguments: list[str], functions: dict[str, Callable | None], options: list[str]) -> str:
    """The call as Python that runs where the functions are defined; the text says so of those without a name."""
    notes: list[str] = []

    def named(given: Callable, place: str) -> str:
        name = getattr(given, "__qualname__", getattr(given, "__name__", type(given).__name__)).rpartition("<locals>.")[2]
        if getattr(np, name, None) is given:
            return f"np.{name}"
        if hasattr(given, "written"):
            if "<" not in given.written:
                return given.written
            notes.append(f"{place} is your {given.written}")
            return place
        if "<" not in name and hasattr(given, "__qualname__") and not hasattr(given, "__self__"):
            return name
        notes.append(f"{place} is your {name.rpartition('.')[2].strip('<>')}")
        return place

    call = [named(f, "f"), *(name.replace("input ", "input_") for name in arguments),
            *(f"{place}={named(given, place)}" for place, given in functions.items() if given is not None), *options]
    return f"gradcheck({', '.join(call)})" + (f", where {' and '.join(notes)}" if notes else "")


def kept(f: Callable) -> dict[str, np.ndarray]:
    """Copies of a Module's Tensors and arrays that are no parameters."""
    return {name: _values(x).copy() for name, x in _no_parameters(f)}


def left_out(f: Callable, before: dict[str, np.ndarray]) -> Iterator[str]:
    """A Module's Tensors and arrays that are no parameters, and so not checked. before: what it kept before it was called."""
    for name, x in _no_parameters(f):
        if name not in before or not np.array_equal(before[name], _values(x), equal_nan=True):
            yield (f"{name}, of shape {x.shape}, is no parameter of the Module, and changes from call to call: pass it to the "
                   "Module and return it, and its gradients are checked too")
        elif isinstance(x, np.ndarray):
            yield (f"{name}, of shape {x.shape}, is an array, not a parameter of the Module, and was not checked. A parameter is "
                   f"a Tensor: self.{name.rpartition('.')[2]} = Tensor(..., requires_grad=True)")
        else:
            kind = "the result of an operation" if x.requires_grad else "a constant"
            yield f"{name}, of shape {x.shape}, is not a parameter of the Module but {kind}, and was not checked"


def _no_parameters(f: Callable) -> Iterator[tuple[str, Any]]:
    yield from getattr(f, "not_parameters", lambda: ())()
    for path, module in getattr(f, "named_modules", lambda: ())():
        for name, x in vars(module).items():
            if isinstance(x, np.ndarray) and x.dtype.kind == "f":
                yield f"{path}{'.' * bool(path)}{name}", x


def _values(x: Any) -> np.ndarray:
    return x if isinstance(x, np.ndarray) else x.numpy()


def second_order(function: Recorded, v: np.ndarray) -> Recorded:
    """The function's gradients as a function of the inputs and the cotangents, which start from v."""
    function.values(function.xs)  # the leaves get these values back
    cotangents = [Tensor(g, requires_grad=True) for g in cut(v, function.shapes)]

    def first_gradients(create_graph: bool = True) -> list[Tensor]:
        found = [grad(y, function.leaves, g, create_graph, allow_unused=True)
                 for y, g in zip(function.outputs(), cotangents) if y.requires_grad]
        return [gradient if isinstance(gradient, Tensor) else Tensor(np.zeros(leaf.shape) if gradient is None else gradient)
                for of_y in found for gradient, leaf in zip(of_y, function.leaves)]  # the number of outputs stays the same

    def unrecorded() -> list[Tensor]:
        return first_gradients(create_graph=switches.watch is not None)  # a watch sees recorded formulas only

    names = ["cotangent"] if len(cotangents) == 1 else [f"cotangent[{i}]" for i in range(len(cotangents))]
    return Recorded(first_gradients, [*function.names, *names], [*function.leaves, *cotangents], order=2,
                    quiet=unrecorded)


def given(inputs: Any, problem: Problem) -> Iterator[Any]:
    """The user's arrays and Tensors, and the parameters."""
    for x in inputs:
        if isinstance(x, (tuple, list)):
            yield from given(x, problem)
        elif hasattr(x, "dtype"):
            yield x
    yield from (parameter for _, parameter in problem.parameters)
