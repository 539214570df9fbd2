"""The words: one row of the report for an input, and what a reader should know besides."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .report import INCONCLUSIVE, KINK, OK, WRONG, Row
from .sample import NO_DIRECTION
from .verdict import Finding


def row(finding: Finding, repeatable: bool, diagnosis: Callable[[], list[str]]) -> Row:
    """diagnosis: called if the gradient is wrong."""
    entries, wrong, unknown = finding.entries, finding.wrong, finding.unknown
    if not len(entries):
        return Row(finding.name, finding.leaf.shape, 0, 0, 0, None, 0.0, 0.0, 0.0, OK)
    a = finding.analytic.ravel()[entries]
    value, bound = finding.of_entries("value"), finding.of_entries("bound")
    in_bounds = np.nan_to_num(np.abs(a - value) / np.maximum(bound, 1e-300), posinf=1e299)
    severity = np.where(wrong, 2.0, unknown) * 1e300 + in_bounds
    worst = int(np.argmax(severity))
    undecided = unknown.any() or "disagrees" in finding.direction or finding.direction == NO_DIRECTION
    verdict = WRONG if wrong.any() else INCONCLUSIVE if undecided else KINK if finding.on_kink.any() else OK
    size = np.maximum(np.abs(value), np.sqrt(np.mean(value * value)))
    seen = ~finding.on_kink & ~finding.hidden & ~unknown & (size > 0)
    return Row(finding.name, finding.leaf.shape, finding.leaf.size, len(entries), int((wrong | unknown).sum()),
               tuple(int(i) for i in np.unravel_index(entries[worst], finding.leaf.shape)),
               float(a[worst]), float(value[worst]), float(bound[worst]), verdict,
               tuple([*_notes(finding, a, repeatable), *(diagnosis() if verdict == WRONG else ())]),
               float((bound[seen] / size[seen]).max(initial=0.0)))


def _notes(finding: Finding, a: np.ndarray, repeatable: bool) -> Iterator[str]:
    value, bound = finding.of_entries("value"), finding.of_entries("bound")
    if len(a) < finding.leaf.size:
        yield f"{len(a)} of {finding.leaf.size} entries were checked one by one{finding.direction}"
    if not repeatable:
        yield "f gives other values when it is called again with the same inputs (does it draw random numbers?)"
    elif finding.unknown.any():
        jumps = np.isinf(finding.of_entries("low")).any()
        yield f"f {'jumps' if jumps else 'is not smooth or not finite'} near the entries that fail"
    if finding.on_kink.any():
        yield f"{finding.on_kink.sum()} entries lie on a kink of f, where any slope between left and right is accepted"
    hidden = finding.hidden & ((value != 0) | (a != 0))
    if hidden.any():
        yield (f"{hidden.sum()} entries are too small to show beside the rounding errors of f, "
               f"errors up to {bound[hidden].max():.1e} in them would not be seen")
    if not a.any() and not value.any():
        yield "the gradient is 0 everywhere: this input was not really tested (try other values)"
