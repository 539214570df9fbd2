"""Optimizer, the base class of all optimisers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.tensor import replace_data
from minigrad.training import set_all

Parameters = Iterable[Tensor] | Iterable[tuple[str, Tensor]]
LearningRate = float | Callable[[int], float]


class Optimizer:
    """Changes parameters by their gradients. A subclass defines `update` for one parameter.

    parameters: leaf Tensors that require grad, such as Module.parameters(); or (name, Tensor) pairs, such as
    named_parameters(): error messages then use the names. A parameter without a gradient is left alone.
    lr: the learning rate; or a schedule, which computes it from the number of steps made so far:
    lr=lambda step: 0.1 / (1 + step).
    Raises TypeError or ValueError for anything else, for no parameters, and for the same parameter twice.
    """

    remembers: tuple[str, ...] = ()
    """The names of the values that `update` keeps in `memory`: arrays of the parameter's shape, except `counts`."""

    counts: tuple[str, ...] = ()
    """The names of values that are whole numbers, such as the number of steps."""

    def __init__(self, parameters: Parameters, lr: LearningRate) -> None:
        name = type(self).__name__
        if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
            raise TypeError(f"{name} takes a list of Tensors, such as module.parameters(), not one {type(parameters).__name__}")
        given: list[tuple[str, Any]] = [
            item if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) else (f"parameter {i}", item)
            for i, item in enumerate(parameters)]
        self.names: list[str] = [parameter for parameter, _ in given]
        self.parameters: list[Tensor] = [p for _, p in given]
        for parameter, p in given:
            if not isinstance(p, Tensor):
                raise TypeError(f"{name}: {parameter} is a {type(p).__name__}, not a Tensor; pass module.parameters()")
            if not p.is_parameter:
                raise TypeError(f"{name}: {parameter}, of shape {p.shape}, is not a leaf Tensor that requires grad; "
                                "make it by Tensor(values, requires_grad=True)")
        if not self.parameters:
            raise ValueError(f"{name} got no parameters to change")
        numbers = [id(p) for p in self.parameters]
        twice = [self.names[i] for i, number in enumerate(numbers) if number in numbers[:i]]
        if twice:
            raise ValueError(f"{name} got the same parameter twice: {', '.join(twice)} came before under another name or number")
        self.lr: LearningRate = lr
        self.steps: int = 0
        self.current_lr()
        self._warned = False
        self.memory: list[dict[str, Any]] = [{} for _ in self.parameters]

    def current_lr(self) -> float:
        """The learning rate of the next step. Raises ValueError if it is negative or not a number."""
        lr = self.lr(self.steps) if callable(self.lr) else self.lr
        if not isinstance(lr, (int, float, np.number)) or not lr >= 0:
            raise ValueError(f"{type(self).__name__}: the learning rate lr must be a number, 0 or more, not {lr!r}")
        return lr

    def zero_grad(self) -> None:
        """Forget all gradients. Otherwise backward() adds to the old ones."""
        for p in self.parameters:
            p.grad = None

    def step(self, warn_accumulated: bool = False) -> None:
        """Change every parameter that has a gradient.

        Raises RuntimeError if no parameter has a gradient, and warns once if some have none. warn_accumulated: also warn if a
        gradient is the sum of several backward() calls, which happens if zero_grad() is forgotten.
        """
        lr = self.current_lr()
        trained = [(name, p) for name, p in zip(self.names, self.parameters) if p.requires_grad]
        without = [f"{name} {p.shape}" for name, p in trained if p.grad is None]
        if len(without) == len(trained):
            raise RuntimeError(f"{type(self).__name__}: no parameter has a gradient, call loss.backward() before step(); "
                               f"without: {', '.join(without)}")
        if without and not self._warned:
            self._warned = True
            warnings.warn(f"{type(self).__name__}: no gradient reached {', '.join(without)}; left alone", stacklevel=2)
        if warn_accumulated:
            sums = [name for name, p in trained if p.node.accumulator.calls > 1]
            if sums:
                warnings.warn(f"{type(self).__name__}: the gradients of {', '.join(sums)} are sums of several backward() calls; "
                              "call zero_grad() before each", stacklevel=2)
        memory = [dict(own) for own in self.memory]
        new = [(p, self._checked(i, self.update(p.array, p.grad, lr, memory[i])))
               for i, p in enumerate(self.parameters) if p.grad is not None]
        # Everything is checked before anything changes; then everything changes at once.
        replace_data([p for p, _ in new], [value for _, value in new],
                     [(self, "memory", memory), (self, "steps", self.steps + 1)])

    def _checked(self, i: int, value: Any) -> np.ndarray:
        """The value from `update` in the parameter's dtype, copied if it shares memory with the parameter or its gradient."""
        p = self.parameters[i]
        if np.shape(value) != p.shape or np.asarray(value).dtype.kind not in "iuf":
            raise TypeError(f"{type(self).__name__}.update must return an array of shape {p.shape} for {self.names[i]}, "
                            f"not {type(value).__name__} of shape {np.shape(value)}")
        array = np.asarray(value).astype(p.dtype, copy=False)
        assert p.grad is not None
        return array.copy() if np.may_share_memory(array, p.grad) or np.may_share_memory(array, p.array) else array

    def update(self, value: np.ndarray, g: np.ndarray, lr: float, memory: dict[str, Any]) -> np.ndarray:
        """A parameter's new values, from its values and gradient. `memory` is its own dict, kept from step to step."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, np.ndarray]:
        """The optimiser's state as arrays: "kind", "steps", and the memory of each parameter under its number, such as
        "0.v". With it training resumes exactly."""
        memory = {f"{i}.{name}": np.array(value) for i, memory in enumerate(self.memory) for name, value in memory.items()}
        return {"kind": np.array(self._kind()), "steps": np.array(self.steps), **memory}

    def _kind(self) -> str:
        return f"{type(self).__name__} of {len(self.parameters)} parameters"

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state from state_dict(). Raises ValueError, and changes nothing, if it does not fit."""
        state = dict(state)
        kind, steps = (np.asarray(state.pop(name, None)) for name in ("kind", "steps"))
        if str(kind) != self._kind() or steps.dtype.kind not in "iu" or steps.shape != () or steps < 0:
            raise ValueError(f"this is the state of {kind} after {steps} steps, expected the state of {self._kind()}")
        memory: list[dict[str, Any]] = [{} for _ in self.parameters]
        for key, value in state.items():
            number, _, name = str(key).partition(".")
            if not number.isdecimal() or int(number) >= len(memory) or name not in self.remembers:
                raise ValueError(f"{self._kind()}: there is no {key!r} here; each parameter has "
                                 f"{', '.join(self.remembers) or 'no memory'}")
            p, value, counts = self.parameters[int(number)], np.array(value), name in self.counts
            if (value.shape != (() if counts else p.shape) or value.dtype.kind not in ("iu" if counts else "f")
                    or counts and value < 0):
                expected = "one whole number, 0 or more" if counts else f"floating-point numbers of shape {p.shape}"
                raise ValueError(f"{self._kind()}: {key!r} has shape {value.shape} and dtype {value.dtype}, expected {expected}")
            memory[int(number)][name] = int(value) if counts else value.astype(p.dtype)
        set_all([(self, "memory", memory), (self, "steps", int(steps))])
