"""Says through which place the error enters: for all wrong inputs together, and for an input that alone is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .at_origin import EXACT, POSSIBLE, Block, Guess, at_all_points, blocks, forms, names, superfluous, varies
from .diagnosis import Named
from .on_the_way import further, somewhere
from .origin import Differences, Origin, origins
from .place import line_of, lines_of, written
from .program import FACTOR, Program, at, ids_of, value_name, where
from .trace import Edge

MOST_ALONE = 4  # so many wrong inputs are tried one by one


def entered(points: Sequence[Differences]) -> tuple[dict[str, Named], dict[str, Named]]:
    """The mistake and its place, for each wrong input if the place is known."""
    wrong = [name for name in points[0].inputs if any(point.is_wrong(name) for point in points)]
    located = {name: Named(text, text) for name in wrong if (text := _alone(points, name))}
    left_out: tuple[str, ...] = ()
    found = origins(points, left_out)
    if not found and located:
        left_out = tuple(located)
        found = origins(points, left_out)
    guesses = _guesses(points, found)
    if not guesses and len(wrong) == 1:
        guesses = [[[Guess(POSSIBLE, text, FACTOR)]] for text in _factors(points, wrong[0])]
    explained = [name for name in wrong if name not in left_out] if found else wrong
    if not guesses and not found:  # perhaps each input has a mistake of its own
        return {name: _best(points, own) for name in wrong if name not in located and (own := _own(points, wrong, name))}, located
    if guesses:
        return dict.fromkeys(explained, _best(points, guesses)), located
    if found:
        text = _from_one_place(points[0], found)
        located = {**located, **dict.fromkeys(explained, Named(text, text))}
    return {}, located


def _guesses(points: Sequence[Differences], found: list[list[Origin]]) -> list[list[list[Guess]]]:
    least = min((origin[0].rank for origin in found), default=0)
    return [told for origin in found if origin[0].rank == least and (told := names(points, origin))]


def _own(points: Sequence[Differences], wrong: list[str], name: str) -> list[list[list[Guess]]]:
    """Guesses for one wrong input: a mistake somewhere before it, or else in one of its uses."""
    others = [other for other in wrong if other != name]
    if _scaled(*_had_and_right(points[0], name)):
        return []
    found = _guesses(points, origins(points, others)) if 0 < len(others) < MOST_ALONE else []
    told = [] if found else names(points, [_of_input(point, name) for point in points])
    return [told] if told else found


def _best(points: Sequence[Differences], guesses: list[list[list[Guess]]]) -> Named:
    """The likeliest guesses; if the same holds at several places, the sentence has the first and the last."""
    told = min(guesses, key=lambda told: max(some[0].likely for some in told))
    best, text = told[0][0], "; and ".join(some[0].text for some in told)
    for guess in told[0] if len(told) == 1 else ():
        same = [g.edge for other in guesses if len(other) == 1 for g in other[0] if g.edge and g.claims == guess.claims]
        if len(same) > 1 and guess.likely <= max(best.likely, POSSIBLE):  # then this place is not the only one
            program = points[0].program
            last = further(program, np.unique(ids_of(program.groups[program.places[same[-1].node.place], same[-1].number])))
            between = somewhere(value_name(same[0], same[0].number), line_of(same[0].node.place), last or same[-1])
            return Named(f"{guess.claim}{guess.after}, {between}", guess.family)
    return Named(text, best.family)


def _of_input(point: Differences, name: str) -> Origin:
    """The input itself as the place of the error; without the error if its gradient is zero, since that tells nothing."""
    ids, total = point.trace.inputs[name].ravel(), point.trace.totals(point.v, {})
    error = np.zeros(point.trace.count)
    error[ids] = point.wrong[point.names == point.inputs.index(name)]
    return Origin(ids, ids, len(ids), error, total + error) if (total + error)[ids].any() else Origin(ids, ids, len(ids))


def _had_and_right(point: Differences, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The input's gradients: the student's, and the right one."""
    columns = point.names == point.inputs.index(name)
    had = point.given[columns].reshape(point.trace.inputs[name].shape)
    return had, had - point.wrong[columns].reshape(had.shape)


def _scaled(had: np.ndarray, right: np.ndarray) -> bool:
    """Have all entries along an axis the same factor? Then it may have come in anywhere."""
    ratio = np.divide(had, right, out=np.ones(had.shape), where=right != 0)
    return any(np.allclose(ratio, ratio.mean(axis, keepdims=True), rtol=EXACT, atol=0)
               for axis, n in enumerate(ratio.shape) if n > 1)


def _factors(points: Sequence[Differences], name: str) -> Iterator[str]:
    """The gradient and the right one differ by a factor, a quantity of the program."""
    found: list[dict[str, None]] = []
    for point in points:
        had, right = _had_and_right(point, name)
        texts: dict[str, None] = {}
        for edge in (edges[0] for edges in point.program.groups.values() if len(edges) == 1):
            for quantity, value in ((value_name(edge, i), value) for i, value in enumerate(edge.values)):
                if value.ndim == had.ndim and all(n in (1, m) for n, m in zip(value.shape, had.shape)) and varies(value):
                    for text, form in forms(quantity if quantity.isidentifier() else f"({quantity})", value).items():
                        if np.abs(had - right * form).max() <= EXACT * np.abs(had).max():
                            texts[superfluous(text)] = None
                        if np.abs(right - had * form).max() <= EXACT * np.abs(right).max():
                            texts[f"a factor {text} is missing"] = None
        found.append(texts)
    return at_all_points(found)


