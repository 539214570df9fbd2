"""Losses: one number to make small. They refuse to broadcast: (N,) against (N, 1) would silently be N x N."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import Tensor, logsumexp

from .module import as_input


def _check_scores(loss: str, argument: str, scores: Any) -> None:
    if not isinstance(scores, Tensor) or scores.dtype.kind != "f":
        what = f"dtype {scores.dtype}" if isinstance(scores, Tensor) else type(scores).__name__
        raise TypeError(f"{loss}: {argument} must be a Tensor of floating-point numbers, not {what}")


def mse_loss(prediction: Tensor, target: Any) -> Tensor:
    """The mean squared error, mean((prediction - target)^2), over all elements; both have the same shape.

    Raises ValueError if the shapes differ.
    """
    _check_scores("mse_loss", "prediction", prediction)
    target = as_input(target, prediction.dtype)
    if prediction.shape != target.shape:
        raise ValueError(f"mse_loss: prediction has shape {prediction.shape} and target {target.shape}; "
                         "they must be equal (reshape one of them)")
    return ((prediction - target) ** 2).mean()


def cross_entropy(logits: Tensor, target: Any) -> Tensor:
    """The mean of -log softmax(logits)[target], in nats.

    logits (..., C): a score for each of C classes; target (...): integers 0 .. C - 1.
    Raises ValueError if the shapes do not match or a target is out of range, TypeError if it is no integer.
    """
    _check_scores("cross_entropy", "logits", logits)
    target = target.numpy() if isinstance(target, Tensor) else np.asarray(target)
    if target.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: target must be class numbers (integers), not {target.dtype}")
    if logits.ndim == 0 or target.shape != logits.shape[:-1]:
        raise ValueError(f"cross_entropy: logits have shape {logits.shape} and target {target.shape}; "
                         "target must have the shape of logits without the last axis")
    classes = logits.shape[-1]
    out_of_range = np.argwhere((target < 0) | (target >= classes))
    if out_of_range.size:
        position = tuple(int(i) for i in out_of_range[0])
        raise ValueError(f"cross_entropy: target{list(position)} is {target[position]}, but logits of shape "
                         f"{logits.shape} have classes 0 .. {classes - 1}")
    of_target = logits[(*np.indices(target.shape), target)]
    return (logsumexp(logits, axis=-1) - of_target).mean()
