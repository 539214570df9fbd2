"""Locates an unexplained error by experiments: for which gradients at the outputs it appears, and what the wrong inputs share.

The backward pass runs again with a gradient at one index of one output only. If it is linear, it is wrong for some index.
The sentences say what was observed at two points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .blocks import MOST_BLOCKS, blocks, is_time
from .diagnosis import Named
from .function import Arrays, Point, cut
from .laws import not_of_g
from .place import lines_of
from .program import Program, context, ids_of
from .situation import ROUNDING
from .trace import Trace
from .verdict import Finding

MOST_EXPERIMENTS = 80
Experiment = tuple[int, int, int]  # the only place where a gradient arrives: output, axis, index


def located(
    points: Sequence[tuple[Point, np.ndarray, list[Finding]]], trace: Callable[[Arrays], Trace] | None, time_axis: int | None
) -> dict[str, Named]:
    """A sentence for each wrong input, if there is one."""
    seen = [dict(_experiments(*point)) for point in points]
    here, v, findings = points[0]
    program = _program(trace, here.xs)
    shapes, wrong = here.function.shapes, [f.input.name for f in findings if f.wrong.any()]
    same = {key: names for key, names in seen[0].items() if all(other.get(key) == names for other in seen)}
    at_zero, once, twice = (here.gradients(times * v) for times in (0, 1, 2))
    found = {f.input.name: text for f, text in zip(findings, not_of_g(here, v)) if f.input.name in wrong and text}
    linear = all(np.allclose(b - zero, 2 * (a - zero), rtol=1e-9) for zero, a, b in zip(at_zero, once, twice))
    for sentences in () if not linear else (
        _mixed(points, wrong),
        _inside_a_step(same, shapes, findings, program, time_axis),
        _right_for_some(same, shapes, findings, wrong, time_axis),
        _right_entries(findings, wrong, program, time_axis),
        _right_for_an_output(same, shapes, wrong),
    ):
        for name, text in sentences:
            if name in wrong:
                found.setdefault(name, text)
    return {name: Named(text, text) for name, text in found.items()}


def _inside_a_step(
    same: dict[Experiment, frozenset[str]],
    shapes: Sequence[tuple[int, ...]],
    findings: list[Finding],
    program: Program | None,
    time_axis: int | None,
) -> Iterator[tuple[str, str]]:
    """The experiment with the fewest wrong inputs, and the operation that only these share."""
    key, narrow = min(
        ((key, names) for key, names in same.items() if names), key=lambda item: len(item[1]), default=(None, frozenset())
    )
    shared = _shared(program, narrow) if program and key else ""
    if not shared or key is None:
        return
    j, axis, index = key
    if len(narrow) < len(findings):
        arriving = f"a gradient at index {index} of axis {axis}{_of(j, shapes)} alone" if shapes[j] else "the gradient"
        names = ", ".join(f.input.name for f in findings if f.input.name in narrow)
        yield from ((f.input.name, f"{arriving} gives wrong values for exactly {names}: {shared}") for f in findings)
    elif index == 0 and shapes[j] and _time(findings, shapes, j, axis, time_axis):
        yield from (
            (
                f.input.name,
                f"it is wrong already for what arrives at step 0 alone, which is not carried from step to step: {shared}",
            )
            for f in findings
        )


def _right_for_some(
    same: dict[Experiment, frozenset[str]],
    shapes: Sequence[tuple[int, ...]],
    findings: list[Finding],
    wrong: list[str],
    time_axis: int | None,
) -> Iterator[tuple[str, str]]:
    """The gradient is right for gradients that arrive at some indices of an output's axis."""
    for (j, axis), of_output in _by_axis(same, shapes):
        for name in wrong:
            right = [k for k in range(shapes[j][axis]) if name not in of_output.get(k, {name})]
            step = _time(findings, shapes, j, axis, time_axis)
            words = _range(right, shapes[j][axis], None if step else axis)
            if words and not _tells(findings, name, shapes, j, axis, right):
                yield name, (f"it is wrong for what arrives at {words[1]}{_of(j, shapes)}, and zero, as it should be, for "
                             f"{words[0]}")
            elif words:
                look = FLOWS if step and right[0] == 0 else ""
                yield name, f"it is right for what arrives at {words[0]}{_of(j, shapes)} and wrong for {words[1]}{look}"


def _tells(findings: list[Finding], name: str, shapes: Sequence[tuple[int, ...]], j: int, axis: int, right: list[int]) -> bool:
    """Does the input get anything from these indices? A gradient of zero is right whatever the formula is."""
    (J,) = (f.numeric.jacobian for f in findings if f.input.name == name)
    assert J is not None
    start, size = sum(int(np.prod(shape)) for shape in shapes[:j]), int(np.prod(shapes[j]))
    return bool(np.take(J[start : start + size].reshape(*shapes[j], -1), right, axis).any())


