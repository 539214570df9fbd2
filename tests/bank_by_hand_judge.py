"""Judges a report on a planted mistake: does it name or locate the mistake, pass it over, or mislead?

The rule. A sentence NAMES the mistake if it says the error and its true quantity, operation or line. It LOCATES the mistake if
it truly says from which time step on, for which output, in which entries or through which line of the forward pass the gradient
goes wrong. It is NEITHER if it is true but fits any mistake, or says "no simple pattern". It MISLEADS if it blames a right
part. The true line or quantity is not guessed here: each mistake has `good` claims, and bank_by_hand_places.py, written with
both sources side by side, has the place in the forward pass to which the wrong line of the backward pass belongs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from bank_by_hand_kinds import Draw, Kind, Mistake
from bank_by_hand_places import PLACES


from minigrad.check.by_hand import ByHand
from minigrad.check.report import Report

NAMED, LOCATED, SILENT, OTHER, MISLEADING, UNCAUGHT = "named", "located", "no pattern", "neither", "misleading", "NOT CAUGHT"

CLAIMS = {  # what a sentence can blame, or where it can locate the error
    "carry": r"carr(y|ied)|d[hca]_?(next|prev)|through time|next (time )?step|later (time )?step|recurren"
             r"|reach\w* .*(earlier|step)|no gradient reaches|truncat|between (the )?(time )?steps"
             r"|from step to step|counts? at the last step only|h_\{?t\+1|flows back",
    "place": r"wrong in ind(ex|ices)|wrong (at|from|for|in|until) (time )?steps?\b|right elsewhere"
             r"|only ind(ex|ices) .* of the output|the only wrong entr|only the (first|last) (time )?step"
             r"|wrong in the (columns|rows|block|part)",
    "weights over time": r"overwrit|added up|add(ed)? (them|it) up|accumulat|\+="
                         r"|only the (first|last) (time )?step|(first|last) "
                         r"(time )?step('s)? (only|alone|counts)|sum(med)? over (all )?(time|the steps|steps)"
                         r"|counted once",
    "batch": r"\bbatch\b|averag|mean over|not summed|summed over|sum over (the )?(examples|rows)|one number for all",
    "transposed": r"transpos|axes \d and \d are exchanged|\.T\b",
    "sign": r"\bsign\b|negated|\bminus\b|-1 times|opposite",
    "factor": r"times what it should be|\bfactor|divi(ded|sion)|1 ?/ ?[NTn]\b|\btwice\b|\bhalf\b",
    "tanh'": r"1 ?- ?\w+(_\w+)? ?(\^|\*\*) ?2|1 ?- ?tanh|tanh'|derivative of (the )?tanh|as for tanh"
             r"|of the activation",
    "sigmoid'": r"sigmoid|sigma|σ|\b(\w+) ?\*? ?\(1 ?- ?\1\)|the gate's derivative",
    "relu'": r"\brelu|where .* (> 0|positive)|kink",
    "gate": r"\bgates?\b|candidate|\bblocks?\b",
    "cell": r"\bcell|\bC_?t\b|\bd[Cc]\b|\bc_(next|prev|t)|tanh\([Cc]",
    "shift": r"shifted|off by one|previous (state|step|hidden)|h_\{?t ?- ?1|earlier state|neighbour"
             r"|step too (early|late)"
             r"|state after",
    "mask": r"mask|padd(ed|ing)|ignored (rows|steps|targets)|lengths?\b(?! or a size)",
    "repeated index": r"add\.at|repeated (ind|word|row|number)|duplicate|occurs? (twice|more than once)|fancy"
                      r"|several times|same (row|index)",
    "jacobian": r"softmax|jacobian",
    "statistics": r"\bmean\b|varian|standard deviation|statistic|as constants?\b|treated as (a )?constant",
    "projection": r"project|component along|\bnorm\b",
    "order": r"revers|flipped|cumul|backwards in time|other way round|direction",
    "state": r"is the (state|value|output)|(state|value|activation) itself|instead of (its|the) gradient",
    "constant": r"\.numpy|detach|cut off|not part of the graph|constant",
    "exchanged": r"exchang|swapp|mixed up|instead of the other|confus|belongs to (another|the other)",
    "use": r"used (twice|in two)|two uses|of several uses|other use|one of (its|the) (two )?uses|one path"
           r"|counted once|second path|other path",
    "upstream": r"upstream|g is (not|ignored|missing)|gradient that arrives|ignores? (g|the gradient)|without g\b"
                r"|output .* (ignored|lost)|of the output counts|does not depend on g",
    "gain": r"gamma|\bgain|\bscale\b",
    "clip": r"clip",
    "one-hot": r"one-hot|target|- 1 (at|in)|label|minus 1",
    "zero": r"\bis (all )?(zero|0)\b|never computed|nothing arrives|all zeros?\b",
    "shape": r"has shape",
    "nonlinear": r"not linear|depends on g otherwise",
    "another point": r"derivative at (the|-)",
    "rolled": r"\brolled\b",
    "not smooth": r"not smooth|not finite",
}
WHAT = re.compile(  # is wrong with a place that the sentence names as well
    r"stands where|(factor|derivative of).* is missing|is superfluous|\bis lost|part is lost|counts? (twice|by half|[\d/]+ times)"
    r"|wrong sign|is used (where|without|in what|throughout|as the gradient)|transposed|in another order|are exchanged"
    r"|times what (it should be|arrives, times)|it is what arrives at index"
    r"|gets only the last|applied twice|wrong side|averaged, not summed|only that of the|one number for all|gone through forward"
    r"|only .* counts|treated as|is missing: is the penalty|stands twice")
WHERE = re.compile(r"follows from (one error|errors in)|passes through|only what goes|right in step|right for what arrives"
                   r"|gives wrong values for exactly|wrong already for what arrives|gets something from index|right elsewhere"
                   r"|only wrong entries")
STEPS = re.compile(r"the gradient of \S+ is right in steps? \d+.* and wrong before|right for what arrives at (step|output|ind)")
QUOTED = re.compile(r"\(line \d+.*?\)(?=$|;|: perhaps| and | but | to )")
NO_PATTERN = re.compile(r"no simple pattern|no pattern|no diagnosis|too small to show")


@dataclass(frozen=True)
class Judged:
    """The verdict on all wrong inputs of one draw, and by input what was said of it."""

    caught: bool
    rows: dict[str, tuple[str, str]]
    report: Report
    extra: tuple[str, ...] = ()  # right gradients that are not called ok


def wrong_inputs(right: Kind, wrong: Kind, inputs: tuple, rng: np.random.Generator) -> set[str] | None:
    """The inputs whose gradients differ, by name; None where it cannot be told well. By comparison with the right pass."""
    one, two = (ByHand(kind.function(), kind.backward or kind.function().backward, inputs) for kind in (right, wrong))
    found, unclear = set(), False
    for _ in range(2):
        v = rng.normal(size=one.size)
        a, b = dict(zip(one.names, one.gradients(one.xs, v))), dict(zip(two.names, two.gradients(two.xs, v)))
        for name in two.names:
            off = np.abs(a[name] - b[name]).max(initial=0) / (np.abs(a[name]).max(initial=0) or 1.0)
            found |= {name} if not off < 1e-4 else set()
            unclear |= 1e-12 < off < 1e-4
    return None if unclear or not found else found


def drawn(right: Kind, wrong: Kind, modules: tuple[ModuleType, ...], seed: list[int]) -> tuple[tuple, set[str]]:
    """Inputs at which the mistake shows."""
    for attempt in range(100):
        d = Draw(np.random.default_rng([*seed, attempt]), integers=False)
        inputs = right.draw(d)
        globals_of = getattr(wrong.draw, "__globals__", {})
        lent = {name: getattr(modules[0], name) for name in ("Wxh", "Whh", "Why", "bh", "by") if hasattr(modules[0], name)}
        globals_of.update(lent)
        try:
            with np.errstate(all="ignore"):
                found = wrong_inputs(right, wrong, inputs, d.rng)
        except (ValueError, IndexError):  # sizes that do not fit: nobody overlooks it
            continue
        if found:
            return inputs, found
    raise ValueError(f"{wrong.name}: the mistake does not show in 100 draws")


def judge(mistake: Mistake, report: Report, wrong: set[str]) -> Judged:
    rows = {row.name: row for row in report.rows}
    general = [text for verdict, text in report.notes if verdict != "ok"]
    said = {}
    for name in sorted(wrong):
        row = rows[name]
        if row.verdict != "WRONG":
            said[name] = UNCAUGHT, row.verdict
            continue
        verdicts = [(of_sentence(mistake, text), text) for text in [*row.notes, *general]]
        ranked = [(v, text) for wanted in (MISLEADING, NAMED, LOCATED, OTHER) for v, text in verdicts if v == wanted]
        said[name] = ranked[0] if ranked else (SILENT, "")
    extra = tuple(f"{row.name} is right, but called {row.verdict}" for row in report.rows
                  if row.verdict not in ("ok", "KINK", "not given") and row.name not in wrong)
    return Judged(not report, said, report, extra)


def of_sentence(mistake: Mistake, text: str) -> str:
    if NO_PATTERN.search(text):
        return SILENT
    said, place = QUOTED.sub("", text), PLACES.get(mistake.id, "") or next(
        (good.removeprefix("line:") for good in mistake.good if good.startswith("line:")), "")
    here = bool(place) and bool(re.search(place, text))
    good = [wanted for wanted in mistake.good if not wanted.startswith("line:") and re.search(CLAIMS.get(wanted, wanted), said)]
    if WHERE.search(said) and not WHAT.search(said):
        seen = STEPS.search(said) or good == ["place"]  # what was observed, entry by entry or step by step, is so
        return LOCATED if here or seen or good else MISLEADING if place and "or in the later" not in said else OTHER
    if here and WHAT.search(said) or good and good != ["place"]:
        return NAMED
    if good:
        return LOCATED
    blamed = [claim for claim, pattern in CLAIMS.items() if re.search(pattern, said) and claim not in mistake.fine]
    return MISLEADING if [claim for claim in blamed if claim not in ("place", "shape")] or WHAT.search(said) else OTHER
