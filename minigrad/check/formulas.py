"""Gradient formulas for guesses at the mistake: each gives an argument's gradient from the gradient g at the result y.

The engine has formulas of its own: the check shares no code with it. Broadcasting is undone elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def _matmul_a(g: np.ndarray, a: np.ndarray, b: np.ndarray, y: np.ndarray) -> np.ndarray:
    """g b^T, also for vectors."""
    g = g[..., None] if b.ndim == 1 else g
    g = g[..., None, :] if a.ndim == 1 else g
    found = g @ (b[None, :] if b.ndim == 1 else b.swapaxes(-1, -2))
    return found[..., 0, :] if a.ndim == 1 else found


def _matmul_b(g: np.ndarray, a: np.ndarray, b: np.ndarray, y: np.ndarray) -> np.ndarray:
    """a^T g, also for vectors."""
    g = g[..., None] if b.ndim == 1 else g
    g = g[..., None, :] if a.ndim == 1 else g
    found = (a[:, None] if a.ndim == 1 else a.swapaxes(-1, -2)) @ g
    return found[..., 0] if b.ndim == 1 else found


FORMULAS: dict[str, list[Callable[..., np.ndarray]]] = {
    "add": [lambda g, a, b, y: g, lambda g, a, b, y: g],
    "subtract": [lambda g, a, b, y: g, lambda g, a, b, y: -g],
    "multiply": [lambda g, a, b, y: g * b, lambda g, a, b, y: g * a],
    "divide": [lambda g, a, b, y: g / b, lambda g, a, b, y: -g * a / b**2],
    "matmul": [_matmul_a, _matmul_b],
    "power": [lambda g, a, b, y: g * b * a ** (b - 1), lambda g, a, b, y: g * y * np.log(a)],
    "maximum": [lambda g, a, b, y: g * (a > b), lambda g, a, b, y: g * (a <= b)],
    "minimum": [lambda g, a, b, y: g * (a < b), lambda g, a, b, y: g * (a >= b)],
    "negative": [lambda g, x, y: -g],
    "positive": [lambda g, x, y: g],
    "exp": [lambda g, x, y: g * y],
    "log": [lambda g, x, y: g / x],
    "sqrt": [lambda g, x, y: g / (2 * y)],
    "square": [lambda g, x, y: 2 * g * x],
    "absolute": [lambda g, x, y: g * np.sign(x)],
    "reciprocal": [lambda g, x, y: -g * y * y],
    "sin": [lambda g, x, y: g * np.cos(x)],
    "cos": [lambda g, x, y: -g * np.sin(x)],
    "log1p": [lambda g, x, y: g / (1 + x)],
    "expm1": [lambda g, x, y: g * (1 + y)],
    "tanh": [lambda g, x, y: g * (1 - y * y)],
    "sigmoid": [lambda g, x, y: g * y * (1 - y)],
}

ELEMENTWISE = FORMULAS.keys() - {"matmul"}


def reduction(name: str, x: np.ndarray, axis: Any) -> Callable[..., np.ndarray]:
    """The formula for x in x.sum(axis) and similar calls."""
    kept = np.sum(x, axis=axis, keepdims=True).shape
    n = x.size // max(1, int(np.prod(kept)))

    def back(g: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if name == "cumsum":
            return (
                np.flip(np.cumsum(np.flip(g, axis), axis), axis)
                if axis is not None
                else (np.cumsum(g[::-1])[::-1].reshape(x.shape))
            )
        g, y = g.reshape(kept), y.reshape(kept)
        off = x - x.mean(axis=axis, keepdims=True)
        return np.broadcast_to(g, x.shape) * {"sum": 1, "mean": 1 / n, "var": 2 * off / n, "std": off / (n * y)}.get(
            name, x == y
        )

    return back


def einsum_formulas(subscripts: str, shapes: list[tuple[int, ...]]) -> list[Callable[..., np.ndarray]]:
    """A formula for each operand of np.einsum("ij,jk->ik", a, b); none if an operand repeats letters, or has "..."."""
    operands, arrow, result = subscripts.replace(" ", "").partition("->")
    letters = operands.split(",")
    if not arrow or "." in subscripts or any(len(set(part)) < len(part) for part in letters):
        return []

    def formula(i: int) -> Callable[..., np.ndarray]:
        others = [part for j, part in enumerate(letters) if j != i]
        kept = "".join(letter for letter in letters[i] if letter in result + "".join(others))

        def back(g: np.ndarray, *values: np.ndarray) -> np.ndarray:
            factors = [value for j, value in enumerate(values[:-1]) if j != i]
            found = np.einsum(f"{','.join([result, *others])}->{kept}", g, *factors)
            return np.broadcast_to(
                found.reshape([n if letter in kept else 1 for letter, n in zip(letters[i], shapes[i])]), shapes[i]
            )

        return back

    return [formula(i) for i in range(len(letters))]
