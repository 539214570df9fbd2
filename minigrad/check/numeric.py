"""Derivatives from function values alone. Nothing here uses the engine, so no fault of the engine can hide in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FIRST_STEP = 2.0 ** -8  # relative to the size of the entries
LEVELS = 3  # halvings of the step; Romberg's table then has an error of order step^6
SHRINKS = (0, 5, 10, 16)  # how many more halvings, where the function is not smooth or not finite so far away
GOOD = 1e-7  # a bound within this part of the derivative is not worth another try
SMALLEST = 2.0 ** -200  # entries below it are taken for this size, so that steps cannot underflow
EPS = np.finfo(float).eps

Function = Callable[[np.ndarray], np.ndarray]


@dataclass
class Derivatives:
    """Arrays like x: the numeric derivative, a bound on its error, and the part of the bound that rounding in f causes.

    Where f has a kink the bound is infinite, and the slopes to the left and the right are in `low` and `high`, in
    order; at a jump they are infinite. Elsewhere `low` and `high` are NaN.
    """

    value: np.ndarray
    bound: np.ndarray
    rounding: np.ndarray
    low: np.ndarray
    high: np.ndarray


def derivatives(f: Function, x: np.ndarray, v: np.ndarray) -> Derivatives:
    """d(v . f(x)) / dx entry by entry. f takes an array like x and returns a vector as long as v.

    Central differences at LEVELS halving steps are extrapolated to step 0 (Richardson; the table is Romberg's). The
    bound adds up ten times the last correction that extrapolation made; f's rounding errors divided by the smallest
    step; and how far f's right and left slopes are from approaching each other. Where the bound is not good the
    steps shrink, as f may have a kink or the end of its domain nearby; the smallest bound counts.
    """
    found = Derivatives(*(np.full(x.shape, np.nan) for _ in range(5)))
    if not x.size:
        return found
    sizes = np.maximum(np.maximum(np.abs(x), np.sqrt(np.mean(x * x))), SMALLEST) if x.any() else np.ones(x.shape)
    here, noise = f(x.copy()), noise_of(f, x, sizes)
    jitter = np.random.default_rng(0)  # a step that is a power of two could be a period of f
    for index in np.ndindex(x.shape):
        first = FIRST_STEP * 2.0 ** np.round(np.log2(sizes[index])) * (1 - jitter.integers(16) / 64)
        found.bound[index] = np.inf
        for shrink in SHRINKS:
            value, bound, rounding, low, high = _entry(f, x, index, v, first / 2 ** shrink, here, noise)
            if bound < found.bound[index] or np.isnan(found.value[index]):
                found.value[index], found.bound[index], found.rounding[index] = value, bound, rounding
            if bound <= max(GOOD * abs(value), 4 * rounding):
                break
        if found.bound[index] == np.inf:
            found.low[index], found.high[index] = low, high
    return found


def _entry(f: Function, x: np.ndarray, index: tuple[int, ...], v: np.ndarray, first: float, here: np.ndarray,
           noise: np.ndarray) -> tuple[float, float, float, float, float]:
    """(derivative, bound, rounding, lowest slope, highest slope) of one entry, from steps `first` and smaller."""
    slopes, jumps = [], []
    for level in range(LEVELS):
        above, below = x.copy(), x.copy()
        above[index] += first / 2 ** level
        below[index] -= first / 2 ** level
        f_above, f_below = f(above), f(below)
        taken = above[index] - below[index]
        slopes.append(v @ (f_above - f_below) / taken)
        left, right = 2 * v * (here - f_below) / taken, 2 * v * (f_above - here) / taken
        jumps.append(right - left)  # of each output by itself: two kinks may cancel in the sum
    value, correction = romberg(slopes)
    rounding = 32 * np.abs(v) @ (noise + EPS * (np.abs(f_above) + np.abs(f_below))) / taken
    rounding += EPS * max(abs(x[index]), SMALLEST) / taken * abs(value)  # of x + step itself
    bound = 10 * correction + rounding + np.abs(jumps[0] - 2 * jumps[1]).sum() / 10
    first_jump, last_jump = np.abs(jumps[0]).sum(), np.abs(jumps[-1]).sum()
    low, high = np.minimum(left, right).sum() - 2 * rounding, np.maximum(left, right).sum() + 2 * rounding
    if last_jump > max(first_jump / 2, 4 * rounding):  # where f is smooth it shrinks to 1/4
        bound = np.inf
        if last_jump > 2 * first_jump:  # f itself jumps: slopes grow as the step shrinks
            low, high = -np.inf, np.inf
    return value, bound if bound == bound else np.inf, rounding, low, high


def noise_of(f: Function, x: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The rounding error of each of f's values: what is left of third differences at steps so small that any
    smooth f is a parabola there. They have standard deviation sqrt(1 + 9 + 9 + 1) times that of one value.
    Of the two sides of x the noisier counts, unless it is noisier by far: then there is a kink.

    After J. More and S. Wild, "Estimating computational noise" (2011).
    """
    step = sizes * 2.0 ** -20 * np.random.default_rng(0).choice([-1, 1], x.shape)
    sides = [np.diff([f(x + side * k * step) for k in range(1, 8)], n=3, axis=0) for side in (-1, 1)]
    quieter, noisier = np.sort([np.abs(third).max(axis=0) for third in sides], axis=0)
    return np.where(noisier <= 100 * quieter, noisier, quieter) / math.sqrt(20)


def romberg(slopes: list[float]) -> tuple[float, float]:
    """The limit of central differences at steps h, h/2, h/4, ... and the size of the last correction."""
    column, power = slopes, 1
    while len(column) > 1:
        power *= 4
        last = column[-1]
        column = [(power * fine - coarse) / (power - 1) for coarse, fine in zip(column, column[1:])]
    return column[0], abs(column[0] - last)
