"""Measures how exact a function's values are: the rounding errors of each output, and its size nearby."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

EPS = float(np.finfo(float).eps)
OWN = int.from_bytes(b"minigrad", "big")  # added to a seed, so that nobody else has these random numbers
SMALL_STEP, LARGE_STEP, HUGE_STEP = 2.0 ** -20, 2.0 ** -11, 2.0 ** -5  # relative to the size of the entries
ORDERS = (3, 4, 5, 6, 7)  # orders of differences: with the order they shrink for a smooth f, but not for rounding errors
STAIRCASE = 64  # more than so many of the output's own rounding errors are none, but a kink of f,
STEPS_SEEN = 4  # of eight; if f changes in fewer, it is level or has wider stairs
INNER = 2.0 ** 16  # times f's own rounding errors: an inner value has no larger ones, if f moves
SMALL_ENTRY = 8  # times smaller than the steps
STEPS = 2  # so many unusual changes of eight: inner values change their last digit; it is no kink
SINGLE = 1e-4  # relative to f's values; a jump of f is larger
FURTHER = (8.0, 128.0, 4e3, 1e6, 1e10, 1e15)  # times as large as x
ALIKE = 0.1  # if slopes over the small and over the large step are alike within this part
MILD = (1.5, 30.0)  # four times the step: the ratio of f's changes, unless f is saturated or explodes

Function = Callable[[np.ndarray], np.ndarray]


def generator(*seed: int) -> np.random.Generator:
    """The checker's own random numbers. Users draw inputs from default_rng(seed), and weights that are equal to an input
    hide errors."""
    if min(seed) < 0:
        raise ValueError(f"seed must be 0 or more, not {min(seed)}")
    return np.random.default_rng([OWN, *seed])


@dataclass
class Noise:
    """For each output: `error`, the rounding error of one value, and `scale`, its largest size at x and at a distance as
    large as x. samples: fifth differences on both sides of x, which are rounding errors. moves: does it change in nearly every
    small step?"""

    error: np.ndarray
    scale: np.ndarray
    samples: list[np.ndarray]
    moves: np.ndarray

    def together(self, v: np.ndarray) -> float:
        """The error of v . f, relative to the error if the outputs' errors were independent."""
        alone = norm(v * self.error)
        return max(1.0, min(float(_level(fifth @ v, 5)) for fifth in self.samples) / alone) if alone else 1.0


def noise_of(f: Function, x: np.ndarray, direction: np.ndarray, far: np.ndarray, here: np.ndarray, eps: float) -> Noise:
    """The noise of f along `direction`; `far` is the same direction, as large as x. Where an entry is much smaller than the
    others, f may be another function a step away, such as 1 / x: then steps as small as the entry itself count, if f moves."""
    noise = _along(f, x, direction, far, here, eps)
    near, less = (np.where(x == 0, d, np.sign(d) * np.minimum(np.abs(d), np.abs(x))) for d in (direction, far))
    if (np.abs(direction) > SMALL_ENTRY * np.abs(near)).any():
        closer = _along(f, x, near, less, here, eps)
        noise.error = np.where(closer.moves, np.minimum(noise.error, closer.error), noise.error)
        noise.scale = np.where(closer.moves, np.minimum(noise.scale, closer.scale), noise.scale)
        noise.samples = [np.where(closer.moves, *both) for both in zip(closer.samples, noise.samples)]
    return noise


