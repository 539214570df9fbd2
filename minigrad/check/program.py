"""The trace as a program: the places of operations, the gradients that each passes on in every turn of a loop, and names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .place import argument, line_of, variable, written
from .situation import broadcasts
from .trace import Changes, Edge, Node, Place, Trace

FACTOR = "a factor of a product is missing, or another quantity or sign stands in its place"
LOST = "something that is used more than once, or that several gradients reach, does not get all of them"

SHORT = 30  # a sum with fewer characters is quoted with its part


@dataclass
class Mistake:
    """A sentence, its family (a hint that gives no formula away), and the changed gradients that some edges pass on.
    errors: added to the gradients that arrive, of v. factor: it only multiplies what goes back by this constant.
    replaced: another quantity stands in a product."""

    text: str
    family: str
    changes: Changes
    arriving: np.ndarray | None = None  # which of the gradients at the outputs count
    errors: Callable[[np.ndarray], np.ndarray] | None = None
    factor: float | None = None
    replaced: bool = False


class Program:
    """groups: edges, one for each turn, by the numbers of place and argument. maker, turn: for each id, the number of the place
    that made it (inputs are counted after the places), and its turn. names, lines: of the places and inputs."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.maker, self.turn = np.full(trace.count, -1), np.full(trace.count, -1)
        self.places = {place: i for i, place in enumerate(dict.fromkeys(node.place for node in trace.nodes))}
        self.nodes: dict[Place, dict[int, Node]] = defaultdict(dict)
        self.groups: dict[tuple[int, int], list[Edge]] = defaultdict(list)
        for node in trace.nodes:
            self.maker[node.ids], self.turn[node.ids] = self.places[node.place], node.turn
            self.nodes[node.place][node.turn] = node
            for edge in node.edges:
                self.groups[self.places[node.place], edge.number].append(edge)
        for i, ids in enumerate(trace.inputs.values()):
            self.maker[ids] = len(self.places) + i
        self.names = [*(variable(place) + context(place) for place in self.places), *trace.inputs]
        self.lines = [*(line_of(place) for place in self.places), *([""] * len(trace.inputs))]

    @cached_property
    def carried(self) -> dict[int, list[tuple[Edge, np.ndarray]]]:
        """For each place in a loop: the edges where every next turn reads its result, and which numbers of the argument; no
        running sums."""
        found: dict[int, list[tuple[Edge, np.ndarray]]] = defaultdict(list)
        in_loop = [len(self.nodes[place]) > 1 for place in self.places]
        for edges in self.groups.values():
            pieces: dict[int, list[tuple[Edge, np.ndarray]]] = defaultdict(list)
            for edge in edges:
                maker, turn = self.maker[edge.ids], self.turn[edge.ids]
                for place in np.unique(maker[(turn == edge.node.turn - 1) & (turn >= 0)]):
                    if in_loop[place] and (self.places[edge.node.place] != place or edge.node.name not in ("add", "subtract")):
                        pieces[int(place)].append((edge, (maker == place) & (turn == edge.node.turn - 1)))
            later = [edge for edge in edges if edge.node.turn > 0]
            begins = [edge for edge in later if ((self.maker[edge.ids] >= len(self.places)) | (edge.ids == 0)).all()]
            for place, some in pieces.items():
                if len(some) == len(later) - len(begins):  # a loop over samples begins again with an initial state
                    found[place] += some
        return dict(found)

    @staticmethod
    def turns_of(pieces: Sequence[tuple[Edge, np.ndarray]]) -> set[int]:
        """The turns that get something from the turn before: not all, if a loop over time is inside a loop over samples."""
        return {edge.node.turn for edge, _ in pieces}

    @cached_property
    def readers(self) -> dict[int, list[Place]]:
        """For each place and input: where its numbers are read."""
        found = defaultdict(list)
        for edges in self.groups.values():
            for maker in np.unique(self.maker[ids_of(edges)]):
                found[int(maker)].append(edges[0].node.place)
        return dict(found)

    def _pass(self, place: Place) -> tuple[int, int] | str:
        """In a loop over weights: how many there are, and the number of this one. Its W and its b are in one pass."""
        passes = [other for other in self.places if other[:-1] == place[:-1]] if isinstance(place[-1], str) else []
        return (len(passes), passes.index(place)) if len(passes) > 1 else context(place)

    def quantities(self, edges: list[Edge], shape: tuple[int, ...], wide: bool = False) -> list[tuple[str, list[np.ndarray]]]:
        """All results and arguments of this shape, in the turns of these edges; old and new, if a variable has two values, or
        another one than these edges read. After a loop, they are those of each turn. wide: those that are broadcast
        to this shape, too."""
        turns, own = [edge.node.turn for edge in edges], edges[0].node.place
        found: dict[bytes, tuple[str, str, list[np.ndarray]]] = {}
        for place, i in self.places.items():
            loop, same_pass = len(edges) == 1 and len(self.nodes[place]) > 1, self._pass(place) == self._pass(own)
            for wanted in [[turn] for turn in self.nodes[place]] if loop else [turns]:
                nodes = [self.nodes[place][turn] for turn in wanted if turn in self.nodes[place]]
                if len(nodes) < len(turns):
                    continue
                of_step = f" of step {wanted[0]}" if loop else ""
                arguments = range(len(nodes[0].edges[0].values) - 1)
                options = [
                    ("new", self.names[i], [node.value for node in nodes]),
                    *(("old", argument(place, number) + context(place), [node.edges[0].values[number] for node in nodes])
                      for number in arguments),
                ]
                for age, name, values in options:
                    if wide and all(value.ndim and broadcasts(value.shape, shape) for value in values):
                        values = [np.broadcast_to(value, shape) for value in values]
                    if all(value.shape == shape for value in values):
                        key = b"".join(value.tobytes() for value in values)
                        if key not in found or age == "new":
                            found[key] = age, (name.removesuffix(context(place)) if same_pass else name) + of_step, values
        names = [name for _, name, _ in found.values()]
        read = {value_name(edges[0], i): b"".join(edge.values[i].tobytes() for edge in edges)
                for i in range(len(edges[0].values) - 1)}
        return [(f"the {age} {name}" if names.count(name) > 1 or age == "new" and read.get(name, key) != key else name, values)
                for key, (age, name, values) in found.items()]


