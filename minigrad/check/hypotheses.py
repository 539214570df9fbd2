"""Usual mistakes in gradient formulas. Each mistake gives a gradient, and diagnosis.py compares it with the wrong one.

A family takes a Situation and yields (the sentence, the gradient, its error bound).
If a family tries numbers such as y (1 - y), it also tries them with a constant factor such as 2 or -1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations, permutations

import numpy as np

from .situation import ROUNDING, Situation, Values, elementwise, fitting, with_error

MANY_INDICES = 32  # on longer axes, single indices are not tried
OF_INPUT = "it is the gradient of "
MANY_AXES = 4  # with more axes, not all orders are tried

Hypothesis = tuple[str, np.ndarray, np.ndarray]


# -- the right numbers in wrong places ------------------------------------------------------------------


def moved(s: Situation) -> Iterator[Hypothesis]:
    for text, move in _moves(s.x.shape):
        gradient = move(s.numeric)
        if not any(text.endswith(f"along axis {axis}") and _only_at_one_index(gradient, axis) for axis in range(s.x.ndim)):
            text = text.replace("its axes are", "its axes are those of the right one")
            why = " (a transpose goes back by the inverse of its own order)" if "in the order" in text else ""
            yield f"it is {text}{why}", gradient, move(s.error)
    for shape in {s.x.shape, *(y.shape for y in s.ys if y.size == s.x.size)}:
        gradient, error = (a.reshape(shape).reshape(s.x.shape, order="F") for a in (s.numeric, s.error))
        yield "its elements are in another order: read column by column, where row by row is right", gradient, error


def _only_at_one_index(a: np.ndarray, axis: int) -> bool:
    """Then there are many ways to move it."""
    return a.shape[axis] > 2 and int(np.moveaxis(a, axis, 0).reshape(a.shape[axis], -1).any(axis=1).sum()) < 2


def shuffled(s: Situation) -> Iterator[Hypothesis]:
    places = np.argsort(s.numeric, axis=None)
    if np.unique(s.numeric).size > 2:
        gradient, error = np.empty(s.x.size), np.empty(s.x.size)
        to = np.argsort(s.analytic, axis=None)
        gradient[to], error[to] = s.numeric.ravel()[places], s.error.ravel()[places]
        yield "the numbers are right, but they are in the wrong places", gradient.reshape(s.x.shape), error.reshape(s.x.shape)


def _moves(shape: tuple[int, ...]) -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    """Ways to rearrange an array that keep its shape."""
    for axes in permutations(range(len(shape))) if len(shape) <= MANY_AXES else ():
        moved_axes = [i for i in range(len(shape)) if axes[i] != i]
        if moved_axes and tuple(shape[i] for i in axes) == shape:
            yield (f"transposed: axes {' and '.join(map(str, moved_axes))} are exchanged" if len(moved_axes) == 2 else
                   f"transposed: its axes are in the order {axes}"), partial(np.transpose, axes=axes)
    for axis, length in enumerate(shape):
        if length > 2:
            yield f"reversed along axis {axis}", partial(np.flip, axis=axis)
        for k in range(1, min(length, MANY_INDICES)):
            halves = ", so that its halves are exchanged," if 2 * k == length > 2 else ""
            yield f"rolled by {k}{halves} along axis {axis}", partial(np.roll, shift=k, axis=axis)


def by_sign(s: Situation) -> Iterator[Hypothesis]:
    """Tried before indices, because the places where an input is negative may be some indices by chance."""
    if [y.shape for y in s.ys] == [s.x.shape] and (s.x < 0).any() and (s.x > 0).any():
        for text, kept in (("negative", s.x > 0), ("positive", s.x < 0)):
            yield f"it is zero where the input is {text}, and right elsewhere", s.numeric * kept, s.error * kept


# -- the gradient for another cotangent -----------------------------------------------------------------


def cotangents(s: Situation) -> Iterator[Hypothesis]:
    """Gradients for a changed g."""
    yield ("g, the gradient arriving at the output, is ignored: this is the gradient for g = 1",
           *s.for_cotangents([np.ones(g.shape) for g in s.gs]))
    for j in range(len(s.gs) if len(s.gs) > 1 else 0):
        lost = [np.zeros(g.shape) if i == j else g for i, g in enumerate(s.gs)]
        yield f"the gradient that arrives at output {j} is lost", *s.for_cotangents(lost)
        yield f"only the gradient that arrives at output {j} counts", *s.for_cotangents([g - l for g, l in zip(s.gs, lost)])
    for i, j in permutations(range(len(s.gs)), 2):
        if s.gs[i].shape == s.gs[j].shape:
            added = [g + s.gs[i] if k == j else 0 * g if k == i else g for k, g in enumerate(s.gs)]
            yield f"the gradient that arrives at output {i} is added to that of output {j}", *s.for_cotangents(added)
            swapped = [s.gs[j] if k == i else s.gs[i] if k == j else g for k, g in enumerate(s.gs)]
            yield f"the gradients that arrive at outputs {i} and {j} are exchanged", *s.for_cotangents(swapped)
    for j, g in enumerate(s.gs):
        of_output = f" of output {j}" if len(s.gs) > 1 else " of the output"
        for text, changed in _changed(g):
            yield text.replace("#", of_output), *s.for_cotangents([changed if i == j else other for i, other in enumerate(s.gs)])


def uses(s: Situation) -> Iterator[Hypothesis]:
    """Several outputs contribute to an entry: some parts are not added, or are added to another entry."""
    contributions = np.concatenate([g.ravel() for g in s.gs])[:, None] * s.jacobian
    reached = contributions != 0
    if (reached.sum(axis=0) > 1).any():
        for text, rows in (("last", len(reached) - 1 - np.argmax(reached[::-1], axis=0)), ("first", np.argmax(reached, axis=0))):
            one = contributions[rows, np.arange(s.x.size)].reshape(s.x.shape)
            yield (f"of several uses of an entry only the {text} counts: is it overwritten instead of added up, or are the "
                   "others lost?",
                   one, np.abs(one) * s.relative_error)
    if len(s.ys) == 1 and (reached.sum(axis=1) <= 1).all():  # each output depends on one entry only, as on a bias
        parts = contributions.sum(axis=1).reshape(s.ys[0].shape)
        for axes in combinations(range(parts.ndim), max(1, parts.ndim - s.x.ndim)):
            total = parts.sum(axis=axes)
            yield (f"it is summed over the wrong axis of the output, {', '.join(map(str, axes))}", total,
                   np.abs(parts).sum(axis=axes) * s.relative_error.max())


def _changed(g: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    for axis, n in enumerate(g.shape):
        index = np.arange(n).reshape([-1 if i == axis else 1 for i in range(g.ndim)])
        for k in range(n if 1 < n <= MANY_INDICES else 0):
            yield f"only index {k} of axis {axis}# counts", np.where(index == k, g, 0)
        for k in range(n if 2 < n <= MANY_INDICES else 0):
            yield f"index {k} of axis {axis}# is left out", np.where(index == k, 0, g)
        for k in range(2, n - 1 if n <= MANY_INDICES else 0):
            yield f"only indices 0..{k - 1} of axis {axis}# count", np.where(index < k, g, 0)
            yield f"only indices {k}..{n - 1} of axis {axis}# count", np.where(index >= k, g, 0)
    for text, move in _moves(g.shape):
        why = "" if "halves" in text else " (a step too many, or one forgotten)"
        yield f"it would be right if g were {text}{why}", move(g)
    for axis, n in enumerate(g.shape):
        if n > 1:
            total = g.sum(axis=axis, keepdims=True)
            yield f"g is summed over axis {axis}# before it is used", np.broadcast_to(total, g.shape)
            yield f"g is averaged over axis {axis}# before it is used", np.broadcast_to(total / n, g.shape)
            for k in (0, n - 1):
                one = np.broadcast_to(g.take([k], axis), g.shape)
                yield f"the gradient at index {k} of axis {axis}# is used for all of them", one


# -- the gradient for other inputs ----------------------------------------------------------------------


def of_another_input(s: Situation) -> Iterator[Hypothesis]:
    for name, (gradient, error) in s.gradients_of_others.items():
        yield OF_INPUT + name, gradient, error


def inputs(s: Situation) -> Iterator[Hypothesis]:
    """One value is used in place of another."""
    changes: list[tuple[str, dict[str, np.ndarray]]] = []
    if [y.shape for y in s.ys] == [s.x.shape]:
        changes.append(("it is the derivative at the output y instead of the input", {s.name: s.ys[0]}))
        changes.append((f"it is the derivative at -{s.name}: is a mask or a sign the wrong way round?", {s.name: -s.x}))
        changes.append((f"it is the derivative at |{s.name}|: negative inputs count as positive ones", {s.name: np.abs(s.x)}))
    for name, other in s.others.items():
        for text, move in _moves(other.shape):
            if text.startswith("transposed"):
                how = "" if other.ndim == 2 else text.removeprefix("transposed")
                changes.append((f"it would be right if {name} were transposed{how}; is a transpose missing, or one too many?",
                                {name: move(other)}))
        if other.shape == s.x.shape:
            changes.append((f"{s.name} is used where {name} is right", {name: s.x}))
    for text, change in changes:
        found = s.again(change)
        if found is not None:
            yield text, *found


# -- g times something, and the right gradient times something --------------------------------------------


def passed_through(s: Situation) -> Iterator[Hypothesis]:
    for of_g, g, _, back in elementwise(s):
        yield (f"it is g{of_g}" if of_g else "it is g itself: the operation's own derivative is missing"), *with_error(g, back)


def one_index(s: Situation) -> Iterator[Hypothesis]:
    """The gradient that arrives at one index of an output is used, such as the first step's for the initial state."""
    for j, g in enumerate(s.gs):
        for axis, n in enumerate(g.shape):
            for k in range(n if n <= MANY_INDICES and g.shape[:axis] + g.shape[axis + 1:] == s.x.shape else 0):
                of_output = f"output {j}" if len(s.gs) > 1 else "the output"
                yield (f"it is what arrives at index {k} of axis {axis} of {of_output}, and nothing that comes back through "
                       "later operations", g.take(k, axis), ROUNDING * np.abs(g.take(k, axis)))


