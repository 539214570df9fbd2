"""A second look at entries that seem wrong, for example where several kinks meet, and at entries hidden by rounding errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .function import Point
from .noise import STAIRCASE
from .numeric import CAREFUL_STEP
from .slopes import SAFETY
from .verdict import ULPS, Finding

STILL = 1e-3  # a gradient below this share of f's slope over the input's size means that f is level here
LAST = 4  # if f changes by at most so many rounding errors of its own size, it does not change
AROUND, STEP_AROUND, POINTS_AROUND = 2.0 ** -18, 2.0 ** -26, 80  # slopes around a kink: how far away, steps, how many
FURTHER = 64.0 ** np.arange(10)  # times the input's size: does f change anywhere?
STAIRS = 2.0 ** np.arange(-12, 9)  # times the input's size: does f climb in steps that are invisible nearby?
LOW_STAIRS = 2.0 ** np.arange(-18, 1)  # the same if it also climbs nearby, with a slightly other slope
LITTLE = 1e-2  # the slopes differ by at most this share
NEAREST = 2.0 ** -16  # times the step of the differences; still nearer, the rounding errors of every f jump
BISECTIONS = 30
ASIDE, ENTRIES_ASIDE = 2.0 ** -10, 8  # moved values, to see if only the given values are wrong


def look_again(finding: Finding, here: Point, sizes: list[np.ndarray], v: np.ndarray, rng: np.random.Generator) -> None:
    """Change the finding for such entries. sizes: of all inputs' entries. v: the outputs' weights."""
    _look_for_stairs(finding, v)
    if here.function.order == 1:
        _look_around_kinks(finding, here, sizes, v, rng)
    if finding.hidden.any() and not (finding.seen | finding.wrong | finding.unknown).any():
        _look_at_hidden(finding, v)
    finding.jumps = _jumps_there(finding, v)


def _changes(finding: Finding, v: np.ndarray, number: int) -> Callable[[float], float]:
    """The change of v . f at a distance along a checked entry."""
    differences, step = finding.input.differences, np.zeros(finding.input.x.shape)

    def change(distance: float) -> float:
        step.flat[finding.entries[number]] = distance
        return float(v @ (differences.f(differences.x + step) - differences.here))

    return change


def _jumps_there(finding: Finding, v: np.ndarray) -> bool:
    """Does f jump near the entries that cannot be judged, by much more than it moves up and down elsewhere?"""
    differences = finding.input.differences
    least = SAFETY * differences.eps * float(np.abs(v) @ differences.noise.scale)

    def jumps(number: int) -> bool:
        change, reach = _changes(finding, v, number), CAREFUL_STEP * differences.reach.flat[finding.entries[number]]
        values = [[change(side * reach * part) for part in (1.0, 0.875, 0.75, 0.625)] for side in (1.0, -1.0)]
        restless = np.abs(np.diff(values, n=2)).max()
        return any(_jump(change, far) > max(abs(change(far)) / 8, SAFETY * restless, least) for far in (reach, -reach))

    unknown = np.flatnonzero(finding.unknown)[:ENTRIES_ASIDE]
    return bool(unknown.size) and all(jumps(int(number)) for number in unknown)


def _look_for_stairs(finding: Finding, v: np.ndarray) -> None:
    """If inner values change only by rounding errors, f has stairs: between them it is level or has a slightly other slope,
    and over larger steps it follows the gradient. Then several step sizes in a row give slopes nearer to the gradient than to
    the slope here. A smooth f does not, because half the step gives a quarter of the error."""
    differences, a, value = finding.input.differences, finding.a, finding.of_entries("value")
    gap, level = np.abs(a - value), np.abs(value) <= LITTLE * np.abs(a)
    found = 0
    for count, number in enumerate(np.flatnonzero(finding.wrong & (level | (gap <= LITTLE * np.abs(value))))):
        entry, change = finding.entries[number], _changes(finding, v, int(number))
        sizes, in_a_row, near = (STAIRS, 2, 2) if level[number] else (LOW_STAIRS, 4, 4)
        reaches = differences.reach.flat[entry] * sizes
        close = [abs((change(reach) - change(-reach)) / reach / 2 - a[number]) <= gap[number] / near for reach in reaches]
        if any(all(close[i:i + in_a_row]) for i in range(len(close) - in_a_row + 1)) and _jumps(
                lambda distance: change(distance) - value[number] * distance, gap[number],  # noqa: B023
                NEAREST * differences.sizes.flat[entry]):
            finding.wrong[number], finding.hidden[number], finding.error[number] = False, True, gap[number]
            found += 1
        elif count >= ENTRIES_ASIDE and not found:
            break


def _jumps(rest: Callable[[float], float], gap: float, nearest: float) -> bool:
    """rest: f's change without its slope here, so it is 0 as long as f keeps this slope. If it first grows like gap times the
    distance, does it jump, like stairs of rounding errors, or bend, like relu and every smooth f?"""
    for side in (1.0, -1.0):
        far = next((side * reach for reach in nearest * 2.0 ** np.arange(40) if abs(rest(side * reach)) > gap * reach / 4), 0.0)
        if _jump(rest, far) > abs(rest(far)) / 8:
            return True
    return False


def _jump(change: Callable[[float], float], far: float) -> float:
    """How much f changes at once where it passes half of its change between here and there, found by bisection."""
    whole, near = change(far), 0.0
    for _ in range(BISECTIONS):
        middle = (near + far) / 2
        near, far = (near, middle) if abs(change(middle)) > abs(whole) / 2 else (middle, far)
    return abs(change(far) - change(near))


def _look_around_kinks(finding: Finding, here: Point, sizes: list[np.ndarray], v: np.ndarray, rng: np.random.Generator) -> None:
    """If the gradient is right at values nearby, several kinks may meet here. Then it may have any slope around this point. If
    f has more than two slopes along an entry, the chain rule may give yet another value. If that is further from the slopes than
    they are from each other, or the slopes are inexact, the entry is inconclusive. All other entries are wrong, such as
    relu(x) - relu(-x) at 0, where f has no kink."""
    wrong, number = np.flatnonzero(finding.wrong), finding.input.number
    if not wrong.size:
        return

    own = [np.where(x == 0, size, np.minimum(size, np.abs(x))) for x, size in zip(here.xs, sizes)]  # a kink nearby is none here

    def moved(distance: float) -> Point:
        """All inputs moved a little, each in its own direction."""
        return here.at([x + distance * size * rng.normal(size=x.shape) for x, size in zip(here.xs, own)])

    some = finding.entries[wrong[:: -(-wrong.size // ENTRIES_ASIDE)]]
    aside = moved(ASIDE)
    analytic, differences = aside.gradients(v)[number], aside.differences(number)
    gap = np.abs(finding.input.analytic - finding.numeric.value)  # nearby it must be seen to be gone

    def right(entry: np.ndarray) -> bool:
        found = differences.of(v, analytic, entry)
        error = found.bound + ULPS * here.function.eps * found.terms
        return bool(((np.abs(analytic - found.value) <= error) & (error < gap / 2)).flat[entry])

    finding.kinks_meet = all(right(some[k:k + 1]) for k in range(len(some)))
    if not finding.kinks_meet:
        return  # it is wrong everywhere
    steps = STEP_AROUND * own[number]
    around = [_slopes(moved(AROUND), number, finding.entries[wrong], steps, v) for _ in range(POINTS_AROUND)]
    slopes, errors, rights = (np.array(parts) for parts in zip(*around))
    a, ends = finding.a[wrong], np.array([v * (slopes - errors).min(axis=0), v * (slopes + errors).max(axis=0)])
    low, high = ends.min(axis=0).sum(axis=-1), ends.max(axis=0).sum(axis=-1)  # judged output by output
    inside, near = (low <= a) & (a <= high), (2 * low - high <= a) & (a <= 2 * high - low)
    gaps = np.diff(np.sort(slopes, axis=0), axis=0)
    unlike = gaps > 2 * errors.max(axis=0) + np.maximum(gaps.sum(axis=0), np.abs(slopes).max(axis=0)) / 1000
    several = (unlike.sum(axis=0) > 1).any(axis=-1)
    accepted = inside | several & (rights.mean(axis=0) > 0.9)
    exact = 4 * (np.abs(v) * errors.max(axis=0)).sum(axis=-1) < np.abs(finding.a - finding.of_entries("value"))[wrong]
    finding.wrong[wrong[accepted]], finding.on_kink[wrong[accepted & near & exact]] = False, True
    finding.unknown[wrong[accepted & ~(near & exact)]] = True  # rounding errors of the slopes may only look like kinks


def _slopes(point: Point, number: int, entries: np.ndarray, steps: np.ndarray,
            v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For entries of an input at this point: the outputs' slopes, their errors, and whether the gradient is right."""
    slopes, errors = np.zeros((2, len(entries), v.size))
    right = np.ones(len(entries), bool)
    analytic, x, values = point.gradients(v)[number], point.xs[number], point.of_input(number)
    for k, entry in enumerate(entries):
        step = np.zeros(x.shape)
        step.flat[entry] = steps.flat[entry]
        above, below = values(x + step), values(x - step)
        slopes[k] = (above - below) / step.flat[entry] / 2
        errors[k] = SAFETY * point.function.eps * (np.abs(above) + np.abs(below)) / step.flat[entry]
        right[k] = abs(analytic.flat[entry] - v @ slopes[k]) <= np.abs(v) @ (errors[k] + 1e-6 * np.abs(slopes[k]))
    return slopes, errors, right


