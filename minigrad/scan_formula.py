"""Writes a gradient formula as an expression: for tanh, g * (1 - y * y) and not a call of the formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def expression(formula: Callable, texts: list[str], constant: Callable[[Any], str]) -> str | None:
    """What the formula computes from arguments with these names; None if it needs more than + - * /, or a name from outside,
    whose value may change.

    constant gives a number's name. A number with a name is an array already: NumPy would make one at each use.
    """
    code = getattr(formula, "__code__", None)
    if code is None or code.co_names or code.co_freevars:
        return None
    try:
        result = formula(*(Symbol(text, constant) for text in texts))
    except (TypeError, AttributeError):
        return None
    return result.text if isinstance(result, Symbol) else None


class Symbol:
    """Stands for an array in a formula. All but + - * / is a TypeError or an AttributeError."""

    __array_ufunc__ = __eq__ = __bool__ = None  # type: ignore[assignment]

    def __init__(self, text: str, constant: Callable[[Any], str]) -> None:
        self.text, self.constant = text, constant

    def write(self, a: Any, sign: str, b: Any) -> Symbol:
        if not all(isinstance(x, (Symbol, int, float)) for x in (a, b)):
            raise TypeError("neither an argument nor a number")
        texts = [x.text if isinstance(x, Symbol) else self.constant(x) for x in (a, b)]
        return Symbol(f"({texts[0]} {sign} {texts[1]})", self.constant)

    def __neg__(self) -> Symbol: return Symbol(f"(-{self.text})", self.constant)
    def __add__(self, other: Any) -> Symbol: return self.write(self, "+", other)
    def __radd__(self, other: Any) -> Symbol: return self.write(other, "+", self)
    def __sub__(self, other: Any) -> Symbol: return self.write(self, "-", other)
    def __rsub__(self, other: Any) -> Symbol: return self.write(other, "-", self)
    def __mul__(self, other: Any) -> Symbol: return self.write(self, "*", other)
    def __rmul__(self, other: Any) -> Symbol: return self.write(other, "*", self)
    def __truediv__(self, other: Any) -> Symbol: return self.write(self, "/", other)
    def __rtruediv__(self, other: Any) -> Symbol: return self.write(other, "/", self)