def formulas(s: Situation) -> Iterator[Hypothesis]:
    """The derivative of another function."""
    for of_g, g, values, back in elementwise(s):
        for text, factor in _factors(values):
            yield f"it is g times {text}{of_g}", *with_error(g * factor, back)
    yield from _products(s)


def factors(s: Situation) -> Iterator[Hypothesis]:
    """A superfluous factor, a missing factor, or another one in its place, anywhere inside."""
    if len(s.ys) != 1:
        return
    y, g = s.ys[0], s.gs[0]
    again = 1 / (1 + np.exp(-y))
    slopes = {"1 - y^2, tanh's derivative": 1 - y * y, "y (1 - y), sigmoid's derivative": y * (1 - y)}
    wrong_slopes = slopes | {"1 - tanh(y)^2, with tanh once too often": 1 - np.tanh(y) ** 2,
                             "s (1 - s) with s = sigmoid(y), sigmoid once too often": again * (1 - again)}
    for text, slope in slopes.items():
        yield f"the factor {text}, is missing", *s.for_cotangents([g / slope])
        for wrong, instead in wrong_slopes.items():
            if wrong != text:
                yield f"{wrong}, stands where {text}, is right", *s.for_cotangents([g * instead / slope])
    values = fitting({s.name: s.x, **s.others}, y.shape) | {"y": y}
    for text, factor in sorted((f for name, q in values.items() for f in of_one(name, q)), key=lambda f: len(f[0])):
        if text in ("exp y", "log y", "sqrt y"):  # true, but nobody writes it
            continue
        yield f"a factor {text} is missing", *s.for_cotangents([g / factor])
        yield f"the factor {text} is superfluous", *s.for_cotangents([g * factor])