def _right_for_an_output(
    same: dict[Experiment, frozenset[str]], shapes: Sequence[tuple[int, ...]], wrong: list[str]
) -> Iterator[tuple[str, str]]:
    for j in range(len(shapes) if len(shapes) > 1 else 0):
        of_output = [names for (i, _, _), names in same.items() if i == j]
        yield from (
            (name, f"it is right for what arrives at output {j}, and wrong for what arrives at another one")
            for name in wrong
            if of_output and not any(name in names for names in of_output)
        )


def _mixed(points: Sequence[tuple[Point, np.ndarray, list[Finding]]], wrong: list[str]) -> Iterator[tuple[str, str]]:
    """An index of the input gets a gradient from an index of the output that does not depend on it."""
    point, v, findings = points[0]
    start = 0
    for j, shape in enumerate(point.function.shapes):
        size = int(np.prod(shape))
        for f in findings if size else ():
            J, x = f.numeric.jacobian, f.input.x
            assert J is not None
            for axis, n in enumerate(shape):
                for axis_in, m in enumerate(x.shape):
                    if f.input.name in wrong and 1 < n == m <= MOST_BLOCKS:
                        used = np.abs(blocks(J[start : start + size], shape, axis, x.shape, axis_in)).max(axis=(2, 3)) > 0
                        only = np.zeros(shape)
                        np.moveaxis(only, axis, 0)[0] = np.moveaxis(v[start : start + size].reshape(shape), axis, 0)[0]
                        alone = np.zeros(v.size)
                        alone[start : start + size] = only.ravel()
                        g = np.moveaxis(point.gradients(alone)[f.input.number], axis_in, 0)
                        if not (used & ~np.eye(n, dtype=bool)).any() and g[1:].any():
                            yield (
                                f.input.name,
                                (
                                    f"index 1 of axis {axis_in} gets something from index 0 of axis {axis}"
                                    f"{_of(j, point.function.shapes)}, which does not depend on it: is something added "
                                    "up over this axis too, or does it go a wrong way?"
                                ),
                            )
        start += size


def _right_entries(
    findings: list[Finding], wrong: list[str], program: Program | None, time_axis: int | None
) -> Iterator[tuple[str, str]]:
    """An input with a time axis is right only in its last steps. This also explains inputs that sum over the steps."""
    for f in findings:
        bad = np.zeros(f.input.x.shape, bool)
        bad.flat[f.entries] = f.wrong
        for axis, n in enumerate(f.input.x.shape):
            in_steps = f.input.number == 0 and axis == time_axis or program is not None and _is_turn(program, f.input.name, axis)
            at = np.flatnonzero(np.moveaxis(bad, axis, 0).reshape(n, -1).any(axis=1)) if in_steps and n > 1 else ()
            if 0 < len(at) < n and list(at) == list(range(len(at))):
                steps = f"step {len(at)}" + (" on" if len(at) < n - 1 else "")
                yield from (
                    (name, f"the gradient of {f.input.name} is right in {steps} and wrong before{FLOWS}") for name in wrong
                )


FLOWS = ": the error comes with what flows back from later steps"


def _is_turn(program: Program, name: str, axis: int) -> bool:
    """Index t of the axis is used in turn t of a loop."""
    ids = program.trace.inputs[name]
    for edges in program.groups.values():
        if (
            len(edges) == ids.shape[axis] > 1
            and all(
                np.isin(np.take(ids, edge.node.turn, axis), edge.ids).all()
                for edge in edges
                if edge.node.turn < ids.shape[axis]
            )
            and (not np.isin(np.take(ids, 1, axis), edges[0].ids).any())
        ):
            return True
    return False


def _program(trace: Callable[[Arrays], Trace] | None, xs: Arrays) -> Program | None:
    try:
        return Program(trace(xs)) if trace else None
    except Exception:  # a function may raise anything for arrays that are not quite NumPy's
        return None


def _experiments(point: Point, v: np.ndarray, findings: list[Finding]) -> Iterator[tuple[Experiment, frozenset[str]]]:
    """The inputs whose gradient is wrong in each."""
    shapes = point.function.shapes
    options = [
        (j, axis, k)
        for j, shape in enumerate(shapes)
        for axis, n in enumerate(shape or (1,))
        if n <= MOST_BLOCKS
        for k in range(n)
    ]
    for j, axis, k in options[:MOST_EXPERIMENTS]:
        arriving = [np.zeros(shape) for shape in shapes]
        given = cut(v, shapes)[j]
        if given.ndim:
            np.moveaxis(arriving[j], axis, 0)[k] = np.moveaxis(given, axis, 0)[k]
        else:
            arriving[j] = given
        alone = np.concatenate([g.ravel() for g in arriving])
        gradients = point.gradients(alone)
        yield (j, axis, k), frozenset(f.input.name for f, g in zip(findings, gradients) if not _right(f, g, alone))


