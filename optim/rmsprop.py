"""RMSprop divides each step by the recent size of the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from .optimizer import LearningRate, Optimizer, Parameters


class RMSprop(Optimizer):
    """For each parameter p with gradient g (weight decay first: g = g + weight_decay p):

        v = alpha v + (1 - alpha) g^2
        centered: a = alpha a + (1 - alpha) g, and v - a^2 in place of v below
        s = g / (sqrt(v) + eps)
        p = p - lr s                momentum: b = momentum b + s, p = p - lr b

    Source: G. Hinton, "Neural networks for machine learning", lecture 6e (2012); centered: A. Graves, "Generating
    sequences with recurrent neural networks" (2013). Names and defaults are torch.optim.RMSprop's.
    """

    remembers: tuple[str, ...] = ("v", "a", "b")
    alpha: float
    eps: float
    weight_decay: float
    momentum: float
    centered: bool

    def __init__(self, parameters: Parameters, lr: LearningRate = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
                 weight_decay: float = 0.0, momentum: float = 0.0, centered: bool = False) -> None:
        super().__init__(parameters, lr)
        self.alpha, self.eps, self.weight_decay = float(alpha), eps, weight_decay
        self.momentum, self.centered = momentum, centered

    def update(self, value: np.ndarray, g: np.ndarray, lr: float, memory: dict[str, Any]) -> np.ndarray:
        if self.weight_decay:
            g = g + self.weight_decay * value
        v = memory["v"] = self.alpha * memory.get("v", 0.0) + (1 - self.alpha) * g * g
        if self.centered:
            a = memory["a"] = self.alpha * memory.get("a", 0.0) + (1 - self.alpha) * g
            v = v - a * a
        s = g / (np.sqrt(v) + self.eps)
        if self.momentum:
            s = memory["b"] = self.momentum * memory.get("b", 0.0) + s
        return value - lr * s