def _along(f: Function, x: np.ndarray, direction: np.ndarray, far: np.ndarray, here: np.ndarray, eps: float) -> Noise:
    """Differences of high order at small steps remove a smooth f and leave its rounding errors. Larger steps show the errors
    of inner values that do not change in a small step: then f is a staircase.

    After J. More and S. Wild, "Estimating computational noise" (2011).
    """
    some, others = direction * generator(2).uniform(0.5, 1, (2, *x.shape))  # a step could be a period of f

    def side(step: float, numbers: Sequence[float], along: np.ndarray = direction) -> np.ndarray:
        return np.array([here, *(f(x + k * step * along) for k in numbers)])

    sizes = np.abs(side(1.0, (-1, -0.5, 0.5, 1), far))
    scale, still = _largest(sizes), (sizes == np.abs(here)).all(axis=0)
    for longer in FURTHER:  # f may change only further away than x is large
        if still.any():
            sizes = np.abs(side(longer, (-1, 1), far))
            scale, still = np.where(still, _largest(sizes), scale), still & (sizes == np.abs(here)).all(axis=0)
    def sides_of(size: float, along: np.ndarray = some) -> list[np.ndarray]:
        return [side(step, range(1, 9), along) for step in (-size, size)]

    near, another, wide = sides_of(SMALL_STEP), sides_of(SMALL_STEP, others), sides_of(LARGE_STEP)
    error = np.max([_of_sides([_levels(values).min(axis=0) for values in sides], sides, scale)
                    for sides in (near, another)], axis=0)
    stairs = _of_sides([_plateau(values) for values in wide], wide, scale)
    slopes, wide_slopes = (np.array([values[-1] - values[0] for values in sides]) / size
                           for sides, size in ((near, SMALL_STEP), (wide, LARGE_STEP)))
    between = (np.abs(wide_slopes - slopes) > ALIKE * np.abs(wide_slopes)).any(axis=0)  # f moves in steps too large for `near`
    stairs = np.where(between, stairs, np.minimum(stairs, STAIRCASE * eps * scale))
    moves, climbs = (np.min([(np.diff(values, axis=0) != 0).sum(axis=0) for values in sides], axis=0) > STEPS_SEEN
                    for sides in (near, wide))
    error = np.maximum(error, stairs)
    if not climbs.all():
        huge_stairs = np.minimum(np.max([_plateau(values) for values in sides_of(HUGE_STEP)], axis=0), STAIRCASE * eps * scale)
        error = np.where(climbs, error, np.maximum(error, huge_stairs))
    scale = np.where(moves, np.minimum(scale, INNER * (error / eps + np.abs(here))), scale)  # such errors would show
    return Noise(error, scale, [np.diff(values, n=5, axis=0) for values in near], moves)


def _largest(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, 0).max(axis=0)


def _level(differences: np.ndarray, order: int) -> np.ndarray:
    """The standard deviation of the values, from their differences of this order."""
    return np.abs(differences).max(axis=0) / math.sqrt(math.comb(2 * order, order))


def _levels(values: np.ndarray) -> np.ndarray:
    return np.array([_level(np.diff(values, n=order, axis=0), order) for order in ORDERS])


def _plateau(values: np.ndarray) -> np.ndarray:
    """The level that does not shrink with the order of the differences; 0 if there is none."""
    levels = _levels(values)
    return np.where(levels[-1] >= levels[-3] / 4, levels.min(axis=0), 0)


def _of_sides(levels: list[np.ndarray], sides: list[np.ndarray], scale: np.ndarray) -> np.ndarray:
    """The noisier side of x counts. If it is noisier by far it has a kink and does not count, unless only single values are
    off, between equal slopes. (If values are off up to the last one, there may be a kink.)"""
    quieter, noisier = np.sort(levels, axis=0)
    changes = np.array([np.diff(values, axis=0) for values in sides])
    slopes = np.median(changes, axis=1)
    deviations = np.abs(changes - slopes[:, None])
    largest = deviations.max(axis=1)
    off = deviations > largest[:, None] / 10
    single = (off.sum(axis=1) <= STEPS) & ~off[:, -1] & (np.abs(slopes.sum(axis=0)) <= largest / 10)
    single &= largest < SINGLE * scale
    return np.where((noisier <= 100 * quieter) | (single & (levels == noisier)).any(axis=0), noisier, quieter)


def own_level(sides: np.ndarray, order: int) -> np.ndarray:
    """The rounding error of values at five equal steps, from x to the left and from x to the right."""
    quieter, noisier = np.sort([_level(np.diff(side, n=order, axis=0), order) for side in sides], axis=0)
    return np.where(noisier <= 100 * quieter, noisier, quieter)


def natural_size(f: Function, x: np.ndarray, direction: np.ndarray, here: np.ndarray) -> float:
    """The factor that shortens a direction as large as x until f reacts to it and to a quarter of it like a power."""
    def change(size: float) -> np.ndarray:
        return np.abs(f(x + size * direction) - here)

    for size in (16.0 ** -k for k in range(16)):
        large, small = change(size), change(size / 4)
        if not (large.any() or small.any()):
            break  # smaller steps do not change f either
        moved = (small > 0) & np.isfinite(large)
        if moved.any() and MILD[0] <= np.median(large[moved] / small[moved]) <= MILD[1]:
            return size
    return 1.0


def norm(a: np.ndarray) -> Any:
    """sqrt(sum a^2) along the last axis, without overflow or underflow of squares."""
    largest = np.abs(a).max(axis=-1, initial=0, keepdims=True)
    size = np.where((largest > 0) & (largest < math.inf), largest, 1)
    return size[..., 0] * np.sqrt(((a / size) ** 2).sum(axis=-1))
