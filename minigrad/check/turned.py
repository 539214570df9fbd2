"""Mistakes in the order of what arrives at a state: reversed in time, as in one half of a bidirectional pass, or transposed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations

import numpy as np

from .program import Mistake, Program

ORDER = "the right numbers are in wrong places"


def turned(program: Program) -> Iterator[Mistake]:
    """All gradients that arrive at a state, except the carry, are moved."""
    for place in program.carried:
        nodes = [node for _, node in sorted(program.nodes[list(program.places)[place]].items())]
        ids = np.stack([node.ids for node in nodes])
        for text, move in _moves(ids.shape):
            yield Mistake(
                f"what arrives at {program.names[place]}, except the carry from the next step, has the right numbers in wrong "
                f"places: it is {text} ({program.lines[place]})",
                ORDER,
                {},
                errors=partial(_errors, program, place, ids, move),
            )


def _errors(program: Program, place: int, ids: np.ndarray, move: Callable, v: np.ndarray) -> np.ndarray:
    """What must be added to the gradients that arrive at the state."""
    trace, passed = program.trace, np.zeros(program.trace.count)
    total = trace.totals(v, {})
    for edge, mask in program.carried[place]:
        edge.add(edge.back(total[edge.node.ids], *edge.values) * mask, passed)
    right, error = (total - passed)[ids], np.zeros(trace.count)
    error[ids] = move(right) - right
    return error


def _moves(shape: tuple[int, ...]) -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    """Axis 0 has the steps."""
    axes = [axis for axis, length in enumerate(shape) if length > 1]
    names = ["from step to step", *(f"along axis {axis}" for axis in range(len(shape) - 1))]
    for n in range(1, len(axes) + 1):
        for some in combinations(axes, n):
            yield f"reversed {' and '.join(names[axis] for axis in some)}", partial(np.flip, axis=some)
    for one, two in combinations(axes, 2):
        if shape[one] == shape[two]:
            exchanged = "the steps" if one == 0 else f"axis {one - 1}"
            yield f"transposed: {exchanged} and axis {two - 1} are exchanged", partial(np.swapaxes, axis1=one, axis2=two)
