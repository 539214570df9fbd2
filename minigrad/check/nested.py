"""Values nested in tuples, lists and dicts: the leaves by name, and the same nesting with other leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def leaves(x: Any, name: str) -> Iterator[tuple[str, Any]]:
    """All values in tuples, lists and dicts, with names."""
    if isinstance(x, dict):
        for key, item in x.items():
            yield from leaves(item, f"{name}[{key!r}]")
    elif isinstance(x, (tuple, list)):
        for i, item in enumerate(x):
            yield from leaves(item, f"{name}[{i}]")
    else:
        yield name, x


def rebuilt(x: Any, change: Callable[[Any], Any]) -> Any:
    """The same nesting, with change(value) for each value."""
    if isinstance(x, dict):
        return {key: rebuilt(item, change) for key, item in x.items()}
    if isinstance(x, (tuple, list)):
        items = [rebuilt(item, change) for item in x]
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    return change(x)