def _from_one_place(point: Differences, found: list[list[Origin]]) -> str:
    """The error is between two places: the one nearest to the outputs, and the one furthest from them."""
    program, first, last = point.program, found[0][0], found[-1][0]
    start, end, later = _gradient(program, first), _gradient(program, last), further(program, last.whole)
    end = f"what goes back to {where(later)}{at(later)}" if later else end
    text = f"all that is wrong follows from one error, in {start}"
    if start != end:
        text = f"{text}, or on the way back from there to {end}"
    elif first.error is not None and len(parts := _needed(list(blocks(point, first).values()))) > 1:
        sources = " and ".join(dict.fromkeys(where(block.edges[0][0]) for block in parts))
        text = f"{text.replace('one error,', 'errors', 1)}, in what comes from {sources}"
    elif not _readers(program, first.whole) and (program.maker[first.whole] < len(program.places)).all():
        text = (f"all that is wrong passes through {_gradient(program, first)}; the error is in it, or in the later operations "
                "that read its parts")
    return f"{text}{_steps(program, first)}"


def _needed(blocks: list[Block]) -> list[Block]:
    """Without those whose errors may all come from others, too."""
    for block in blocks[:]:
        others = [other.ids for other in blocks if other is not block]
        if others and np.isin(block.ids[block.error != 0], np.concatenate(others)).all():
            blocks = [other for other in blocks if other is not block]
    return blocks


def _readers(program: Program, ids: np.ndarray) -> list[list[Edge]]:
    """The operations that read exactly these numbers."""
    return [edges for edges in program.groups.values() if np.array_equal(np.unique((read := ids_of(edges))[read > 0]), ids)]


def _gradient(program: Program, origin: Origin) -> str:
    """Such as: the gradient of h (line 12: h = np.tanh(x @ Wx + h @ Wh); it is read in line 14: y = h @ Wy)"""
    readers, makers = _readers(program, origin.whole), np.unique(program.maker[origin.whole])
    if readers and _joined(program, readers[0]):
        pieces = ", ".join(program.names[maker] for maker in makers)
        return (f"the gradient of {value_name(readers[0][-1], readers[0][-1].number)}, or where it is cut into the parts for "
                f"{pieces} ({lines_of(edges[0].node.place for edges in readers)})")
    if len(readers) == 1 and len(makers) == 1 and readers[0][0].node.name not in ("add", "subtract"):
        return f"what goes back to {where(readers[0][0])}{at(readers[0][0])}"
    name = value_name(readers[0][-1], readers[0][-1].number) if readers else program.names[makers.max()]
    name = program.names[makers[0]] if len(makers) == 1 and makers[0] >= 0 else name
    made = [program.lines[maker] for maker in makers if 0 <= maker < len(program.places)][:1]
    read = lines_of(place for maker in makers for place in program.readers.get(int(maker), []) if line_of(place) not in made)
    return f"the gradient of {name} ({'; '.join([*made, *([f'it is read in {read}'] if read else [])])})"


def _joined(program: Program, edges: list[Edge]) -> bool:
    """Does one argument consist of parts with different sources, as after a concatenation?"""
    return any(len(np.unique(program.maker[edge.ids[edge.ids > 0]])) > 1 for edge in edges)


def _steps(program: Program, origin: Origin) -> str:
    """The turns with an error, in words."""
    makers = np.unique(program.maker[origin.whole])
    if any(_joined(program, edges) for edges in _readers(program, origin.whole)):
        return ""  # its parts have turns of their own
    turns = program.turn[origin.ids]
    bad = np.unique(turns if origin.error is None else turns[origin.error[origin.ids] != 0])
    if len(np.unique(program.turn[origin.whole])) == 1:  # such as the last state, which is read once
        return ""
    runs = bad[bad >= 0]  # without the initial state
    last = max((turn for m in makers if 0 <= m < len(program.places)
                for turn in program.nodes[list(program.places)[m]]), default=0)
    in_time = any(len(program.turns_of(pieces)) == last for pieces in program.carried.values())
    if runs.size and runs[-1] - runs[0] >= len(runs):  # as in a loop over samples, with a loop over steps inside
        which = f"steps {', '.join(map(str, runs))}" if in_time else f"runs {', '.join(map(str, runs + 1))} of this line"
        return f"; it is wrong in {which}, and right in the others"
    if bad.size and bad[0] > 0:
        return f"; it is right the first {f'{bad[0]} times' if bad[0] > 1 else 'time'} that this line runs"
    if bad.size == 0 or bad[-1] >= last:
        return ""
    if not in_time:
        return f"; it is right the last {f'{last - bad[-1]} times' if last - bad[-1] > 1 else 'time'} that this line runs"
    return f"; it is right in step {bad[-1] + 1}{' on' if bad[-1] + 1 < last else ''} and wrong " + (
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
    lines = lines_of(edges[0].node.place for edges in groups)
    place = f"not what arrives at {written(groups[0][0].node.place)}, where it is read ({lines})" if len(groups) == 1 else (
        f"not what arrives where it is read ({lines})")
    many = len(others) > 1
    return (f"only what goes into {name} itself is wrong, {place}: {', '.join(others)}, which "
            f"{'get their gradients' if many else 'gets its gradient'} through the same place{'s' if len(groups) > 1 else ''}, "
            f"{'are' if many else 'is'} right")
