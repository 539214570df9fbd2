"""Draws a sample of entries if there are too many to check, and random directions through all entries."""

from __future__ import annotations

import numpy as np

from .verdict import TOO_WIDE, TREMBLES, ULPS, Input

CALLS, CALLS_AT_FIRST = 4, 112  # of f: for an entry, and once to measure how exact f and its gradients are
DIRECTIONS = 8  # through all entries of an input, if only a sample is checked one by one
DISAGREES = "; a random direction through all of them disagrees"
NO_DIRECTION = "; no random direction through all of them shows anything, as no slope along them is certain enough"


def samples(sizes: list[int], budget: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The flat numbers of the entries to check in each input; all if the budget allows."""
    left = budget - CALLS_AT_FIRST - CALLS * len(sizes)
    if CALLS * sum(sizes) <= left:
        return [np.arange(size) for size in sizes]
    left = max(len(sizes), (left - CALLS * DIRECTIONS * len(sizes)) // CALLS)
    samples = [np.arange(0)] * len(sizes)
    for done, i in enumerate(np.argsort(sizes, kind="stable")):  # large inputs get the calls that small ones do not need
        quota = min(sizes[i], max(1, left // (len(sizes) - done)))
        samples[i] = np.sort(rng.choice(sizes[i], quota, replace=False))
        left -= quota
    return samples


def directions(of: Input, v: np.ndarray, rng: np.random.Generator) -> tuple[int | None, str]:
    """Compare derivatives along random directions through all entries. Returns a wrong entry, if any, and a note."""
    analytic = of.analytic
    if not np.isfinite(analytic).all():
        return int(np.argmin(np.isfinite(analytic))), ""
    agreeing = 0
    for _ in range(DIRECTIONS):
        direction = rng.normal(size=analytic.shape) * of.differences.sizes
        agrees = _agrees(of, v, direction)
        agreeing += agrees is True
        if agrees is False:
            suspects = np.arange(analytic.size)
            while len(suspects) > 1:
                half = suspects[:len(suspects) // 2]
                part = np.zeros(analytic.shape)
                part.flat[half] = direction.flat[half]
                suspects = half if _agrees(of, v, part) is False else suspects[len(half):]
            return int(suspects[0]), DISAGREES
    if not agreeing:
        return None, NO_DIRECTION
    return None, f"; {agreeing} random directions through all of them agree"


def _agrees(of: Input, v: np.ndarray, direction: np.ndarray) -> bool | None:
    """None if the slope along this direction is too uncertain to tell."""
    analytic, differences = of.analytic, of.differences
    expected, terms = float((analytic * direction).sum()), float(np.abs(analytic * direction).sum())
    found = differences.along(direction, v, expected, differences.noise.together(v))
    inexact = ULPS * of.eps * (found.terms + terms) + TREMBLES * float((of.tremor * np.abs(direction)).sum())
    if not found.bound + inexact <= TOO_WIDE * max(found.terms, terms):
        return None
    return bool(abs(found.value - expected) <= found.bound + inexact)
