"""The matrix product, with all the shapes that np.matmul takes."""

import math

import numpy as np

from ..op import op

def _as_matrix(g, a_ndim, b_ndim):
    """g with the axis back that np.matmul drops for a 1-d a (a row) or a 1-d b (a column)."""
    if b_ndim == 1:
        g = g.reshape(*g.shape, 1)
    if a_ndim == 1:
        g = g.reshape(*g.shape[:-1], 1, g.shape[-1])
    return g

def _matmul_a(g, a_shape, b):
    """g b^T"""
    columns = b.reshape(1, -1) if b.ndim == 1 else b.swapaxes(-1, -2)
    gradient = _as_matrix(g, len(a_shape), b.ndim) @ columns
    return gradient[..., 0, :] if len(a_shape) == 1 else gradient

def _matmul_b(g, a, b_shape):
    """a^T g. A stack of a's times one matrix is folded into one product, instead of a stack of gradients to sum."""
    g = _as_matrix(g, a.ndim, len(b_shape))
    if a.ndim == 1:
        a = a.reshape(1, -1)
    if len(b_shape) > 2:
        return a.swapaxes(-1, -2) @ g
    rows = math.prod(a.shape[:-1])
    columns = a.reshape(rows, a.shape[-1]).swapaxes(0, 1)
    return (columns @ g.reshape(rows, g.shape[-1])).reshape(b_shape)

@op(_matmul_a, _matmul_b)
def matmul(a, b):
    """a @ b: (..., n, k) @ (..., k, m) -> (..., n, m), the axes in front broadcast; a 1-d a is a row, a 1-d b a column."""
    try:
        return np.matmul(a, b)
    except ValueError:
        if not np.ndim(a) or not np.ndim(b) or np.shape(a)[-1] == np.shape(b)[-2:][0]:
            raise
        raise ValueError(f"the inner lengths {np.shape(a)[-1]} and {np.shape(b)[-2:][0]} differ") from None
