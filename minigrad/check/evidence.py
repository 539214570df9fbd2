"""Collects the evidence for a diagnosis: all facts about a wrong gradient, at the given values and at others nearby."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .diagnosis import CLIPPED, GUESSED, ZERO, Named, at_the_output, clipped, diagnose, of_another_input, one_factor, places
from .function import Arrays, Point, cut
from .hypotheses import OF_INPUT, cotangents
from .laws import ABOUT_G, LINEAR
from .locate import located
from .operations import blamed
from .sample import CALLS
from .situation import Situation
from .story import stories
from .verdict import Finding, judged

VAGUE = ("it is wrong", "it is off by", "it is nearly right")  # beginnings of the last resort among sentences
ALL_ZERO = "every gradient is zero: g, the gradient arriving at the output, is not used, or all that comes back from it is lost"
NOTHING = "no simple pattern explains the wrong entries"
CALLS_FOR_GUESSES = 6000  # of f, for gradients at other values of an input: in one report


@dataclass
class Evidence:
    """The function, its cotangent v (`weights` times random numbers), and a finding for each input."""

    here: Point
    v: np.ndarray
    weights: np.ndarray
    rng: np.random.Generator
    budget: int
    findings: list[Finding]
    check: Callable  # compare.Check, for single operations
    time_axis: int | None = None
    calls: int = CALLS_FOR_GUESSES  # calls that are left

    def __post_init__(self) -> None:
        self.known: dict[str, list[Named]] = {}  # by the input's name

    def said(self, finding: Finding, hints: str) -> list[str]:
        """The likely mistake in one input's gradient. If one mistake explains several inputs, all get the same words. hints:
        "full"; "family", which gives no formula away; or "none"."""
        if hints == "none" or finding.kinks_meet:
            return []
        name = finding.input.name
        on_kinks = np.isfinite(finding.of_entries("low")[finding.wrong])
        if on_kinks.all() and name not in self._stories[0]:
            return ["no diagnosis: wrong entries lie on a kink of f, where its slope is none of the gradient's"]
        if finding.numeric.jacobian is None and not self._blamed:
            return ["for a diagnosis check a smaller case (fewer hidden units, inputs or time steps)"]
        if name not in self.known:
            self.known[name] = self._blamed or self._named(name)
        texts = dict.fromkeys(n.family if hints == "family" else n.text for n in self.known[name]) or [NOTHING]
        return [f"{text} (this leaves out entries on kinks)" if on_kinks.any() else text for text in texts]

    def _named(self, name: str) -> list[Named]:
        """An explanation for all wrong inputs goes before an explanation for one."""
        (stories, entrances), several, situations = self._stories, len(self._wrong) > 1, self._situations[name]
        story = stories.get(name)
        all_zero = not any(f.input.analytic.any() for f in self.findings)  # then losses at many places explain it
        if several and all_zero:
            return [Named(ALL_ZERO, ALL_ZERO)]
        if several and self._alike:
            return self._alike
        if self._clipped:
            return self._clipped
        if several and story and all(stories.get(f.input.name) == story for f in self._wrong):
            return [story]
        simple = one_factor(situations) or clipped(situations) or self._of_another_input(name)
        if several and (simple or story):
            return simple or [story]  # type: ignore[list-item]
        own = simple or diagnose(situations)
        if own or story:
            if story and own and own[0].family == ZERO and not all_zero:  # the story says where it becomes zero
                return [story]
            return [story, *own[:1]] if story and (not own or own[0].family == GUESSED) else own
        if copied := self._same_as(name):
            return copied
        located, where = [self._located[name]] if name in self._located else [], places(situations)
        telling = bool(where) and not where[0].text.startswith((*VAGUE, "the only wrong ") if several else VAGUE)
        entrance = [entrances[name]] if name in entrances and not (telling and not several) else []
        nameless = entrance and "back to argument " in entrance[0].text  # without the source its variables are unknown
        if entrance and not (located and (nameless or located[0].text in ABOUT_G)):
            return entrance
        return where if telling else located or where or self._unused(name)

    def _of_another_input(self, name: str) -> list[Named]:
        found = of_another_input(self._situations[name])
        for other, situations in self._situations.items() if found else ():
            back = found[0].text == OF_INPUT + other and of_another_input(situations)
            if back and back[0].text == OF_INPUT + name:
                return [Named(f"the gradients of {' and '.join(sorted((name, other)))} are exchanged", found[0].family)]
        return found

    def _unused(self, name: str) -> list[Named]:
        """A hint if no pattern is found: f does not use an input that has a gradient."""
        unused = [other for other, situations in self._situations.items() if not any(s.numeric.any() for s in situations)]
        text = f"{NOTHING}; but f does not change with {', '.join(unused)}: does it use another quantity there?"
        return [Named(text, NOTHING)] if unused else []

    def _same_as(self, name: str) -> list[Named]:
        """Other inputs that got the same numbers, though their gradients differ."""
        here, *elsewhere = ({f.input.name: f for f in some} for some in (
            self.findings, *([self._elsewhere[2]] if self._affordable else [])))
        own, others = here[name], []
        for other in here:
            pairs = [(some[name], some[other]) for some in (here, *elsewhere)]
            if all(np.array_equal(a.input.analytic, b.input.analytic) and a.input.analytic.any() for a, b in pairs) and (
                    np.abs(own.numeric.value - here[other].numeric.value) > own.errors + here[other].errors).any():
                others.append(other)
        names = ", ".join(other for other in here if other in (name, *others))
        text = f"{names} got the same numbers, but their gradients differ: is one used for all of them?"
        return [Named(text, "it is another input's gradient")] if others else []

    @cached_property
    def _blamed(self) -> list[Named]:
        return blamed(self.here, self._nearby, self.v, self.findings, self.rng, self.budget, self.check)

    @cached_property
    def _located(self) -> dict[str, Named]:
        if any(f.numeric.jacobian is None for f in self.findings):
            return {}
        points = [(self.here, self.v, self.findings), *([self._elsewhere] if self._affordable else [])]
        return located(points, getattr(self.here.function, "trace", None), self.time_axis)

    @cached_property
    def _alike(self) -> list[Named]:
        """Simple explanations that hold for all wrong inputs."""
        of_rows = [{named.text.partition(" (")[0]: named for named in at_the_output(situations)}
                   for situations in self._situations.values() if any(s.analytic.any() for s in situations)]
        # the text in brackets depends on the input's shape
        zeros = [{text.partition(" (")[0] for text, g, error in cotangents(s) if (np.abs(g) <= error).all()}
                 for situations in self._situations.values() for s in situations if not s.analytic.any()]
        same = [text for text in (of_rows or [{}])[0] if all(text in row for row in (*of_rows, *zeros))]
        return [max((row[text] for row in of_rows), key=lambda named: len(named.text)) for text in same]

    @cached_property
    def _clipped(self) -> list[Named]:
        """Here and elsewhere, all gradients have one factor, and it makes their common norm the same."""
        norms, factors = [], []
        for point in zip(*self._situations.values()) if len(self._wrong) == len(self.findings) else ():
            texts = {named.text.partition(" (")[0] for s in point for named in (one_factor([s]) or [Named("", "")])}
            factors.append(texts.pop() if len(texts) == 1 else "")
            arriving = abs(point[0].gs[0].item()) if self.v.size == 1 else 1.0
            norms.append(np.sqrt(sum(np.square(s.analytic).sum() for s in point)) / arriving)
        if len(norms) < 2 or not all(factors) or factors[0] == factors[1] or not np.allclose(norms, norms[0], rtol=LINEAR):
            return []
        return [Named(f"{factors[0]}, in all gradients, and elsewhere they have another factor; their common norm is "
                      f"{norms[0]:.6g} in both cases: are they clipped by it? Check them before they are clipped", CLIPPED)]

    @cached_property
    def _situations(self) -> dict[str, list[Situation]]:
        """The situations of each wrong input, here and elsewhere."""
        found = {f.input.name: [self._situation(self.here, self.v, f, self.findings)] for f in self._wrong}
        if self._affordable:
            there, v, findings = self._elsewhere
            if all(np.isfinite(f.numeric.value).all() for f in findings):
                for f in self._wrong:
                    found[f.input.name].append(self._situation(there, v, findings[f.input.number], findings))
        return found

    @cached_property
    def _wrong(self) -> list[Finding]:
        return [f for f in self.findings if f.wrong.any() and f.numeric.jacobian is not None]

    @property
    def _affordable(self) -> bool:
        return CALLS * sum(x.size for x in self.here.xs) <= self.budget

    @cached_property
    def _stories(self) -> tuple[dict[str, Named], dict[str, Named]]:
        """The mistakes, and where the error enters."""
        trace = getattr(self.here.function, "trace", None)
        if trace is None or any(f.numeric.jacobian is None for f in self.findings) or not self._affordable:
            return {}, {}
        there, v, findings = self._elsewhere
        return stories(trace, [(self.findings, self.v, self.here.xs), (findings, v, there.xs)])

    @cached_property
    def _nearby(self) -> Arrays:
        """All numbers of inputs and parameters times 0.8 .. 1.25; zeros become numbers up to a tenth of `scale`."""
        return [np.where(x == 0, 0.1 * self.here.scale, x) * self.rng.uniform(0.8, 1.25, x.shape) for x in self.here.xs]

    @cached_property
    def _elsewhere(self) -> tuple[Point, np.ndarray, list[Finding]]:
        """Another point nearby, a cotangent, and the findings there."""
        there = self.here.at(self._nearby)
        v = self.weights * self.rng.normal(size=self.v.size)
        inputs = [replace(f.input, differences=there.differences(f.input.number), analytic=g)
                  for f, g in zip(self.findings, there.gradients(v))]
        return there, v, [judged(of, of.differences.of(v), f.entries, v, self.weights, there.function.order)
                          for of, f in zip(inputs, self.findings)]

    def _situation(self, point: Point, v: np.ndarray, finding: Finding, findings: list[Finding]) -> Situation:
        """The facts for the hypotheses at one point."""
        this, numeric = finding.input, finding.numeric
        values = {f.input.name: x for f, x in zip(findings, point.xs)}

        def again(changes: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
            if CALLS * this.x.size <= self.calls:
                self.calls -= CALLS * this.x.size
                with contextlib.suppress(Exception):  # f may raise anything for values that it was not made for
                    there = point.at([{**values, **changes}[f.input.name] for f in findings])
                    found = there.differences(this.number).of(v)
                    return found.value, found.bound
            return None

        assert numeric.jacobian is not None
        error = finding.errors
        shapes = point.function.shapes
        return Situation(
            this.name, values[this.name], this.analytic, numeric.value, error, numeric.jacobian,
            np.divide(error, numeric.terms, out=np.zeros(error.shape), where=numeric.terms > 0),
            cut(point.values(), shapes), cut(v, shapes),
            {name: value for name, value in values.items() if name != this.name},
            {f.input.name: (f.numeric.value, f.errors) for f in findings if f is not finding}, again,
            frozenset(n for x in getattr(point.function, "not_given", {}).values() for n in x.shape if n > 1))
