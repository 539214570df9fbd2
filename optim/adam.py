"""Adam, and AdamW, which keeps weight decay out of the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from .optimizer import LearningRate, Optimizer, Parameters


class Adam(Optimizer):
    """For each parameter p with gradient g (weight decay first: g = g + weight_decay p), in step t:

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    Source: D. Kingma and J. Ba, "Adam: A method for stochastic optimization" (2015). Names and defaults
    are those of torch.optim.Adam.
    Raises ValueError unless both betas are 0 or more and below 1.
    """

    remembers: tuple[str, ...] = ("t", "m", "v")
    counts: tuple[str, ...] = ("t",)
    betas: tuple[float, float]
    eps: float
    weight_decay: float

    def __init__(self, parameters: Parameters, lr: LearningRate = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, lr)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"{type(self).__name__}: betas must be 0 or more and below 1, not {betas}")
        self.betas, self.eps, self.weight_decay = (float(betas[0]), float(betas[1])), eps, weight_decay

    def update(self, value: np.ndarray, g: np.ndarray, lr: float, memory: dict[str, Any]) -> np.ndarray:
        if self.weight_decay:
            g = g + self.weight_decay * value
        return self._adam(value, g, lr, memory)

    def _adam(self, value: np.ndarray, g: np.ndarray, lr: float, memory: dict[str, Any]) -> np.ndarray:
        beta1, beta2 = self.betas
        t = memory["t"] = int(memory.get("t", 0)) + 1
        m = memory["m"] = beta1 * memory.get("m", 0.0) + (1 - beta1) * g
        v = memory["v"] = beta2 * memory.get("v", 0.0) + (1 - beta2) * g * g
        return value - lr * (m / (1 - beta1 ** t)) / (np.sqrt(v / (1 - beta2 ** t)) + self.eps)


class AdamW(Adam):
    """Adam, but weight decay shrinks the parameter itself, before the step:

        p = p - lr weight_decay p;   then Adam's step without weight decay

    Source: I. Loshchilov and F. Hutter, "Decoupled weight decay regularization" (2019). Names and defaults
    are those of torch.optim.AdamW.
    """

    def __init__(self, parameters: Parameters, lr: LearningRate = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 1e-2) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def update(self, value: np.ndarray, g: np.ndarray, lr: float, memory: dict[str, Any]) -> np.ndarray:
        return self._adam(value - lr * self.weight_decay * value, g, lr, memory)
