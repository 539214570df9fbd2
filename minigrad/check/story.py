"""Finds one story for all errors: a mistake, planted into the trace, that gives every number of the student's gradients.

A story must hold at two points. The trace counts only if its own gradients agree with the numeric ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from .at_origin import EXACT
from .diagnosis import Named
from .entrance import entered
from .function import Arrays
from .on_the_way import off_by
from .origin import Differences, without_shifts
from .place import line_of, variable
from .planted import in_every_turn, planted
from .program import Mistake, Program, context, ids_of, times
from .situation import ROUNDING
from .trace import Changes, Node, Trace, join_calls
from .verdict import Finding

OPERATIONS = 400_000  # of the trace: the limit for runs of all planted mistakes together
NO_GRADIENT = "it is no gradient, but a value that the forward computes"
WAY = "it is the gradient of a result, not that of the input: the derivatives between them are missing"
CALL = re.compile(r",? of the call .*")
MANY = 2  # mistakes must explain one of so many wrong inputs


@dataclass
class Seen:
    """The findings at one point, its cotangent, and the trace there."""

    findings: list[Finding]
    v: np.ndarray
    trace: Trace
    mistakes: Callable[[Trace], Iterator[Mistake]] = planted

    @cached_property
    def program(self) -> Program:
        return Program(self.trace)

    @cached_property
    def by_text(self) -> dict[str, list[Mistake]]:
        """All mistakes, by their words."""
        found: dict[str, list[Mistake]] = {}
        for mistake in self.affordable():
            found.setdefault(mistake.text, []).append(mistake)
        return found

    def affordable(self) -> Iterator[Mistake]:
        left = OPERATIONS // max(1, len(self.trace.nodes))
        for mistake, _ in zip(self.mistakes(self.trace), range(left)):
            yield mistake

    def differences(self) -> Differences:
        found = self.trace.gradients(self.v, {})
        return Differences(self.trace, self.v, {f.input.name: f.input.analytic for f in self.findings},
                           {f.input.name: _rounding(f, found) for f in self.findings})

    def believed(self) -> bool:
        """Do the trace's gradients agree with the numeric ones?"""
        found = self.trace.gradients(self.v, {})
        return all(
            (np.abs(found[f.input.name] - f.numeric.value) <= f.error.reshape(f.input.x.shape) + _rounding(f, found)).all()
            for f in self.findings
        )

    def doubtful(self, mistake: Mistake) -> bool:
        """What goes back is a quantity times the right one. Then a factor may be wrong here, or on the way from here."""
        edges = list(mistake.changes) if mistake.replaced else []
        if not edges or (self.program.maker[edges[0].ids] >= len(self.program.places)).any():  # nothing goes on from an input
            return False
        total = self.trace.totals(self.v, mistake.changes)
        sums = np.zeros((2, self.trace.count))
        for edge in edges:
            g = total[edge.node.ids]
            edge.add(mistake.changes[edge](g, total), sums[0])
            edge.add(edge.back(g, *edge.values), sums[1])
        had, right = (np.stack([of[edge.ids] for edge in edges]) for of in sums)
        return any(np.allclose(a, b, rtol=EXACT, atol=0) for _, values in self.program.quantities(edges, edges[0].ids.shape)
                   for q in (np.stack(values), np.square(values)) for a, b in ((had, right * q), (had * q, right)))

    def explained(self, mistake: Mistake) -> Explained:
        found: dict[str, np.ndarray] = {}
        with suppress(ValueError, IndexError):  # shapes may fit in one step and not in others
            v = self.v if mistake.arriving is None else self.v * mistake.arriving
            found = self.trace.gradients(v, mistake.changes, mistake.errors(v) if mistake.errors else 0.0)
        if not found:
            return Explained(mistake, frozenset(), frozenset())
        fits, changes = set(), set()
        for f in self.findings:
            name, wrong = f.input.name, f.wrong.any()
            error, rounding = f.errors, _rounding(f, found)
            if (np.abs(found[name] - f.input.analytic) <= error * (not wrong) + rounding).all():  # a wrong one must fit exactly
                fits |= {name} if wrong else set()
            elif not wrong or not (np.abs(found[name] - f.numeric.value) <= error + rounding).all():
                changes.add(name)
        return Explained(mistake, frozenset(fits), frozenset(changes))


