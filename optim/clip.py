"""Clipping keeps an exploding gradient from making a huge step."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from minigrad import Tensor


def clip_grad_norm(parameters: Iterable[Tensor] | Tensor, max_norm: float) -> float:
    """Scale all gradients together so that their norm, taken as one vector, is at most max_norm:

        norm = sqrt(sum of all g^2);   g = g * min(1, max_norm / (norm + 1e-6))

    Returns the norm before clipping. Parameters without a gradient are left alone.
    Raises ValueError unless max_norm is above 0.
    Source: R. Pascanu et al., "On the difficulty of training recurrent neural networks" (2013), in the form of
    torch.nn.utils.clip_grad_norm_.
    """
    if not max_norm > 0:
        raise ValueError(f"clip_grad_norm: max_norm must be above 0, not {max_norm}")
    gradients = _gradients("clip_grad_norm", parameters)
    norm = math.hypot(*(_norm(g) for _, g in gradients))
    scale = max_norm / (norm + 1e-6)
    if scale < 1:
        for p, g in gradients:
            p.grad = g * scale
    return norm


def _norm(g: np.ndarray) -> float:
    """The square root of the sum of g^2, computed so that the squares cannot overflow."""
    largest = float(np.max(np.abs(g), initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * math.sqrt(float(np.sum(np.square(g / largest, dtype=np.float64))))


def clip_grad_value(parameters: Iterable[Tensor] | Tensor, clip_value: float) -> None:
    """Bring every element of every gradient into -clip_value .. clip_value, as torch.nn.utils.clip_grad_value_ does.

    This changes the gradient's direction; clip_grad_norm keeps it. Parameters without a gradient are left alone.
    Raises ValueError unless clip_value is above 0.
    """
    if not clip_value > 0:
        raise ValueError(f"clip_grad_value: clip_value must be above 0, not {clip_value}")
    for p, g in _gradients("clip_grad_value", parameters):
        p.grad = np.clip(g, -clip_value, clip_value)


def _gradients(function: str, parameters: Iterable[Tensor] | Tensor) -> list[tuple[Tensor, np.ndarray]]:
    """(parameter, gradient) pairs of the parameters that have one, each once."""
    if not isinstance(parameters, Iterable):
        raise TypeError(f"{function} takes a list of Tensors, such as module.parameters(), not a {type(parameters).__name__}")
    unique = {id(p): p for p in ([parameters] if isinstance(parameters, Tensor) else parameters)}.values()
    return [(p, p.grad) for p in unique if p.grad is not None]
