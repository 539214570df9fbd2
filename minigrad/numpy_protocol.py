"""NumPy's own functions on Tensors: a table from each to the operation of the same meaning.

What is not in the table raises, because NumPy would compute on a copy and cut the graph without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import ops
from .tensor import Tensor

TABLE: dict[Callable, Callable] = {
    np.add: ops.add,
    np.subtract: ops.sub,
    np.multiply: ops.mul,
    np.true_divide: ops.div,
    np.power: ops.pow,
    np.matmul: ops.matmul,
    np.maximum: ops.maximum,
    np.minimum: ops.minimum,
    np.negative: ops.neg,
    np.absolute: ops.abs,
    np.exp: ops.exp,
    np.log: ops.log,
    np.sqrt: ops.sqrt,
    np.tanh: ops.tanh,
    # the rest with NumPy's signatures
    np.sum: lambda a, axis=None, *, keepdims=False: ops.sum(a, axis=axis, keepdims=keepdims),
    np.mean: lambda a, axis=None, *, keepdims=False: ops.mean(a, axis=axis, keepdims=keepdims),
    np.max: lambda a, axis=None, *, keepdims=False: ops.max(a, axis=axis, keepdims=keepdims),
    np.min: lambda a, axis=None, *, keepdims=False: ops.min(a, axis=axis, keepdims=keepdims),
    np.where: lambda condition, x, y: ops.where(x, y, mask=condition),
    np.concatenate: lambda arrays, axis=0: ops.concat(*arrays, axis=axis),
    np.stack: lambda arrays, axis=0: ops.stack(*arrays, axis=axis),
    np.split: lambda ary, indices_or_sections, axis=0: ops.split(ary, indices_or_sections, axis=axis),
    np.reshape: lambda a, shape: ops.reshape(a, shape=shape),
    np.transpose: lambda a, axes=None: ops.transpose(a, axes=axes),
    np.swapaxes: lambda a, axis1, axis2: ops.swapaxes(a, axis1=axis1, axis2=axis2),
    np.broadcast_to: lambda array, shape: ops.broadcast_to(array, shape=shape),
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a: a.size,
}

COMPARISONS = {np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal}
"""Their results have no gradient: plain arrays of booleans."""


def call(function: Callable, args: tuple, kwargs: dict[str, Any], method: str = "__call__") -> Any:
    """function(*args, **kwargs) as a minigrad operation; TypeError if there is none."""
    name = f"np.{function.__name__}" + ("" if method == "__call__" else f".{method}")
    if "out" in kwargs:
        raise TypeError(f"{name} cannot write a Tensor into an array: instead of a += t write a = a + t")
    if function in COMPARISONS and method == "__call__":
        return function(*(x._data if isinstance(x, Tensor) else x for x in args), **kwargs)
    if function not in TABLE or method != "__call__":
        raise TypeError(f"{name} has no gradient here: for the values alone pass t.numpy(); for a gradient write it with "
                        "minigrad's operations, or declare it with @op")
    try:
        return TABLE[function](*args, **kwargs)
    except TypeError as error:
        if "<lambda>" in str(error):  # called with arguments that this table does not have
            raise TypeError(f"{name} on a Tensor: {str(error).replace('<lambda>()', name)}") from None
        raise
