"""Finds one story for all errors: a mistake, planted into the trace, that gives every number of the student's gradients.

A story must hold at two points. The trace counts only if its own gradients agree with the numeric ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .diagnosis import Named
from .entrance import entered
from .function import Arrays
from .origin import Differences
from .place import line_of, variable
from .planted import planted
from .program import Mistake
from .situation import ROUNDING
from .trace import Trace
from .verdict import Finding

OPERATIONS = 400_000  # of the trace: the limit for runs of all planted mistakes together
NO_GRADIENT = "it is no gradient, but a value that the forward computes"
MANY = 2  # mistakes must explain one of so many wrong inputs
AS_IF = "it is what it would be if this were so: "


@dataclass
class Seen:
    """The findings at one point, its cotangent, and the trace there."""

    findings: list[Finding]
    v: np.ndarray
    trace: Trace

    @cached_property
    def by_text(self) -> dict[str, list[Mistake]]:
        """All mistakes, by their words."""
        found: dict[str, list[Mistake]] = {}
        for mistake in _affordable(self.trace):
            found.setdefault(mistake.text, []).append(mistake)
        return found

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

    def explained(self, mistake: Mistake) -> tuple[set[str], bool]:
        """The wrong inputs with the gradient that the mistake gives; and whether it also gives the right ones."""
        found: dict[str, np.ndarray] = {}
        with suppress(ValueError, IndexError):  # shapes may fit in one step and not in others
            v = self.v if mistake.arriving is None else self.v * mistake.arriving
            found = self.trace.gradients(v, mistake.changes, mistake.errors(v) if mistake.errors else 0.0)
        if not found:
            return set(), False
        fits = {
            f.input.name: (
                np.abs(found[f.input.name] - f.input.analytic)
                <= f.error.reshape(f.input.x.shape) * (not f.wrong.any()) + _rounding(f, found)  # a wrong one must fit exactly
            ).all()
            for f in self.findings
        }
        return (
            {f.input.name for f in self.findings if f.wrong.any() and fits[f.input.name]},
            all(fits[f.input.name] for f in self.findings if not f.wrong.any()),
        )


def _rounding(f: Finding, found: dict[str, np.ndarray]) -> np.ndarray:
    return ROUNDING * (f.numeric.terms + np.abs(found[f.input.name]) + np.abs(f.input.analytic).max(initial=0))


def stories(
    trace: Callable[[Arrays], Trace], points: list[tuple[list[Finding], np.ndarray, Arrays]]
) -> tuple[dict[str, Named], dict[str, Named]]:
    """A mistake for each wrong input that a mistake explains; for others, where the error enters. points: the findings, the
    cotangent and the inputs' values."""
    seen = []
    with suppress(Exception):  # a function may raise anything for arrays that are not quite NumPy's
        seen = [Seen(findings, v, trace(xs)) for findings, v, xs in points]
    if not seen or len(seen[0].trace.nodes) < 2 or not all(s.believed() for s in seen):  # nothing to find in a single operation
        return {}, {}
    wrong = {f.input.name for f in seen[0].findings if f.wrong.any()}
    found: list[tuple[Mistake, set[str], bool]] = []
    for mistake in _affordable(seen[0].trace):
        names, of_all = seen[0].explained(mistake)
        if names:
            found.append((mistake, names, of_all))
            if names == wrong and of_all and any(told[1] == wrong and told[2] for told in _confirmed(seen, found[-1:])):
                return dict.fromkeys(wrong, Named(mistake.text, mistake.family)), {}
    confirmed = _confirmed(seen, found)
    told = _best(confirmed, wrong)
    told |= _besides(seen, confirmed, wrong - told.keys())
    told |= _values(seen, wrong - told.keys())
    if told.keys() >= wrong:
        return told, {}
    named, located = entered([s.differences() for s in seen])
    if {**named, **located}.keys() >= wrong and len(told) * MANY < len(wrong):
        return named, located  # an explanation for all goes before one for a few
    return {**named, **told}, located


