"""Plants mistakes into the backward pass of a traced program: wrong lines that a student may have written.

story.py compares the resulting gradients with the student's. in_time.py has the mistakes between time steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from .factors import before_or_after, exchanged, factors, of_loss, other_gradients, replaced, replaced_in_products, slopes
from .in_time import carries, forward, off_by_one, one_step, other_steps
from .on_the_way import off_by
from .place import argument, written
from .program import FACTOR, LOST, Mistake, Program, at, ids_of, masked, times, value_name, where, with_value
from .trace import Edge, Trace
from .turned import turned

SUMMED = "where something is broadcast, its gradient is not summed as it should be"
SIZES = "a matrix fits only because two sizes are equal"

MOST_USES = 6
REDUCTIONS = ("sum", "mean", "max", "min", "var", "std")


def planted(trace: Trace) -> Iterator[Mistake]:
    """All mistakes, the likely ones first."""
    program = Program(trace)
    for family in (of_loss, carries, forward, lost, repeated, one_step, off_by_one, slopes, factors, other_steps, transposed,
                   sums, replaced, exchanged, other_gradients, before_or_after, both_lost, one_use, replaced_in_products, turned):
        yield from family(program)


def in_every_turn(trace: Trace) -> Iterator[Mistake]:
    """Those that do not ask which turn is the next one."""
    program = Program(trace)
    for family in (lost, slopes, factors, transposed, sums, replaced, exchanged, other_gradients, before_or_after):
        yield from family(program)


def lost(program: Program) -> Iterator[Mistake]:
    for edges in program.groups.values():
        yield off(program, edges, 0.0)
        lengths = sorted({n for n in (*edges[0].node.value.shape, *edges[0].ids.shape) if n > 2})
        for factor in (-1.0, 2.0, 0.5, *(f for n in lengths for f in (n, 1 / n))):
            yield off(program, edges, factor)
    for edges in program.groups.values():
        makers = np.unique(np.concatenate([program.maker[edge.ids].ravel() for edge in edges]))
        for maker in makers[makers >= 0] if (makers >= 0).sum() > 1 else ():
            pieces = [(edge, program.maker[edge.ids] == maker) for edge in edges]
            yield Mistake(
                f"what goes back to {program.names[maker]}, a part of {where(edges[0])}, is lost{at(edges[0])}",
                LOST,
                masked(pieces),
            )


def off(program: Program, edges: Sequence[Edge], factor: float) -> Mistake:
    return Mistake(off_by(program, factor, edges[:1]), FACTOR if factor else LOST, times(edges, factor), factor=factor)


def repeated(program: Program) -> Iterator[Mistake]:
    """Entries that are used several times, as by E[index]: at once, or cut into steps afterwards."""
    for edges in program.groups.values():
        ids = ids_of(edges)
        turn = np.concatenate([np.full(edge.ids.size, t) for t, edge in enumerate(edges)])
        row = np.concatenate([np.indices(edge.ids.shape)[0].ravel() if edge.ids.ndim else np.zeros(1) for edge in edges])
        shared = len(edges) > 1 and all(np.array_equal(edge.ids, edges[0].ids) for edge in edges)  # such as weights, by all steps
        for once, order in (  # which of the equal numbers count once; the last one in this order counts
            (ids, (row, turn)), (ids, (row, -turn)), (ids, (turn, row)), (ids + turn * program.trace.count, (row, turn)),
        ) if not shared else ():
            sequence = np.lexsort(order)
            kept = np.zeros(ids.size, bool)
            kept[sequence[::-1][np.unique(once[sequence][::-1], return_index=True)[1]]] = True
            if (lost := ~kept & (ids > 0)).any():
                ends = np.cumsum([edge.ids.size for edge in edges])[:-1]
                pieces = [part.reshape(edge.ids.shape) for part, edge in zip(np.split(lost, ends), edges)]
                yield Mistake(
                    f"what is taken several times in {argument(edges[0].node.place, edges[0].number)} does not get all of its "
                    "gradients: d[index] = ... counts a repeated index once, and so does d[index] += ... for an array of "
                    f"indices; np.add.at(d, index, ...) counts it each time{at(edges[0])}",
                    LOST,
                    masked(list(zip(edges, pieces))),
                )


def one_use(program: Program) -> Iterator[Mistake]:
    """An input is used in several places, and only one of them counts."""
    for i, name in enumerate(program.trace.inputs):
        maker = len(program.places) + i
        uses = [edges for edges in program.groups.values() if (program.maker[ids_of(edges)] == maker).any()]
        for kept in uses if 2 < len(uses) <= MOST_USES else ():
            lost = [(edge, program.maker[edge.ids] == maker) for edges in uses if edges is not kept for edge in edges]
            text = f"of what goes back to {name}, which is used {len(uses)} times, only {where(kept[0])} counts{at(kept[0])}"
            yield Mistake(text, LOST, masked(lost))


def both_lost(program: Program) -> Iterator[Mistake]:
    """Two losses at once, such as the mean's and the variance's in a normalisation."""
    for one, two in combinations([edges for edges in program.groups.values() if edges[0].node.name in REDUCTIONS], 2):
        yield Mistake(
            f"nothing goes back through {' and '.join(dict.fromkeys(written(edges[0].node.place) for edges in (one, two)))}: are "
            f"they treated as constants?{at(one[0])}",
            LOST,
            times([*one, *two], 0),
        )


# -- transposes and sums -----------------------------------------------------------------------------


def transposed(program: Program) -> Iterator[Mistake]:
    for edges in program.groups.values():
        edge, other = edges[0], 1 - edges[0].number
        if edge.node.name == "matmul":
            if edge.values[other].ndim == 2 and len(set(edge.values[other].shape)) == 1:
                yield Mistake(
                    f"{value_name(edge, other)} is not transposed, or once too often, in what goes back to {where(edge)}"
                    f"{at(edge)}",
                    SIZES,
                    {e: with_value(e, other, e.values[other].T) for e in edges},
                )
            if edge.node.value.ndim == 2 and len(set(edge.node.value.shape)) == 1:
                yield Mistake(
                    f"the gradient of {written(edge.node.place)} is transposed before it goes back to {where(edge)}{at(edge)}",
                    SIZES,
                    {e: lambda g, total, e=e: e.back(g.T, *e.values) for e in edges},
                )
            if edge.ids.ndim == 2 and len(set(edge.ids.shape)) == 1:
                yield Mistake(
                    f"what goes back to {where(edge)} is transposed{at(edge)}",
                    SIZES,
                    {e: lambda g, total, e=e: e.back(g, *e.values).T for e in edges},
                )


def sums(program: Program) -> Iterator[Mistake]:
    for edges in program.groups.values():
        edge = edges[0]
        shape, to = edge.node.value.shape, edge.ids.shape
        n = int(np.prod(shape)) // max(1, int(np.prod(to)))
        if edge.node.name not in ("add", "subtract", "multiply", "divide") or n <= 1:
            continue
        axes = tuple(i for i in range(len(shape)) if i < len(shape) - len(to) or to[i - len(shape)] == 1)
        for text, change in (
            ("averaged, not summed", lambda part, axes=axes, n=n: part / n),
            ("only that of the first row", lambda part, axes=axes: _only(part, axes, 0)),
            ("only that of the last row", lambda part, axes=axes: _only(part, axes, -1)),
            ("one number for all entries: it is summed over all axes", lambda part, n=n: np.full(part.shape, part.sum() / n)),
        ):
            yield Mistake(
                f"what goes back to {where(edge)} is {text}{at(edge)}",
                SUMMED,
                {
                    e: lambda g, total, e=e, change=change, shape=shape: change(np.broadcast_to(e.back(g, *e.values), shape))
                    for e in edges
                },
            )


def _only(part: np.ndarray, axes: tuple[int, ...], which: int) -> np.ndarray:
    kept = np.zeros(part.shape)
    index = tuple(which if i in axes else slice(None) for i in range(part.ndim))
    kept[index] = part[index]
    return kept
