"""Gradients written by hand at another size: where two axes are equally long by chance, one length can stand for the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from .by_hand import ByHand
from .compare import Check
from .noise import generator
from .report import WRONG

MOST_TRIED, CALLS = 8, 400  # axes, and calls of forward for each: a length that is not right changes all entries


def at_other_sizes(function: ByHand) -> list[str]:
    """A note if the gradient is wrong with one index less along an axis that is as long as another one. forward must allow that;
    it does so where the length is one of its own. Lengths below 3 are left: an axis of length 1 would be broadcast."""
    for (name, axis), _ in zip(_equally_long(function), range(MOST_TRIED)):
        with suppress(Exception):  # forward may refuse other sizes in any way, and backward need not know them if it does not
            shorter = np.delete(function.every[name], -1, axis)
            there = function.with_inputs({**function.every, name: shorter})
            wrong = [row.name for row in Check(there, generator(5), CALLS, "none").report().rows if row.verdict == WRONG]
            if wrong:
                return [f"right at these sizes only: with {name} of shape {shorter.shape} the gradient of {', '.join(wrong)} is "
                        "WRONG. Does one length stand where an equal one is right?"]
    return []


def _equally_long(function: ByHand) -> Iterator[tuple[str, int]]:
    """Axes of inputs that are as long as another axis of an input."""
    shapes = {name: function.every[name].shape for name in function.names}
    count = Counter(n for shape in shapes.values() for n in shape)
    yield from ((name, axis) for name, shape in shapes.items() for axis, n in enumerate(shape) if n > 2 and count[n] > 1)
