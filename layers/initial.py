"""Initial values of parameters. Every draw comes from the numpy.random.Generator that the user passes."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from minigrad import Tensor


def check_generator(rng: object) -> None:
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a NumPy generator, as in rng=np.random.default_rng(0), not {rng!r:.60}")


def uniform(rng: np.random.Generator, rows: int, columns: int, fan: int) -> np.ndarray:
    """Uniform between -1/sqrt(fan) and 1/sqrt(fan), like PyTorch's layers."""
    bound = 1 / math.sqrt(max(1, fan))
    return rng.uniform(-bound, bound, (rows, columns))


def xavier(rng: np.random.Generator, rows: int, columns: int, fan: int) -> np.ndarray:
    """Uniform between -a and a, a = sqrt(6 / (rows + columns)) (X. Glorot and Y. Bengio, "Understanding the difficulty of
    training deep feedforward neural networks", 2010)."""
    bound = math.sqrt(6 / max(1, rows + columns))
    return rng.uniform(-bound, bound, (rows, columns))


def orthogonal(rng: np.random.Generator, rows: int, columns: int, fan: int) -> np.ndarray:
    """Orthonormal columns, or rows if there are fewer rows: Q from the QR decomposition of a normal matrix. The signs
    make R's diagonal positive, so all directions are equally likely (A. Saxe et al., "Exact solutions to the
    nonlinear dynamics of learning in deep linear neural networks", 2014)."""
    q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    q = q * np.where(np.diagonal(r) < 0, -1, 1)
    return q if rows >= columns else q.T


INITIAL = {"uniform": uniform, "xavier": xavier, "orthogonal": orthogonal}


def weight(init: str, rng: np.random.Generator, rows: int, columns: int, fan: int, dtype: npt.DTypeLike) -> Tensor:
    """A parameter (rows, columns) with the initial values INITIAL[init]."""
    return Tensor(_values(init, rng, rows, columns, fan).astype(dtype), requires_grad=True)


def recurrent_weight(init: str, rng: np.random.Generator, input_size: int, hidden_size: int, dtype: npt.DTypeLike) -> Tensor:
    """W of W [h, x]: shape (hidden + input, hidden), first the rows for h, then those for x, drawn separately."""
    parts = [_values(init, rng, rows, hidden_size, hidden_size) for rows in (hidden_size, input_size)]
    return Tensor(np.concatenate(parts).astype(dtype), requires_grad=True)


def constant(value: float, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Tensor:
    """A parameter filled with `value`."""
    return Tensor(np.full(shape, value, dtype), requires_grad=True)


def _values(init: str, rng: np.random.Generator, rows: int, columns: int, fan: int) -> np.ndarray:
    if init not in INITIAL:
        raise ValueError(f"init must be {' or '.join(map(repr, INITIAL))}, not {init!r}")
    return INITIAL[init](rng, rows, columns, fan)
