"""Finds the likely mistake in a wrong gradient: a mistake that explains all of its numbers.

A hypothesis (hypotheses.py) is named only if it reproduces every entry of the wrong gradient to rounding, at the
given inputs and at others nearby. So a match only because of x = 1, say, is not named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from . import blocks, hypotheses
from .hypotheses import Hypothesis
from .situation import ROUNDING, Situation
from .words import counted

class Named(NamedTuple):
    """The mistake in full, and its family: a hint that gives no formula away."""

    text: str
    family: str


CONSTANTS = {1.0: "1", -1.0: "-1", 2.0: "2", 0.5: "1/2", -2.0: "-2", -0.5: "-1/2", 3.0: "3", 1 / 3: "1/3", 4.0: "4", 0.25: "1/4"}
MOST = 3  # explanations in the report
UNCERTAIN = 1e-5  # a derivative with a larger error confirms nothing


def diagnose(situations: list[Situation]) -> list[Named]:
    """The explanations that fit in all situations (at several values of the inputs); the most likely first."""
    first = situations[0]
    if not np.isfinite(first.analytic).all():
        return [_seen(f"{counted(~np.isfinite(first.analytic), 'is', 'are')} NaN or infinite")]
    if not any(s.analytic.any() for s in situations):
        return [_seen(ZERO)]
    if not any(s.numeric.any() for s in situations):
        return [_seen("it should be zero everywhere: f does not change with this input near these values")]
    smooth = np.isfinite(first.error) & (first.numeric != 0)  # elsewhere are kinks
    if first.numeric.any() and not (smooth.any() and np.median(first.relative_error[smooth]) <= UNCERTAIN):
        return [_seen("no diagnosis: too few slopes of f are exact enough")]
    return _first_that_fits(situations, (_factor, _mistakes, _of_itself))


def at_the_output(situations: list[Situation]) -> list[Named]:
    """Explanations from the numeric derivatives alone: one factor, or another gradient that arrives."""
    return _first_that_fits(situations, (_factor, _arriving))


def one_factor(situations: list[Situation]) -> list[Named]:
    return _first_that_fits(situations, (_factor,))


def of_another_input(situations: list[Situation]) -> list[Named]:
    return _first_that_fits(situations, (_of_another_input,))


def clipped(situations: list[Situation]) -> list[Named]:
    """One limit for all situations; for a loss, that of the gradient for g = 1. In some situations no entry may be so large:
    there the gradient is right. A single entry at the limit proves nothing, unless the limit is a round number; nor do entries
    that are all the same number."""
    if all((s.analytic == s.analytic.flat[0]).all() for s in situations):
        return []
    limit, entries = float(np.abs(situations[0].analytic).max(initial=0)) / abs(_of_loss(situations[0])), 0
    for s in situations:
        most = limit * abs(_of_loss(s))
        over = np.abs(s.numeric) > most
        if _ratio(s.analytic, np.clip(s.numeric, -most, most), np.where(over, 0, s.error)) != 1:
            return []
        entries += int((np.abs(s.numeric) - most > s.error).sum())
    proved = entries > 1 or entries and np.isclose(limit, float(f"{limit:.3g}"), rtol=ROUNDING, atol=0)
    return [Named(f"it is clipped at {limit:.6g}: check it before it is clipped", CLIPPED)] if proved else []


def _of_loss(s: Situation) -> float:
    """What arrives at a loss; 1 for other functions."""
    return float(s.gs[0].ravel()[0]) if s.jacobian.shape[0] == 1 else 1.0


def places(situations: list[Situation]) -> list[Named]:
    """The place of the wrong entries, if there are words for it."""
    return _first_that_fits(situations, (_misplaced, _places))


def _first_that_fits(situations: list[Situation], explanations: Sequence[Callable[[Situation], Iterator[Named]]]) -> list[Named]:
    with np.errstate(all="ignore"):  # the log of a negative number explains nothing
        for explain in explanations:
            fitting = [list(explain(s)) for s in situations]
            found = [named for named in dict.fromkeys(fitting[0]) if all(named in others for others in fitting[1:])]
            if found:
                return found[:MOST]
    return []


def _seen(text: str) -> Named:
    """Explanations without a formula are their own families."""
    return Named(text, text)


def _factor(s: Situation) -> Iterator[Named]:
    """One factor for all entries."""
    yield from (Named(text, "all entries are off by one and the same factor") for text in _one_factor(s))


def _one_factor(s: Situation) -> Iterator[str]:
    factor = _ratio(s.analytic, s.numeric, s.error)
    if factor == -1:
        yield "the sign is flipped"
    elif factor is not None and factor != 1:
        lengths = sorted({n for a in (s.x, *s.ys) for n in (*a.shape, a.size) if n > 1} | s.lengths)
        hints = [f"1/{n}: is it divided by a length or a size?" for n in lengths if np.isclose(factor * n, 1, rtol=1e-9)]
        hints += [f"{n} is a length or a size of the arrays: is a division missing?" for n in lengths
                  if np.isclose(factor, n, rtol=1e-9)]
        if round(1 / factor, 9) in (2, 3, 4):
            hints.append(f"or only one of {round(1 / factor)} uses of this input counts")
        because = f" ({'; '.join(hints)})" if hints else ""
        yield f"every entry is {_times(factor)} what it should be{because}"


def _times(factor: float) -> str:
    text = f"{factor:.6g}"
    return f"(1 {'+' if factor > 1 else '-'} {abs(factor - 1):.1e}) times" if text == "1" else f"{text} times"


def _ratio(a: np.ndarray, b: np.ndarray, error: np.ndarray) -> float | None:
    """The c with a = c b to within rounding, or None."""
    tolerance = error + ROUNDING * np.abs(b)
    accurate = np.divide(b, tolerance * tolerance, out=np.zeros(b.shape), where=tolerance > 0)  # least squares, weighted
    norm = float((accurate * b).sum())
    c = float((a * accurate).sum()) / norm if norm else 0.0
    near = [constant for constant in CONSTANTS if abs(c / constant - 1) < 1e-6]
    return next((c for c in (*near, c) if c and (np.abs(a - c * b) <= abs(c) * tolerance).all()), None)


def _mistakes(s: Situation) -> Iterator[Named]:
    """The mistakes that fit, at most one of each family."""
    found = 0
    for family, fit in FAMILIES:
        if found >= MOST or family is hypotheses.terms and found > 1 or found and family is hypotheses.uses:
            return
        if found and family in (blocks.powers, hypotheses.one_index):
            continue
        for hypothesis in family(s):
            text = fit(s, *hypothesis) if hypothesis[1].shape == s.x.shape else None
            if text is not None:
                found += 1 if family is not hypotheses.by_sign else MOST
                yield Named(text, WORDS[family])
                break


def _arriving(s: Situation) -> Iterator[Named]:
    yield from (Named(text, WORDS[hypotheses.cotangents]) for text, gradient, error in hypotheses.cotangents(s)
                if _exactly(s, text, gradient, error))


def _of_another_input(s: Situation) -> Iterator[Named]:
    yield from (Named(text, WORDS[hypotheses.of_another_input]) for text, gradient, error in hypotheses.of_another_input(s)
                if gradient.shape == s.x.shape and _exactly(s, text, gradient, error))


def _misplaced(s: Situation) -> Iterator[Named]:
    texts = (_exactly(s, *hypothesis) for hypothesis in hypotheses.shuffled(s))
    yield from (Named(text, WORDS[hypotheses.moved]) for text in texts if text is not None)


def _exactly(s: Situation, text: str, gradient: np.ndarray, error: np.ndarray) -> str | None:
    return text if _ratio(s.analytic, gradient, error) == 1 else None


def _times_a_constant(s: Situation, text: str, gradient: np.ndarray, error: np.ndarray) -> str | None:
    c = _ratio(s.analytic, gradient, error)
    return text if c == 1 else f"{text}; and it is {CONSTANTS[c]} times that" if c in CONSTANTS else None


def _of_itself(s: Situation) -> Iterator[Named]:
    """A multiple of the input is superfluous, or missing, as from a penalty on its size."""
    difference, x = s.analytic - s.numeric, _of_loss(s) * s.x
    c = float((difference * x).sum()) / (float((x * x).sum()) or 1.0)
    if (np.abs(difference) > 100 * s.error).any() and (np.abs(difference - c * x) <= s.error + ROUNDING * np.abs(x)).all():
        yield Named(f"{abs(c):.4g} {s.name} is {'missing' if c < 0 else 'superfluous'}: is the penalty on its size (weight decay)"
                    f" {'in the loss and not in the gradient' if c < 0 else 'in the gradient and not in the loss'}, or does it "
                    "have another factor or sign in the gradient?",
                    "a term of a sum is missing or superfluous")


def _as_a_term(s: Situation, text: str, term: np.ndarray, error: np.ndarray) -> str | None:
    c = _ratio(s.numeric - s.analytic, term, error + s.error)
    if c not in CONSTANTS or ((term != 0) & (np.abs(c * term) <= 10 * (error + s.error))).any():  # too small to confirm
        return None
    return f"the term {'-' if c < 0 else '+'} {'' if abs(c) == 1 else CONSTANTS[abs(c)] + ' '}{text} is missing"


FAMILIES: list[tuple[Callable[[Situation], Iterator[Hypothesis]], Callable[..., str | None]]] = [
    (hypotheses.by_sign, _exactly), (hypotheses.moved, _exactly), (hypotheses.passed_through, _exactly),
    (hypotheses.uses, _exactly), (hypotheses.cotangents, _exactly), (blocks.some_blocks, _exactly),
    (blocks.softmax_forms, _exactly), (hypotheses.of_another_input, _exactly), (hypotheses.inputs, _exactly),
    (blocks.powers, _exactly), (hypotheses.factors, _times_a_constant), (hypotheses.formulas, _times_a_constant),
    (hypotheses.terms, _as_a_term), (hypotheses.one_index, _exactly),
]

ZERO = ("it is zero everywhere: no gradient reaches this input (is it never added up? in the engine: a detach() or an array on "
        "the way?)")
CLIPPED = "it is clipped: check it before it is clipped"
GUESSED = "it is the formula of another function, or a term or a factor in it is not right"
NO_FACTOR = "a derivative or a factor is missing, or another one stands in its place"
WORDS: dict[Callable, str] = {
    blocks.some_blocks: "not all outputs that depend on an entry contribute to it",
    blocks.softmax_forms: "a formula of the softmax family is not the right one",
    blocks.powers: "the Jacobian or g is not used once, as it should",
    hypotheses.moved: "the right numbers are in wrong places",
    hypotheses.uses: "of several uses or contributions not all are added up, or not along the right axis",
    hypotheses.cotangents: "the gradient that arrives at the output is not used as it arrives",
    hypotheses.of_another_input: "it is another input's gradient", hypotheses.by_sign: "it is wrong for some signs of the input",
    hypotheses.one_index: "the gradient that arrives is not used as it arrives, or not passed on",
    hypotheses.inputs: "another quantity stands where one is right", hypotheses.passed_through: NO_FACTOR,
    hypotheses.factors: NO_FACTOR, hypotheses.formulas: GUESSED, hypotheses.terms: "a term of a sum is missing",
}


def _places(s: Situation) -> Iterator[Named]:
    """The place of the wrong entries, if these are all entries of one kind."""
    yield from map(_seen, _where(s))


def _where(s: Situation) -> Iterator[str]:
    a, n, x = s.analytic, s.numeric, s.x
    wrong = ~(np.abs(a - n) <= s.error + ROUNDING * np.abs(n))
    kinds = [*_of_one_index(s, wrong), ("where the input is negative", x < 0), ("where the input is positive", x > 0)]
    found = [f"{_what(a[wrong], n[wrong], s.error[wrong])} {text}, and right elsewhere" for text, kind in kinds
             if kind.any() and not kind.all() and (wrong <= kind).all() and (n[kind & ~wrong] == 0).all()]
    if not n[wrong].any():
        yield f"{counted(wrong)} should be zero and {'is' if wrong.sum() == 1 else 'are'} not: is a mask missing?"
    elif not a[n != 0].any() and (n == 0).any():
        yield "it is zero where it should not be, and not zero where it should: is a mask the wrong way round?"
    elif found:
        yield from found
    elif not a[wrong].any():
        yield f"{counted(wrong, 'is', 'are')} zero and should not be"
    elif wrong.sum() <= 3 and wrong.size > 3:
        found = [str(list(map(int, index))) for index in np.argwhere(wrong)]
        yield f"the only wrong {'entry is' if len(found) == 1 else 'entries are'} {', '.join(found)}"
    elif along := next(_along_an_axis(a, n, s.error), ""):
        yield along
    elif (zero := (a == 0) & (n != 0)).any():
        yield from (f"it is zero {text}, and wrong elsewhere" for text, kind in _of_one_index(s, zero) if not a[kind].any())
    elif (alone := (a != 0) & ~s.sizes.any(axis=0).reshape(a.shape)).any():
        yield f"it is wrong, and not zero in {counted(alone)} that f does not change with"
    elif (np.abs(a - n) <= 0.01 * np.abs(n)).all():
        yield "it is nearly right: is a constant or an epsilon not the same, or a number rounded?"


def _along_an_axis(a: np.ndarray, n: np.ndarray, error: np.ndarray) -> Iterator[str]:
    """Entries with the same error, such as all of a row. (Another sentence says that all have the same factor.)"""
    off, ratio = a - n, np.divide(a, n, out=np.ones(a.shape), where=n != 0)
    axes = [None, *range(a.ndim)] if (np.abs(off) > 100 * error).all() else []
    for axis in (axis for axis in axes if (a.size if axis is None else a.shape[axis]) > 2):
        where = "in all entries" if axis is None else f"in all entries along axis {axis}"
        mean, middle = off.mean(axis, keepdims=True), np.median(ratio, axis, keepdims=True)
        if (np.abs(off - mean) <= error + error.mean(axis, keepdims=True) + ROUNDING * np.abs(n)).all():
            yield f"it is off by the same number {where}: is something added to each, or a mean or a sum over them missing?"
        elif (np.abs(a - middle * n) <= (1 + np.abs(middle)) * (error + ROUNDING * np.abs(n))).all():
            yield f"it is off by the same factor {where}"


def _of_one_index(s: Situation, wrong: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Neighbouring indices of one axis hold all wrong entries."""
    for axis, length in enumerate(wrong.shape):
        at = np.flatnonzero(np.moveaxis(wrong, axis, 0).reshape(length, -1).any(axis=1))
        if 0 < len(at) < length and len(at) == at[-1] - at[0] + 1:
            kind = np.zeros(wrong.shape, bool)
            np.moveaxis(kind, axis, 0)[at] = True
            owner = next((f" (as many as {name} has columns)" for name in _columns(s, len(at))
                          if axis == 0 and wrong.ndim == 2 and list(_columns(s, length - len(at)))), "")
            indices = f"{at[0]}" if len(at) == 1 else f"{at[0]}..{at[-1]}"
            kinds = [("row", "rows"), ("column", "columns")] if wrong.ndim == 2 else [("index", "indices")] * wrong.ndim
            of_axis = "" if wrong.ndim == 2 else f" of axis {axis}"
            yield f"in {kinds[axis][len(at) > 1]} {indices}{of_axis}{owner}", kind


def _columns(s: Situation, length: int) -> Iterator[str]:
    """Other inputs with so many columns, if no other axis of any array has this length by chance."""
    rows = {n for array in (s.x, *s.ys, *s.others.values()) for n in array.shape[:-1]}
    if length not in rows:
        yield from (name for name, other in s.others.items() if other.ndim == 2 and other.shape[1] == length)


def _what(a: np.ndarray, n: np.ndarray, error: np.ndarray) -> str:
    """The error of some entries, in words."""
    factor = _ratio(a, n, error)
    return ("it is zero" if not a.any() else "it is not zero, as it should be," if not n.any() else
            "the sign is flipped" if factor == -1 else f"it is {_times(factor)} what it should be" if factor not in (None, 1)
            else "it is wrong")
