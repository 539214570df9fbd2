"""Adapts two usual forms of gradients written by hand to gradcheck: with a cache, or a loss together with its gradients."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np


class with_cache:  # noqa: N801
    """out, cache = forward(*inputs), and dx, dW, ... = backward(dout, cache); the form of Stanford's CS231n.

        gradcheck(with_cache(rnn_forward, rnn_backward), x, h0, Wx, Wh, b)

    forward returns the cache last. If it returns several outputs, backward takes one gradient for each, such as
    lstm_step_backward(dh, dC, cache), or all as a tuple, backward(g, cache). `take`: the first `take` outputs have gradients;
    by default as many as backward takes. backward returns a tuple or a dict, as for gradcheck.

    Raises TypeError, when the check calls it, if forward does not return outputs and a cache.
    """

    forward_with_cache: Callable[..., Any]
    backward_from_cache: Callable[..., Any]
    apart: bool
    take: int | None
    written: str
    name_of_backward: str

    def __init__(self, forward: Callable, backward: Callable, take: int | None = None) -> None:
        functools.update_wrapper(self, forward)
        self.forward_with_cache, self.backward_from_cache = forward, backward
        self.apart = _positional(backward) > 2  # one argument for each output
        self.take = take if take or not self.apart else _positional(backward) - 1
        self.written = f"with_cache({_name(forward)}, {_name(backward)}{'' if take is None else f', take={take}'})"
        self.name_of_backward = _name(backward)

    def __call__(self, *inputs: Any) -> Any:
        return self._split(inputs)[0]

    def _split(self, inputs: tuple) -> tuple[Any, Any]:
        result = self.forward_with_cache(*inputs)
        if not isinstance(result, (tuple, list)) or len(result) < 2:
            raise TypeError(f"with_cache: {_name(self.forward_with_cache)} must return outputs and, last, a cache, not "
                            f"{type(result).__name__}")
        *outputs, cache = result
        outputs = outputs[:self.take]
        return outputs[0] if len(outputs) == 1 else tuple(outputs), cache

    def backward(self, g: Any, *inputs: Any) -> Any:
        """The gradients for the inputs; forward runs first and makes the cache."""
        cache = self._split(inputs)[1]
        if self.apart:
            return self.backward_from_cache(*g, cache)
        try:
            return self.backward_from_cache(g, cache)
        except Exception as error:
            if not isinstance(g, tuple):
                raise
            raise TypeError(f"with_cache: {self.name_of_backward} failed, with a tuple of {len(g)} gradients, one for each "
                            f"output ({error}). If it takes the first output's only, say so by take=1") from error


class with_loss:  # noqa: N801
    """loss, dWxh, dWhh, ... = f(*inputs): the loss and its gradients from one call, as in A. Karpathy's min-char-rnn.

        gradcheck(with_loss(loss_function, gradients=("Wxh", "Whh", "Why", "bh", "by")), inputs, targets, h_previous)

    gradients: names of the gradients that follow the loss, in this order; later results are ignored. If a name is not a
    parameter of f, it is a global variable of f's module: it becomes an input of the check, and has other values while f
    runs. Without `gradients` the results belong to the inputs in their order; or f returns the loss and one dict by name.
    static: keyword arguments for f.

    Raises TypeError for a name that is neither. When the check calls it, also if the loss is not a single number, or the number
    of gradients does not fit.
    """

    f: Callable[..., Any]
    names: Sequence[str] | None
    static: dict[str, Any]
    parameters: dict[str, Any] | None
    written: str
    name_of_backward: str

    def __init__(self, f: Callable, gradients: Sequence[str] | None = None, **static: Any) -> None:
        functools.update_wrapper(self, f)
        self.f, self.names, self.static = f, gradients, static
        options = [*([f"gradients={tuple(gradients)}"] if gradients else []), *(f"{name}={name}" for name in static)]
        self.written = f"with_loss({', '.join([_name(f), *options])})"
        self.name_of_backward = _name(f)
        code, variables = getattr(f, "__code__", None), getattr(f, "__globals__", {})
        own = code.co_varnames[:code.co_argcount + code.co_kwonlyargcount] if code else ()
        lent = [name for name in gradients or () if name not in own]
        unknown = [name for name in lent if name not in variables]
        if unknown:
            raise TypeError(f"with_loss: {', '.join(unknown)} is neither a parameter of {_name(f)} nor a global variable of its "
                            "module")
        self.parameters = {name: variables[name] for name in lent} if lent else None

    def __call__(self, *inputs: Any) -> Any:
        return self._call(inputs)[0]

    def _call(self, inputs: tuple) -> tuple:
        if self.parameters is None:
            result = self.f(*inputs, **self.static)
        else:
            *inputs, parameters = inputs  # type: ignore[assignment]
            with lent_globals(self.f.__globals__, parameters):
                result = self.f(*inputs, **self.static)
        if not isinstance(result, (tuple, list)) or len(result) < 2:
            raise TypeError(f"with_loss: {_name(self.f)} must return the loss and its gradients, not {type(result).__name__}")
        if np.size(result[0]) != 1:
            raise TypeError(f"with_loss: the loss must be a single number, not an array of shape {np.shape(result[0])}")
        return tuple(result)

    def backward(self, g: Any, *inputs: Any) -> Any:
        """g times the gradients that f returns after the loss."""
        g = np.asarray(g).item()
        loss, *results = self._call(inputs)
        if self.names is not None:
            if len(results) < len(self.names):
                raise TypeError(f"with_loss: {_name(self.f)} returned {len(results)} results after the loss, fewer than the "
                                f"{len(self.names)} names in gradients")
            results = [dict(zip(self.names, results))]
        elif len(results) > len(inputs):
            raise TypeError(f"with_loss: {_name(self.f)} returned {len(results)} results after the loss, for {len(inputs)} "
                            "inputs. Whose gradients are they? Say so, global variables too: "
                            f'with_loss({_name(self.f)}, gradients=("Wxh", "Whh", ...))')
        if all(isinstance(result, dict) for result in results):
            return {name: _times(g, gradient) for result in results for name, gradient in result.items()}
        return tuple(_times(g, gradient) for result in results for gradient in (
            result if isinstance(result, (tuple, list)) else [result]))


def _times(g: float, gradient: Any) -> Any:
    return None if gradient is None else g * np.asarray(gradient)


@contextmanager
def lent_globals(variables: dict[str, Any], values: dict[str, Any]) -> Iterator[None]:
    """Inside the block a module's global variables have these values. Afterwards they are as before, or deleted."""
    before = {name: variables[name] for name in values if name in variables}
    variables.update(values)
    try:
        yield
    finally:
        for name in values.keys() - before.keys():
            del variables[name]
        variables.update(before)


def _positional(f: Callable) -> int:
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
               for p in inspect.signature(f).parameters.values())


def _name(f: Callable) -> str:
    return getattr(f, "__name__", type(f).__name__)
