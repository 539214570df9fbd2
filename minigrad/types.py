"""Types of operations for editors and type checkers: the result is a Tensor if one of the first two inputs is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, overload


class Recorded(Protocol):
    """The type of core.Value, the base class of Tensor. core.py imports this file, so this file cannot import core.py."""

    array: Any
    node: Any


V = TypeVar("V", bound=Recorded)
Axis = int | tuple[int, ...] | None


class Operation(Protocol):
    """How a declared operation is called; core.Op is its class."""

    __name__: str
    function: Callable[..., Any]
    formulas: tuple[Callable[..., Any], ...]
    inputs: list[str]
    defaults: dict[str, Any]

    @overload
    def __call__(self, x: V, /, *inputs: Any, **static: Any) -> V: ...
    @overload
    def __call__(self, x: Any, y: V, /, *inputs: Any, **static: Any) -> V: ...
    @overload
    def __call__(self, *inputs: Any, **static: Any) -> Any: ...


Declaration = Callable[[Callable[..., Any]], Operation]
