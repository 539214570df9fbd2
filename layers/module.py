"""Module, the base class of all layers. It finds parameters by walking through attributes, so a layer is an
ordinary Python object: __init__ makes Tensors, and forward uses them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ParamSpec, Protocol, TypeVar

import numpy as np

from minigrad import Tensor, show
from minigrad.calling_line import stacklevel
from minigrad.explain import number_array
from minigrad.tensor import replace_data

from .files import load_arrays, save_arrays


P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class HasForward(Protocol[P, R]):
    """For editors: a call has the arguments and the result of `forward`."""
    _called: bool

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


class Module:
    """A layer or model: write `__init__` (make parameters) and `forward` (the equations), call it like a function.

    A parameter is a leaf Tensor that requires grad. It is an attribute, or in a list, tuple, dict or Module that is an
    attribute. Its name is the path to it, such as "cells.0.W_f". A shared parameter is listed once. A parameter that is
    frozen with requires_grad = False remains a parameter.

    Attributes may also be constants, such as a mask, or, after the first call, results of operations, such as a state.
    Before the first call a result is probably a mistake, as in W = Tensor(..., requires_grad=True) * 0.1: it is neither
    trained nor saved. parameters(), named_parameters(), state_dict() and save() then give a UserWarning.
    """

    training = True
    _called = False

    def __call__(self: HasForward[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        self._called = True
        return self.forward(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The equations of the layer; see the class. Call layer(x), which calls forward(x)."""
        raise NotImplementedError(f"{type(self).__name__} must define forward()")

    def __repr__(self) -> str:
        parts = [f"{name}: {p.shape}" for name, p in _parameters(self)]
        parts += [f"{name}: {t.shape} not a parameter" for name, t in self.not_parameters()]
        return f"{type(self).__name__}({', '.join(parts)})"

    def __str__(self) -> str:
        """A tree of the modules and Tensors in this module, with shapes and numbers of parameters."""
        return show.tree_text(list(_walk(self, "", set())))

    def _repr_html_(self) -> str:
        return show.tree_html(list(_walk(self, "", set())))

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """(name, parameter) pairs in the order of the attributes."""
        self._warn_of_results()
        return _parameters(self)

    def not_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """(name, Tensor) pairs of the Tensors that are not parameters: results of operations, and constants. Each is listed
        once. They are neither trained nor saved."""
        return ((name, value) for name, value in _walk(self, "", set()) if isinstance(value, Tensor) and not value.is_parameter)

    def _warn_of_results(self) -> None:
        """UserWarning about results of operations, except in modules that were called and in their parts."""
        called: tuple[str, ...] = ()
        results = []
        for name, value in _walk(self, "", set()):
            if isinstance(value, Module):
                called += (f"{name}." if name else "",) * value._called
            elif not value.is_leaf and not name.startswith(called):
                results.append(f"{name}, of shape {value.shape}, is the result of {value.node.op.__name__}")
        if results:
            warnings.warn(f"{type(self).__name__}: {'; '.join(results)}. Only a leaf is a parameter: a result is neither trained "
                          "nor saved. Make the leaf from the finished values, as in "
                          "self.W = Tensor(0.1 * rng.normal(size=(2, 3)), requires_grad=True)", stacklevel=stacklevel())

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """(name, module) pairs: this module, named "", and all modules in it."""
        return ((name, value) for name, value in _walk(self, "", set()) if isinstance(value, Module))

    def parameters(self) -> list[Tensor]:
        """The parameters in the order of the attributes."""
        return [parameter for _, parameter in self.named_parameters()]

    def zero_grad(self) -> None:
        """Forget all gradients. Otherwise backward() adds to the old ones."""
        for _, parameter in _parameters(self):
            parameter.grad = None

    def train(self, training: bool = True) -> Module:
        """Switch this module and all modules in it to training, the default. Returns this module."""
        for _, module in self.named_modules():
            module.training = training
        return self

    def eval(self) -> Module:
        """Switch to evaluation, where Dropout does nothing. Returns this module."""
        return self.train(False)

    def state_dict(self) -> dict[str, np.ndarray]:
        """A copy of every parameter's values, by name. Raises ValueError if two have the same name."""
        return {name: parameter.numpy() for name, parameter in self._by_name().items()}

    def _by_name(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for name, parameter in self.named_parameters():
            if name in found:
                raise ValueError(f"two parameters of this {type(self).__name__} are called {name!r}")
            found[name] = parameter
        return found

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the parameters to values from state_dict(), converted to the parameters' dtypes.

        Raises ValueError, and changes nothing, if a name is missing or unexpected, or a shape differs; the error lists all.
        """
        own = self._by_name()
        problems = [f"missing: {name}, of shape {p.shape}" for name, p in own.items() if name not in state]
        problems += [f"unexpected: {name}" for name in state if name not in own]
        values = {name: np.asarray(state[name]) for name in own if name in state}
        problems += [f"{name} has shape {value.shape}, expected {own[name].shape}"
                     for name, value in values.items() if value.shape != own[name].shape]
        problems += [f"{name} has dtype {value.dtype}, expected {own[name].dtype}"
                     for name, value in values.items() if value.dtype.kind not in "biuf"]
        if problems:
            raise ValueError(f"these values are not for this {type(self).__name__}:\n  " + "\n  ".join(problems))
        replace_data(list(own.values()), [values[name].astype(parameter.dtype) for name, parameter in own.items()])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all parameters to a .npz file; an older file is replaced only when the new one is complete."""
        save_arrays(path, self.state_dict())

    def load(self, path: str | os.PathLike[str]) -> None:
        """Set the parameters from a file that save() wrote.

        Raises ValueError, and changes nothing, if the file is damaged, was not written by save(), or does not fit this module.
        """
        self.load_state_dict(load_arrays(path))


def _parameters(module: Module) -> Iterator[tuple[str, Tensor]]:
    return ((name, value) for name, value in _walk(module, "", set()) if isinstance(value, Tensor) and value.is_parameter)


def _walk(value: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Every Tensor and module in `value`, once, with the path to it."""
    if isinstance(value, Module):
        items = list(vars(value).items())
    elif isinstance(value, Mapping):
        items = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, (list, tuple)):
        items = [(str(i), item) for i, item in enumerate(value)]
    elif isinstance(value, Tensor):
        items = []
    else:
        return
    if id(value) in seen:  # it is shared, or refers back to a module around it
        return
    seen.add(id(value))
    if isinstance(value, (Module, Tensor)):
        yield path, value
    for name, item in items:
        yield from _walk(item, f"{path}.{name}" if path else name, seen)


def check_shape(owner: str, argument: str, x: Any, expected: tuple[int | str, ...]) -> None:
    """ValueError unless x has the expected shape. A word, as in ("batch", 3), stands for any length."""
    fits = x.shape == expected or (
        len(x.shape) == len(expected) and all(isinstance(e, str) or n == e for n, e in zip(x.shape, expected)))
    if not fits:
        described = ", ".join(map(str, expected)) + ("," if len(expected) == 1 else "")
        raise ValueError(f"{owner}: {argument} has shape {tuple(x.shape)}, expected ({described})")


def as_input(x: Any, dtype: np.dtype) -> Tensor:
    """x as a Tensor of the layer's dtype; an array or list is a constant."""
    if isinstance(x, tuple):
        raise TypeError("expected a Tensor or an array, not a tuple; RNN and LSTM return two things: outputs, state = lstm(x)")
    if isinstance(x, Tensor):
        return x if x.dtype == dtype else x.astype(dtype)
    return Tensor(number_array(x, "the input or target").astype(dtype, copy=False))


def check_in_range(owner: str, argument: str, numbers: Any, count: int) -> np.ndarray:
    """`numbers` as an array. TypeError if they are not integers, ValueError if one is outside 0 .. count - 1."""
    numbers = numbers.numpy() if isinstance(numbers, Tensor) else number_array(numbers, f"{owner}: {argument}")
    if not numbers.size:
        return numbers.astype(int)
    if numbers.dtype.kind not in "iu":
        raise TypeError(f"{owner}: {argument} must be integers, not {numbers.dtype}")
    outside = np.argwhere((numbers < 0) | (numbers >= count))
    if outside.size:
        position = tuple(int(i) for i in outside[0])
        raise ValueError(f"{owner}: {argument}{list(position)} is {numbers[position]}, not in 0 .. {count - 1}")
    return numbers