class Explained(NamedTuple):
    """The wrong inputs that get the student's gradient from a mistake; and the inputs that the mistake changes otherwise: they
    contradict it, unless there is a second mistake."""

    mistake: Mistake
    names: frozenset[str]
    against: frozenset[str]

    def named(self, seen: list[Seen], others: Sequence[Changes] = ()) -> dict[str, Named]:
        """others: at each point, a second mistake's changes. If other places explain as much, the sentence has them all."""
        text, factor, arriving = self.mistake.text, self.mistake.factor, self.mistake.arriving
        places = [edges for key, edges in seen[0].program.groups.items() if factor is not None and all(
            self._as_good(s.explained(Mistake("", "", {**of_other, **times(s.program.groups[key], factor)}, arriving)))
            for s, of_other in zip(seen, others or [{}] * len(seen)))]
        if factor is not None and places:
            places.sort(key=lambda edges: -ids_of([edge.node for edge in edges]).max())
            text = off_by(seen[0].program, factor, [edges[0] for edges in places])
        return dict.fromkeys(self.names, Named(text, self.mistake.family))

    def _as_good(self, other: Explained) -> bool:
        return other.names >= self.names and other.against <= self.against


def _rounding(f: Finding, found: dict[str, np.ndarray]) -> np.ndarray:
    return ROUNDING * (f.numeric.terms + np.abs(found[f.input.name]) + np.abs(f.input.analytic).max(initial=0))


def stories(
    trace: Callable[[Arrays], Trace], points: list[tuple[list[Finding], np.ndarray, Arrays]]
) -> tuple[dict[str, Named], dict[str, Named]]:
    """A mistake for each wrong input that a mistake explains; for others, where the error enters. points: the findings, the
    cotangent and the inputs' values."""
    seen = []
    with suppress(Exception):  # a function may raise anything for arrays that are not quite NumPy's
        seen = [Seen(findings, v, without_shifts(trace(xs), v)) for findings, v, xs in points]
    if not seen or len(seen[0].trace.nodes) < 2 or not all(s.believed() for s in seen):  # nothing to find in a single operation
        return {}, {}
    wrong = {f.input.name for f in seen[0].findings if f.wrong.any()}
    found: list[Explained] = []
    if one := _of_all(seen, wrong, found):
        return one.named(seen), {}
    told = _told(seen, _confirmed(seen, found, wrong), wrong)
    told = _without_calls(seen[0], told | _values(seen, wrong - told.keys()))
    if told.keys() >= wrong:
        return told, {}
    if any(context(node.place) for node in seen[0].trace.nodes):  # perhaps it is in all calls of a function
        in_calls = [Seen(findings, v, join_calls(without_shifts(trace(xs), v)), in_every_turn) for findings, v, xs in points]
        if one := _of_all(in_calls, wrong, []):
            return one.named(in_calls), {}
    named, located = entered([s.differences() for s in seen])
    if {**named, **located}.keys() >= wrong and len(told) * MANY < len(wrong):
        return named, located  # an explanation for all goes before one for a few
    return {**named, **told}, located


def _of_all(seen: list[Seen], wrong: set[str], found: list[Explained]) -> Explained | None:
    """A mistake that explains all wrong inputs; until then, those that explain some are added to `found`."""
    for mistake in seen[0].affordable():
        explained = seen[0].explained(mistake)
        if explained.names and explained.against <= wrong and not seen[0].doubtful(mistake):
            found.append(explained)
            if explained.names == wrong and any(story.names == wrong for story in _confirmed(seen, found[-1:], wrong)):
                return explained
    return None


def _without_calls(seen: Seen, told: dict[str, Named]) -> dict[str, Named]:
    """The same mistake in several calls of a function is said once."""
    short = dict(told)
    for call in {found[0] for node in seen.trace.nodes if (found := CALL.search(context(node.place)))}:
        short = {name: Named(named.text.replace(call, ""), named.family) for name, named in short.items()}
    return short if len(set(short.values())) == 1 < len(set(told.values())) else told


def _told(seen: list[Seen], found: list[Explained], wrong: set[str]) -> dict[str, Named]:
    """The mistake that explains most inputs, and mistakes besides that do not contradict it."""
    best = max((e for e in found if len(e.names) > len(e.against)), key=lambda e: (len(e.names), -len(e.against)), default=None)
    if best is None:
        return {}
    told = best.named(seen)
    for other in sorted(found, key=lambda e: -len(e.names)):
        if not other.against and not other.names & told.keys():
            told |= other.named(seen)
    return told | _besides(seen, best, wrong, wrong - told.keys())


