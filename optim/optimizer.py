"""What all optimisers have in common."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from minigrad import Tensor

Parameters = Iterable[Tensor] | Iterable[tuple[str, Tensor]]
LearningRate = float | Callable[[int], float]


class Optimizer:
    """Changes parameters after their gradients. A subclass defines `update` for one parameter.

    parameters: leaf Tensors that require grad, as from Module.parameters(); or (name, Tensor) pairs, as from
    named_parameters(), and then messages have the names. One whose gradient is None is left alone.
    lr: the learning rate; or a schedule, a function from the number of steps already made to the learning rate:
    lr=lambda step: 0.1 / (1 + step).
    Raises TypeError or ValueError for anything else, for none at all, and for one that is given twice.
    """

    remembers: tuple[str, ...] = ()
    """The names of what `update` keeps in its memory."""

    def __init__(self, parameters: Parameters, lr: LearningRate) -> None:
        name = type(self).__name__
        if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
            raise TypeError(f"{name} takes a list of Tensors, as from module.parameters(), not one {type(parameters).__name__}")
        given: list[tuple[str, Any]] = [
            item if isinstance(item, tuple) and len(item) == 2 else (f"parameter {i}", item) for i, item in enumerate(parameters)]
        self.names = [parameter for parameter, _ in given]
        self.parameters: list[Tensor] = [p for _, p in given]
        for parameter, p in given:
            if not isinstance(p, Tensor):
                raise TypeError(f"{name}: {parameter} is a {type(p).__name__}, not a Tensor; pass module.parameters()")
            if not p.requires_grad or not p.is_leaf:
                raise TypeError(f"{name}: {parameter}, of shape {p.shape}, is not a leaf Tensor that requires grad")
        if not self.parameters:
            raise ValueError(f"{name} got no parameters to change")
        numbers = [id(p) for p in self.parameters]
        twice = [self.names[i] for i, number in enumerate(numbers) if number in numbers[:i]]
        if twice:
            raise ValueError(f"{name} got the same parameter twice: {', '.join(twice)} came before under another name or number")
        self.lr, self.steps = lr, 0
        self.current_lr()
        self._warned = False
        self.memory: list[dict[str, Any]] = [{} for _ in self.parameters]

    def current_lr(self) -> float:
        """The learning rate of the next step. Raises ValueError if it is negative or not a number."""
        lr = self.lr(self.steps) if callable(self.lr) else self.lr
        if not lr >= 0:
            raise ValueError(f"{type(self).__name__}: the learning rate lr must be 0 or more, not {lr}")
        return lr

    def zero_grad(self) -> None:
        """Forget all gradients: without it, backward() adds to the old ones."""
        for p in self.parameters:
            p.grad = None

    def step(self, warn_accumulated: bool = False) -> None:
        """Change every parameter that has a gradient.

        Raises RuntimeError if none has one, and warns once if only some have. warn_accumulated: warn too if a gradient is
        the sum of several backward() calls, as when zero_grad() is forgotten.
        """
        lr = self.current_lr()
        without = [f"{name} {p.shape}" for name, p in zip(self.names, self.parameters) if p.grad is None]
        if len(without) == len(self.parameters):
            raise RuntimeError(f"{type(self).__name__}: no parameter has a gradient, call loss.backward() before step(); "
                               f"without: {', '.join(without)}")
        if without and not self._warned:
            self._warned = True
            warnings.warn(f"{type(self).__name__}: no gradient reached {', '.join(without)}; left alone", stacklevel=2)
        if warn_accumulated:
            sums = [name for name, p in zip(self.names, self.parameters) if p._node.backwards > 1]
            if sums:
                warnings.warn(f"{type(self).__name__}: the gradients of {', '.join(sums)} are sums of several backward() calls; "
                              "call zero_grad() before each", stacklevel=2)
        for p, memory in zip(self.parameters, self.memory):
            if p.grad is not None:
                p._replace(self.update(p._data, p.grad, lr, memory))
        self.steps += 1

    def update(self, value: np.ndarray, g: np.ndarray, lr: float, memory: dict[str, Any]) -> np.ndarray:
        """A parameter's new values, from its values and gradient; `memory` is its own, kept from step to step."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, np.ndarray]:
        """What the optimiser remembers, as arrays: "steps", and for each parameter, by its number, those of its memory,
        as "0.v". With it training resumes exactly."""
        memory = {f"{i}.{name}": np.array(value) for i, memory in enumerate(self.memory) for name, value in memory.items()}
        return {"steps": np.array(self.steps), **memory}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what state_dict() gave. Raises ValueError, and changes nothing, if it is not for these parameters."""
        memory: list[dict[str, Any]] = [{} for _ in self.parameters]
        state = dict(state)
        try:
            steps = int(state.pop("steps"))
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"{type(self).__name__}: this is no optimiser's state, it has no number of steps") from None
        for key, value in state.items():
            number, _, name = key.partition(".")
            if not number.isdecimal() or int(number) >= len(memory) or name not in self.remembers:
                raise ValueError(f"{type(self).__name__}: there is no {key!r} here, with {len(memory)} parameters and, "
                                 f"for each, {', '.join(self.remembers) or 'nothing to remember'}")
            p, value = self.parameters[int(number)], np.array(value)
            if value.shape not in ((), p.shape) or value.dtype.kind not in "biuf":
                raise ValueError(f"{type(self).__name__}: {key!r} has shape {value.shape} and dtype {value.dtype}, "
                                 f"the parameter {p.shape} and {p.dtype}")
            memory[int(number)][name] = value
        self.memory, self.steps = memory, steps
