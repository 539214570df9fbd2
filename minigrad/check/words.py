"""Writes one row of the report for an input, with notes for the reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .report import INCONCLUSIVE, KINK, OK, UNSEEN, WRONG, Row
from .sample import DISAGREES, NO_DIRECTION
from .verdict import Finding


def row(finding: Finding, repeatable: bool, diagnosis: Callable[[], list[str]]) -> Row:
    """diagnosis: called if the gradient is wrong."""
    f, x, name = finding, finding.input.x, finding.input.name
    if not len(f.entries):
        return Row(name, x.shape, 0, 0, 0, None, 0.0, 0.0, 0.0, OK)
    a, value, bound, seen = f.a, f.of_entries("value"), f.of_entries("bound"), f.seen
    in_bounds = np.nan_to_num(np.abs(a - value) / np.maximum(bound, 1e-300), posinf=1e299)
    severity = np.where(f.wrong, 2.0, f.unknown) * 1e300 + np.where(f.hidden & seen.any(), 0, in_bounds)
    worst = int(np.argmax(severity))
    undecided = f.unknown.any() or DISAGREES in f.direction or f.direction == NO_DIRECTION
    unseen = f.hidden & ~f.still
    verdict = (WRONG if f.wrong.any() else INCONCLUSIVE if undecided else KINK if f.on_kink.any() else
               UNSEEN if unseen.any() and not seen.any() else OK)
    return Row(name, x.shape, x.size, len(f.entries), int((f.wrong | f.unknown).sum()),
               tuple(int(i) for i in np.unravel_index(f.entries[worst], x.shape)),
               float(a[worst]) + 0.0, float(value[worst]) + 0.0, float(bound[worst]), verdict,  # turns -0 into 0
               tuple([*_notes(f, repeatable), *(diagnosis() if verdict == WRONG else ())]),
               float(((f.error + bound)[seen] / f.size[seen]).max(initial=0.0)), int(unseen.sum()))


def _notes(f: Finding, repeatable: bool) -> Iterator[str]:
    a, value, unseen = f.a, f.of_entries("value"), f.hidden & ~f.still
    if len(a) < f.input.x.size:
        yield f"{len(a)} of {f.input.x.size} entries were checked one by one{f.direction}"
    if not repeatable:
        yield "f gives other values when it is called again with the same inputs (does it draw random numbers?)"
    elif f.unknown.any():
        jumps = np.isinf(f.of_entries("low")).any()
        yield f"f {'jumps' if jumps else 'is not smooth or not finite'} near the entries that fail"
    if f.on_kink.any():
        yield f"{f.on_kink.sum()} entries lie on a kink of f, where any slope between left and right is accepted"
    if unseen.any():
        yield (f"{unseen.sum()} entries are too small to show beside the rounding errors of f, "
               f"errors up to {f.error[unseen].max():.1e} in them would not be seen")
    if f.still.all():
        yield "f did not change near these values, so this gradient was not tested (try other values)"
    elif f.still.any():
        yield f"f did not change near {f.still.sum()} entries, so their gradient was not tested"
    elif not a.any() and (np.abs(value) <= f.error).all() and not (f.wrong | f.unknown | f.on_kink | unseen).any():
        yield "the gradient is 0 everywhere at these values (try other values)"
    if f.kinks_meet and f.wrong.any():
        yield ("it is right at values nearby, but at exactly these it is no slope of f: either several kinks meet here, where "
               "the chain rule can give such a value, or a formula treats these values in a way of its own")
