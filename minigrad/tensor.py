"""Tensor: a NumPy array that remembers how it was computed.

Methods and operators have ndarray's names, and each calls the operation of the same meaning in ops/. NumPy's functions
work too if minigrad has the operation; otherwise they raise an error, so that nothing silently cuts the graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from . import explain, numpy_protocol, ops, show, training
from .core import Node, Value
from .types import Axis

# -- lending the values ---------------------------------------------------------------------------
# A Tensor's array is read-only, so the record can save it without a copy. A leaf lends its array through `.data`, for writing.
# The next operation on the leaf freezes its values in a copy, because the user may still have views of the lent array.

def hand_out(t: Tensor) -> np.ndarray:
    """The array for `.data`: a leaf's is writeable until the next operation on the leaf, a result's is read-only."""
    if t.is_leaf and not t._lent:
        t._array, t._lent = t._array.copy(), True
    return t._array

def freeze(t: Tensor) -> np.ndarray:
    """The values for an operation, in an array that nobody can write into."""
    if t._lent:
        copy = t._array.copy()
        t._array.flags.writeable = copy.flags.writeable = False
        t._array, t._lent = copy, False
    return t._array

def replace_data(tensors: list[Tensor], arrays: list[np.ndarray], changes: Iterable[tuple[Any, str, Any]] = ()) -> None:
    """Put new arrays into leaves, and make the other `changes` of set_all(). If Ctrl-C comes in between, nothing changes.
    The arrays have the leaves' shapes and dtypes, and nobody else holds them."""
    for t, array in zip(tensors, arrays):
        freeze(t)  # the lent array no longer belongs to the leaf
        array.flags.writeable = False
    training.set_all([*((t, "_array", array) for t, array in zip(tensors, arrays)), *changes])

@contextmanager
def stand_ins(tensors: list[Tensor], arrays: list[np.ndarray]) -> Iterator[None]:
    """Inside the block the leaves have copies of these arrays, and a separate graph. Afterwards everything is restored:
    values, the array lent by `.data`, graph and `.grad`."""
    before = [(t, t._array, t._node, t._leaf, t._lent) for t in tensors]
    try:
        for t, array in zip(tensors, arrays):
            copy = Tensor(array, requires_grad=True)
            t._array, t._node, t._leaf, t._lent = copy._array, t._node and copy._node, copy._leaf, False
        yield
    finally:
        for t, values, node, leaf, lent in before:
            t._array, t._node, t._leaf, t._lent = values, node, leaf, lent

