"""One story for all that is wrong: a mistake planted into the trace that gives the student's gradients, every number of them.

It is told only if it holds at two points, and the trace is believed only if its own gradients are the numeric ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .diagnosis import Named
from .function import Arrays
from .place import line_of, variable
from .planted import planted
from .program import Mistake
from .situation import ROUNDING
from .trace import Trace
from .verdict import Finding

OPERATIONS = 400_000  # of the trace, that all planted mistakes together may run again
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

    def believed(self) -> bool:
        """The trace's gradients are the numeric ones."""
        found = self.trace.gradients(self.v, {})
        return all(
            (np.abs(found[f.input.name] - f.numeric.value) <= f.error.reshape(f.input.x.shape) + _rounding(f, found)).all()
            for f in self.findings
        )

    def explained(self, mistake: Mistake) -> tuple[set[str], bool]:
        """The wrong inputs whose gradient it gives; and whether it also gives those that are right."""
        found: dict[str, np.ndarray] = {}
        with suppress(ValueError, IndexError):  # shapes that fit in one step do not in all
            v = self.v if mistake.arriving is None else self.v * mistake.arriving
            found = self.trace.gradients(v, mistake.changes)
        if not found:
            return set(), False
        fits = {
            f.input.name: (
                np.abs(found[f.input.name] - f.input.analytic)
                <= f.error.reshape(f.input.x.shape) * (not f.wrong.any()) + _rounding(f, found)  # a wrong one exactly
            ).all()
            for f in self.findings
        }
        return (
            {f.input.name for f in self.findings if f.wrong.any() and fits[f.input.name]},
            all(fits[f.input.name] for f in self.findings if not f.wrong.any()),
        )


def _rounding(f: Finding, found: dict[str, np.ndarray]) -> np.ndarray:
    return ROUNDING * (f.numeric.terms + np.abs(found[f.input.name]) + np.abs(f.input.analytic).max(initial=0))


def stories(trace: Callable[[Arrays], Trace], points: list[tuple[list[Finding], np.ndarray, Arrays]]) -> dict[str, Named]:
    """A mistake for each wrong input that one explains. points: the findings, the cotangent and the inputs' values."""
    seen = []
    with suppress(Exception):  # what a function does with arrays that are not quite NumPy's is unknown
        seen = [Seen(findings, v, trace(xs)) for findings, v, xs in points]
    if not seen or len(seen[0].trace.nodes) < 2 or not all(s.believed() for s in seen):  # of one operation all is known
        return {}
    wrong = {f.input.name for f in seen[0].findings if f.wrong.any()}
    found: list[tuple[Mistake, set[str], bool]] = []
    for mistake in _affordable(seen[0].trace):
        names, of_all = seen[0].explained(mistake)
        if names:
            found.append((mistake, names, of_all))
            if names == wrong and of_all and any(told[1] == wrong and told[2] for told in _confirmed(seen, found[-1:])):
                return dict.fromkeys(wrong, Named(mistake.text, mistake.family))
    confirmed = _confirmed(seen, found)
    told = _best(confirmed, wrong)
    told |= _besides(seen, confirmed, wrong - told.keys())
    return {**_values(seen, wrong - told.keys()), **told}


def _besides(seen: list[Seen], confirmed: list[tuple[Mistake, set[str], bool]], left: set[str]) -> dict[str, Named]:
    """A second mistake beside the one that explains most, for inputs that are left."""
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
        names = (seen[0].explained(mistake)[0] & left) - told.keys()
        for s, others in zip(seen[1:], both[1:]) if names else ():
            there = [s.explained(m)[0] for m in others if m.text == mistake.text]
            names &= set().union(*there)
        told |= dict.fromkeys(names, Named(f"besides that, {mistake.text}", mistake.family))
        if told.keys() >= left:
            break
    return told


def _values(seen: list[Seen], names: set[str]) -> dict[str, Named]:
    """What is no gradient at all, but a value that the function computes."""
    found: dict[str, Named] = {}
    for name in names:
        given = [next(f.input.analytic for f in s.findings if f.input.name == name) for s in seen]
        for nodes in zip(*(s.trace.nodes for s in seen)):
            if all(node.value.shape == g.shape and np.array_equal(node.value, g) for node, g in zip(nodes, given)):
                found[name] = Named(
                    f"it is no gradient: it is the value of {variable(nodes[0].place)} in step {nodes[0].turn} "
                    f"({line_of(nodes[0].place)})",
                    "it is no gradient, but a value that the forward computes",
                )
    return found


def _affordable(trace: Trace) -> Iterator[Mistake]:
    left = OPERATIONS // max(1, len(trace.nodes))
    for mistake, _ in zip(planted(trace), range(left)):
        yield mistake


def _confirmed(seen: list[Seen], found: list[tuple[Mistake, set[str], bool]]) -> list[tuple[Mistake, set[str], bool]]:
    """What holds at the other points too; mistakes are known by their words, since equal values may differ there."""
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
    """For each input what explains most of them, first of all what leaves the right ones right."""
    told: dict[str, Named] = {}
    while wrong - told.keys():
        best = max(found, key=lambda m: (len(m[1] - told.keys()) > 0, m[2], len(m[1] - told.keys())), default=None)
        if best is None or not best[1] - told.keys():
            break
        named = Named(best[0].text if best[2] else AS_IF + best[0].text, best[0].family)
        told |= dict.fromkeys(best[1] - told.keys(), named)
    return told