def terms(s: Situation) -> Iterator[Hypothesis]:
    """A term of a sum is missing or superfluous: the term is the difference between right and wrong gradient."""
    for of_g, g, values, back in elementwise(s):
        yield f"g{of_g}", *with_error(g, back)
        for text, factor in _factors(values):
            if not text.startswith("(1 "):  # 1 - b and the like explain too much
                yield f"g times {text}{of_g}", *with_error(g * factor, back)
    if [y.shape for y in s.ys] == [s.x.shape]:
        y, g = s.ys[0], s.gs[0]
        for axis in range(y.ndim):
            for text, a, b in (("y sum(g y)", y, g * y), ("exp(y) sum(g)", np.exp(y), g)):
                yield (f"{text}, summed along axis {axis},", a * b.sum(axis=axis, keepdims=True),
                       ROUNDING * np.abs(a) * np.abs(b).sum(axis=axis, keepdims=True))


def _factors(values: Values) -> Iterator[tuple[str, np.ndarray]]:
    """Derivatives of well-known functions, and simple expressions in x, y and the other inputs."""
    n = next(iter(values))
    x, y = values[n], values["y"]
    s, t = 1 / (1 + np.exp(-x)), np.tanh(x)
    yield from {
        "y (1 - y), as for sigmoid": y * (1 - y), "1 - y^2, as for tanh": 1 - y * y,
        f"{n} (1 - {n}), sigmoid's at the input instead of the output": x * (1 - x),
        f"1 - {n}^2, tanh's at the input instead of the output": 1 - x * x, f"cos {n}": np.cos(x), f"sin {n}": np.sin(x),
        f"1 / (1 + {n}^2)": 1 / (1 + x * x), f"1 / (1 - {n}^2)": 1 / (1 - x * x), f"1 / (1 + {n})": 1 / (1 + x),
        f"sigmoid({n})": s, f"s (1 - s) with s = sigmoid({n})": s * (1 - s),
        f"{n} s (1 - s) with s = sigmoid({n})": x * s * (1 - s),
        f"s (1 + {n} (1 - s)) with s = sigmoid({n}), as for silu": s * (1 + x * (1 - s)),
        f"tanh {n}": t, f"1 - tanh({n})^2": 1 - t * t, f"{n} (1 - tanh({n})^2)": x * (1 - t * t), f"exp(-{n})": np.exp(-x),
        f"{n} y": x * y, f"y / {n}": y / x, f"{n} / y": x / y,
    }.items()
    masks = {f"({n} > 0), as for relu": x > 0, f"({n} < 0)": x < 0, f"the sign of {n}": np.sign(x), "(y > 0)": y > 0}
    for name, q in values.items():
        yield from of_one(name, q)
        masks |= {f"({n} > {name})": x > q, f"({n} < {name})": x < q} if name not in (n, "y") else {}
    yield from ((text, mask) for text, mask in masks.items() if np.unique(mask).size > 1)  # a mask that is 1 everywhere is none
    for name, q in values.items():
        if name not in (n, "y"):
            yield from {f"{name} {n}": q * x, f"{name} y": q * y, f"{name} / {n}": q / x, f"{n} / {name}": x / q,
                        f"y / {name}": y / q, f"{name} / y": q / y, f"({name} - {n})": q - x}.items()


