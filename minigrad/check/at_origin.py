"""Names the mistake at the place where the error enters. It compares the student's gradient there with the right one.

The right gradient at a place is computed from the student's gradients at the later places, so that an error from a later
step is not blamed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np

from .formulas import ELEMENTWISE
from .hypotheses import of_one
from .on_the_way import WORDS
from .origin import Differences, Origin
from .place import variable, written
from .program import FACTOR, LOST, at, ids_of, value_name, where
from .trace import Changes, Edge, Node
from .turned import ORDER

EXACT = 1e-7  # of the largest number: the student's gradient is the solution of a system of equations
MOST_PARTS = 5  # all subsets of so many parts are tried
LIKELY, POSSIBLE, TWO_FACTORS = range(3)
WITH_FACTOR = ELEMENTWISE - {"add", "subtract", "negative", "positive"}
UNUSUAL = ("1 / ", "log ", "exp ", "sqrt ")  # beginnings of forms that nobody mistakes for another one
Key = tuple[int, int]  # the key of a group of edges


class Guess(NamedTuple):
    """likely: a small number if so. The claim stands before and after the words for the place, edge, if there is one."""

    likely: int
    claim: str
    family: str
    after: str = ""
    edge: Edge | None = None
    name: str = ""

    @property
    def claims(self) -> tuple[str, str]:
        return self.claim, self.after

    @property
    def text(self) -> str:
        return f"{self.claim} to {self.name or where(self.edge)}{self.after}{at(self.edge)}" if self.edge else self.claim


class Block:
    """An argument in all turns, and the operations that read exactly it: its student's gradient, and its right gradient."""

    def __init__(self, differences: Differences, origin: Origin, keys: Sequence[Key]) -> None:
        assert origin.error is not None and origin.had is not None
        self.program, self.keys, self.total = differences.program, tuple(keys), origin.had
        self.edges = [self.program.groups[key] for key in keys]
        ids = ids_of(self.edges[0])
        self.ids = ids[ids > 0]
        self.had, self.error = origin.had[self.ids], origin.error[self.ids]
        self.right = self.had - self.error
        self.arriving = differences.trace.arriving(differences.v)
        self.size = max(np.abs(self.had).max(initial=0), np.abs(self.right).max(initial=0))

    def fits(self, gradient: np.ndarray) -> bool:
        return bool((np.abs(gradient - self.had) <= EXACT * self.size).all())

    def passed(self, edges: Sequence[Edge], gs: Sequence[np.ndarray], factors: Sequence[np.ndarray] | None = None) -> np.ndarray:
        """The sum that these edges pass on of gs. With factors, each passes on g times its factor instead."""
        total = np.zeros(self.program.trace.count)
        for k, (edge, g) in enumerate(zip(edges, gs)):
            edge.add(edge.back(g, *edge.values) if factors is None else g * factors[k], total)
        return total[self.ids]

    def guesses(self) -> Iterator[Guess]:
        """All guesses that give the student's gradient."""
        yield from self._constants()
        gs = [[self.total[edge.node.ids] for edge in edges] for edges in self.edges]
        parts = [self.passed(edges, g) for edges, g in zip(self.edges, gs)]
        yield from self._lost(parts)
        for edges, g, part in zip(self.edges, gs, parts):
            yield from self._arrives_in_part(edges, g, self.right - part)
            yield from self._factors(edges, g, part, self.right - part)

    @property
    def name(self) -> str:
        """The name of the value that the operations read."""
        edge, makers = self.edges[0][-1], np.unique(self.program.maker[self.ids])
        return self.program.names[makers[0]] if len(makers) == 1 and makers[0] >= 0 else value_name(edge, edge.number)

    def _constants(self) -> Iterator[Guess]:
        edge, name = self.edges[0][0], self.name if len(self.edges) > 1 else ""
        for factor, text in WORDS.items():
            if self.fits(factor * self.right):
                yield Guess(LIKELY, "what goes back", FACTOR if factor else LOST, f" {text}", edge, name)
        large = np.abs(self.right) > 0.1 * np.abs(self.right).max(initial=0)
        ratio = float(np.median(self.had[large] / self.right[large])) if large.any() else 1.0
        if ratio not in (0, 1) and len(self.right) > 1 and self.fits(ratio * self.right):
            yield Guess(POSSIBLE, "what goes back", FACTOR, f" is {ratio:.6g} times what it should be", edge, name)

    def _lost(self, parts: list[np.ndarray]) -> Iterator[Guess]:
        names, arriving = [where(edges[0]) for edges in self.edges], self.arriving[self.ids]
        if arriving.any():
            parts, names = [*parts, arriving], [*names, "the output that it is"]
        for n in range(1, len(parts)) if len(parts) <= MOST_PARTS else ():
            for lost in combinations(range(len(parts)), n):
                if self.fits(self.right - sum(parts[i] for i in lost)):
                    uses = " and ".join(names[i] for i in lost)
                    yield Guess(LIKELY, f"of what goes back to {self.name}, {uses} is lost{at(self.edges[0][0])}", LOST)

    def _arrives_in_part(self, edges: list[Edge], gs: list[np.ndarray], rest: np.ndarray) -> Iterator[Guess]:
        """This argument ignores the part of the result's gradient that comes from one of the result's uses."""
        result, nodes = variable(edges[0].node.place), [edge.node for edge in edges]
        uses = self._uses(nodes)
        while len(uses) == 1 and uses[0][2] and uses[0][2][0].node.name == "add" and len(uses[0][2]) == len(edges):
            nodes = [edge.node for edge in uses[0][2]]
            result, uses = variable(nodes[0].place), self._uses(nodes)
        for text, part, _ in uses if len(uses) > 1 else ():
            if self.fits(rest + self.passed(edges, [g - lost for g, lost in zip(gs, part)])):
                yield Guess(LIKELY, f"the gradient of {result} is used without what comes from {text}, in what goes back", LOST,
                            edge=edges[0])

    def _uses(self, nodes: list[Node]) -> list[tuple[str, list[np.ndarray], list[Edge]]]:
        """For the results of one place: the gradient from each of their uses."""
        own, results = [self.arriving[node.ids] for node in nodes], ids_of(nodes)
        found: list[tuple[str, list[np.ndarray], list[Edge]]] = [("the output that it is", own, [])] if any(
            g.any() for g in own) else []
        for others in self.program.groups.values():
            if np.isin(ids_of(others), results).any():
                total = np.zeros(self.program.trace.count)
                for e in others:
                    e.add(e.back(self.total[e.node.ids], *e.values), total)
                found.append((where(others[0]), [total[node.ids] for node in nodes], others))
        return found

    def _factors(self, edges: list[Edge], gs: list[np.ndarray], part: np.ndarray, rest: np.ndarray) -> Iterator[Guess]:
        """Another factor, a superfluous one, or a missing one."""
        place, edge = "in what goes back", edges[0]
        for text, fs in self._forms(edges, edges[0].node.value.shape) if edges[0].node.name in WITH_FACTOR else ():
            if self.fits(rest + self.passed(edges, gs, fs)):
                yield Guess(LIKELY, f"{text} stands where {_own_factor(edge)} is right {place}", FACTOR, edge=edge)
        for text, fs in self._forms(edges, edges[0].node.value.shape) if edges[0].node.name == "matmul" else ():
            if self.fits(rest + self.passed(edges, [g * f for g, f in zip(gs, fs)])):
                yield Guess(POSSIBLE, f"{superfluous(text)}, before the product, {place}", FACTOR, edge=edge)
        if not all(edge.distinct for edge in edges):
            return
        texts, table = [], []
        for text, fs in self._forms(edges, edges[0].ids.shape):
            f = np.concatenate([f.ravel()[edge.ids.ravel() > 0] for f, edge in zip(fs, edges)])
            if f.shape == part.shape and np.isfinite(f).all() and f.all() and not text.startswith("1 / "):
                texts.append(text)
                table.append(f)
        rows, own = np.array(table).reshape(len(texts), len(part)), self.had - rest
        for i in self._equal(own * rows, part):
            yield Guess(POSSIBLE, f"the factor {texts[i]} is missing {place}", FACTOR, edge=edge)
        for i in self._equal(part * rows, own):
            yield Guess(POSSIBLE, f"{superfluous(texts[i])}, {place}", FACTOR, edge=edge)
        written = [not text.startswith(UNUSUAL) for text in texts]
        for i, f in enumerate(rows):
            for j in self._equal(part * rows, own * f) if written[i] else ():
                if written[j] and not np.array_equal(f, rows[j]):
                    text = f"{texts[j]} stands where {texts[i]} is right, or 1 / {texts[i]} where 1 / {texts[j]} is, {place}"
                    yield Guess(TWO_FACTORS, text, FACTOR, edge=edge)

    @staticmethod
    def _equal(rows: np.ndarray, to: np.ndarray) -> np.ndarray:
        size = np.abs(to).max(initial=0)
        return np.flatnonzero((np.abs(rows - to) <= EXACT * size).all(axis=1)) if size else np.zeros(0, int)

    def _forms(self, edges: list[Edge], shape: tuple[int, ...]) -> list[tuple[str, list[np.ndarray]]]:
        """Forms of all quantities in all turns; this operation's quantities first."""
        found: list[tuple[str, list[np.ndarray]]] = []
        own = [value_name(edges[0], i) for i in range(len(edges[0].values))]
        for name, values in self.program.quantities(edges, shape, wide=True):
            if not any(map(varies, values)):
                continue  # _constants has other words for a constant factor
            new = name.removeprefix("the new ")
            short = new if new.isidentifier() else f"({name})"
            per_turn = [forms(short, value) for value in values]
            some = [(text, [turn[text] for turn in per_turn]) for text in per_turn[0]]
            some = [(text, fs) for text, fs in some if any(map(varies, fs))]
            found = [*some, *found] if name in own else [*found, *some]
        return found


