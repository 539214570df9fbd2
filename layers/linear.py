"""The affine map."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import Tensor

from .initial import check_generator, constant, uniform
from .module import Module, as_input, check_shape


class Linear(Module):
    """y = x W + b: x (..., input_size) -> y (..., output_size), with W (input_size, output_size).

    W starts uniform within +-1/sqrt(input_size), b at 0. bias=False leaves b out.
    Raises ValueError if x's last axis is not input_size long.
    """

    def __init__(self, input_size: int, output_size: int, *, rng: np.random.Generator, bias: bool = True,
                 dtype: Any = np.float64) -> None:
        check_generator(rng)
        self.input_size, self.output_size = input_size, output_size
        self.W = uniform(rng, (input_size, output_size), 1 / math.sqrt(max(1, input_size)), dtype)
        self.b = constant(0.0, (output_size,), dtype) if bias else None

    def forward(self, x: Any) -> Tensor:
        x = as_input(x, self.W.dtype)
        check_shape(f"Linear({self.input_size}, {self.output_size})", "x", x, (*x.shape[:-1], self.input_size))
        y = x @ self.W
        return y if self.b is None else y + self.b
