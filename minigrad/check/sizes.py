"""Tests gradients written by hand at another size: if two axes have the same length by chance, a mistake can hide there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from .by_hand import ByHand
from .compare import Check
from .noise import generator
from .report import WRONG

MOST_TRIED, CALLS = 8, 400  # axes, and calls of forward for each: a wrong length changes all entries


def at_other_sizes(function: ByHand) -> list[str]:
    """A note if the gradient is wrong when an axis, as long as another one, gets one index less. forward must allow that; it
    does if the two lengths are independent. Lengths below 3 are skipped: an axis of length 1 would be broadcast."""
    for (name, axis), _ in zip(_equally_long(function), range(MOST_TRIED)):
        with suppress(Exception):  # forward may refuse other sizes with any error, and backward may fail for them, too
            shorter = np.delete(function.every[name], -1, axis)
            there = function.with_inputs({**function.every, name: shorter})
            wrong = [row.name for row in Check(there, generator(5), CALLS, "none").report().rows if row.verdict == WRONG]
            if wrong:
                return [f"at other sizes it is wrong: with {name} of shape {shorter.shape} the gradient of {', '.join(wrong)} is "
                        "WRONG. Does one length stand where an equal one is right?"]
    return []


def _equally_long(function: ByHand) -> Iterator[tuple[str, int]]:
    """The inputs' axes that are as long as another axis of an input."""
    shapes = {name: function.every[name].shape for name in function.names}
    count = Counter(n for shape in shapes.values() for n in shape)
    yield from ((name, axis) for name, shape in shapes.items() for axis, n in enumerate(shape) if n > 2 and count[n] > 1)
