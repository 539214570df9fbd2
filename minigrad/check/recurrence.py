"""A loop over one step of the recurrence replaces a forward that cannot be traced, such as compiled code.

It must give forward's own numbers. Then the report names the step's lines and variables.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

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
            new = self.step(x[(slice(None),) * self.axis + (t,)], *others)
            new = list(new) if isinstance(new, (tuple, list)) else [new]
            steps += [] if steps else [others[:len(new)]]
            steps.append(new)
            others[:len(new)] = new
        return [result for first, *states in zip(*steps) for result in (
            np.stack(states, axis=self.axis), np.stack([first, *states], axis=self.axis), states[-1])]
