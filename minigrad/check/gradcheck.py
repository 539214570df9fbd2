"""gradcheck: does the gradient that the engine computes agree with the function's own differences?"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..backward import grad
from ..ops import concat
from ..tensor import Tensor
from .numeric import derivatives
from .report import INCONCLUSIVE, OK, WRONG, Report, Row

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
    rng = np.random.default_rng(seed)
    arguments = tuple(_fresh(x) for x in inputs)
    named = [(name, leaf) for name, x in zip(_argument_names(f, len(inputs)), arguments) for name, leaf in _leaves(x, name)]
    for name, parameter in f.named_parameters() if hasattr(f, "named_parameters") else ():
        if parameter.dtype != np.float64:
            raise TypeError(f"gradcheck works in float64, but the parameter {name} is {parameter.dtype}; "
                            "make the module with dtype=np.float64")
        named.append((name, parameter))
    names, leaves = [name for name, _ in named], [leaf for _, leaf in named]
    if not leaves:
        raise TypeError("gradcheck: no input has floating-point numbers, so there is nothing to check; "
                        "integer arrays are constants: convert them with .astype(float)")

    def outputs() -> Tensor:
        return _flat(f(*arguments))

    v = rng.normal(size=outputs().size)
    report = _compare(outputs, names, leaves, v, both_paths=order == 2)
    if order == 1 or not report or not outputs().requires_grad:
        return report

    cotangent = Tensor(v, requires_grad=True)

    def first_gradients() -> Tensor:
        found = grad(outputs(), leaves, cotangent, create_graph=True, allow_unused=True)
        return _flat(tuple(gradient for gradient in found if gradient is not None))

    return _compare(first_gradients, [*names, "cotangent"], [*leaves, cotangent],
                    rng.normal(size=first_gradients().size), reported_order=2)


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
             both_paths: bool = False, reported_order: int = 1) -> Report:
    """both_paths: the gradient as computed with create_graph=True must be right too."""
    y, again = outputs(), outputs()
    repeatable = np.array_equal(y.numpy(), again.numpy(), equal_nan=True)
    found = [_gradients(y, leaves, v, create_graph) for create_graph in ([False, True] if both_paths else [False])]
    rows = []
    for name, leaf, analytic in zip(names, leaves, zip(*found)):
        numeric, bound, rounding = _numeric(outputs, leaf, v)
        worst = max(analytic, key=lambda g: np.nan_to_num(np.abs(g - numeric), nan=np.inf).max(initial=0))
        rows.append(_row(name, worst, numeric, bound, rounding, repeatable))
    return Report(rows, reported_order)


def _numeric(outputs: Callable[[], Tensor], leaf: Tensor, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The numeric gradient for one input and its error bounds; the input is then as it was."""
    original = leaf.numpy()

    def values(x: np.ndarray) -> np.ndarray:
        leaf.data = x
        return outputs().numpy()

    try:
        with np.errstate(all="ignore"):  # a step out of the function's domain shows as a value that is not finite
            return derivatives(values, original, v)
    finally:
        leaf.data = original


def _gradients(y: Tensor, leaves: list[Tensor], v: np.ndarray, create_graph: bool) -> list[np.ndarray]:
    """The gradients that the engine computes, zeros where it finds no path."""
    found = grad(y, leaves, v, create_graph, allow_unused=True) if y.requires_grad else [None] * len(leaves)
    return [np.zeros(leaf.shape) if g is None else g.numpy() if isinstance(g, Tensor) else g for leaf, g in zip(leaves, found)]


def _row(name: str, analytic: np.ndarray, numeric: np.ndarray, bound: np.ndarray, rounding: np.ndarray,
         repeatable: bool) -> Row:
    if not numeric.size:
        return Row(name, numeric.shape, 0, 0, None, 0.0, 0.0, 0.0, OK)
    error = np.abs(analytic - numeric)
    finite = numeric[np.isfinite(numeric)]
    size = np.maximum(np.abs(numeric), np.sqrt(np.mean(finite * finite)) if finite.size else 0)
    with np.errstate(invalid="ignore"):
        wide = ~(bound <= TOO_WIDE * size)  # written so that NaN counts as wide
        in_noise = wide & (bound <= 2 * rounding)  # too small a gradient to show beside the rounding errors of f
        unknown = wide & ~in_noise | (not repeatable)
        wrong = ~(error <= bound) & ~unknown
    severity = np.where(wrong, 2.0, unknown) * 1e300 + np.nan_to_num(error / np.maximum(bound, 1e-300), posinf=1e299)
    index = np.unravel_index(np.argmax(severity), numeric.shape)
    visible = in_noise & ((numeric != 0) | (analytic != 0)) & ~wrong
    note = ("f gives other values when it is called again with the same inputs" if not repeatable else
            "f is not smooth or not finite near the entries that fail" if unknown.any() else
            f"{visible.sum()} entries are too small to show beside the rounding errors of f, "
            f"errors up to {bound[visible].max():.1e} in them would not be seen" if visible.any() else "")
    return Row(name, numeric.shape, numeric.size, int((wrong | unknown).sum()), tuple(int(i) for i in index),
               float(analytic[index]), float(numeric[index]), float(bound[index]),
               WRONG if wrong.any() else INCONCLUSIVE if unknown.any() else OK, note)
