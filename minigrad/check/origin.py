"""Finds where the error enters: numbers of the traced forward such that errors in their gradients explain all errors.

An error in the gradients of some numbers changes the inputs' gradients along the paths from the inputs to these numbers. So
the difference between the student's and the right gradients lies in a space that belongs to these numbers. Usually that
space is small, and if a place explains every entry of every input, this is no accident. Places that would explain even random
numbers are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .formulas import ELEMENTWISE
from .program import Program, ids_of
from .trace import Changes, Trace

MOST_NUMBERS = 4_000_000  # in the table: gradients from each number of the trace to each entry of an input
SMALL = 1e-9  # two directions that differ by less are the same but for rounding errors
TWICE = 2  # numbers per direction of the space: a larger set will hardly have a smaller space
INSIDE = 1e-6  # a row is in a space if it is but for so much
LOOSE = 1e3  # a system of equations enlarges rounding errors so much


@dataclass
class Origin:
    """The ids of the numbers, in all turns (whole) and in turns with an error (ids); the rank of their space. If the inputs'
    gradients determine them: the error there, and the gradients that the student had for every id."""

    whole: np.ndarray
    ids: np.ndarray
    rank: int
    error: np.ndarray | None = None
    had: np.ndarray | None = None


def without_shifts(trace: Trace, v: np.ndarray) -> Trace:
    """Without the maximum that softmax subtracts: its gradient is zero, and no formula has it."""
    total = np.abs(trace.totals(v, {}))
    maxima = [node for node in trace.nodes if node.name in ("max", "amax") and (total[node.ids] <= SMALL * total.max()).all()]
    ids = np.concatenate([np.zeros(1, int), *(node.ids.ravel() for node in maxima)])
    for node in trace.nodes:
        node.edges = [edge for edge in node.edges if node not in maxima and not np.isin(edge.ids, ids).all()]
    trace.prune()
    return trace


def passed_back(trace: Trace) -> np.ndarray:
    """A row for each id: the gradients of all inputs' entries if a gradient of 1 arrives there."""
    sizes = [ids.size for ids in trace.inputs.values()]
    table, start = np.zeros((trace.count, sum(sizes))), 0
    for ids in trace.inputs.values():
        table[ids.ravel(), np.arange(start, start + ids.size)] = 1
        start += ids.size
    for node in trace.nodes:
        rows = np.zeros((node.value.size, table.shape[1]))
        for edge in node.edges:
            if node.name in ELEMENTWISE:
                part, ids = np.broadcast_arrays(edge.back(np.ones(node.value.shape), *edge.values), edge.ids)
                rows += part.reshape(-1, 1) * table[ids.ravel()]
                continue
            for k in range(node.value.size):
                g = np.zeros(node.value.size)
                g[k] = 1
                part, ids = np.broadcast_arrays(edge.back(g.reshape(node.value.shape), *edge.values), edge.ids)
                rows[k] += part.ravel() @ table[ids.ravel()]
        table[node.ids.ravel()] = rows
    return table


class Differences:
    """At one point: the errors of all gradients in one vector, and the effects of errors at single numbers."""

    def __init__(self, trace: Trace, v: np.ndarray, analytic: dict[str, np.ndarray], tolerance: dict[str, np.ndarray]) -> None:
        self.trace, self.v, self.program = trace, v, Program(trace)
        total = np.abs(trace.totals(v, {}))
        self.has_gradient = total > SMALL * total.max(initial=0)
        self.read = np.zeros(trace.count, bool)  # false for numbers that are only outputs
        self.read[ids_of([edge for node in trace.nodes for edge in node.edges])] = True
        self.given = np.concatenate([analytic[name].ravel() for name in trace.inputs])
        self.tolerance = np.concatenate([tolerance[name].ravel() for name in trace.inputs])
        self.wrong = self.given - self._gradients({})
        self.inputs = list(trace.inputs)
        self.names = np.concatenate([np.full(ids.size, i) for i, ids in enumerate(trace.inputs.values())])
        self.wrong[np.abs(self.wrong) <= self.tolerance] = 0

    def is_wrong(self, name: str) -> bool:
        return bool(self.wrong[self.names == self.inputs.index(name)].any())

    def reached(self, ids: np.ndarray) -> list[str]:
        """The inputs that get gradients from these."""
        columns = np.abs(self.table[ids]).max(axis=0, initial=0) > 0
        return [name for i, name in enumerate(self.inputs) if columns[self.names == i].any()]

    def _gradients(self, changes: Changes) -> np.ndarray:
        return np.concatenate([g.ravel() for g in self.trace.gradients(self.v, changes).values()])

    def gives(self, changes: Changes) -> bool:
        """Do the changes give the student's gradients?"""
        return bool((np.abs(self._gradients(changes) - self.given) <= self.tolerance).all())

    @cached_property
    def table(self) -> np.ndarray:
        return passed_back(self.trace)

    def rank(self, ids: np.ndarray, kept: np.ndarray) -> int:
        """The rank of the space that errors at these ids span in these entries; 0 if the observed error is not in it, or if every
        error in the same inputs is."""
        rows, wrong, names = self.table[ids][:, kept], self.wrong[kept], self.names[kept]
        if not (np.abs(rows).max(axis=0, initial=0) > 0)[wrong != 0].all():
            return 0
        space = directions(rows)
        anything = np.random.default_rng(0).normal(size=wrong.size) * np.isin(names, names[wrong != 0])
        left, of_anything = (d - (d @ space.T) @ space for d in (wrong, anything))
        fits = (np.abs(left) <= LOOSE * self.tolerance[kept]).all()
        return len(space) if fits and np.linalg.norm(of_anything) > 1e-3 * np.linalg.norm(anything) else 0

    def passes_on(self, ids: np.ndarray, others: np.ndarray, kept: np.ndarray) -> bool:
        """Is the space of these ids a part of the others', without further time steps?"""
        rows, space = self.table[ids][:, kept], directions(self.table[others][:, kept])
        left = np.abs(rows - (rows @ space.T) @ space).max()
        return bool(left <= INSIDE * np.abs(rows).max() and np.isin(self.program.turn[others], self.program.turn[ids]).all())

    def origin(self, whole: np.ndarray, ids: np.ndarray, of_space: int, kept: np.ndarray) -> Origin:
        """The origin, with its error if no other error gives the same."""
        error, _, rank, _ = np.linalg.lstsq(self.table[ids][:, kept].T, self.wrong[kept], rcond=SMALL)
        if rank < len(ids):
            return Origin(whole, ids, of_space)  # another error gives the same
        of_all = np.zeros(self.trace.count)
        of_all[ids] = np.where(np.abs(error) > 1e-7 * np.abs(error).max(initial=0), error, 0)
        return Origin(whole, ids, of_space, of_all, self.trace.totals(self.v, {}, of_all))