def forms(name: str, q: np.ndarray) -> dict[str, np.ndarray]:
    """Expressions that people write with a quantity: q itself, 1 - q, q (1 - q), tanh q, ..."""
    return {**dict(of_one(name, q)), f"tanh {name}": np.tanh(q), f"(1 - tanh({name})^2)": 1 - np.tanh(q) ** 2,
            f"({name} > 0)": q > 0, f"sign({name})": np.sign(q)}


def superfluous(text: str) -> str:
    return f"the factor {text} is superfluous, or a division by it is missing"


def varies(a: np.ndarray) -> bool:
    return bool((a != a.flat[0]).any()) if a.size else False


def at_all_points(found: Sequence[dict[str, None]]) -> Iterator[str]:
    """The sentences that hold at every point."""
    return (text for text in found[0] if all(text in texts for texts in found[1:]))


def _own_factor(edge: Edge) -> str:
    name, y = edge.node.name, variable(edge.node.place)
    if name == "multiply":
        return value_name(edge, 1 - edge.number)
    return f"{'1 - y^2' if name == 'tanh' else 'y (1 - y)'}, with y = {y}," if name in ("tanh", "sigmoid") else (
        f"the derivative of {written(edge.node.place)}")


def blocks(d: Differences, origin: Origin) -> dict[tuple[Key, ...], Block]:
    """The operations that read only numbers of the origin, grouped by these numbers; only groups with an error."""
    keys: dict[bytes, list[Key]] = {}
    for key, edges in d.program.groups.items():
        ids = ids_of(edges)
        if np.isin(ids, [0, *origin.whole]).all():
            keys.setdefault(ids.tobytes(), []).append(key)
    found = (Block(d, origin, some) for some in keys.values())
    return {block.keys: block for block in found if block.error.any()}


