"""Derivatives from function values alone. Nothing here uses the engine, so no fault of the engine can hide in it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

FIRST_STEP = 2.0 ** -8  # relative to the size of the entries
LEVELS = 3  # halvings of the step; Romberg's table then has an error of order step^6
SMALLEST = 2.0 ** -200  # entries below it are taken for this size, so that steps cannot underflow
EPS = np.finfo(float).eps


def derivatives(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """d(v . f(x)) / dx, entry by entry, and a bound on the error of each; infinite where f has a kink.

    f takes an array like x and returns a vector as long as v. Central differences at LEVELS halving steps
    are extrapolated to step 0 (Richardson; the table is Romberg's). The bound is ten times the last
    correction that extrapolation made, plus the rounding error of f's values divided by the smallest step.
    """
    numbers, bounds = np.zeros(x.shape), np.zeros(x.shape)
    rms = np.sqrt(np.mean(x * x)) if x.size else 0.0
    here = f(x.copy())
    for index in np.ndindex(x.shape):
        size = max(abs(x[index]), rms, SMALLEST) if x.any() else 1.0
        first = FIRST_STEP * 2.0 ** np.round(np.log2(size))  # a power of two: x + h is then nearly exact
        slopes, jumps = [], []
        for level in range(LEVELS):
            above, below = x.copy(), x.copy()
            above[index] += first / 2 ** level
            below[index] -= first / 2 ** level
            f_above, f_below = f(above), f(below)
            taken = above[index] - below[index]
            slopes.append(v @ (f_above - f_below) / taken)
            jumps.append(2 * v @ ((f_above - here) - (here - f_below)) / taken)  # right minus left slope
        rounding = 8 * EPS * np.abs(v) @ (np.abs(f_above) + np.abs(f_below)) / taken
        best, correction = romberg(slopes)
        numbers[index], bounds[index] = best, 10 * correction + rounding
        if abs(jumps[-1]) > max(abs(jumps[0]) / 2, 4 * rounding):  # where f is smooth it shrinks with the step, to 1/4
            bounds[index] = np.inf
    return numbers, bounds


def romberg(slopes: list[float]) -> tuple[float, float]:
    """The limit of central differences at steps h, h/2, h/4, ... and the size of the last correction."""
    column, power = slopes, 1
    while len(column) > 1:
        power *= 4
        last = column[-1]
        column = [(power * fine - coarse) / (power - 1) for coarse, fine in zip(column, column[1:])]
    return column[0], abs(column[0] - last)
