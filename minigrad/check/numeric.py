"""Derivatives from function values alone. Nothing here uses the engine, so no fault of the engine can hide in it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

FIRST_STEP = 2.0 ** -8  # relative to the size of the entries
LEVELS = 3  # halvings of the step; Romberg's table then has an error of order step^6
SMALLEST = 2.0 ** -200  # entries below it are taken for this size, so that steps cannot underflow
EPS = np.finfo(float).eps


def derivatives(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray,
                v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """d(v . f(x)) / dx entry by entry, a bound on the error of each, and the part of it that rounding in f causes.

    f takes an array like x and returns a vector as long as v. Central differences at LEVELS halving steps
    are extrapolated to step 0 (Richardson; the table is Romberg's). The bound adds up ten times the last
    correction that extrapolation made; f's rounding errors divided by the smallest step; and how far f's
    right and left slopes are from approaching each other. It is infinite where they do not: f has a kink there.
    """
    numbers, bounds, roundings = np.zeros(x.shape), np.zeros(x.shape), np.zeros(x.shape)
    if not x.size:
        return numbers, bounds, roundings
    sizes = np.maximum(np.maximum(np.abs(x), np.sqrt(np.mean(x * x))), SMALLEST) if x.any() else np.ones(x.shape)
    here, noise = f(x.copy()), noise_of(f, x, sizes)
    for index in np.ndindex(x.shape):
        first = FIRST_STEP * 2.0 ** np.round(np.log2(sizes[index]))  # a power of two: x + h is then nearly exact
        slopes, jumps = [], []
        for level in range(LEVELS):
            above, below = x.copy(), x.copy()
            above[index] += first / 2 ** level
            below[index] -= first / 2 ** level
            f_above, f_below = f(above), f(below)
            taken = above[index] - below[index]
            slopes.append(v @ (f_above - f_below) / taken)
            jumps.append(2 * v @ ((f_above - here) - (here - f_below)) / taken)  # right minus left slope
        roundings[index] = 16 * np.abs(v) @ (noise + EPS * (np.abs(f_above) + np.abs(f_below))) / taken
        numbers[index], correction = romberg(slopes)
        bounds[index] = 10 * correction + roundings[index] + abs(jumps[0] - 2 * jumps[1]) / 10
        if abs(jumps[-1]) > max(abs(jumps[0]) / 2, 4 * roundings[index]):  # where f is smooth it shrinks to 1/4
            bounds[index] = np.inf
    return numbers, bounds, roundings


def noise_of(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The rounding error of each of f's values: what is left of third differences at steps so small that any
    smooth f is a parabola there. They have standard deviation sqrt(1 + 9 + 9 + 1) times that of one value.

    After J. More and S. Wild, "Estimating computational noise" (2011).
    """
    step = sizes * 2.0 ** -20 * np.random.default_rng(0).choice([-1, 1], x.shape)
    values = [f(x + k * step) for k in range(-3, 4)]
    return np.abs(np.diff(values, n=3, axis=0)).max(axis=0) / math.sqrt(20)


def romberg(slopes: list[float]) -> tuple[float, float]:
    """The limit of central differences at steps h, h/2, h/4, ... and the size of the last correction."""
    column, power = slopes, 1
    while len(column) > 1:
        power *= 4
        last = column[-1]
        column = [(power * fine - coarse) / (power - 1) for coarse, fine in zip(column, column[1:])]
    return column[0], abs(column[0] - last)