def names(points: Sequence[Differences], origin: Sequence[Origin]) -> list[list[Guess]]:
    """Guesses that explain all errors of the origin together, at every point, each with others that explain as much."""
    reordered = _reordered(points, origin)
    if reordered:
        return [[Guess(LIKELY, reordered, ORDER)]]
    if any(o.error is None for o in origin):
        return []
    here, *others = [blocks(d, o) for d, o in zip(points, origin)]
    left, error = np.zeros(points[0].trace.count, bool), origin[0].error
    assert error is not None
    left[error != 0] = True
    told: list[list[Guess]] = []
    for keys, block in here.items():
        if left[block.ids].any() and all(keys in some for some in others):
            guesses = {guess.text: guess for guess in block.guesses()}
            there = [{guess.text for guess in some[keys].guesses()} for some in others] if guesses else []
            found = [guess for text, guess in guesses.items() if all(text in some for some in there)]
            if found:
                told.append(sorted(found, key=lambda g: (g.likely, len(g.text) if g.likely else 0)))
                left[block.ids] = False
    return [] if left.any() else told


def _reordered(points: Sequence[Differences], origin: Sequence[Origin]) -> str:
    """Different operations read parts of a result, such as gates, and their gradients are joined in another order."""
    found: list[dict[str, None]] = []
    for d, o in zip(points, origin):
        makers = np.unique(d.program.maker[o.whole])
        place = list(d.program.places)[makers[0]] if len(makers) == 1 and 0 <= makers[0] < len(d.program.places) else None
        nodes = list(d.program.nodes[place].values()) if place else []
        parts = {key: edges for key, edges in d.program.groups.items() if len(edges) == len(nodes) and nodes
                 and all(edge.ids.size and np.isin(edge.ids, node.ids).all() and edge.ids.size < node.ids.size
                         for edge, node in zip(edges, nodes))}
        one = {edges[0].ids.tobytes(): edges for edges in parts.values()}
        texts: dict[str, None] = {}
        if 1 < len(one) <= 4 and len({edges[0].ids.shape for edges in one.values()}) == 1:
            for order in permutations(range(len(one))):
                if order != tuple(range(len(one))) and d.gives(_changed(nodes, list(one.values()), order)):
                    names = [value_name(edges[0], edges[0].number) for edges in one.values()]
                    name, parts_of = d.program.names[makers[0]], ", ".join(names)
                    texts[f"in the gradient of {name} the parts for {parts_of} are in another order: "
                          f"{', '.join(names[i] for i in order)}{at(nodes[0].edges[0])}"] = None
        found.append(texts)
    return next(at_all_points(found), "")


def _changed(nodes: Sequence[Node], parts: Sequence[Sequence[Edge]], order: tuple[int, ...]) -> Changes:
    """Changes that permute each node's g: part i comes from part order[i]."""
    changes: Changes = {}
    for turn, node in enumerate(nodes):
        first = int(node.ids.flat[0])
        index = np.arange(node.ids.size)
        for i, j in enumerate(order):
            index[parts[i][turn].ids.ravel() - first] = parts[j][turn].ids.ravel() - first
        changes |= {edge: lambda g, total, e=edge, index=index: e.back(g.ravel()[index].reshape(g.shape), *e.values)
                    for edge in node.edges}
    return changes