def _besides(seen: list[Seen], best: Explained, wrong: set[str], left: set[str]) -> dict[str, Named]:
    """Mistakes for the unexplained inputs: together with the best one, they leave what that explains as it is."""
    told: dict[str, Named] = {}
    both: list[list[Mistake]] = []
    of_best: list[Changes] = []
    for s in seen if left else ():
        mistakes = list(s.affordable())
        main = next(m for m in mistakes if m.text == best.mistake.text)
        of_best.append(main.changes)
        both.append([Mistake(m.text, m.family, {**main.changes, **m.changes}, main.arriving, factor=m.factor)
                     for m in mistakes if m.changes.keys().isdisjoint(main.changes)])
    for mistake in both[0] if both else ():
        first = seen[0].explained(mistake)
        names = set(first.names - best.names - told.keys()) if first.names > best.names and first.against <= wrong else set()
        for s, others in zip(seen[1:], both[1:]) if names else ():
            there = [e.names for m in others if m.text == mistake.text and (e := s.explained(m)).against <= wrong]
            names &= set().union(*(some for some in there if some >= best.names))
        named = Explained(mistake, best.names | names, first.against).named(seen, of_best) if names else {}
        told |= {name: named[name] for name in names}
        if told.keys() >= left:
            break
    return told


def _values(seen: list[Seen], names: set[str]) -> dict[str, Named]:
    """A value of the forward pass in place of a gradient; for a loss, perhaps times the gradient that arrives."""
    found: dict[str, Named] = {}
    totals = [s.trace.totals(s.v, {}) for s in seen]
    for name in names:
        given = [next(f.input.analytic for f in s.findings if f.input.name == name) for s in seen]
        for nodes in zip(*(s.trace.nodes for s in seen)) if any(g.any() for g in given) else ():
            line = f"the value of {variable(nodes[0].place)} in step {nodes[0].turn} ({line_of(nodes[0].place)})"
            if all(node.value.shape == g.shape and np.array_equal(node.value, g) for node, g in zip(nodes, given)):
                found[name] = Named(f"it is no gradient: it is {line}", NO_GRADIENT)
            elif all(node.value.shape == g.shape and s.v.size == 1 for node, g, s in zip(nodes, given, seen)):
                ratios = [g / (node.value * s.v[0]) for node, g, s in zip(nodes, given, seen)]
                if all(np.allclose(r, ratios[0].flat[0], rtol=1e-9, atol=0) for r in ratios) and nodes[0].value.size > 1:
                    found[name] = Named(f"it is {ratios[0].flat[0]:.6g} times what arrives, times {line}: something is to be "
                                        "subtracted from that, or to be multiplied by it", NO_GRADIENT)
        for nodes in zip(*(s.trace.nodes for s in seen)) if any(g.any() for g in given) else ():
            rights = [total[node.ids] for node, total in zip(nodes, totals)]
            if name not in found and all(map(_equal, rights, given)):
                passed = [_passed(s.trace, node, total)[name] for s, node, total in zip(seen, nodes, totals)]
                text = f"it is the gradient of {variable(nodes[0].place)} ({line_of(nodes[0].place)})"
                if not all(map(_equal, passed, given)):  # else other uses are lost
                    way = f": the way back from there to {name} is missing" if passed[0].any() else ""
                    found[name] = Named(f"{text}{way}", WAY)
    return found


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and bool((np.abs(a - b) <= EXACT * np.abs(b).max(initial=0)).all())


def _passed(trace: Trace, node: Node, total: np.ndarray) -> dict[str, np.ndarray]:
    """The gradients that come back through this result alone."""
    arriving = np.zeros(trace.count)
    arriving[node.ids] = total[node.ids]
    return trace.gradients(np.zeros(trace.outputs.size), {}, arriving)


def _confirmed(seen: list[Seen], found: list[Explained], wrong: set[str]) -> list[Explained]:
    """The mistakes that also hold at the other points. Sentences identify them, since equal values may differ there."""
    result = []
    for story in found:
        for s in seen[1:]:
            there = max((s.explained(m) for m in s.by_text.get(story.mistake.text, [])), default=None,
                        key=lambda e: (len(e.names & story.names), -len(e.against)))
            story = Explained(story.mistake, story.names & there.names, story.against | there.against) if there else (
                Explained(story.mistake, frozenset(), frozenset()))
        if story.names and story.against <= wrong:
            result.append(story)
    return result
