"""A trace: the operations of one call of a NumPy function, each with formulas for its arguments' gradients.

Every number has an id. Constants have 0; each number of an input, and each computed number, has its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .formulas import ELEMENTWISE, FORMULAS
from .place import frames_of, line_of, written

SIGMOID_ENDS = {"divide", "reciprocal", "multiply", "add"}  # such as 1 / (...), or 0.5 * (1 + np.tanh(0.5 * z))
SIGMOID_STEPS = 4  # operations before the last one
Place = tuple[Any, ...]  # an operation's name, and (code, instruction) of each function on the way to it


@dataclass(eq=False)
class Edge:
    """One argument of an operation: its numbers' ids, and its gradient, back(g, *values); values: the arguments, then y."""

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

    def add(self, part: np.ndarray, total: np.ndarray) -> None:
        """Add a part, which this edge passes back, to the totals of its ids."""
        if self.slice is not None and part.shape == self.ids.shape:  # the usual case, and the fastest
            total[self.slice] += part.ravel()
        elif self.distinct and part.shape == self.ids.shape:
            total[self.ids] += part
        else:
            ids, part = np.broadcast_arrays(self.ids, part)
            total += np.bincount(ids.ravel(), part.ravel(), total.size)


@dataclass(eq=False)
class Node:
    """One operation that ran. turn: how often the program had reached this place before."""

    ids: np.ndarray
    name: str
    place: Place
    turn: int
    value: np.ndarray
    edges: list[Edge] = field(default_factory=list)


Changes = dict[Edge, Callable[..., np.ndarray]]  # functions of g and of the totals for all ids


class Trace:
    """All operations of one call, in order; ids of the inputs and of the outputs. All constants have id 0."""

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
        """Forget operations without effect on an output: a function may also compute its gradients."""
        used = np.zeros(self.count, bool)
        used[self.outputs] = True
        kept = []
        for node in reversed(self.nodes):
            if used[node.ids].any():
                kept.append(node)
                for edge in node.edges:
                    used[edge.ids] = True
        self.nodes = kept[::-1]

    def totals(self, v: np.ndarray, changes: Changes, error: np.ndarray | float = 0.0) -> np.ndarray:
        """The gradients of v . outputs, the totals, for every id. Edges in `changes` pass on functions of g and the totals.
        error: added to the totals."""
        total = self.arriving(v) + error
        for node in reversed(self.nodes):
            g = total[node.ids]
            for edge in node.edges:
                edge.add(changes[edge](g, total) if edge in changes else edge.back(g, *edge.values), total)
        return total

    def arriving(self, v: np.ndarray) -> np.ndarray:
        return np.bincount(self.outputs, v, self.count)

    def gradients(self, v: np.ndarray, changes: Changes, error: np.ndarray | float = 0.0) -> dict[str, np.ndarray]:
        """The gradients of v . outputs for each input."""
        total = self.totals(v, changes, error)
        return {name: total[ids] for name, ids in self.inputs.items()}


def join_squares(trace: Trace) -> None:
    """x * x becomes one operation: people see its two arguments as one use of x."""
    for node in trace.nodes:
        if node.name == "multiply" and len(node.edges) == 2 and np.array_equal(node.edges[0].ids, node.edges[1].ids):
            node.name = "square"
            node.edges = [Edge(node.edges[0].ids, FORMULAS["square"][0], (node.edges[0].values[0], node.value), 0, node)]