def ids_of(edges: Sequence[Edge] | Sequence[Node]) -> np.ndarray:
    """All their ids in one vector; 0 for constants."""
    return np.concatenate([edge.ids.ravel() for edge in edges])


# -- what an edge passes on instead --------------------------------------------------------------------


def masked(pieces: Sequence[tuple[Edge, np.ndarray]], factor: float = 0.0) -> Changes:
    """Numbers under the masks count `factor` times."""
    weights: dict[Edge, np.ndarray] = {}
    for edge, mask in pieces:
        weights[edge] = np.where(mask, factor, weights.get(edge, np.ones(mask.shape)))
    return {edge: lambda g, total, e=edge, w=weight: e.back(g, *e.values) * w for edge, weight in weights.items()}


def times(edges: Sequence[Edge], factor: float) -> Changes:
    return {edge: lambda g, total, e=edge: factor * e.back(g, *e.values) for edge in edges}


def passing_on(edges: Sequence[Edge]) -> Changes:
    """g itself."""
    return {edge: lambda g, total: g for edge in edges}


def with_value(edge: Edge, used: int, value: np.ndarray) -> Callable:
    values = (*edge.values[:used], value, *edge.values[used + 1 :])
    return lambda g, total: edge.back(g, *values)


# -- words ---------------------------------------------------------------------------------------------


def value_name(edge: Edge, number: int) -> str:
    """The source text of an argument, or the result's name."""
    return argument(edge.node.place, number) if number < len(edge.values) - 1 else variable(edge.node.place)


def where(edge: Edge) -> str:
    """Such as: h in h @ Wh"""
    name, operation = argument(edge.node.place, edge.number), written(edge.node.place)
    of_sum = edge.node.name in ("add", "subtract")
    alone = of_sum and (len(operation) > SHORT or operation.startswith("the "))
    return (name if alone else f"{name} in {operation}") + context(edge.node.place)


def context(place: Place) -> str:
    """The weight in a loop over weights, or the call of a function that is called several times."""
    return f" {place[-1]}" if isinstance(place[-1], str) else ""


def at(edge: Edge) -> str:
    return f" ({line_of(edge.node.place)})"
