r"""The idea of minigrad: operations leave a record, and walking it backwards gives the gradient.

    y = tanh(x @ W), forward:         and backward, where a gradient g arrives at y:

      x     W     leaves                x     W      g_x = g_a W^T   and   g_W = x^T g_a
       \   /                             ^   ^
        v v                               \ /
      matmul      saves x and W         matmul       g_a = g (1 - y^2)
         | a                               ^
         v                                 |
       tanh       saves y                tanh        g
         | y                               ^
         v                                 |

The chain rule: what arrives at a is a sum over all operations  y = f(.., a, ..)  that used a,

    g_a = sum of  g_y dy/da

Each term is a vector-Jacobian product (vjp), and an operation has one formula for each argument that computes it.
Checks and error messages are in explain.py, and the operators and methods of Tensor in tensor.py.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from operator import attrgetter
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from . import explain
if TYPE_CHECKING: from .types import Declaration

# -- the record -----------------------------------------------------------------------------------
NOTHING: Mapping[str, Any] = {}

class Node:
    """One entry of the record: an operation that ran, or a leaf (`op` is None). parents: the inputs' nodes, None for a constant.
    saved: what each formula asked for. static: keyword arguments. A node never refers to its Value, so there are no cycles."""
    __slots__ = ("op", "parents", "saved", "static", "order", "shape", "dtype", "accumulator", "origin")
    creation = itertools.count()

    def __init__(self, array: np.ndarray, op: Any = None, parents: Any = (), saved: Any = None, static: Any = NOTHING) -> None:
        self.op, self.parents, self.saved, self.static = op, parents, saved, static
        self.order = next(Node.creation)  # inputs exist before outputs, so backward() goes by falling order
        self.shape, self.dtype, self.origin = array.shape, array.dtype, ""  # the calling line, with detect_anomaly()
        self.accumulator: Any = None  # where Tensor.backward() adds up `.grad`

class Value:
    """A read-only array, and the node that recorded it: None if it needs no gradient. Tensor, a subclass, adds operators."""
    __slots__ = ("_array", "_node", "_lent")
    array: np.ndarray = property(attrgetter("_array"), doc="The values, to look at; copy what you keep.")  # type: ignore
    node: Any = property(attrgetter("_node"), doc="The entry of the record, None if no gradient is needed.")

    def __init__(self, array: np.ndarray, node: Any = None) -> None:
        self._array, self._node, self._lent = array, node, False

    def _result(self, array: np.ndarray, node: Any) -> Any: return Value(array, node)  # what an operation on this value gives

    def _freeze(self) -> np.ndarray: return self._array  # a Tensor may have lent it, by `.data`

class State(threading.local):
    """What each thread has for itself."""
    recording = True
    watch: Any = None  # an observer: its computed() is called after each operation, its arrived() after each formula
state = State()

@contextmanager
def switched(switch: str, value: Any) -> Iterator[None]:
    before = getattr(state, switch)
    setattr(state, switch, value)
    try:
        yield
    finally:
        setattr(state, switch, before)

# -- operations -----------------------------------------------------------------------------------
registry: dict[str, Op] = {}  # every declared operation, keyed "module.name"

def op(*formulas: Callable, backward: Callable | None = None, accumulate: Any = None, postpone: Any = None) -> Declaration:
    """Declare an operation: a NumPy function with one gradient formula for each positional argument.

        @op(lambda g, b: g * b,
            lambda g, a: g * a)
        def mul(a, b): return a * b

    A formula is a vector-Jacobian product: `g` is the gradient arriving at the output y, with y's shape, and the formula
    returns g dy/da, the gradient for its argument, before broadcasting is undone: the engine does that. Positional arguments
    are differentiable; keyword-only ones (behind a * in the signature) are static, like axis.
    After g a formula names what it needs, and only that is saved: `y` is the output, `a` an argument, `a_shape` its shape,
    `axis` a static argument. It is written with what arrays and Tensors share (operators, comparisons, indexing, `.sum`,
    `.reshape`, `.swapaxes`, `.shape`, `.ndim`, `.dtype`) and with minigrad's own operations: then it can itself be
    differentiated. With np.* it may work at first order and raise an error at second.

    A function of `*xs` has one formula, which returns a list of gradients and may name `xs` and `xs_shape`, the list of shapes.
    `backward(g, *inputs)`, written by hand in NumPy, gives all gradients at once, in the arguments' order or in a dict by name.
    `accumulate(total, g, **static)` may add the gradient of a one-argument operation into an existing array, where most of
    that gradient would be zeros. `postpone` is for speed: see speed.py.
    Raises ValueError if formulas and parameters do not match. Declaring a name again in a module replaces the operation.
    """
    explain.check_formulas(formulas)
    return lambda function: Op(function, formulas, backward, accumulate, postpone or {})

class Op:
    """A declared operation. Calling it computes the output and, where a gradient may be asked for, records a node."""
    __name__: str

    def __init__(self, function: Callable, formulas: tuple[Any, ...], backward: Any, accumulate: Any, postpone: Any) -> None:
        functools.update_wrapper(self, function)
        self.function, self.formulas, self.by_hand, self.accumulate = function, formulas or (backward,), backward, accumulate
        self.inputs, self.static, self.defaults, self.variadic, self.needs = explain.parameters(function, formulas, backward)
        self.joint = self.variadic or backward is not None  # one formula gives the gradients of all arguments
        self.postpone = {i: postpone[name] for i, name in enumerate(self.inputs) if name in postpone}
        self.save = self._compiled_save()
        registry[f"{self.__module__}.{self.__name__}"] = self

    def _compiled_save(self) -> Callable:
        """A function that gives what each formula asks for. Compiled once, as it runs on every call. For mul, without the test
        for constants: lambda y, arrays, static, parents: ((arrays[1],), (arrays[0],))"""
        code = {"y": "y", **{name: f"static[{name!r}]" for name in self.static}}
        for i, name in enumerate(self.inputs):
            code |= {name: f"arrays[{i}]", f"{name}_shape": f"np.shape(arrays[{i}])"} if not self.variadic else {
                name: "arrays", f"{name}_shape": "[np.shape(array) for array in arrays]"}
        saved = [f"({''.join(f'{code[name]}, ' for name in names)})" for names in self.needs]
        if not self.joint:  # a constant needs no gradient
            saved = [f"None if parents[{i}] is None else {part}" if part != "()" else part for i, part in enumerate(saved)]
        return eval(f"lambda y, arrays, static, parents: ({', '.join(saved)},)")

    def __call__(self, *inputs: Any, **static: Any) -> Any:
        """The output: a Tensor, or a plain array if no Tensor was given."""
        if self.variadic or len(inputs) != len(self.inputs):
            inputs = explain.counted(self, inputs)
        arrays, parents, value, node, constants = [], [], None, None, False
        for x in inputs:
            if isinstance(x, Value):
                value = x
                arrays.append(x._freeze() if x._lent else x._array)
                parents.append(x._node)
            else:
                constants = True
                arrays.append(x if type(x) is np.ndarray and x.dtype.kind == "f" else explain.constant(self, len(arrays), x))
                parents.append(None)
        if constants and value is not None:
            arrays = list(map(explain.only_to_read, arrays))
        if static or self.defaults:
            static = {**self.defaults, **static} if self.defaults else static
            if not explain.IMMUTABLE.issuperset(map(type, static.values())):
                static = explain.static(self, static, Value, value is not None)
        try:
            y: Any = self.function(*arrays, **static) if static else self.function(*arrays)
        except (TypeError, ValueError, IndexError) as error:
            raise explain.call_failed(self, inputs, error) from error
        if value is None:
            return y
        if type(y) is not np.ndarray or y.dtype.kind != "f" or constants and y.base is not None:
            y = explain.result(self, inputs, y, parents, state)
        y.setflags(False)  # read-only
        if state.recording and any(parents):
            if constants:  # the user may write into arrays before backward: save copies
                arrays = [array if isinstance(x, Value) else explain.read_only_copy(array) for array, x in zip(arrays, inputs)]
            node = Node(y, self, tuple(parents), self.save(y, arrays, static, parents), static or NOTHING)
        if state.watch is not None:
            state.watch.computed(self, inputs, arrays, y, node)
        return value._result(y, node)

    def __reduce__(self) -> str: return self.function.__qualname__  # copied and pickled as functions are: by name

    __repr__ = explain.operation

# -- backward -------------------------------------------------------------------------------------
@overload
def grad(y: Value, xs: Value, g: Any = None) -> np.ndarray: ...
@overload
def grad(y: Value, xs: Any, g: Any = None, create_graph: bool = False, allow_unused: bool = False) -> Any: ...
def grad(y: Value, xs: Any, g: Any = None, create_graph: bool = False, allow_unused: bool = False) -> Any:
    """The gradient of y (dotted with g) for each of xs, as NumPy arrays; nothing is stored or freed.

    xs: one Tensor (one gradient is returned) or a sequence of them (a tuple is returned), leaves or results of operations.
    g: array or Tensor of y's shape, by default 1 if y is a single number. create_graph: return Tensors that can be
    differentiated again, for gradients of any order.
    Raises RuntimeError if some x has no path to y, unless `allow_unused` (then its gradient is None).
    """
    nodes = [explain.node_of(x, Value, f"grad: xs[{i}]") for i, x in enumerate([xs] if isinstance(xs, Value) else xs)]
    root, wanted = explain.node_of(y, Value, "grad: y"), set(nodes)
    record = record_of(root)
    useful: set[Node] = set()
    for node in reversed(record):  # oldest first: which nodes are on a path from one of xs to y?
        if node in wanted or not useful.isdisjoint(node.parents):
            useful.add(node)
    g = explain.arriving(y, g, Value, "grad", create_graph)
    found = backward(root, g, [node for node in record if node in useful], wanted, create_graph)
    explain.check_used(nodes, found, allow_unused)
    gradients = [found[node].copy() if node in found and node in nodes[:i] and not create_graph else found.get(node)
                 for i, node in enumerate(nodes)]  # asked for twice: two arrays, not one shared
    return gradients[0] if isinstance(xs, Value) else tuple(gradients)

def record_of(root: Node) -> list[Node]:
    """Every node that root depends on, newest first."""
    seen, stack, record = {root}, [root], []
    while stack:  # no recursion: a long sequence is deeper than Python's stack
        node = stack.pop()
        record.append(node)
        if not node.parents and node.op is not None:
            raise explain.freed(node)  # Tensor.backward() has emptied its parents
        for parent in node.parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    record.sort(key=attrgetter("order"), reverse=True)
    return record

def backward(root: Node, g: Any, record: list[Node], wanted: Collection[Node], create_graph: bool = False) -> dict[Node, Any]:
    """The gradients of the wanted nodes. record: newest first, so that when it is a node's turn, all of its g has arrived."""
    gradients, found = Gradients(record, {root: g}, create_graph), {}
    total, postponed = gradients.total, gradients.postponed
    with switched("recording", True) if create_graph else nullcontext():
        for node in record:
            if node in postponed:
                postponed.pop(node).settle(gradients)
            g = total.pop(node)  # there is one, as newer nodes of the record were computed from this one
            if node in wanted:
                found[node] = g if create_graph or node in gradients.owned and node.op is None else g.copy()
            if not gradients.useful.isdisjoint(node.parents):
                gradients.apply_formulas(node, g)
    return found

