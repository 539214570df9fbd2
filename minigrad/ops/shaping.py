"""Operations that only move numbers: reshaping, slicing, joining."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np

from ..core import op

Kind = TypeVar("Kind", bound=Any)

@op(lambda g, x_shape: g.reshape(x_shape))
def reshape(x, *, shape):
    """The same elements in another shape: x (2, 6), shape=(3, -1) -> (3, 4); -1 stands for the length that fits.

    Raises ValueError if the numbers of elements differ.
    """
    return np.reshape(x, shape)

def _inverse(axes):
    return None if axes is None else tuple(sorted(range(len(axes)), key=lambda i: axes[i] % len(axes)))

@op(lambda g, axes: transpose(g, axes=_inverse(axes)))
def transpose(x, *, axes=None):
    """The axes in another order; None reverses them. x (2, 3, 4), axes=(2, 0, 1) -> (4, 2, 3).

    Raises ValueError if axes is not an order of all axes.
    """
    return np.transpose(x, axes)

@op(lambda g, axis1, axis2: g.swapaxes(axis1, axis2))
def swapaxes(x, *, axis1, axis2):
    """Two axes exchanged: x (2, 3, 4), axis1=0, axis2=-1 -> (4, 3, 2)."""
    return np.swapaxes(x, axis1, axis2)

@op(lambda g: g)
def broadcast_to(x, *, shape):
    """x stretched to a shape that it broadcasts to: x (3, 1), shape=(2, 3, 4) -> (2, 3, 4).

    Raises ValueError if x does not broadcast to it.
    """
    return np.broadcast_to(x, shape)

def _add_at(total, g, index):
    """total[index] += g; index may contain an element several times."""
    part = total[index]
    if part.base is total:  # a view: integers and slices select each element once
        part += g
    else:
        np.add.at(total, index, g)

@op(lambda g, index, x_shape: put(g, index=index, shape=x_shape), accumulate=_add_at)
def getitem(x, *, index):
    """x[index], for integers, slices, ..., None, integer and boolean arrays. For a Tensor write t[index].

    x (5, 3), index=2 -> (3,); x (5, 3), index=[0, 2] -> (2, 3).
    Raises IndexError if the index is outside of x.
    """
    return x[index]

@op(lambda g, index: g[index])
def put(x, *, index, shape):
    """Zeros of a shape, with x added at an index: the gradient of x[index]. x has the shape of zeros[index].

    Raises ValueError if it has another shape.
    """
    total = np.zeros(shape, x.dtype)
    if total[index].shape != x.shape:
        raise ValueError(f"the index selects shape {total[index].shape}")
    _add_at(total, x, index)
    return total

def _pieces(g, sizes, axis):
    """g cut along an axis into pieces of these sizes."""
    before = (slice(None),) * (axis % g.ndim)
    ends = list(accumulate(sizes))
    return [g[before + (slice(end - size, end),)] for size, end in zip(sizes, ends)]

@op(lambda g, xs_shape, axis: _pieces(g, [shape[axis] for shape in xs_shape], axis))
def concat(*xs, axis=0):
    """Joined along an existing axis: (2, 3) and (2, 5), axis=-1 -> (2, 8).

    Raises ValueError unless all other lengths are equal.
    """
    if axis is None:
        raise ValueError("axis must be a number; reshape to one axis first")
    return np.concatenate(xs, axis=axis)

def _slices(g, axis):
    before = (slice(None),) * (axis % g.ndim)
    return [g[before + (i,)] for i in range(g.shape[axis])]

@op(lambda g, axis: _slices(g, axis))
def stack(*xs, axis=0):
    """Joined along a new axis: T times (B, H) -> (T, B, H). Raises ValueError unless all shapes are equal."""
    return np.stack(xs, axis=axis)

def split(x: Kind, sections: int | Sequence[int], *, axis: int = 0) -> list[Kind]:
    """x cut along an axis into equal sections (an int), or at indices (a sequence), like np.split.

    x (6, 2), 3 -> three times (2, 2); x (6, 2), [1, 3] -> (1, 2), (2, 2), (3, 2).
    Raises ValueError if x has no such axis, or if the sections would not be equal.
    """
    shape = np.shape(x)
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"split: axis {axis} of x, which has shape {shape}")
    n = shape[axis]
    if isinstance(sections, (int, np.integer)):
        if sections < 1 or n % sections:
            raise ValueError(f"split: axis {axis} of x, which has shape {shape}, does not divide into {sections} equal sections")
        sections = range(n // sections, n, n // sections) if n else [0] * (sections - 1)
    before = (slice(None),) * (axis % len(shape))
    return [getitem(x, index=(*before, slice(start, end))) for start, end in zip([0, *sections], [*sections, n])]
