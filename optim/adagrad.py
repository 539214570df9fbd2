"""Adagrad divides each step by the size of all gradients so far."""

from __future__ import annotations

from typing import Any

import numpy as np

from .optimizer import LearningRate, Optimizer, Parameters


class Adagrad(Optimizer):
    """For each parameter p with gradient g (weight decay first: g = g + weight_decay p), in step t = 1, 2, ...:

        v = v + g^2                 (v = initial_accumulator_value at first)
        p = p - lr / (1 + (t - 1) lr_decay)  g / (sqrt(v) + eps)

    Source: J. Duchi et al., "Adaptive subgradient methods for online learning and stochastic optimization" (2011).
    Names and defaults are those of torch.optim.Adagrad.
    """

    remembers: tuple[str, ...] = ("t", "v")
    counts: tuple[str, ...] = ("t",)
    lr_decay: float
    weight_decay: float
    initial_accumulator_value: float
    eps: float

    def __init__(self, parameters: Parameters, lr: LearningRate = 1e-2, lr_decay: float = 0.0,
                 weight_decay: float = 0.0, initial_accumulator_value: float = 0.0, eps: float = 1e-10) -> None:
        super().__init__(parameters, lr)
        self.lr_decay, self.weight_decay, self.eps = lr_decay, weight_decay, eps
        self.initial_accumulator_value = float(initial_accumulator_value)

    def update(self, value: np.ndarray, g: np.ndarray, lr: float, memory: dict[str, Any]) -> np.ndarray:
        if self.weight_decay:
            g = g + self.weight_decay * value
        t = memory["t"] = int(memory.get("t", 0)) + 1
        v = memory["v"] = memory.get("v", self.initial_accumulator_value) + g * g
        return value - lr / (1 + (t - 1) * self.lr_decay) * g / (np.sqrt(v) + self.eps)