class Gradients:
    """What has arrived so far, by node. The first contribution may be shared, so it is not written into; the second one allocates
    the sum, which is then owned; all later ones are added in place. With create_graph the contributions are Values."""

    def __init__(self, record: list[Node], total: dict[Node, Any], create_graph: bool) -> None:
        self.useful, self.total, self.create_graph, self.watch = set(record), total, create_graph, state.watch
        self.owned, self.postponed = set(), {}  # type: ignore[var-annotated]  # postponed: see speed.py

    def apply_formulas(self, node: Node, g: Any) -> None:
        """The chain rule at one node: what arrived there goes on to its parents."""
        op: Any = node.op
        if not self.create_graph:
            g.setflags(False)  # a formula that changed it would change somebody else's gradient
            if op.accumulate is not None:
                return op.accumulate(self.buffer(node.parents[0]), g, **node.static)
        saved = as_values(node, g) if self.create_graph else node.saved
        vjps = explain.one_for_each(node, run(node, 0, g.copy() if op.by_hand else g, saved[0])) if op.joint else None
        for i, parent in enumerate(node.parents):
            if parent in self.useful:
                if i in op.postpone and not self.create_graph:
                    op.postpone[i](self, node, i, g)
                else:
                    self.add(node, i, g, run(node, i, g, saved[i]) if vjps is None else vjps[i])

    def add(self, node: Node, i: int, g: Any, vjp: Any) -> None:
        """Add what formula i returned, with broadcasting undone and in the argument's dtype."""
        parent = node.parents[i]
        if self.create_graph or type(vjp) is not np.ndarray or vjp.shape != parent.shape or vjp.dtype is not parent.dtype:
            vjp = explain.checked(node, i, g, vjp, Value, self.create_graph)
            vjp = vjp if vjp.shape == parent.shape else unbroadcast(vjp, parent.shape)
            vjp = vjp if vjp.dtype == parent.dtype else vjp.astype(parent.dtype)
        if self.watch is not None:
            self.watch.arrived(node, i, vjp.array if self.create_graph else vjp)
        if parent not in self.total:
            self.total[parent] = vjp
        elif self.create_graph:
            self.total[parent] = self.total[parent] + vjp
        else:
            into = self.total[parent] if parent in self.owned else np.empty(parent.shape, parent.dtype)
            self.total[parent] = np.add(self.total[parent], vjp, out=into)
            self.owned.add(parent)

    def buffer(self, node: Node) -> np.ndarray:
        """An array to add into."""
        if node not in self.owned:
            self.total[node] = np.array(self.total[node]) if node in self.total else np.zeros(node.shape, node.dtype)
            self.owned.add(node)
        return self.total[node]

def run(node: Node, i: int, g: Any, saved: Any) -> Any:
    """The result of formula i, called with the saved values."""
    try:
        return node.op.formulas[i](g, *saved)  # type: ignore[union-attr]
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise explain.formula_failed(node, i, g, error) from error

def as_values(node: Node, like: Value) -> list[Any]:
    """The saved arrays, wrapped again as Values of the same class as `like`, so that formulas are recorded."""
    op: Any = explain.written_as_formulas(node.op)
    came_from = {**dict(zip(op.inputs, node.parents)), "y": node}
    def value(name: str, x: Any) -> Any:
        if op.variadic and name == op.inputs[0]:
            return [part if parent is None else like._result(part, parent) for part, parent in zip(x, node.parents)]
        return x if came_from.get(name) is None else like._result(x, came_from[name])
    return [saved and [value(*pair) for pair in zip(names, saved)] for names, saved in zip(op.needs, node.saved)]

def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """The sum of g over the axes along which NumPy stretched an argument of this shape, counted from the right."""
    axes = [i - len(shape) for i, n in enumerate(g.shape, len(shape) - g.ndim) if n != 1 and (i < 0 or shape[i] != n)]
    return (g.sum(axis=tuple(axes)) if axes else g).reshape(shape)
