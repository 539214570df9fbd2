"""gradcheck: does the gradient that the engine computes agree with the function's own differences?"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..backward import grad
from ..op import no_grad
from ..ops import concat
from ..tensor import Tensor
from .diagnosis import diagnose
from .numeric import Derivatives, derivatives
from .report import INCONCLUSIVE, KINK, OK, WRONG, Report, Row

TOO_WIDE = 1e-3  # a bound wider than this part of the gradient's own size shows nothing


def gradcheck(f: Callable, *inputs: Any, order: int = 1, seed: int = 0) -> Report:
    """Compare the gradient of f with central differences, for every entry of every input.

    f: function of Tensors to a Tensor or nested tuples of them; or a Module, whose named parameters are then
    checked too. inputs: Tensors, arrays or nested tuples of them; everything is computed on float64 copies.
    Integer and boolean arrays are passed on as constants. order=2 checks the gradient of the gradient as well,
    and the gradient on both of the engine's paths.

    The outputs are weighted with random numbers (drawn from `seed`), since with ones a transposed gradient can
    pass. An entry is ok if analytic and numeric value agree within the numeric value's own error bound.

        report = gradcheck(lambda x, W: tanh(x @ W), x, W)
        print(report); assert report

    Raises TypeError for parameters that are not float64, and for outputs that are not Tensors.
    """
    if order not in (1, 2):
        raise ValueError(f"gradcheck: order must be 1 or 2, not {order}")
    problem = Problem(f, inputs)
    rng = np.random.default_rng(seed)
    y = f(*problem.arguments)
    v = rng.normal(size=_flat(y).size)
    report = _compare(problem.outputs, problem.names, problem.leaves, v, both_paths=order == 2,
                      y_shape=y.shape if isinstance(y, Tensor) else None)
    if order == 1 or not report or not problem.outputs().requires_grad:
        return report

    cotangent = Tensor(v, requires_grad=True)

    def first_gradients() -> Tensor:
        found = grad(problem.outputs(), problem.leaves, cotangent, create_graph=True, allow_unused=True)
        return _flat(tuple(gradient for gradient in found if gradient is not None))

    return _compare(first_gradients, [*problem.names, "cotangent"], [*problem.leaves, cotangent],
                    rng.normal(size=first_gradients().size), reported_order=2)


class Problem:
    """A function with fresh float64 inputs: `leaves` are all that it can be differentiated for, parameters too."""

    def __init__(self, f: Callable, inputs: tuple) -> None:
        self.f, self.arguments = f, tuple(_fresh(x) for x in inputs)
        named = [(name, leaf) for argument, x in zip(_argument_names(f, len(inputs)), self.arguments)
                 for name, leaf in _leaves(x, argument)]
        for name, parameter in f.named_parameters() if hasattr(f, "named_parameters") else ():
            if parameter.dtype != np.float64:
                raise TypeError(f"gradcheck works in float64, but the parameter {name} is {parameter.dtype}; "
                                "make the module with dtype=np.float64")
            if parameter.requires_grad:
                named.append((name, parameter))
        self.names, self.leaves = [name for name, _ in named], [leaf for _, leaf in named]
        if not self.leaves:
            raise TypeError("gradcheck: no input has floating-point numbers, so there is nothing to check; "
                            "integer arrays are constants: convert them with .astype(float)")

    def outputs(self) -> Tensor:
        """All outputs in one vector."""
        return _flat(self.f(*self.arguments))

    def gradients(self, v: np.ndarray) -> list[np.ndarray]:
        """The engine's gradients of v . outputs."""
        return _gradients(self.outputs(), self.leaves, v, create_graph=False)


def _fresh(x: Any) -> Any:
    """A float64 leaf for every array of numbers, in the same nesting; integer and boolean arrays as they are."""
    if _is_nesting(x):
        items = [_fresh(item) for item in x]
        return x._make(items) if hasattr(x, "_fields") else tuple(items)
    array = x.numpy() if isinstance(x, Tensor) else np.asarray(x)
    of_numbers = array.dtype.kind == "f" or isinstance(x, (int, float, list))
    return Tensor(array.astype(np.float64), requires_grad=True) if of_numbers else x


def _is_nesting(x: Any) -> bool:
    """A tuple or list of inputs; a list of numbers is an array."""
    return isinstance(x, tuple) or isinstance(x, list) and any(isinstance(item, (Tensor, np.ndarray, tuple)) for item in x)


