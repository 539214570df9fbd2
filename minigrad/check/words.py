"""Writes one row of the report for an input, with notes for the reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .report import INCONCLUSIVE, KINK, OK, UNSEEN, WRONG, Row
from .sample import DISAGREES, NO_DIRECTION
from .verdict import Finding


def row(finding: Finding, order: int, repeatable: bool, diagnosis: Callable[[], list[str]]) -> Row:
    """diagnosis: called if the gradient is wrong."""
    f, x, name = finding, finding.input.x, finding.input.name
    if not len(f.entries):
        return Row(name, x.shape, 0, 0, 0, None, 0.0, 0.0, 0.0, OK)
    a, value, bound, seen = f.a, f.of_entries("value"), f.of_entries("bound"), f.seen
    in_bounds = np.nan_to_num(np.abs(a - value) / np.maximum(bound, 1e-300), posinf=1e299)
    severity = np.where(f.wrong, 2.0, f.unknown) * 1e300 + np.where(f.hidden & seen.any(), 0, in_bounds)
    worst = int(np.argmax(severity))
    undecided = f.unknown.any() or DISAGREES in f.direction or f.direction == NO_DIRECTION
    unseen, function = f.hidden & ~f.still, "f" if order == 1 else "the gradient of f"
    verdict = (WRONG if f.wrong.any() else INCONCLUSIVE if undecided else UNSEEN if unseen.any() and not seen.any() else
               KINK if f.on_kink.any() else OK)
    return Row(name, x.shape, x.size, len(f.entries), int((f.wrong | f.unknown).sum()),
               tuple(int(i) for i in np.unravel_index(f.entries[worst], x.shape)),
               float(a[worst]) + 0.0, float(value[worst]) + 0.0, float(bound[worst]), verdict,  # turns -0 into 0
               tuple([*_notes(f, function, repeatable), *(diagnosis() if verdict == WRONG else ())]),
               float(((f.error + bound)[seen] / f.size[seen]).max(initial=0.0)), int(unseen.sum()))


def _notes(f: Finding, function: str, repeatable: bool) -> Iterator[str]:
    """function: what is differentiated: f or, in second order, its gradient."""
    a, value, unseen = f.a, f.of_entries("value"), f.hidden & ~f.still
    if len(a) < f.input.x.size:
        yield f"{len(a)} of {f.input.x.size} entries were checked one by one{f.direction}"
    if not repeatable:
        yield (f"{function} gives other values when it is called again with the same inputs (does it draw random numbers, or "
               "keep something from call to call?)")
    elif f.unknown.any():
        if not np.isfinite(f.input.differences.here).all():
            yield f"{function} is not finite at these values"
        elif f.jumps:
            yield f"{function} jumps near {counted(f.unknown)}, so this part of the gradient cannot be judged"
        else:
            yield (f"the slopes of {function} are too uncertain to judge {counted(f.unknown)}: there it may bend sharply, jump, "
                   "end or have large rounding errors")
    if f.on_kink.any():
        yield f"{counted(f.on_kink, 'lies', 'lie')} on a kink of {function}, where any slope between left and right is accepted"
    if unseen.any() and repeatable:
        yield (f"{counted(unseen, 'is', 'are')} too small to show beside the rounding errors of {function}, "
               f"errors up to {f.error[unseen].max():.1e} there would not be seen")
    if f.still.all():
        yield f"{function} did not change near these values, so this gradient was not tested (try other values)"
    elif f.still.any():
        yield f"{function} did not change near {counted(f.still)}, so this part of the gradient was not tested"
    elif not a.any() and (np.abs(value) <= f.error).all() and not (f.wrong | f.unknown | f.on_kink | unseen).any():
        yield "the gradient is 0 everywhere at these values (try other values)"
    if f.kinks_meet and f.wrong.any():
        yield ("it is right at values nearby, but at exactly these it is no slope of f: either several kinks meet here, where "
               "the chain rule can give such a value, or a formula treats these values in a way of its own")


def counted(which: np.ndarray, one: str = "", several: str = "") -> str:
    """How many entries, and the verb for one or for several."""
    count = int(which.sum())
    return f"{count} {'entry' if count == 1 else 'entries'} {one if count == 1 else several}".rstrip()
