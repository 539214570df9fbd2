"""Says where a constant factor may have come in: everywhere on the way back where it gives the same gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .place import line_of, lines_of, variable, written
from .program import Program, at, context, ids_of, value_name, where
from .trace import Edge

WORDS = {0.0: "is lost", -1.0: "has the wrong sign", 2.0: "counts twice", 0.5: "counts by half"}
MOST = 3  # guesses at the constant


def is_round(factor: float) -> bool:
    """Many places may have such a factor; others, such as the root of 7, show where they come from."""
    return factor in WORDS or any(abs(f - round(f)) < 1e-9 for f in (factor, 1 / factor))


def somewhere(first: str, its_line: str, last: Edge) -> str:
    """first: what the gradient is of, before the error came in."""
    return f"somewhere on the way from {first} ({its_line}) to {where(last)}{at(last)}"


def further(program: Program, ids: np.ndarray) -> Edge | None:
    """The last of the operations behind these numbers that have one argument and no other reader, such as the mean and the square
    of a variance. A factor in one of them gives the same gradients as a factor before them."""
    edge = None
    while len(makers := np.unique(program.maker[ids])) == 1 and 0 <= makers[0] < len(program.places):
        nodes = list(program.nodes[list(program.places)[makers[0]]].values())
        readers = [edges for edges in program.groups.values() if np.isin(ids_of(edges), ids).any()]
        if len(readers) > 1 or any(len(node.edges) != 1 for node in nodes) or not np.isin(ids_of(nodes), ids).all():
            break
        edge, ids = nodes[0].edges[0], np.unique(ids_of([node.edges[0] for node in nodes]))
    return edge


def off_by(program: Program, factor: float, places: Sequence[Edge]) -> str:
    """The sentence for a factor at one of these places, nearest to the outputs first."""
    first, last = places[0], places[-1]
    much = WORDS.get(factor) or f"counts {f'{factor:.6g}' if factor > 1 else f'1/{1 / factor:.6g}'} times"
    guesses = list(dict.fromkeys(guess for edge in places for guess in _guesses(edge, factor)))
    question = "" if factor in WORDS else ": is a division missing?" if factor > 1 else ": is it divided by a length?"
    ending = f": perhaps {', or '.join(guesses)}" if 0 < len(guesses) <= MOST else question
    start, line = value_name(first, first.number), line_of(first.node.place) + context(first.node.place)
    readers = program.readers.get(program.places[first.node.place], [])
    if len(first.node.edges) == 1 and readers:  # then what arrives at the result may be wrong already
        start, line = variable(first.node.place), lines_of(readers) + " and".join(dict.fromkeys(map(context, readers)))
    if line == line_of(last.node.place) + context(last.node.place):
        return f"what goes back to {where(last)} {much}{ending}{at(last)}"
    return f"what goes back {much}, {somewhere(start, line, last)}{ending}"


def _guesses(edge: Edge, factor: float) -> Iterator[str]:
    for own, text in _constants(edge) if factor not in (0, -1) else ():
        if own not in (0, 1):
            for times, what in ((1 / own, "is missing"), (own, "stands twice")):
                if abs(times - factor) < 1e-9:
                    yield f"{text} {what}"


def _constants(edge: Edge) -> Iterator[tuple[float, str]]:
    """The constants in this argument's derivative."""
    name, values, expression = edge.node.name, edge.values, written(edge.node.place)
    other = values[1 - edge.number] if name in ("multiply", "divide", "power") else np.zeros(0)
    if other.size and (other == other.flat[0]).all():
        c, text = float(other.flat[0]), value_name(edge, 1 - edge.number)
        if name == "multiply":
            yield c, f"the factor {text}"
        elif edge.number == 0:
            yield (c, f"the factor {c:g} of the derivative of {expression}") if name == "power" else (
                1 / c, f"the division by {text}")
    if name in ("sqrt", "square"):
        yield (0.5, f"the 1/2 of the derivative of {expression}") if name == "sqrt" else (
            2.0, f"the 2 of the derivative of {expression}")
    if name in ("mean", "var"):
        n = values[0].size // max(1, values[-1].size)
        yield 1 / n, f"the division by {n} of {expression}"
