"""First values of parameters. Every draw comes from the numpy.random.Generator that the user passes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import Tensor


def check_generator(rng: Any) -> None:
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a NumPy generator, as in rng=np.random.default_rng(0), not {rng!r:.60}")


def uniform(rng: np.random.Generator, shape: tuple[int, ...], bound: float, dtype: Any) -> Tensor:
    """A parameter drawn from -bound .. bound."""
    return Tensor(rng.uniform(-bound, bound, shape).astype(dtype), requires_grad=True)


def constant(value: float, shape: tuple[int, ...], dtype: Any) -> Tensor:
    """A parameter of one value."""
    return Tensor(np.full(shape, value, dtype), requires_grad=True)


def orthogonal(rng: np.random.Generator, n: int) -> np.ndarray:
    """A random orthogonal n x n matrix, all directions alike (Saxe et al. 2014, "Exact solutions to the
    nonlinear dynamics of learning in deep linear neural networks"): Q of a normal matrix's QR decomposition,
    signs chosen so that R has a positive diagonal."""
    q, r = np.linalg.qr(rng.normal(size=(n, n)))
    return q * np.where(np.diagonal(r) < 0, -1, 1)


def recurrent_weight(rng: np.random.Generator, input_size: int, hidden_size: int, init: str, dtype: Any) -> Tensor:
    """W of W [h, x]: shape (hidden + input, hidden), the rows of h first.

    init "uniform": -1/sqrt(hidden) .. 1/sqrt(hidden), as in PyTorch. "orthogonal": the rows of h orthogonal,
    so that they keep the length of h; those of x uniform.
    """
    if init not in ("uniform", "orthogonal"):
        raise ValueError(f"init must be 'uniform' or 'orthogonal', not {init!r}")
    weight = uniform(rng, (hidden_size + input_size, hidden_size), 1 / math.sqrt(max(1, hidden_size)), dtype)
    if init == "orthogonal":
        weight.data[:hidden_size] = orthogonal(rng, hidden_size)
    return weight
