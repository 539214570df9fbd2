"""The matrix product, for all shapes that np.matmul accepts."""

import math

import numpy as np

from ..core import op
from ..speed import Batches

def _as_matrix(g, a_ndim, b_ndim):
    """np.matmul drops an axis for a 1-d a (a row) or a 1-d b (a column). This puts it back into g."""
    if b_ndim == 1:
        g = g.reshape(*g.shape, 1)
    if a_ndim == 1:
        g = g.reshape(*g.shape[:-1], 1, g.shape[-1])
    return g

def _matmul_a(g, a_shape, b):
    """g b^T"""
    if len(a_shape) == b.ndim == 2:  # the usual case, without what the others need
        return g @ b.swapaxes(0, 1)
    columns = b.reshape(1, -1) if b.ndim == 1 else b.swapaxes(-1, -2)
    g = _as_matrix(g, len(a_shape), b.ndim)
    if g.ndim > 2 == columns.ndim:
        return (g.reshape(math.prod(g.shape[:-1]), g.shape[-1]) @ columns).reshape(*g.shape[:-1], columns.shape[1])
    gradient = g @ columns
    if len(a_shape) == 2 and b.ndim == 3:
        return gradient.sum(axis=0)  # the engine would do it later
    return gradient[..., 0, :] if len(a_shape) == 1 else gradient

def _rows(g, a, b_shape):
    """a and g as matrices: if many matrices a meet one b, all their rows make one product, forwards and backwards."""
    g = _as_matrix(g, a.ndim, len(b_shape))
    rows = math.prod(a.shape[:-1])
    return a.reshape(rows, a.shape[-1]), g.reshape(rows, g.shape[-1])

def _matmul_b(g, a, b_shape):
    """a^T g"""
    if a.ndim == len(b_shape) == 2:
        return a.swapaxes(0, 1) @ g
    if len(b_shape) > 2:
        g = _as_matrix(g, a.ndim, len(b_shape))
        return (a.reshape(1, -1) if a.ndim == 1 else a).swapaxes(-1, -2) @ g
    a, g = _rows(g, a, b_shape)
    return (a.swapaxes(0, 1) @ g).reshape(b_shape)

def _matmul_b_batch(gs, saved):
    """The sum of a^T g over several products with one b, computed as one product of all rows."""
    b_shape = saved[0][1]
    if len(b_shape) > 2:
        if any(a.ndim != 2 for a, _ in saved):
            return NotImplemented
        return np.concatenate([a for a, _ in saved]).T @ np.concatenate(gs, axis=-2)
    a, g = (np.concatenate(parts) for parts in zip(*(_rows(g, *values) for g, values in zip(gs, saved))))
    return (a.T @ g).reshape(b_shape)

@op(_matmul_a, _matmul_b, postpone={"b": Batches(_matmul_b_batch)})
def matmul(a, b):
    """a @ b: (..., n, k) @ (..., k, m) -> (..., n, m). The axes "..." broadcast; a 1-d a is a row, a 1-d b a column.

    Raises ValueError if the inner lengths differ.
    """
    a_ndim, b_ndim = getattr(a, "ndim", 0), getattr(b, "ndim", 0)
    try:
        if a_ndim == b_ndim == 2:
            return a.dot(b)  # half the time of np.matmul, if they are small
        if a_ndim > 2 == b_ndim:
            return np.matmul(a.reshape(math.prod(a.shape[:-1]), a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[1])
        return np.matmul(a, b)
    except ValueError:
        if not np.ndim(a) or not np.ndim(b) or np.shape(a)[-1] == np.shape(b)[-2:][0]:
            raise
        raise ValueError(f"the inner lengths {np.shape(a)[-1]} and {np.shape(b)[-2:][0]} differ") from None
