"""Mistakes between time steps, in a loop of the traced program: in the carry, and with quantities of another step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .program import Mistake, Program, at, masked, times, value_name, where, with_value
from .trace import Changes, Edge

IN_TIME = "what flows back from one time step to the one before is not all there, or not right"
WRONG_STEP = "a quantity of another time step is used"
LOST_READERS = "something that is used in several places does not get a gradient from all of them"
ONE_STEP = "contributions of several time steps are to be added up, and not all of them are"


def carries(program: Program) -> Iterator[Mistake]:
    """Mistakes in the carry, the gradient that a step passes back to the step before."""
    carried = program.carried
    for places in [*([list(carried)] if len(carried) > 1 else []), *([place] for place in carried)]:
        pieces = [piece for place in places for piece in carried[place]]
        last = max(edge.node.turn for edge, _ in pieces)
        through = f"through {' and '.join(dict.fromkeys(program.names[place] for place in places))}"
        line = f" ({program.lines[places[0]]})"
        yield Mistake(
            f"the carry is lost: nothing flows back from step t+1 to step t {through}; only what the last step passes "
            f"to its own inputs is right{line}",
            IN_TIME,
            masked(pieces),
        )
        first = [(edge, edge.ids > 0) for edge in _at_start(program, pieces)]
        if first:
            yield Mistake(
                f"the carry is lost: nothing flows back {through} from step t+1 to step t, nor to the initial state{line}",
                IN_TIME,
                masked([*pieces, *first]),
            )
            yield Mistake(
                f"nothing flows back from the first step to the initial state {through}{line}", IN_TIME, masked(first)
            )
        outputs = np.isin(program.maker[program.trace.outputs], places)  # such as the last state, which is also an output
        all_uses = {edge for edges in program.groups.values() for edge in edges if np.isin(program.maker[edge.ids], places).any()}
        other_uses = all_uses - {edge for edge, _ in pieces}  # without them all that goes back to it is lost, not only the carry
        if len(places) == 1 and outputs.any() and not outputs.all() and other_uses:
            yield Mistake(
                f"the carry is lost: nothing flows back {through} from step t+1 to step t, nor from the output that it is"
                f"{line}",
                IN_TIME,
                masked(pieces),
                ~outputs,
            )
        groups = {(program.places[edge.node.place], edge.number) for edge, _ in pieces}
        for kept in sorted(groups) if len(places) == 1 and len(groups) > 1 else ():
            lost = [piece for piece in pieces if (program.places[piece[0].node.place], piece[0].number) != kept]
            uses = ", ".join(sorted({where(edge) for edge, _ in lost}))
            yield Mistake(
                f"of what flows back from step t+1 to step t {through}, only {where(program.groups[kept][0])} counts; "
                f"{uses}: lost{line}",
                IN_TIME,
                masked(lost),
            )
            yield Mistake(
                f"of what flows back to an earlier {program.names[places[0]]}, the initial state too, only "
                f"{where(program.groups[kept][0])} counts; {uses}: lost{line}",
                IN_TIME,
                times([edge for group in sorted(groups - {kept}) for edge in program.groups[group]], 0),
            )
        one_loop = len(program.turns_of(pieces)) == last  # else its turns are not the steps
        for turn in range(1, last + 1) if last > 1 and one_loop else ():
            yield Mistake(
                f"the carry is lost at one step: nothing flows back from step {turn} to step {turn - 1} {through}; what "
                f"belongs to step {turn} and later ones is right{line}",
                IN_TIME,
                masked([piece for piece in pieces if piece[0].node.turn == turn]),
            )
        for every, first_turn in (
            (n, turn) for n in range(2, last) for turn in range(1, n + 1) if turn + n <= last and one_loop
        ):
            turns = range(first_turn, last + 1, every)
            yield Mistake(
                f"the carry is lost at several steps: nothing flows back {through} from step "
                f"{', nor from step '.join(f'{turn} to step {turn - 1}' for turn in turns[::-1])}{line}",
                IN_TIME,
                masked([piece for piece in pieces if piece[0].node.turn in turns]),
            )
        if last > 1 and one_loop:
            yield Mistake(
                f"only the last step passes something back {through}; from step {last - 1} to step {last - 2} and before "
                f"nothing flows{line}",
                IN_TIME,
                masked([piece for piece in pieces if piece[0].node.turn != last]),
            )
        readers = [
            (edge, np.isin(program.maker[edge.ids], places) & (program.turn[edge.ids] < last))
            for edges in program.groups.values()
            for edge in edges
            if len(edges) == 1 and (np.isin(program.maker[edge.ids], places) & (program.turn[edge.ids] == last)).any()
        ]
        if any(mask.any() for _, mask in readers):
            yield Mistake(
                f"what reads the results of all steps gives something back to the last step only {through}{line}",
                LOST_READERS,
                masked([(edge, mask) for edge, mask in readers if mask.any()]),
            )
        for factor, text in ((2.0, "counts twice"), (-1.0, "has the wrong sign"), (0.5, "counts by half")):
            yield Mistake(f"what flows back from step t+1 to step t {through} {text}{line}", IN_TIME, masked(pieces, factor))


def _at_start(program: Program, pieces: list[tuple[Edge, np.ndarray]]) -> list[Edge]:
    """The edges through which an initial state enters; other turns read the carried state there."""
    groups = dict.fromkeys((program.places[edge.node.place], edge.number) for edge, _ in pieces)
    return [edge for key in groups for edge in program.groups[key] if (program.maker[edge.ids] >= len(program.places)).all()]


def forward(program: Program) -> Iterator[Mistake]:
    """The backward pass loops forwards: step t passes its gradient to step t+1, and the last step to the start."""
    trace, pieces = program.trace, [piece for some in program.carried.values() for piece in some]
    places, first = list(program.places), [(edge, edge.ids > 0) for edge in _at_start(program, pieces)]
    if not pieces or not first:
        return
    without = masked([*pieces, *first])

    def errors(v: np.ndarray) -> np.ndarray:
        error = np.zeros(trace.count)
        for turn in range(max(edge.node.turn for edge, _ in pieces) + 1):
            total, passed = trace.totals(v, without, error), np.zeros(trace.count)
            for edge, mask in [*pieces, *first]:
                if edge.node.turn == turn:
                    edge.add(edge.back(total[edge.node.ids], *edge.values) * mask, passed)
            for place in program.carried:
                nodes, start = program.nodes[places[place]], [e.ids for e, _ in first if _reads(program, e, place)]
                now = nodes[turn - 1].ids if turn - 1 in nodes else start[0] if start and not turn else None
                to = nodes[turn + 1].ids if turn + 1 in nodes else start[0] if start else None
                if now is not None and to is not None:
                    error[to] += passed[now]
        return error

    yield Mistake(
        f"the steps are gone through forward: what step t passes back arrives at step t+1, not at step t-1; does the loop of the "
        f"backward pass begin at the first step? ({program.lines[next(iter(program.carried))]})",
        IN_TIME,
        without,
        None,
        errors,
    )


def _reads(program: Program, edge: Edge, place: int) -> bool:
    """In later turns the argument is this place's result."""
    later = program.groups[program.places[edge.node.place], edge.number][1:]
    return any((program.maker[e.ids] == place).any() for e in later)


