"""A trace: the operations of one call of a NumPy function, each with what its arguments get of the gradient at its result.

Every number has an id: 0 for constants, one of its own for each number of an input and for each that an operation computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .formulas import FORMULAS

Place = tuple[Any, ...]  # an operation's name, and where it stands: (code, instruction) of each function on the way there


@dataclass(eq=False)
class Edge:
    """One argument of an operation: the ids of its numbers, and back(g, *values), what it gets of g; values: the arguments, y."""

    ids: np.ndarray
    back: Callable[..., np.ndarray]
    values: tuple[np.ndarray, ...]
    number: int
    node: Node

    def __post_init__(self) -> None:
        self.distinct = len(np.unique(self.ids)) == self.ids.size
        first = int(self.ids.flat[0]) if self.ids.size else 0
        consecutive = np.array_equal(self.ids.ravel(), np.arange(first, first + self.ids.size))
        self.slice = slice(first, first + self.ids.size) if consecutive else None


@dataclass(eq=False)
class Node:
    """One operation that ran. turn: how often this place of the program had been reached before."""

    ids: np.ndarray
    name: str
    place: Place
    turn: int
    value: np.ndarray
    edges: list[Edge] = field(default_factory=list)


Changes = dict[Edge, Callable[..., np.ndarray]]  # of g and of the totals for all ids


class Trace:
    """All operations of one call, in their order; ids of the inputs and of the outputs. Id 0 is that of all constants."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.count, self.turns = 1, dict[Place, int]()
        self.inputs: dict[str, np.ndarray] = {}
        self.outputs = np.zeros(0, int)

    def new_ids(self, shape: tuple[int, ...]) -> np.ndarray:
        size = int(np.prod(shape))
        self.count += size
        return np.arange(self.count - size, self.count).reshape(shape)

    def prune(self) -> None:
        """Forget what no output depends on: a function may compute its gradients too."""
        used = np.zeros(self.count, bool)
        used[self.outputs] = True
        kept = []
        for node in reversed(self.nodes):
            if used[node.ids].any():
                kept.append(node)
                for edge in node.edges:
                    used[edge.ids] = True
        self.nodes = kept[::-1]

    def totals(self, v: np.ndarray, changes: Changes) -> np.ndarray:
        """The gradient of v . outputs for every id; an edge in `changes` passes on what its function makes of g and of these."""
        total = np.bincount(self.outputs, v, self.count)
        for node in reversed(self.nodes):
            g = total[node.ids]
            for edge in node.edges:
                part = changes[edge](g, total) if edge in changes else edge.back(g, *edge.values)
                if edge.slice is not None and part.shape == edge.ids.shape:  # the usual case, and the fastest
                    total[edge.slice] += part.ravel()
                elif edge.distinct and part.shape == edge.ids.shape:
                    total[edge.ids] += part
                else:
                    ids, part = np.broadcast_arrays(edge.ids, part)
                    total += np.bincount(ids.ravel(), part.ravel(), self.count)
        return total

    def gradients(self, v: np.ndarray, changes: Changes) -> dict[str, np.ndarray]:
        """The same for each input."""
        total = self.totals(v, changes)
        return {name: total[ids] for name, ids in self.inputs.items()}


def join_sigmoids(trace: Trace) -> None:
    """1 / (1 + exp(-x)) becomes one operation, as people think of it."""
    made_by = {int(node.ids.flat[0]): node for node in trace.nodes if node.ids.size}

    def maker(node: Node, name: str) -> Node | None:
        edge = next((edge for edge in node.edges), None)
        found = made_by.get(int(edge.ids.flat[0])) if edge is not None and edge.ids.size else None
        return (
            found if found is not None and found.name == name and edge is not None and edge.ids.size == found.ids.size else None
        )

    for node in trace.nodes:
        add = maker(node, "add") if node.name in ("divide", "reciprocal") and len(node.edges) == 1 else None
        exp = add and maker(add, "exp")
        minus = exp and maker(exp, "negative")
        if minus and minus.value.shape == node.value.shape:
            z = -minus.value
            if np.allclose(node.value, 1 / (1 + np.exp(-z)), rtol=1e-14, atol=0):
                node.name = "sigmoid"
                node.edges = [Edge(minus.edges[0].ids, FORMULAS["sigmoid"][0], (z, node.value), 0, node)]
    trace.prune()