def directions(rows: np.ndarray) -> np.ndarray:
    """Orthonormal rows for the same space: each row minus its part along the rows before; twice, because rounding errors grow."""
    found = np.zeros((min(rows.shape), rows.shape[1]))
    n = 0
    for row in rows:
        left = row / (np.sqrt(row @ row) or 1.0)
        for _ in range(2):
            left = left - (found[:n] @ left) @ found[:n]
        size = np.sqrt(left @ left)
        if size > SMALL and n < len(found):
            found[n] = left / size
            n += 1
    return found[:n]


def candidates(program: Program) -> list[np.ndarray]:
    """Sets of ids that belong together: the results of a place, or an argument, in all turns; not the inputs themselves."""
    first = max(ids.max(initial=0) for ids in program.trace.inputs.values()) + 1
    groups = [*map(ids_of, program.groups.values()), *(ids_of(list(nodes.values())) for nodes in program.nodes.values())]
    for place, pieces in program.carried.items():  # a state in all steps, with the initial one
        results = list(program.nodes[list(program.places)[place]].values())
        groups.append(np.concatenate([ids_of([edge for edge, _ in pieces]), ids_of(results)]))
    sets = {(found := np.unique(ids[ids > 0])).tobytes(): found for ids in groups}
    return sorted((ids for ids in sets.values() if ids.max(initial=0) >= first), key=lambda ids: (len(ids), -ids.max()))


def origins(points: Sequence[Differences], left_out: Iterable[str]) -> list[list[Origin]]:
    """At each point the places that explain all but these inputs, nearest to the outputs first: those with the smallest space,
    and those through which all goes that comes back from there, since the error may have entered later."""
    here = points[0]
    kept = ~np.isin(here.names, [here.inputs.index(name) for name in left_out])
    sets = [candidates(point.program) for point in points]
    if here.trace.count * len(here.names) > MOST_NUMBERS or not here.wrong[kept].any() or len({len(some) for some in sets}) > 1:
        return []
    found: list[tuple[int, list[np.ndarray]]] = []
    for some in (some for some in zip(*sets) if (here.has_gradient & here.read)[some[0]].any()):
        if found and len(some[0]) > max(TWICE * found[0][0], len(found[0][1][0])):
            break
        ranks = [point.rank(ids, kept) for point, ids in zip(points, some)]
        if all(ranks) and not any(rank < ranks[0] and np.isin(fewer[0], some[0]).all() for rank, fewer in found):
            found.append((ranks[0], list(some)))
    least = min((rank for rank, _ in found), default=0)
    narrowed = [(rank, some, _narrowed(points, some, kept)) for rank, some in found]
    smallest = [ids[0] for rank, _, ids in narrowed if rank == least]
    possible = [(rank, some, ids) for rank, some, ids in narrowed
                if rank == least or any(here.passes_on(one, ids[0], kept) for one in smallest)]
    possible.sort(key=lambda origin: -origin[2][0].max())
    return [[point.origin(whole, narrow, rank, kept) for point, whole, narrow in zip(points, some, ids)]
            for rank, some, ids in possible]


def _narrowed(points: Sequence[Differences], some: list[np.ndarray], kept: np.ndarray) -> list[np.ndarray]:
    """Without the turns that are right: the last ones, or the first ones."""
    for which in (-1, 0):
        for turn in np.unique(points[0].program.turn[some[0]])[::1 if which == 0 else -1]:
            fewer = [ids[point.program.turn[ids] != turn] for point, ids in zip(points, some)]
            if not all(len(ids) and point.rank(ids, kept) for point, ids in zip(points, fewer)):
                break
            some = fewer
    return some