def _besides(seen: list[Seen], confirmed: list[tuple[Mistake, set[str], bool]], left: set[str]) -> dict[str, Named]:
    """A second mistake besides the best one, for the unexplained inputs."""
    first = max(confirmed, key=lambda m: len(m[1]), default=None) if left else None
    if first is None or len(first[1]) < 2:
        return {}
    both: list[list[Mistake]] = []
    for s in seen:
        mistakes = list(_affordable(s.trace))
        main = next(m for m in mistakes if m.text == first[0].text)
        both.append([Mistake(m.text, m.family, {**main.changes, **m.changes}, main.arriving) for m in mistakes])
    told: dict[str, Named] = {}
    for mistake in both[0]:
        explained = seen[0].explained(mistake)[0]
        names = (explained & left) - told.keys() if explained >= first[1] else set()  # with what the first one explains
        for s, others in zip(seen[1:], both[1:]) if names else ():
            there = [s.explained(m)[0] for m in others if m.text == mistake.text]
            names &= set().union(*(some for some in there if some >= first[1]))
        told |= dict.fromkeys(names, Named(f"besides that, {mistake.text}", mistake.family))
        if told.keys() >= left:
            break
    return told


def _values(seen: list[Seen], names: set[str]) -> dict[str, Named]:
    """A value of the forward pass in place of a gradient; for a loss, perhaps times the gradient that arrives."""
    found: dict[str, Named] = {}
    for name in names:
        given = [next(f.input.analytic for f in s.findings if f.input.name == name) for s in seen]
        for nodes in zip(*(s.trace.nodes for s in seen)):
            line = f"the value of {variable(nodes[0].place)} in step {nodes[0].turn} ({line_of(nodes[0].place)})"
            if all(node.value.shape == g.shape and np.array_equal(node.value, g) for node, g in zip(nodes, given)):
                found[name] = Named(f"it is no gradient: it is {line}", NO_GRADIENT)
            elif all(node.value.shape == g.shape and s.v.size == 1 for node, g, s in zip(nodes, given, seen)):
                ratios = [g / (node.value * s.v[0]) for node, g, s in zip(nodes, given, seen)]
                if all(np.allclose(r, ratios[0].flat[0], rtol=1e-9, atol=0) for r in ratios) and nodes[0].value.size > 1:
                    found[name] = Named(f"it is {ratios[0].flat[0]:.6g} times what arrives, times {line}: something is to be "
                                        "subtracted from that, or to be multiplied by it", NO_GRADIENT)
    return found


def _affordable(trace: Trace) -> Iterator[Mistake]:
    left = OPERATIONS // max(1, len(trace.nodes))
    for mistake, _ in zip(planted(trace), range(left)):
        yield mistake


def _confirmed(seen: list[Seen], found: list[tuple[Mistake, set[str], bool]]) -> list[tuple[Mistake, set[str], bool]]:
    """The mistakes that also hold at the other points. Sentences identify them, since equal values may differ there."""
    result = []
    for mistake, names, of_all in found:
        for s in seen[1:]:
            there = max(
                (s.explained(m) for m in s.by_text.get(mistake.text, [])), key=lambda e: (len(e[0]), e[1]), default=(set(), False)
            )
            names, of_all = names & there[0], of_all and there[1]
        if names:
            result.append((mistake, names, of_all))
    return result


def _best(found: list[tuple[Mistake, set[str], bool]], wrong: set[str]) -> dict[str, Named]:
    """For each input the mistake that explains most inputs; mistakes that leave the right inputs right go first."""
    told: dict[str, Named] = {}
    while wrong - told.keys():
        best = max(found, key=lambda m: (len(m[1] - told.keys()) > 0, m[2], len(m[1] - told.keys())), default=None)
        if best is None or not best[1] - told.keys():
            break
        named = Named(best[0].text if best[2] else AS_IF + best[0].text, best[0].family)
        told |= dict.fromkeys(best[1] - told.keys(), named)
    return told