def _right(f: Finding, g: np.ndarray, v: np.ndarray) -> bool:
    J = f.numeric.jacobian
    assert J is not None
    terms = (np.abs(v) @ np.abs(J)).reshape(g.shape)
    error = f.error.reshape(g.shape) + ROUNDING * terms
    return bool((np.abs(g - (v @ J).reshape(g.shape)) <= error).all())


def _by_axis(
    same: dict[Experiment, frozenset[str]], shapes: Sequence[tuple[int, ...]]
) -> Iterator[tuple[tuple[int, int], dict[int, frozenset[str]]]]:
    for j, shape in enumerate(shapes):
        for axis in range(len(shape)):
            yield (j, axis), {k: names for (i, a, k), names in same.items() if (i, a) == (j, axis)}


def _range(right: list[int], n: int, axis: int | None) -> tuple[str, str] | None:
    """Right and wrong indices in words, if the right ones are the first or the last. axis: None for time steps."""
    def named(first: int, last: int) -> str:
        one, several, where = ("step", "steps", "") if axis is None else ("index", "indices", f" of axis {axis}")
        return f"{one} {first}{where}" if first == last else f"{several} {first} to {last}{where}"

    if not right or len(right) == n:
        return None
    if right == list(range(len(right))):
        return named(0, right[-1]), named(len(right), len(right)) + (" and later ones" if n > len(right) + 1 else "")
    if right == list(range(n - len(right), n)):
        last = n - len(right) - 1
        return f"{named(right[0], n - 1)}, the last,", named(last, last) + (" and earlier ones" if last else "")
    return None


def _of(j: int, shapes: Sequence[tuple[int, ...]]) -> str:
    return f" of output {j}" if len(shapes) > 1 else " of the output"


def _time(findings: list[Finding], shapes: Sequence[tuple[int, ...]], j: int, axis: int, time_axis: int | None) -> bool:
    """The given time axis, if the first input has this length. Otherwise causality decides: an input has an axis of the same
    length, and no output depends on a later index of it."""
    if time_axis is not None:
        return axis == time_axis and findings[0].input.x.shape[axis:axis + 1] == shapes[j][axis:axis + 1]
    start, size = sum(int(np.prod(shape)) for shape in shapes[:j]), int(np.prod(shapes[j]))
    return any(
        n == shapes[j][axis]
        and f.numeric.jacobian is not None
        and is_time(blocks(f.numeric.jacobian[start : start + size], shapes[j], axis, f.input.x.shape, axis_in))
        for f in findings
        for axis_in, n in enumerate(f.input.x.shape)
    )


def _shared(program: Program, names: frozenset[str]) -> str:
    """The operations that give exactly these inputs their gradients in one step."""
    inputs = list(program.trace.inputs)
    reached: dict[int, set[str]] = {}  # for each place, within the first turn
    found: list[int] = []
    for node in program.trace.nodes:
        place = program.places[node.place]
        if node.turn == 0:
            makers = {int(maker) for edge in node.edges for maker in np.unique(program.maker[edge.ids]) if maker >= 0}
            reached[place] = set().union(
                *(reached.get(m, set()) if m < len(program.places) else {inputs[m - len(program.places)]} for m in makers)
            )
            if reached[place] == names:
                found.append(place)
    if len(found) > 1 and not _all_through(program, found):
        places = [list(program.places)[place] for place in found]
        call = context(places[0]) if len(set(map(context, places))) == 1 else ""
        return f"exactly these get gradients through what is computed in {lines_of(places)}{call}"
    return f"the way back to these goes through {program.names[found[-1]]} ({program.lines[found[-1]]})" if found else ""


def _all_through(program: Program, places: list[int]) -> bool:
    """Does all that the others compute in the first turn reach the outputs through the last one, which is none itself?"""
    *others, last = (program.nodes[list(program.places)[place]][0] for place in places)
    used = np.zeros(program.trace.count, bool)
    used[ids_of(others)] = True
    for node in program.trace.nodes:
        if node is not last and any(used[edge.ids].any() for edge in node.edges):
            used[node.ids] = True
    return not used[program.trace.outputs].any() and not np.isin(last.ids, program.trace.outputs).any()