def join_sigmoids(trace: Trace) -> None:
    """Operations that give 1 / (1 + exp(-z)), in any form, become one operation, the sigmoid of z. Forms with a mask take each
    number from another operation, so numbers are followed one by one."""
    values, before = np.zeros(trace.count), np.zeros((2, trace.count), int)
    for node in trace.nodes:
        values[node.ids] = node.value
        for k, edge in enumerate(node.edges if node.name in ELEMENTWISE else ()):
            if k < 2 and edge.ids.shape == node.ids.shape:
                values[edge.ids], before[k, node.ids] = edge.values[edge.number], edge.ids
    for node in trace.nodes:
        if node.name in SIGMOID_ENDS and node.value.size and ((0 < node.value) & (node.value < 1)).all():
            z, ids = np.zeros(node.ids.shape, int), [node.ids]
            for _ in range(SIGMOID_STEPS):
                ids = [of[some] for some in ids for of in before if of[some].any()]
                fits = [(some > 0) & np.isclose(1 / (1 + np.exp(-values[some])), node.value, rtol=1e-14, atol=1e-15)
                        for some in ids]
                for some, fit in sorted(zip(ids, fits), key=lambda pair: -pair[1].sum()):
                    z = np.where((z == 0) & fit, some, z)
            if z.all():
                node.name, node.place = "sigmoid", ("sigmoid", *node.place[1:])
                node.edges = [Edge(z, FORMULAS["sigmoid"][0], (values[z], node.value), 0, node)]
    trace.prune()


def split_by_weights(trace: Trace) -> None:
    """If a loop over layers or gates reads one weight after another at the same place, each weight gets its own place."""
    owner, context = np.full(trace.count, -1), np.full(trace.count, -1)
    for i, ids in enumerate(trace.inputs.values()):
        owner[ids] = i
    of_place: dict[Place, list[Node]] = {}
    for node in trace.nodes:
        of_place.setdefault(node.place, []).append(node)
    own: dict[Node, int] = {}
    for nodes in of_place.values():
        for numbers in zip(*([edge.ids for edge in node.edges] for node in nodes)):
            weights = [int(owner[ids.flat[0]]) if ids.size and len(np.unique(owner[ids])) == 1 else -1 for ids in numbers]
            if _takes_turns(weights):
                own |= dict(zip(nodes, weights))
    for node in trace.nodes:  # results of a weight's product belong to the weight
        inherited = [int(context[edge.ids.flat[0]]) for edge in node.edges if edge.ids.size]
        context[node.ids] = own[node] = own.get(node, next((c for c in inherited if c >= 0), -1))
    for place, nodes in of_place.items():
        if _takes_turns([own[node] for node in nodes]):
            seen: dict[int, int] = {}
            for node in nodes:
                node.turn = seen[own[node]] = seen.get(own[node], -1) + 1
                node.place = (*place, f"for {list(trace.inputs)[own[node]]}")


def name_calls(trace: Trace) -> None:
    """The same lines that run for several calls of a function get the call's line, or its text if one line has several calls."""
    of_line: dict[Place, list[Place]] = {}
    for place in dict.fromkeys(node.place for node in trace.nodes):
        of_line.setdefault((place[0], frames_of(place)[0]), []).append(place)
    named: dict[Place, Place] = {}
    for places in (some for some in of_line.values() if len({tuple(frames_of(place)) for place in some}) > 1):
        depth = next(k for k, frames in enumerate(zip(*map(frames_of, places))) if len(set(frames)) > 1)
        calls = {place: ("call", frames_of(place)[depth]) for place in places}
        lines = len(set(calls.values())) == len(set(map(line_of, calls.values())))
        for place in places:
            call = f"in {line_of(calls[place]).partition(':')[0]}" if lines else written(calls[place])
            call = f"of the call {call}"
            named[place] = (*place[:-1], f"{place[-1]}, {call}") if isinstance(place[-1], str) else (*place, call)
    for node in trace.nodes:
        node.place = named.get(node.place, node.place)


def join_calls(trace: Trace) -> Trace:
    """All calls of a function are turns of the same places."""
    turns: dict[Place, int] = {}
    for node in trace.nodes:
        node.place = (node.place[0], frames_of(node.place)[0])
        node.turn = turns[node.place] = turns.get(node.place, -1) + 1
    return trace


def _takes_turns(weights: list[int]) -> bool:
    """Are there several names, each equally often?"""
    return min(weights) >= 0 and len(set(weights)) > 1 and len({weights.count(weight) for weight in weights}) == 1
