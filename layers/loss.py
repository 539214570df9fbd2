"""Losses give one number to minimise. They refuse to broadcast: (N,) and (N, 1) would silently give (N, N)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from minigrad import Tensor, logsumexp, stack

from .module import as_input, check_in_range


def _check_scores(loss: str, argument: str, scores: object) -> None:
    if not isinstance(scores, Tensor) or scores.dtype.kind != "f":
        what = f"dtype {scores.dtype}" if isinstance(scores, Tensor) else type(scores).__name__
        raise TypeError(f"{loss}: {argument} must be a Tensor of floating-point numbers, not {what}")


def _same_shape(loss: str, argument: str, scores: Tensor, target: npt.ArrayLike) -> Tensor:
    target = as_input(target, scores.dtype)
    if scores.shape != target.shape:
        raise ValueError(f"{loss}: {argument} has shape {scores.shape} and target {target.shape}; "
                         "they must be equal (reshape one of them)")
    return target


def mse_loss(prediction: Tensor, target: npt.ArrayLike) -> Tensor:
    """The mean squared error, mean((prediction - target)^2), over all elements; both have the same shape.

    Raises ValueError if the shapes differ.
    """
    _check_scores("mse_loss", "prediction", prediction)
    target = _same_shape("mse_loss", "prediction", prediction, target)
    return ((prediction - target) ** 2).mean()


def cross_entropy(logits: Tensor, target: npt.ArrayLike) -> Tensor:
    """The mean of -log softmax(logits)[target], in nats.

    logits (..., C): a score for each of C classes; target (...): integers 0 .. C - 1.
    Raises ValueError if the shapes do not match or a target is out of range, TypeError if it is not an integer.
    """
    _check_scores("cross_entropy", "logits", logits)
    if logits.ndim == 0 or np.shape(target) != logits.shape[:-1]:
        raise ValueError(f"cross_entropy: logits have shape {logits.shape} and target {np.shape(target)}; "
                         "target must have the shape of logits without the last axis")
    target = check_in_range("cross_entropy", "target", target, logits.shape[-1])
    of_target = logits[tuple(np.indices(target.shape)) + (target,)]
    return (logsumexp(logits, axis=-1) - of_target).mean()


def binary_cross_entropy_with_logits(logits: Tensor, target: npt.ArrayLike) -> Tensor:
    """The mean of -(t log p + (1 - t) log(1 - p)) with p = sigmoid(x), in nats. For a logit x it is computed as

        log(1 + exp(x)) - t x,

    which cannot overflow. logits, target (...): the same shape; target in 0 .. 1.
    Raises ValueError if the shapes differ or a target is outside 0 .. 1.
    """
    _check_scores("binary_cross_entropy_with_logits", "logits", logits)
    target = _same_shape("binary_cross_entropy_with_logits", "logits", logits, target)
    outside = target.numpy()[~((target >= 0) & (target <= 1))]
    if outside.size:
        raise ValueError(f"binary_cross_entropy_with_logits: target must be in 0 .. 1, not {outside[0]}")
    zeros = Tensor(np.zeros(logits.shape, logits.dtype))
    return (logsumexp(stack(zeros, logits), axis=0) - target * logits).mean()
