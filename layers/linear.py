"""Layers without time: affine map, look-up table, dropout, and a chain of layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from minigrad import Tensor

from .initial import check_generator, constant, weight
from .module import Module, as_input, check_in_range, check_shape


class Linear(Module):
    """y = x W + b: x (..., input_size) -> y (..., output_size), with W (input_size, output_size).

    init: W starts "uniform" (within +-1/sqrt(input_size)), "xavier" or "orthogonal"; b at 0. bias=False leaves b out.
    Raises ValueError if x's last axis is not input_size long.
    """

    input_size: int
    output_size: int
    W: Tensor
    b: Tensor | None

    def __init__(self, input_size: int, output_size: int, *, rng: np.random.Generator, bias: bool = True,
                 init: str = "uniform", dtype: npt.DTypeLike = np.float64) -> None:
        check_generator(rng)
        self.input_size, self.output_size = input_size, output_size
        self.W = weight(init, rng, input_size, output_size, input_size, dtype)
        self.b = constant(0.0, (output_size,), dtype) if bias else None

    def forward(self, x: npt.ArrayLike) -> Tensor:
        x = as_input(x, self.W.dtype)
        check_shape(f"Linear({self.input_size}, {self.output_size})", "x", x, (*x.shape[:-1], self.input_size))
        y = x @ self.W
        return y if self.b is None else y + self.b


class Embedding(Module):
    """Looks up rows of W: numbers (...) -> W[numbers] (..., size).

    W (num_embeddings, size) starts standard normal. The result equals one-hot vectors times W.
    Raises TypeError if the numbers are not integers, ValueError if one is outside 0 .. num_embeddings - 1.
    """

    W: Tensor

    def __init__(self, num_embeddings: int, size: int, *, rng: np.random.Generator, dtype: npt.DTypeLike = np.float64) -> None:
        check_generator(rng)
        self.W = Tensor(rng.normal(size=(num_embeddings, size)).astype(dtype), requires_grad=True)

    def forward(self, numbers: npt.ArrayLike) -> Tensor:
        return self.W[check_in_range("Embedding", "numbers", numbers, len(self.W))]


class Dropout(Module):
    """In training each element x becomes 0 with probability p, and x / (1 - p) otherwise, which keeps its mean.
    After eval() it stays x. Every call draws anew from rng. x (...) -> (...). Raises ValueError unless 0 <= p < 1.

    Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (2014).
    """

    p: float
    rng: np.random.Generator

    def __init__(self, p: float, *, rng: np.random.Generator) -> None:
        check_generator(rng)
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: p must be 0 or more and below 1, not {p}")
        self.p, self.rng = p, rng

    def forward(self, x: npt.ArrayLike) -> Tensor:
        x = as_input(x, x.dtype if isinstance(x, Tensor) and x.dtype.kind == "f" else np.dtype(float))
        if not self.training or self.p == 0:
            return x
        kept = self.rng.random(x.shape) >= self.p
        return x * (kept / (1 - self.p)).astype(x.dtype)


class Sequential(Module):
    """Applies layers one after the other: Sequential(Linear(...), tanh, Linear(...)). A layer may be a function.

    Names of parameters begin with the layer's position: "0.W", "0.b", "2.W", ... Raises TypeError if a layer cannot be called.
    """

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        self.length: int = len(layers)
        for i, layer in enumerate(layers):
            if not callable(layer) or isinstance(layer, type):
                raise TypeError(f"Sequential: layer {i} is {layer!r:.60}, not a layer or a function")
            setattr(self, str(i), layer)

    def forward(self, x: Any) -> Any:
        for i in range(self.length):
            x = getattr(self, str(i))(x)
        return x
