"""Mistakes in a factor: a wrong activation's derivative, another quantity or its gradient, or a factor on the wrong side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

import numpy as np

from .formulas import ELEMENTWISE
from .on_the_way import is_round
from .place import variable, written
from .program import FACTOR, Mistake, Program, at, passing_on, value_name, where, with_value
from .trace import Changes, Edge

ARITHMETIC = {"add", "subtract", "multiply", "divide", "negative", "positive"}
SLOPE = "the derivative of an activation is not right, or is taken of another quantity"
RIGHT = {"tanh": "1 - y^2, tanh's derivative,", "sigmoid": "y (1 - y), sigmoid's derivative,", "maximum": "(x > 0)"}
SLOPES: Sequence[tuple[str, Callable]] = (
    ("1 + y^2", lambda x, y: 1 + y * y),
    ("y (1 - y)", lambda x, y: y * (1 - y)),
    ("1 - y^2", lambda x, y: 1 - y * y),
    ("1 - tanh(y)^2, with tanh once too often,", lambda x, y: 1 - np.tanh(y) ** 2),
    ("s (1 - s) with s = sigmoid(y), sigmoid once too often,", lambda x, y: np.exp(-y) / (1 + np.exp(-y)) ** 2),
    ("1 - x^2", lambda x, y: 1 - x * x),
    ("x (1 - x)", lambda x, y: x * (1 - x)),
    ("y", lambda x, y: y),
    ("1 - y", lambda x, y: 1 - y),
    ("1 + y", lambda x, y: 1 + y),
    ("y (1 + y)", lambda x, y: y * (1 + y)),
    ("y^2", lambda x, y: y * y),
    ("x", lambda x, y: x),
    ("1 / (1 - y^2)", lambda x, y: 1 / (1 - y * y)),
    ("tanh(y)", lambda x, y: np.tanh(y)),
    ("1 - tanh(x)", lambda x, y: 1 - np.tanh(x)),
    ("sigmoid(y)", lambda x, y: 1 / (1 + np.exp(-y))),
    ("sigmoid(x)", lambda x, y: 1 / (1 + np.exp(-x))),
    ("(y > 0)", lambda x, y: y > 0),
    ("(x < 0)", lambda x, y: x < 0),
)


def slopes(program: Program) -> Iterator[Mistake]:
    for edges in program.groups.values():
        name, edge = edges[0].node.name, edges[0]
        if name in ELEMENTWISE - ARITHMETIC and len(edge.node.edges) == 1 and edge.ids.shape == edge.node.value.shape:
            yield Mistake(
                f"the derivative of {name} is missing in what goes back to {where(edge)}{at(edge)}", SLOPE, passing_on(edges)
            )
            yield Mistake(
                f"the derivative of {name} is applied twice in what goes back to {where(edge)}{at(edge)}",
                SLOPE,
                {edge: lambda g, total, e=edge: e.back(e.back(g, *e.values), *e.values) for edge in edges},
            )
            for text, slope in SLOPES if name in RIGHT else ():
                yield Mistake(
                    f"{text} stands where {RIGHT[name]} is right, with y = {written(edge.node.place)}{at(edge)}",
                    SLOPE,
                    {edge: lambda g, total, e=edge, s=slope: g * s(e.values[e.number], e.values[-1]) for edge in edges},
                )


def of_loss(program: Program) -> Iterator[Mistake]:
    """Probabilities are used as the gradient of the scores, as when nobody subtracts 1 at the target."""
    outputs, makers = program.trace.outputs, list(program.nodes.items())
    for k, (place, nodes) in enumerate(makers if outputs.size == 1 else ()):
        values = [node.value for node in nodes.values()]
        for text, ps in ((variable(place), values), (f"exp({variable(place)})", [np.exp(value) for value in values])):
            if not values[0].size > 1 or not all(((0 < p) & (p < 1)).all() for p in ps):
                continue
            for scores, before in makers[:k]:
                if before.keys() == nodes.keys() and all(p.shape == node.value.shape and not np.allclose(p, node.value)
                                                         for p, node in zip(ps, before.values())):  # exp(log p) is p itself
                    edge, shape = next(iter(before.values())).edges[0], ps[0].shape
                    name = value_name(edge, edge.number) if edge.node.name == "subtract" else variable(scores)  # z - z.max()
                    for n in {1, len(ps), *(n * times for n in (*shape, ps[0].size) for times in (1, len(ps)))}:
                        yield Mistake(
                            f"{text}{f' / {n}' if n > 1 else ''} itself is used as the gradient of {name}: something is to be "
                            f"subtracted from it, or to be multiplied by it{at(edge)}",
                            FACTOR,
                            {edge: lambda g, total, e=edge, p=p / n: e.back(total[outputs[0]] * p, *e.values)
                             for p, node in zip(ps, before.values()) for edge in node.edges},
                        )


def factors(program: Program) -> Iterator[Mistake]:
    for edges in program.groups.values():
        name, edge = edges[0].node.name, edges[0]
        if name == "multiply" or name == "divide" and edge.number == 0:
            value = edge.values[1 - edge.number]
            factor = f"the {'factor' if name == 'multiply' else 'division by'} {value_name(edge, 1 - edge.number)}"
            yield Mistake(
                f"{factor} is missing in what goes back to {where(edge)}{at(edge)}",
                FACTOR,
                passing_on(edges),
                factor=_constant(value, 1 if name == "divide" else -1),
            )
            yield Mistake(
                f"{factor} stands twice in what goes back to {where(edge)}{at(edge)}",
                FACTOR,
                {edge: lambda g, total, e=edge: e.back(e.back(g, *e.values), *e.values) for edge in edges},
                factor=_constant(value, 1 if name == "multiply" else -1),
            )


def _constant(values: np.ndarray, power: int) -> float | None:
    """The number that all values are, or its reciprocal, if it may also stand at other places."""
    if not values.size or not values.flat[0] or (values != values.flat[0]).any():
        return None
    return c if is_round(c := float(values.flat[0]) ** power) else None


def replaced(program: Program) -> Iterator[Mistake]:
    """Another quantity of the same step replaces a factor."""
    for edges in program.groups.values():
        if edges[0].node.name == "multiply":
            yield from _replaced(program, edges)


def replaced_in_products(program: Program) -> Iterator[Mistake]:
    for edges in program.groups.values():
        if edges[0].node.name == "matmul":
            yield from _replaced(program, edges)


def _replaced(program: Program, edges: list[Edge]) -> Iterator[Mistake]:
    other, edge = 1 - edges[0].number, edges[0]
    for name, values in program.quantities(edges, edge.values[other].shape):
        if not all(np.array_equal(value, e.values[other]) for value, e in zip(values, edges)):
            what = f"an earlier {name}" if name == value_name(edge, other) else name
            yield Mistake(
                f"{what} stands where {value_name(edge, other)} is right in what goes back to {where(edge)}{at(edge)}",
                FACTOR,
                {edge: with_value(edge, other, value) for edge, value in zip(edges, values)},
                replaced=edge.node.name == "multiply",
            )


def exchanged(program: Program) -> Iterator[Mistake]:
    """Two products have exchanged their factors: z h + (1 - z) n with z and 1 - z exchanged."""
    products: dict[int, dict[int, list[Edge]]] = defaultdict(lambda: defaultdict(list))
    for (place, _), edges in program.groups.items():
        for edge in edges if edges[0].node.name == "multiply" and edges[0].values[0].shape == edges[0].values[1].shape else ():
            products[place][edge.node.turn].append(edge)
    for one, two in combinations(products, 2):
        first, second = products[one], products[two]
        here, there = next(iter(first.values()))[0], next(iter(second.values()))[0]
        if first.keys() != second.keys() or here.values[0].shape != there.values[0].shape:
            continue
        for which in ((0,), (1,), (0, 1)):
            for across in (False, True):
                changes: Changes = {}
                for mine, theirs in ((first, second), (second, first)):
                    for turn, edges in mine.items():
                        other = theirs[turn][0].values
                        values = [
                            other[1 - i if across else i] if i in which else value for i, value in enumerate(edges[0].values)
                        ]
                        changes |= {edge: lambda g, total, e=edge, v=tuple(values): e.back(g, *v) for edge in edges}
                a, b = ([value_name(e, i) for i in which] for e in (here, there))
                with_factors = f", with their factors {a[1]} and {b[1]}," if len(which) == 2 else ""
                yield Mistake(
                    f"{a[0]} and {b[0]} are exchanged{with_factors} in what goes back through {written(here.node.place)} and "
                    f"{written(there.node.place)}{at(here)}",
                    FACTOR,
                    changes,
                )


def other_gradients(program: Program) -> Iterator[Mistake]:
    """The gradient of another quantity of the same step is used."""
    for edges in program.groups.values():
        turns = {edge.node.turn: edge for edge in edges}
        for place, i in program.places.items():
            nodes = program.nodes[place]
            if place != edges[0].node.place and all(
                turn in nodes
                and nodes[turn].value.shape == edge.node.value.shape
                and nodes[turn].ids.max(initial=0) > edge.node.ids.max(initial=0)
                for turn, edge in turns.items()
            ):
                yield Mistake(
                    f"the gradient of {program.names[i]} is used where that of {variable(edges[0].node.place)} is right, in "
                    f"what goes back to {where(edges[0])}{at(edges[0])}",
                    FACTOR,
                    {
                        edge: lambda g, total, e=edge, ids=nodes[turn].ids: e.back(total[ids], *e.values)
                        for turn, edge in turns.items()
                    },
                )


def before_or_after(program: Program) -> Iterator[Mistake]:
    """A factor before a matrix product is applied after it, or the other way round: (r h) U and r (h U)."""
    for (_, number), edges in program.groups.items():
        for others in program.groups.values():
            e, q = edges[0], others[0]
            if (
                {e.node.name, q.node.name} != {"multiply", "matmul"}
                or len(edges) != len(others)
                or not np.array_equal(q.ids, e.node.ids)
                or e.values[1 - number].shape != (q if e.node.name == "multiply" else e).node.value.shape
                and e.node.name == "multiply"
            ):
                continue
            if e.node.name == "multiply":  # right: back through q, then times the factor
                changes: Changes = {
                    edge: lambda g, total, e=edge, o=other: o.back(total[o.node.ids] * e.values[1 - e.number], *o.values)
                    for edge, other in zip(edges, others)
                }
            else:
                changes = {
                    edge: lambda g, total, e=edge, o=other: e.back(total[o.node.ids], *e.values) * o.values[1 - o.number]
                    for edge, other in zip(edges, others)
                }
            factor = value_name(e if e.node.name == "multiply" else q, 1 - (e if e.node.name == "multiply" else q).number)
            yield Mistake(
                f"the factor {factor} stands on the wrong side of the matrix product in what goes back to {where(e)} through "
                f"{written(q.node.place)}{at(q)}",
                FACTOR,
                changes,
            )
