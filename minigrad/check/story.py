"""One story for all that is wrong: a mistake planted into the trace that gives the student's gradients, every number of them.

It is told only if it holds at two points, and the trace is believed only if its own gradients are the numeric ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from .diagnosis import Named
from .function import Arrays
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

    def believed(self) -> bool:
        """The trace's gradients are the numeric ones."""
        found = self.trace.gradients(self.v, {})
        return all((np.abs(found[f.input.name] - f.numeric.value) <= f.error.reshape(f.input.x.shape) + _rounding(f, found)).all()
                   for f in self.findings)

    def explained(self, mistake: Mistake) -> tuple[set[str], bool]:
        """The wrong inputs whose gradient it gives; and whether it also gives those that are right."""
        found: dict[str, np.ndarray] = {}
        with suppress(ValueError):  # shapes that fit in one step do not in all
            found = self.trace.gradients(self.v, mistake.changes)
        if not found:
            return set(), False
        fits = {f.input.name: (np.abs(found[f.input.name] - f.input.analytic) <= f.error.reshape(f.input.x.shape) * _wrong(f)
                               + _rounding(f, found)).all() for f in self.findings}
        return ({f.input.name for f in self.findings if f.wrong.any() and fits[f.input.name]},
                all(fits[f.input.name] for f in self.findings if not f.wrong.any()))


def _wrong(f: Finding) -> float:
    """A right gradient may be off by what a right one may; a wrong one must be given exactly."""
    return 0.0 if f.wrong.any() else 1.0


def _rounding(f: Finding, found: dict[str, np.ndarray]) -> np.ndarray:
    return ROUNDING * (f.numeric.terms + np.abs(found[f.input.name]) + np.abs(f.input.analytic).max(initial=0))


def stories(trace: Callable[[Arrays], Trace], points: list[tuple[list[Finding], np.ndarray, Arrays]]) -> dict[str, Named]:
    """A mistake for each wrong input that one explains. points: the findings, the cotangent and the inputs' values."""
    seen = []
    with suppress(Exception):  # what a function does with arrays that are not quite NumPy's is unknown
        seen = [Seen(findings, v, trace(xs)) for findings, v, xs in points]
    if not seen or not all(s.believed() for s in seen):
        return {}
    wrong = {f.input.name for f in seen[0].findings if f.wrong.any()}
    found: list[tuple[int, set[str], bool]] = []
    for number, mistake in enumerate(_affordable(seen[0].trace)):
        names, of_all = seen[0].explained(mistake)
        if names:
            found.append((number, names, of_all))
            if names == wrong and of_all and (told := _confirmed(seen, found[-1:])):
                return dict.fromkeys(wrong, Named(told[0][0].text, told[0][0].family))
    return _best(_confirmed(seen, found), wrong)


def _affordable(trace: Trace) -> Iterator[Mistake]:
    left = OPERATIONS // max(1, len(trace.nodes))
    for mistake, _ in zip(planted(trace), range(left)):
        yield mistake


def _confirmed(seen: list[Seen], found: list[tuple[int, set[str], bool]]) -> list[tuple[Mistake, set[str], bool]]:
    """What holds at the other points too."""
    first = dict(enumerate(_affordable(seen[0].trace)))
    others = [(s, dict(enumerate(_affordable(s.trace)))) for s in seen[1:]]
    result = []
    for number, names, of_all in found:
        for s, mistakes in others:
            there, all_there = s.explained(mistakes[number]) if number in mistakes else (set(), False)
            names, of_all = names & there, of_all and all_there
        if names:
            result.append((first[number], names, of_all))
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