class Tensor(Value):
    """An array of numbers that can have a gradient.

    data: array, number or nested list; it is copied. Python numbers become float64, arrays keep their dtype.
    requires_grad: record the operations on it, so that `backward()` finds its gradient.

    Raises TypeError for data that are not numbers, and for integers or booleans that require grad.
    """

    __slots__ = ("_leaf", "__weakref__")
    _leaf: Any  # a leaf's own Node, kept while requires_grad is switched off
    def __hash__(self) -> int: return id(self)  # dicts and sets use identity, because == compares values

    def __init__(self, data: ArrayLike, requires_grad: bool = False) -> None:
        if isinstance(data, Tensor):
            if data.requires_grad:
                raise TypeError("Tensor(t) would cut t off from its graph: use t itself, or t.detach() to cut on purpose")
            data = data._array
        array = explain.number_array(data, "Tensor data")
        if array.dtype.kind in "iu" and not isinstance(data, (np.ndarray, np.generic)):
            array = array.astype(float)
        array.flags.writeable = False
        self._array, self._node, self._leaf, self._lent = array, None, None, False
        self.requires_grad = requires_grad

    def _result(self, array: np.ndarray, node: Node | None) -> Tensor:
        t = Tensor.__new__(Tensor)
        t._array, t._node, t._leaf, t._lent = array, node, None, False
        return t

    _freeze = freeze

    # -- value, gradient, graph ---------------------------------------------------------------
    @property
    def data(self) -> np.ndarray:
        """The values. Writing into them (`W.data -= lr * W.grad`) never changes the gradient of an earlier operation.

        A leaf lends an array to write into until the next operation on it. That operation takes a copy, and
        the array becomes read-only: ask for `.data` again. The data of a result are read-only from the start.
        """
        return hand_out(self)

    @data.setter
    def data(self, value: ArrayLike) -> None:
        if value is self._array:
            return
        if not self.is_leaf:
            raise RuntimeError("cannot replace the data of an operation's result; compute a new Tensor instead")
        array = explain.number_array(value)
        if array.shape != self.shape:
            raise ValueError(f"cannot replace data of shape {self.shape} by data of shape {array.shape}")
        replace_data([self], [array.astype(self.dtype, copy=False)])

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded. It can be set on a leaf; False freezes a parameter."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not self.is_leaf:
            raise RuntimeError("requires_grad can only be set on a leaf; use detach() to cut a result off from its graph")
        if value and self._array.dtype.kind != "f":
            raise explain.cannot_require_grad(self._array)
        if value and self._leaf is None:
            self._leaf = Node(self._array)
            self._leaf.accumulator = training.Accumulator()
        self._node = self._leaf if value else None

    @property
    def is_leaf(self) -> bool:
        """True for a tensor that the user made, False for a recorded result."""
        return self._node is None or self._node.op is None

    @property
    def is_parameter(self) -> bool:
        """True for a leaf that requires grad, also after it was frozen by requires_grad = False."""
        return self.is_leaf and self._leaf is not None

    @property
    def grad(self) -> np.ndarray | None:
        """The gradient that backward() has added up so far, an array of this shape and dtype; None at first."""
        if self._node is not None and self._node.accumulator is None:
            raise explain.keeps_no_grad(self._node)
        return None if self._node is None else self._node.accumulator.grad

    @grad.setter
    def grad(self, value: ArrayLike | None) -> None:
        node = self._node or self._leaf
        if node is None or node.accumulator is None:
            raise RuntimeError("only a leaf that requires grad has a .grad, and a result after retain_grad()")
        if value is not None and value is not node.accumulator.grad:
            value = np.array(value, dtype=self.dtype)
            if value.shape != self.shape:
                raise ValueError(f"grad has shape {value.shape}, but the Tensor has shape {self.shape}; they must be equal")
        node.accumulator.grad = value
        if value is None:
            node.accumulator.calls = 0

    def retain_grad(self) -> None:
        """Let backward() keep the gradient of this result in `.grad`, as it does for leaves."""
        if self._node is None:
            raise RuntimeError("retain_grad: this Tensor does not require grad")
        self._node.accumulator = self._node.accumulator or training.Accumulator()

    def backward(self, g: ArrayLike | None = None, retain_graph: bool = False) -> None:
        """Add the gradient of this tensor (dotted with g) to `.grad` of every leaf it depends on.

        g: array of this shape; not needed for a single number. The record is freed unless retain_graph.
        """
        training.backward(self, g, retain_graph)

    def detach(self) -> Tensor:
        """The same values, cut off from the graph."""
        return self._result(freeze(self), None)

    def numpy(self) -> np.ndarray:
        """A copy of the values as an array, cut off from the graph."""
        return self._array.copy()

    def item(self) -> float:
        """The value of a one-element tensor as a Python number."""
        return self._array.item()

    @property
    def shape(self) -> tuple[int, ...]: return self._array.shape
    @property
    def dtype(self) -> np.dtype[Any]: return self._array.dtype
    @property
    def ndim(self) -> int: return self._array.ndim
    @property
    def size(self) -> int: return self._array.size

    def __repr__(self) -> str: return show.tensor_text(self)
    def _repr_html_(self) -> str: return show.tensor_html(self)

    def __format__(self, specification: str) -> str:
        return format(self.item(), specification) if specification else repr(self)

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.is_leaf:
            raise explain.cannot_be_copied(self._node)
        leaf = self._leaf
        return _restored, (self._array, leaf is not None, leaf and leaf.accumulator.grad, leaf is not self._node)

    def __len__(self) -> int: return len(self._array)
    def __iter__(self) -> Iterator[Tensor]: return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        raise TypeError("the truth of a Tensor is not defined; compare it (t > 0 gives an array) or use t.item()")

    def __float__(self) -> float:
        if self.requires_grad:
            raise TypeError("float(t) would cut t off from its graph; t.item() does so on purpose")
        return float(self._array)

    # -- operators; a Tensor is ArrayLike, too ------------------------------------------------
    def __add__(self, other: ArrayLike) -> Tensor: return ops.add(self, other)
    def __radd__(self, other: ArrayLike) -> Tensor: return ops.add(other, self)
    def __sub__(self, other: ArrayLike) -> Tensor: return ops.sub(self, other)
    def __rsub__(self, other: ArrayLike) -> Tensor: return ops.sub(other, self)
    def __mul__(self, other: ArrayLike) -> Tensor: return ops.mul(self, other)
    def __rmul__(self, other: ArrayLike) -> Tensor: return ops.mul(other, self)
    def __truediv__(self, other: ArrayLike) -> Tensor: return ops.div(self, other)
    def __rtruediv__(self, other: ArrayLike) -> Tensor: return ops.div(other, self)
    def __pow__(self, other: ArrayLike) -> Tensor: return ops.pow(self, other)
    def __rpow__(self, other: ArrayLike) -> Tensor: return ops.pow(other, self)
    def __matmul__(self, other: ArrayLike) -> Tensor: return ops.matmul(self, other)
    def __rmatmul__(self, other: ArrayLike) -> Tensor: return ops.matmul(other, self)
    def __neg__(self) -> Tensor: return ops.neg(self)
    def __pos__(self) -> Tensor: return self
    def __abs__(self) -> Tensor: return ops.abs(self)
    def __getitem__(self, index: Any) -> Tensor: return ops.getitem(self, index=numpy_protocol.plain_index(index))
    def __setitem__(self, index: Any, value: Any) -> None: raise explain.item_assignment()

    def _in_place(self, other: ArrayLike) -> Tensor:
        """t += u means t = t + u, a new tensor. On a parameter that would train nothing, so it is an error."""
        if self.is_leaf and self.requires_grad:
            raise explain.parameter_in_place()
        return NotImplemented

    def __iadd__(self, other: ArrayLike) -> Tensor: return self._in_place(other)
    def __isub__(self, other: ArrayLike) -> Tensor: return self._in_place(other)
    def __imul__(self, other: ArrayLike) -> Tensor: return self._in_place(other)
    def __itruediv__(self, other: ArrayLike) -> Tensor: return self._in_place(other)
    def __ipow__(self, other: ArrayLike) -> Tensor: return self._in_place(other)
    def __imatmul__(self, other: ArrayLike) -> Tensor: return self._in_place(other)

    # Comparisons have no gradient: they give plain arrays of booleans. Any is NumPy's own type here: an array or a number.
    def __lt__(self, other: ArrayLike) -> Any: return self._array < numpy_protocol.plain(other)
    def __le__(self, other: ArrayLike) -> Any: return self._array <= numpy_protocol.plain(other)
    def __gt__(self, other: ArrayLike) -> Any: return self._array > numpy_protocol.plain(other)
    def __ge__(self, other: ArrayLike) -> Any: return self._array >= numpy_protocol.plain(other)
    def __eq__(self, other: Any) -> Any: return self._array == numpy_protocol.plain(other)
    def __ne__(self, other: Any) -> Any: return self._array != numpy_protocol.plain(other)

    # -- methods of ndarray -------------------------------------------------------------------
    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor: return ops.sum(self, axis=axis, keepdims=keepdims)
    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor: return ops.mean(self, axis=axis, keepdims=keepdims)
    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor: return ops.max(self, axis=axis, keepdims=keepdims)
    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor: return ops.min(self, axis=axis, keepdims=keepdims)
    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Any:
        return np.argmax(self._array, axis, keepdims=keepdims)  # type: ignore  # NumPy 2.5 has types for constants only
    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Any:
        return np.argmin(self._array, axis, keepdims=keepdims)  # type: ignore
    def reshape(self, *shape: int | Sequence[int]) -> Tensor:
        return ops.reshape(self, shape=shape[0] if len(shape) == 1 else shape)
    def transpose(self, *axes: int | Sequence[int]) -> Tensor:
        return ops.transpose(self, axes=(axes[0] if len(axes) == 1 else axes) or None)
    def swapaxes(self, axis1: int, axis2: int) -> Tensor: return ops.swapaxes(self, axis1=axis1, axis2=axis2)
    def astype(self, dtype: DTypeLike) -> Tensor: return ops.astype(self, dtype=dtype)
    @property
    def T(self) -> Tensor: return ops.transpose(self)  # noqa: N802

    # -- NumPy protocols ----------------------------------------------------------------------
    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        if self.requires_grad:
            raise explain.array_of_tensor()
        return np.array(self._array, dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return numpy_protocol.call(ufunc, inputs, kwargs, method)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return numpy_protocol.call(function, args, kwargs)

def _restored(data: np.ndarray, parameter: bool, grad: np.ndarray | None, frozen: bool = False) -> Tensor:
    """A leaf from a copy or a pickle; a frozen parameter remains frozen."""
    t = Tensor(data, requires_grad=parameter)
    if grad is not None:
        t.grad = grad
    t.requires_grad = parameter and not frozen
    return t

for _name, _elsewhere in numpy_protocol.ELSEWHERE.items():
    if not hasattr(Tensor, _name):
        setattr(Tensor, _name, _elsewhere)
for _name in ("sum", "mean", "max", "min", "reshape", "transpose", "swapaxes", "astype"):
    getattr(Tensor, _name).__doc__ = getattr(ops, _name).__doc__
for _name in ("shape", "dtype", "ndim", "size", "T", "argmax", "argmin"):
    getattr(Tensor, _name).__doc__ = f"The same as an array's {_name}."