def _look_at_hidden(finding: Finding, v: np.ndarray) -> None:
    """Rounding errors hide all of this input off the kinks: does f stay the same to its last digits, and is it level
    compared with its changes further away, as the gradient says?"""
    differences, bounds = finding.input.differences, finding.of_entries("bound")

    def changes_at(step: np.ndarray) -> np.ndarray:
        changes = np.abs([differences.f(differences.x + side * step) - differences.here for side in (-1, 1)])
        return np.where(np.isfinite(changes), changes, 0).max(axis=0)

    if not any(changes_at(differences.far * further).any() for further in FURTHER):  # all entries together: f is constant
        finding.still[:] = np.abs(finding.a) <= finding.error - bounds
        return
    for number, entry in enumerate(finding.entries):
        claimed, error, step = abs(finding.a[number]), finding.error[number], np.zeros(differences.x.shape)
        step.flat[entry] = CAREFUL_STEP * differences.reach.flat[entry]
        same = (changes_at(step) <= LAST * differences.eps * np.abs(differences.here)).all()
        for reach in differences.reach.flat[entry] * FURTHER:
            step.flat[entry] = reach
            changes = changes_at(step)
            secant = float(np.abs(v) @ changes) / reach
            rounding = (changes <= STAIRCASE * differences.eps * differences.noise.scale).all()
            finding.still[number] = same and (claimed + error <= STILL * secant or rounding and claimed <= error - bounds[number])
            if changes.any():
                break
        if (~finding.still[:number + 1]).sum() > ENTRIES_ASIDE:
            break