def of_one(name: str, q: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield from {name: q, f"1 / {name}": 1 / q, f"{name}^2": q * q, f"1 / {name}^2": 1 / (q * q), f"(1 - {name})": 1 - q,
                f"(1 + {name})": 1 + q, f"(1 - {name}^2)": 1 - q * q, f"(1 + {name}^2)": 1 + q * q,
                f"{name} (1 - {name})": q * (1 - q), f"log {name}": np.log(q), f"exp {name}": np.exp(q),
                f"sqrt {name}": np.sqrt(q), f"{name}^3": q * q * q}.items()


def _products(s: Situation) -> Iterator[Hypothesis]:
    """Matrix products of another input with g, or with g times an activation's derivative."""
    if len(s.ys) != 1 or s.ys[0].ndim != 2 or s.x.ndim != 2:
        return
    y, g = s.ys[0], s.gs[0]
    of_g = {"g": g, "(g (1 - y^2))": g * (1 - y * y), "(g y (1 - y))": g * y * (1 - y), "(g (y > 0))": g * (y > 0)}
    matrices = {name: a for name, a in s.others.items() if a.ndim == 2}

    def both(named: Values) -> Iterator[tuple[str, np.ndarray]]:
        for name, a in named.items():
            yield name, a
            yield f"{name}.T", a.T

    right, found = "", []
    for (name, a), (other, b) in ((p, q) for p in both(of_g) for q in both(matrices)):
        for text, one, two in ((f"{name} @ {other}", a, b), (f"{other} @ {name}", b, a)):
            if one.shape[1] == two.shape[0] and (one.shape[0], two.shape[1]) == s.x.shape:
                product, error = one @ two, ROUNDING * (np.abs(one) @ np.abs(two))
                if (np.abs(product - s.numeric) <= s.error + error).all():
                    right = f", and {text} is right"
                found.append((f"it is {text}", product, error))
    yield from ((text + right, product, error) for text, product, error in found)