def one_step(program: Program) -> Iterator[Mistake]:
    for edges in program.groups.values():
        last = len(edges) - 1
        for keep, which in ((last, "last"), (0, "first")) if last else ():
            yield Mistake(
                f"of what goes back to {where(edges[0])} only the {which} step counts: is it overwritten instead of added "
                f"up, or are the others lost?{at(edges[0])}",
                ONE_STEP,
                times(edges[:keep] + edges[keep + 1 :], 0),
            )
            if last > 1:
                yield Mistake(
                    f"of what goes back to {where(edges[0])} the {which} step's part is lost{at(edges[0])}",
                    ONE_STEP,
                    times([edges[keep]], 0),
                )


def other_steps(program: Program) -> Iterator[Mistake]:
    """A formula uses a value of another time step."""
    for edges in program.groups.values():
        T = len(edges)
        for used in range(len(edges[0].values)) if T > 1 else ():
            values = [edge.values[used] for edge in edges]
            if len({value.shape for value in values}) > 1 or all(np.array_equal(value, values[0]) for value in values[1:]):
                continue
            for text, order in (
                ("the step before (at step 0 that of the last one)", [-1, *range(T - 1)]),
                ("the step before (at step 0 its own)", [0, *range(T - 1)]),
                ("the step after", [*range(1, T), T - 1]),
                ("the step after", [*range(1, T), 0]),
                ("the last step", [T - 1] * T),
                ("the first step", [0] * T),
            ):
                yield Mistake(
                    f"{value_name(edges[0], used)} of {text} is used in what goes back to {where(edges[0])}{at(edges[0])}",
                    WRONG_STEP,
                    {edge: with_value(edge, used, values[i]) for edge, i in zip(edges, order)},
                )
        place = program.places[edges[0].node.place]
        for first in _at_start(program, program.carried.get(place, []))[:1] if T > 1 else ():
            states, y = [first.values[first.number], *(edge.node.value for edge in edges)], len(edges[0].values) - 1
            if states[0].shape == states[1].shape:
                yield Mistake(
                    f"{program.names[place]} of the step before (at step 0 the initial state) is used in what goes back to "
                    f"{where(edges[0])}{at(edges[0])}",
                    WRONG_STEP,
                    {edge: with_value(edge, y, state) for edge, state in zip(edges, states)},
                )


def off_by_one(program: Program) -> Iterator[Mistake]:
    """The backward pass reads a list of states, the initial one first, always one index too early or too late."""
    for place, pieces in program.carried.items():
        first = _at_start(program, pieces)
        if not first:
            continue
        states = [
            first[0].values[first[0].number],
            *(node.value for _, node in sorted(program.nodes[list(program.places)[place]].items())),
        ]
        functions = ((lambda a: a), np.tanh, (lambda a: 1 / (1 + np.exp(-a))))
        for shift, which in ((-1, "before"), (1, "after")):
            instead = {
                f(state).tobytes(): f(states[(k + shift) % len(states)])
                for k, state in enumerate(states)
                for f in functions
                if state.any()  # other arrays may also be zero
            }
            changes: Changes = {}
            for node in program.trace.nodes:
                initial = {edge.number for edge in node.edges if np.array_equal(edge.ids, first[0].ids)}
                values = tuple(
                    states[shift] if i in initial else instead.get(value.tobytes(), value)
                    for i, value in enumerate(node.edges[0].values)
                )
                if any(new is not old for new, old in zip(values, node.edges[0].values)):
                    changes |= {edge: lambda g, total, e=edge, v=values: e.back(g, *v) for edge in node.edges}
            if len({edge.node.place for edge in changes}) > 1:  # other families name a single formula
                yield Mistake(
                    f"{program.names[place]} of the step {which} is used throughout: is the index of its list off by one? "
                    f"({program.lines[place]})",
                    WRONG_STEP,
                    changes,
                )
