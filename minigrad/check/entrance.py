"""Says through which place the error enters: for all wrong inputs together, and for an input that alone is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .at_origin import EXACT, POSSIBLE, Guess, at_all_points, blocks, forms, names, varies
from .diagnosis import Named
from .on_the_way import somewhere
from .origin import Differences, Origin, origins
from .place import written
from .program import FACTOR, Program, at, ids_of, value_name, where
from .trace import Edge


def entered(points: Sequence[Differences]) -> tuple[dict[str, Named], dict[str, Named]]:
    """The mistake and its place, for each wrong input if the place is known."""
    wrong = [name for name in points[0].inputs if any(point.is_wrong(name) for point in points)]
    located = {name: Named(text, text) for name in wrong if (text := _alone(points, name))}
    left_out: tuple[str, ...] = ()
    found = origins(points, left_out)
    if not found and located:
        left_out = tuple(located)
        found = origins(points, left_out)
    least = min((origin[0].rank for origin in found), default=0)
    guesses = [told for origin in found if origin[0].rank == least and (told := names(points, origin))]
    if not guesses and len(wrong) == 1:
        guesses = [[[Guess(POSSIBLE, text, FACTOR)]] for text in _factors(points, wrong[0])]
    explained = [name for name in wrong if name not in left_out] if found else wrong
    if guesses:
        return dict.fromkeys(explained, _best(guesses)), located
    if found:
        text = _from_one_place(points[0], found)
        located = {**located, **dict.fromkeys(explained, Named(text, text))}
    return {}, located


def _best(guesses: list[list[list[Guess]]]) -> Named:
    """The likeliest of the guesses for each place; if the same holds at several places, the sentence has the first and the last."""
    told = min(guesses, key=lambda told: max(some[0].likely for some in told))
    best = told[0][0]
    text = "; and ".join(some[0].text for some in told)
    same = [g.edge for other in guesses if len(told) == len(other) == 1 for g in other[0]
            if g.edge and (g.claim, g.after) == (best.claim, best.after)]
    if len(same) > 1:
        text = f"{best.claim}{best.after}, {somewhere(*(value_name(e, e.number) + at(e) for e in (same[0], same[-1])))}"
    return Named(text, best.family)


def _factors(points: Sequence[Differences], name: str) -> Iterator[str]:
    """The gradient and the right one differ by a factor, a quantity of the program."""
    found: list[dict[str, None]] = []
    for point in points:
        columns = point.names == point.inputs.index(name)
        had = point.given[columns].reshape(point.trace.inputs[name].shape)
        right = had - point.wrong[columns].reshape(had.shape)
        texts: dict[str, None] = {}
        for edge in (edges[0] for edges in point.program.groups.values() if len(edges) == 1):
            for quantity, value in ((value_name(edge, i), value) for i, value in enumerate(edge.values)):
                if value.ndim == had.ndim and all(n in (1, m) for n, m in zip(value.shape, had.shape)) and varies(value):
                    for text, form in forms(quantity if quantity.isidentifier() else f"({quantity})", value).items():
                        if np.abs(had - right * form).max() <= EXACT * np.abs(had).max():
                            texts[f"the factor {text} is superfluous"] = None
                        if np.abs(right - had * form).max() <= EXACT * np.abs(right).max():
                            texts[f"a factor {text} is missing"] = None
        found.append(texts)
    return at_all_points(found)


def _from_one_place(point: Differences, found: list[list[Origin]]) -> str:
    """The error is between two places: the one nearest to the outputs, and the one furthest from them."""
    program, first, last = point.program, found[0][0], found[-1][0]
    text = f"all that is wrong follows from one error, in {_gradient(program, first)}"
    wrong = list(blocks(point, first).values()) if first.error is not None else []
    if len(found) > 1:
        text = f"all that is wrong follows from one error, between {_gradient(program, first)} and {_gradient(program, last)}"
    elif len({block.ids.tobytes() for block in wrong}) > 1:
        parts = " and ".join(dict.fromkeys(where(block.edges[0][0]) for block in wrong))
        text = f"all that is wrong follows from errors in {_gradient(program, first)}, in what comes from {parts}"
    elif not _readers(program, first.whole) and (program.maker[first.whole] < len(program.places)).all():
        text = f"all that is wrong passes through {_gradient(program, first)}, of which different operations read parts"
    return f"{text}{_steps(program, first)}{_line(program, first)}"


def _readers(program: Program, ids: np.ndarray) -> list[list[Edge]]:
    """The operations that read exactly these numbers."""
    return [edges for edges in program.groups.values() if np.array_equal(np.unique((read := ids_of(edges))[read > 0]), ids)]


def _gradient(program: Program, origin: Origin) -> str:
    """Such as: the gradient of h, which is read in h @ Wh"""
    readers, makers = _readers(program, origin.whole), np.unique(program.maker[origin.whole])
    if len(readers) == 1 and len(makers) == 1 and readers[0][0].node.name not in ("add", "subtract"):
        return f"what goes back to {where(readers[0][0])}"
    name = value_name(readers[0][-1], readers[0][-1].number) if readers else program.names[makers.max()]
    return f"the gradient of {program.names[makers[0]] if len(makers) == 1 and makers[0] >= 0 else name}"


def _line(program: Program, origin: Origin) -> str:
    readers = _readers(program, origin.whole)
    makers = [m for m in np.unique(program.maker[origin.whole]) if 0 <= m < len(program.places)]
    return f" ({program.lines[makers[0]]})" if makers else at(readers[0][0]) if readers else ""


def _steps(program: Program, origin: Origin) -> str:
    """The turns with an error, in words."""
    turns = program.turn[origin.ids]
    bad = np.unique(turns if origin.error is None else turns[origin.error[origin.ids] != 0])
    makers = program.maker[origin.whole]
    last = max((turn for m in np.unique(makers) if 0 <= m < len(program.places)
                for turn in program.nodes[list(program.places)[m]]), default=0)
    if bad.size == 0 or bad[-1] >= last:
        return ""
    return f", which is right in step {bad[-1] + 1}{' on' if bad[-1] + 1 < last else ''} and wrong " + (
        f"in step {bad[-1]}{' and before' if len(bad) > 1 else ''}" if bad[-1] >= 0 else "before")


def _alone(points: Sequence[Differences], name: str) -> str:
    """An input is wrong, but each number that arrives where it is read also reaches an input that is right."""
    here = points[0]
    program, mine = here.program, here.trace.inputs[name]
    groups = [edges for edges in program.groups.values() if np.isin(mine, ids_of(edges)).any()]
    ids = np.concatenate([np.zeros(0, int), *(ids_of([edge.node for edge in edges]) for edges in groups)])
    ids = ids[here.has_gradient[ids]]
    right = [i for i, other in enumerate(here.inputs) if other != name and not any(point.is_wrong(other) for point in points)]
    if not ids.size or not here.table[ids][:, np.isin(here.names, right)].any(axis=1).all():
        return ""
    others = [other for other in here.reached(ids) if here.inputs.index(other) in right]
    place = f"not what arrives at {written(groups[0][0].node.place)}, where it is read" if len(groups) == 1 else (
        "not what arrives where it is read")
    many = len(others) > 1
    return (f"only what goes into {name} itself is wrong, {place}: {', '.join(others)}, which "
            f"{'get their gradients' if many else 'gets its gradient'} through the same place{'s' if len(groups) > 1 else ''}, "
            f"{'are' if many else 'is'} right{at(groups[0][0])}")
