"""NumPy's functions on Tensors: a table gives the minigrad operation for each. (This file knows a Tensor as a Value.)

Functions without a gradient, such as np.argmax, give plain arrays. Functions in neither table raise an error, because
NumPy would compute on a copy and silently cut the graph.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from . import ops
from .core import Value


def _dot(a: Any, b: Any) -> Any:
    if max(np.ndim(a), np.ndim(b)) > 2:
        raise TypeError(f"np.dot of shapes {np.shape(a)} and {np.shape(b)}: for more than two axes use matmul, a @ b, "
                        "which pairs other axes than np.dot")
    return ops.matmul(a, b) if np.ndim(a) and np.ndim(b) else ops.mul(a, b)


def _flip(m: Any, axis: Any) -> Any:
    axes = np.lib.array_utils.normalize_axis_tuple(range(m.ndim) if axis is None else axis, m.ndim)
    return m[tuple(slice(None, None, -1 if i in axes else 1) for i in range(m.ndim))]


def _at_least(ndim: int, arrays: Any) -> list[Any]:
    """The arrays, each with axes of length 1 in front until it has `ndim` axes."""
    return [ops.reshape(x, shape=(1,) * (ndim - np.ndim(x)) + np.shape(x)) for x in arrays]


def _hstack(arrays: list[Any]) -> Any:
    return ops.concat(*arrays, axis=0 if arrays[0].ndim == 1 else 1)


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
    np.square: lambda x: ops.mul(x, x),
    # the rest have NumPy's signatures
    np.sum: lambda a, axis=None, *, keepdims=False: ops.sum(a, axis=axis, keepdims=keepdims),
    np.mean: lambda a, axis=None, *, keepdims=False: ops.mean(a, axis=axis, keepdims=keepdims),
    np.max: lambda a, axis=None, *, keepdims=False: ops.max(a, axis=axis, keepdims=keepdims),
    np.min: lambda a, axis=None, *, keepdims=False: ops.min(a, axis=axis, keepdims=keepdims),
    np.dot: lambda a, b: _dot(a, b),
    np.where: lambda condition, x, y: ops.where(x, y, mask=condition),
    np.concatenate: lambda arrays, axis=0: ops.concat(*arrays, axis=axis),
    np.stack: lambda arrays, axis=0: ops.stack(*arrays, axis=axis),
    np.vstack: lambda tup: ops.concat(*_at_least(2, tup)),
    np.hstack: lambda tup: _hstack(_at_least(1, tup)),
    np.split: lambda ary, indices_or_sections, axis=0: ops.split(ary, indices_or_sections, axis=axis),
    np.reshape: lambda a, shape: ops.reshape(a, shape=shape),
    np.ravel: lambda a: ops.reshape(a, shape=-1),
    np.squeeze: lambda a, axis=None: ops.reshape(a, shape=np.squeeze(a.array, axis).shape),
    np.expand_dims: lambda a, axis: ops.reshape(a, shape=np.expand_dims(a.array, axis).shape),
    np.flip: lambda m, axis=None: _flip(m, axis),
    np.transpose: lambda a, axes=None: ops.transpose(a, axes=axes),
    np.swapaxes: lambda a, axis1, axis2: ops.swapaxes(a, axis1=axis1, axis2=axis2),
    np.broadcast_to: lambda array, shape: ops.broadcast_to(array, shape=shape),
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a: a.size,
    np.full_like: lambda a, fill_value, **options: np.full_like(a.array, fill_value, **options),  # fill_value is no Tensor
}
TABLE[np.amax], TABLE[np.amin] = TABLE[np.max], TABLE[np.min]

WITHOUT_GRADIENT: set[Callable] = {
    np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal, np.isclose, np.allclose, np.array_equal,
    np.isnan, np.isinf, np.isfinite, np.sign, np.signbit, np.argmax, np.argmin, np.argsort,
    np.zeros_like, np.ones_like, np.empty_like,
}
"""Small changes of the inputs do not change their results, so they give plain arrays: no gradient is lost."""


def call(function: Callable, args: tuple, kwargs: dict[str, Any], method: str = "__call__") -> Any:
    """function(*args, **kwargs) as a minigrad operation; TypeError if there is none."""
    name = f"np.{function.__name__}" + ("" if method == "__call__" else f".{method}")
    if "out" in kwargs:
        raise TypeError(f"{name} cannot write a Tensor into an array: instead of a += t write a = a + t")
    if function in WITHOUT_GRADIENT and method == "__call__":
        return function(*map(plain, args), **{key: plain(value) for key, value in kwargs.items()})
    if function not in TABLE or method != "__call__":
        raise TypeError(f"{name} has no gradient here: for the values alone pass t.numpy(); for a gradient write it with "
                        "minigrad's operations, or declare it with @op")
    try:
        return TABLE[function](*args, **kwargs)
    except TypeError as error:
        if "<lambda>" in str(error):  # the function in the table does not take these arguments
            hint = "; np.where(mask, a, b) is minigrad.where(a, b, mask=mask)" if function is np.where else ""
            raise TypeError(f"{name} on a Tensor: {str(error).replace('<lambda>()', name)}; "
                            f"it takes {inspect.signature(TABLE[function])}{hint}") from None
        raise


def plain(x: Any) -> Any:
    return x.array if isinstance(x, Value) else x


def plain_index(index: Any) -> Any:
    """The index, with arrays instead of Tensors."""
    if type(index) is tuple:
        return tuple([i.array if isinstance(i, Value) else i for i in index])
    return index.array if isinstance(index, Value) else index


class Elsewhere:
    """Stands for a method that a Tensor does not have. Its error names the function to call instead."""

    def __init__(self, name: str, module: str, function: Callable) -> None:
        needed = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
        self.message = f"a Tensor has no method {name}, write {module}.{name}({'t' if len(needed) == 1 else 't, ...'})"

    def __get__(self, t: Value | None, kind: type) -> Any:
        raise AttributeError(self.message)


ELSEWHERE = {name: Elsewhere(name, module, function) for name, (module, function) in {
    **{function.__name__: ("np", operation) for function, operation in TABLE.items()},
    **{name: ("minigrad", getattr(ops, name)) for name in ops.__all__}}.items()}
"""One for every function, by its name."""
