"""A loop over one step of the recurrence replaces a forward that cannot be traced, such as compiled code.

It must give forward's own numbers. Then the report names the step's lines and variables.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .nested import rebuilt

SAME = 1e-9  # relative: terms may be added in another order


class Recurrence:
    """step(x_t, *states, *others) returns the new state, or a tuple of new states. It has forward's arguments, with x at one
    time step in place of x. axis: the time axis of x, and of outputs with all steps.

    Each output must be a state at all steps, with or without the initial one, or at the last step. Otherwise ValueError.
    """

    def __init__(self, step: Callable, axis: int, arguments: Sequence[Any], outputs: Sequence[np.ndarray]) -> None:
        functools.update_wrapper(self, step)  # the trace looks into its module
        self.step, self.axis = step, axis
        self.chosen: list[int] = []  # for each output the number of its result
        results = self._results(arguments)
        for i, y in enumerate(outputs):
            found = [k for k, result in enumerate(results) if np.shape(result) == y.shape and np.allclose(
                result, y, rtol=SAME, atol=SAME * np.abs(y).max(initial=0), equal_nan=True)]
            if not found:
                raise ValueError(f"in a loop it does not give output {i}, of shape {y.shape}, neither as a state at all steps "
                                 "nor as the last one")
            self.chosen.append(found[0])

    def __call__(self, *arguments: Any) -> list[Any]:
        """The outputs."""
        results = self._results(arguments)
        return [results[k] for k in self.chosen]

    def _results(self, arguments: Sequence[Any]) -> list[Any]:
        """For each state: all steps, all steps after the initial state, and the last step."""
        x, *others = arguments
        x = x if isinstance(x, np.ndarray) else np.asarray(x)
        steps: list[list[Any]] = []
        for t in range(x.shape[self.axis]):
            now = x[(slice(None),) * self.axis + (t,)]
            new = self.step(*rebuilt([now, *others], lambda a: a.copy() if isinstance(a, np.ndarray) else a))  # it may write
            new = list(new) if isinstance(new, (tuple, list)) else [new]
            steps += [] if steps else [others[:len(new)]]
            steps.append(new)
            others[:len(new)] = new
        return [result for first, *states in zip(*steps) for result in (
            np.stack(states, axis=self.axis), np.stack([first, *states], axis=self.axis), states[-1])]


def check_time_axis(axis: Any, inputs: Sequence[Any]) -> None:
    """ValueError if it is no axis of the first input; for a nested input, if it is no axis at all."""
    shape = getattr(inputs[0], "shape", None) if inputs else None
    if axis is not None and not (isinstance(axis, (int, np.integer)) and 0 <= axis < (axis + 1 if shape is None else len(shape))):
        of_shape = "" if shape is None else f" and below {len(shape)}, because the first input has shape {tuple(shape)}"
        raise ValueError(f"gradcheck: time_axis must be 0 or more{of_shape}, not {axis!r}")
