"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from .optimizer import LearningRate, Optimizer, Parameters


class SGD(Optimizer):
    """For each parameter p with gradient g (weight decay first: g = g + weight_decay p):

        v = momentum v + g          (v = g in the first step)
        p = p - lr v                nesterov: p = p - lr (g + momentum v)

    Source: I. Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013), in
    PyTorch's form (torch.optim.SGD), with its names and defaults.
    Raises ValueError for nesterov without a momentum.
    """

    remembers: tuple[str, ...] = ("v",)
    momentum: float
    weight_decay: float
    nesterov: bool

    def __init__(self, parameters: Parameters, lr: LearningRate = 1e-3, momentum: float = 0.0,
                 weight_decay: float = 0.0, nesterov: bool = False) -> None:
        super().__init__(parameters, lr)
        if nesterov and momentum <= 0:
            raise ValueError("SGD: nesterov needs a momentum above 0")
        self.momentum, self.weight_decay, self.nesterov = momentum, weight_decay, nesterov

    def update(self, value: np.ndarray, g: np.ndarray, lr: float, memory: dict[str, Any]) -> np.ndarray:
        if self.weight_decay:
            g = g + self.weight_decay * value
        if self.momentum:
            v = memory["v"] = self.momentum * memory["v"] + g if "v" in memory else g.copy()
            g = g + self.momentum * v if self.nesterov else v
        return value - lr * g
