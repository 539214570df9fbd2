"""Sums, means, extremes and the softmax family. Inside this file sum, max and min are the operations."""

import math
from typing import Any, TypeVar

import numpy as np

from ..core import op
from ..types import Axis
from .elementwise import exp, where
from .shaping import broadcast_to

Kind = TypeVar("Kind", bound=Any)

def _with_ones(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """The shape with 1 in place of the reduced axes."""
    if axis is None:
        return (1,) * len(shape)
    axes = {i % (len(shape) or 1) for i in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(1 if i in axes else n for i, n in enumerate(shape))

@op(lambda g, x_shape, axis: broadcast_to(g.reshape(_with_ones(x_shape, axis)), shape=x_shape))
def sum(x, *, axis=None, keepdims=False):
    """The sum over an axis, several (a tuple) or all (None). x (3, 4), axis=0 -> (4,), and (1, 4) with keepdims."""
    return np.sum(x, axis=axis, keepdims=keepdims)

def mean(x: Kind, *, axis: Axis = None, keepdims: bool = False) -> Kind:
    """The mean over an axis, several (a tuple) or all (None). Raises ValueError if there is nothing to average."""
    total = sum(x, axis=axis, keepdims=keepdims)
    shape = np.shape(x)
    count = math.prod(n for n, left in zip(shape, _with_ones(shape, axis)) if n != left)
    if count == 0:
        raise ValueError(f"mean of nothing: x has shape {shape}, axis is {axis}")
    return total / count

def _share_of_ties(g, x, y, axis):
    """g at the places where x equals y, shared equally among ties."""
    reduced = _with_ones(x.shape, axis)
    mask = (x == y.reshape(reduced)) | (x != x)  # if the extreme is NaN, the NaNs tie
    return where(g.reshape(reduced) / mask.sum(axis=axis, keepdims=True), 0.0, mask=mask)

@op(_share_of_ties)
def max(x, *, axis=None, keepdims=False):
    """The maximum over an axis, several (a tuple) or all (None): x (3, 4), axis=0 -> (4,), and (1, 4) with keepdims.

    If several elements reach it, they share the gradient equally. Raises ValueError if there is nothing to compare.
    """
    return np.max(x, axis=axis, keepdims=keepdims)

@op(_share_of_ties)
def min(x, *, axis=None, keepdims=False):
    """The minimum over an axis, several (a tuple) or all (None): x (3, 4), axis=0 -> (4,), and (1, 4) with keepdims.

    If several elements reach it, they share the gradient equally. Raises ValueError if there is nothing to compare.
    """
    return np.min(x, axis=axis, keepdims=keepdims)

def _softmax_weighted(g, x, y, axis):
    """g times softmax(x)."""
    reduced = _with_ones(x.shape, axis)
    finite = where(y, 0.0, mask=y > -math.inf)  # if all x are -inf, each gets weight 0
    return g.reshape(reduced) * exp(x - finite.reshape(reduced))

@op(_softmax_weighted)
def logsumexp(x, *, axis=None, keepdims=False):
    """log(sum(exp(x))) over an axis, several (a tuple) or all (None), without overflow."""
    largest = np.max(x, axis=axis, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0)
    with np.errstate(divide="ignore"):  # log(0) = -inf if all x are -inf
        y = np.log(np.sum(np.exp(x - largest), axis=axis, keepdims=True)) + largest
    return y if keepdims else np.squeeze(y, axis=axis)

def log_softmax(x: Kind, *, axis: int = -1) -> Kind:
    """log(exp(x) / sum(exp(x))) along an axis, without overflow; the shape stays."""
    return x - logsumexp(x, axis=axis, keepdims=True)

def softmax(x: Kind, *, axis: int = -1) -> Kind:
    """exp(x) / sum(exp(x)) along an axis, without overflow; the shape stays."""
    return exp(log_softmax(x, axis=axis))