def _leaves(x: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(x, tuple):
        for i, item in enumerate(x):
            yield from _leaves(item, f"{name}[{i}]")
    elif isinstance(x, Tensor) and x.requires_grad:
        yield name, x


def _argument_names(f: Callable, n: int) -> list[str]:
    """The names of f's positional parameters, as far as it has any."""
    try:
        parameters = inspect.signature(getattr(f, "forward", f)).parameters.values()
    except (TypeError, ValueError):
        parameters = {}.values()  # type: ignore[assignment]
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return names[:n] + [f"input {i}" for i in range(len(names), n)]


def _flat(outputs: Any) -> Tensor:
    """All outputs in one vector."""
    if isinstance(outputs, (tuple, list)):
        return concat(*map(_flat, outputs)) if outputs else Tensor(np.zeros(0))
    if not isinstance(outputs, Tensor):
        raise TypeError(f"gradcheck: f must return a Tensor or a tuple of Tensors, not {type(outputs).__name__}")
    return outputs.reshape(-1)


def _compare(outputs: Callable[[], Tensor], names: list[str], leaves: list[Tensor], v: np.ndarray, *,
             both_paths: bool = False, y_shape: tuple[int, ...] | None = None, reported_order: int = 1) -> Report:
    """both_paths: the gradient as computed with create_graph=True must be right too. y_shape: of f's only output."""
    y, again = outputs(), outputs()
    repeatable = np.array_equal(y.numpy(), again.numpy(), equal_nan=True)
    found = [_gradients(y, leaves, v, create_graph) for create_graph in ([False, True] if both_paths else [False])]
    quiet, rows = _unrecorded(outputs), []
    for name, leaf, analytic in zip(names, leaves, zip(*found)):
        numeric = _numeric(quiet, leaf, v)
        worst = max(analytic, key=lambda g: np.nan_to_num(np.abs(g - numeric.value), nan=np.inf).max(initial=0))
        row = _row(name, worst, numeric, repeatable)
        if row.verdict == WRONG:
            shape = y_shape if y_shape is not None else y.shape
            row = replace(row, notes=(*row.notes, *diagnose(
                worst, numeric, leaf.numpy(), y.numpy().reshape(shape), v.reshape(shape),
                partial(_numeric, quiet, leaf, np.ones(v.shape)))))
        rows.append(row)
    return Report(rows, reported_order)


def _numeric(outputs: Callable[[], Tensor], leaf: Tensor, v: np.ndarray) -> Derivatives:
    """The numeric gradient for one input; the input is then as it was."""
    original = leaf.numpy()

    def values(x: np.ndarray) -> np.ndarray:
        leaf.data = x
        return outputs().numpy()

    try:
        with np.errstate(all="ignore"):  # a step out of the function's domain shows as a value that is not finite
            return derivatives(values, original, v)
    finally:
        leaf.data = original


def _unrecorded(outputs: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """The same numbers without recording, which is faster, unless f needs the record, as it does if it calls grad()."""
    quiet = no_grad()(outputs)
    try:
        quiet()
    except RuntimeError:
        return outputs
    return quiet


def _gradients(y: Tensor, leaves: list[Tensor], v: np.ndarray, create_graph: bool) -> list[np.ndarray]:
    """The gradients that the engine computes, zeros where it finds no path."""
    found = grad(y, leaves, v, create_graph, allow_unused=True) if y.requires_grad else [None] * len(leaves)
    return [np.zeros(leaf.shape) if g is None else g.numpy() if isinstance(g, Tensor) else g for leaf, g in zip(leaves, found)]


def _row(name: str, analytic: np.ndarray, numeric: Derivatives, repeatable: bool) -> Row:
    value, bound = numeric.value, numeric.bound
    if not value.size:
        return Row(name, value.shape, 0, 0, None, 0.0, 0.0, 0.0, OK)
    error = np.abs(analytic - value)
    finite = value[np.isfinite(value)]
    size = np.maximum(np.abs(value), np.sqrt(np.mean(finite * finite)) if finite.size else 0)
    with np.errstate(invalid="ignore"):  # comparisons are written so that NaN counts as unknown, or else as wrong
        wide = ~(bound <= TOO_WIDE * size)
        in_noise = wide & (bound <= 2 * numeric.rounding)  # too small a gradient to show beside the rounding errors of f
        on_kink = np.isfinite(numeric.low) & np.isfinite(numeric.high)
        unknown = wide & ~in_noise & ~on_kink | (not repeatable)
        right = np.where(on_kink, (numeric.low <= analytic) & (analytic <= numeric.high), error <= bound)
    wrong = ~right & ~unknown
    severity = np.where(wrong, 2.0, unknown) * 1e300 + np.nan_to_num(error / np.maximum(bound, 1e-300), posinf=1e299)
    index = np.unravel_index(np.argmax(severity), value.shape)
    verdict = WRONG if wrong.any() else INCONCLUSIVE if unknown.any() else KINK if on_kink.any() else OK
    return Row(name, value.shape, value.size, int((wrong | unknown).sum()), tuple(int(i) for i in index),
               float(analytic[index]), float(value[index]), float(bound[index]), verdict,
               tuple(_notes(analytic, numeric, repeatable, unknown, on_kink & ~wrong, in_noise & ~wrong)))


def _notes(analytic: np.ndarray, numeric: Derivatives, repeatable: bool, unknown: np.ndarray, on_kink: np.ndarray,
           in_noise: np.ndarray) -> Iterator[str]:
    if not repeatable:
        yield "f gives other values when it is called again with the same inputs (does it draw random numbers?)"
    elif unknown.any():
        jumps = np.isinf(numeric.low).any()
        yield f"f {'jumps' if jumps else 'is not smooth or not finite'} near the entries that fail"
    if on_kink.any():
        yield f"{on_kink.sum()} entries lie on a kink of f, where any slope between left and right is accepted"
    hidden = in_noise & ((numeric.value != 0) | (analytic != 0))
    if hidden.any():
        yield (f"{hidden.sum()} entries are too small to show beside the rounding errors of f, "
               f"errors up to {numeric.bound[hidden].max():.1e} in them would not be seen")
    if not analytic.any() and not numeric.value.any():
        yield "the gradient is 0 everywhere: this input was not really tested (try other values)"
