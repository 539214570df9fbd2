"""Judges the weights of a model that a submission trained: with the assignment's own forward, on data that no submission has
seen. Losses that a submission reports count nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .example import Ask, Example
from .finding import QUALITY, Finding, failed, part_of

Measured = Callable[[dict[str, np.ndarray]], "tuple[float, float, float] | Finding"]


def trained(example: Example, ask: Ask, measured: Measured) -> dict[str, Finding]:
    """The share of the points for these weights: none at the worst loss, all at the best, linear in between. measured: the three
    losses of weights, or a Finding if there are none."""
    answer, found = ask(*example.asked("outputs", example.xs))
    if "error" in answer:
        return {QUALITY: failed(answer)}
    weights, problems = {}, []
    for name, shape in example.question.weights.items():
        one = part_of(answer, found, name)
        if isinstance(one, str):
            problems.append(f"{name}: {one}")
        elif one[0].shape != shape:
            problems.append(f"{name} has shape {one[0].shape}, and the model's has {shape}")
        elif not np.isfinite(one[0]).all():
            problems.append(f"{name} has numbers that are not finite: has the training diverged?")
        else:
            weights[name] = one[0].astype(float)
    if problems:
        return {QUALITY: Finding(False, "; ".join(problems), "these are no weights of the model")}
    losses = measured(weights)
    if isinstance(losses, Finding):
        return {QUALITY: losses}
    loss, worst, best = losses
    share = float(np.clip((worst - loss) / (worst - best), 0, 1)) if np.isfinite(loss) else 0.0
    text = f"its loss on new data is {loss:.4g}, worth {share:.1%} ({worst:.4g} is worth nothing, {best:.4g} all)"
    return {QUALITY: Finding(share == 1, "" if share == 1 else text, "" if share == 1 else text, share=share)}
