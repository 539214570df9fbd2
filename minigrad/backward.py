"""The reverse pass: walk the record backwards once, newest node first, and apply the chain rule.

The same formulas serve twice. On raw arrays they are fast; with `create_graph=True` they run on
Tensors, are recorded like any other computation, and can be differentiated again.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from operator import attrgetter
from typing import Any, overload

import numpy as np

from .accumulate import Gradients
from .op import count_not_finite
from .ops import astype
from .record import NOTHING, Node, set_all, state, switched
from .tensor import Tensor


def backward(y: Tensor, g: Any = None, retain_graph: bool = False) -> None:
    """Add the gradient of y (dotted with g) to `.grad` of every leaf it depends on, and free the record.

    `g` has y's shape; it may be left out if y is a single number. Called by `Tensor.backward`.
    """
    root = _node_of(y, "backward: the tensor")
    record = _record_of(root)
    gradients = _reverse(root, _cotangent(y, g, "backward"), record)
    with _adding: _add_to_kept(gradients)  # in one line, so that no interruption falls between the work and the unlocking
    if not retain_graph:
        for node in record:
            node.parents, node.saved, node.static = (), None, NOTHING


_adding = threading.Lock()  # threads may share parameters


def _add_to_kept(gradients: dict[Node, Any]) -> None:
    """Add to every `.grad`, or to none if Ctrl-C comes in between: a cell that is run again must not double some of them."""
    changes: list[tuple[Any, str, Any]] = []
    for node, gradient in gradients.items():
        kept: Any = node.kept
        changes.append((kept, "grad", gradient if kept.grad is None else np.asarray(kept.grad + gradient)))
        changes.append((kept, "backwards", kept.backwards + 1))
    set_all(changes)


@overload
def grad(y: Tensor, xs: Tensor, g: Any = ..., create_graph: bool = ..., allow_unused: bool = ...) -> Any: ...
@overload
def grad(y: Tensor, xs: Sequence[Tensor], g: Any = ..., create_graph: bool = ..., allow_unused: bool = ...) -> tuple: ...
def grad(y: Tensor, xs: Any, g: Any = None, create_graph: bool = False, allow_unused: bool = False) -> Any:
    """The gradient of y (dotted with g) for each of xs, as NumPy arrays; nothing is stored or freed.

    xs: one Tensor (one gradient is returned) or a sequence of them (a tuple is returned); results of
    operations are welcome too. g: array or Tensor of y's shape, by default 1 if y is a single number.
    create_graph: return Tensors that can be differentiated again, for gradients of any order.

    Raises RuntimeError if some x has no path to y, unless `allow_unused` (then its gradient is None).
    """
    single = isinstance(xs, Tensor)
    wanted = [_node_of(x, f"grad: xs[{i}]") for i, x in enumerate([xs] if single else xs)]
    root = _node_of(y, "grad: y")
    gradients = _reverse(root, _cotangent(y, g, "grad"), _record_of(root), set(wanted), create_graph)
    for position, node in enumerate(wanted):
        if node not in gradients and not allow_unused:
            raise RuntimeError(f"grad: y does not depend on xs[{position}], of shape {node.shape}; "
                               "pass allow_unused=True to get None for it")
    found: list[Any] = [gradients.get(node) for node in wanted]
    for i, node in enumerate(wanted):  # asked for twice: two arrays, not one shared
        if not create_graph and node in wanted[:i]:
            found[i] = None if found[i] is None else found[i].copy()
    return found[0] if single else tuple(found)


def detach(state: Any) -> Any:
    """A Tensor, or nested tuples and lists of them, with the same values, cut off from the graph: what is carried from
    batch to batch as the state of an RNN or LSTM."""
    if isinstance(state, (tuple, list)):
        parts = [detach(part) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    if not isinstance(state, Tensor):
        raise TypeError(f"detach takes a Tensor or a tuple of Tensors, not {type(state).__name__}")
    return state.detach()


def _node_of(t: Tensor, name: str) -> Node:
    if not isinstance(t, Tensor):
        raise TypeError(f"{name} must be a Tensor, not {type(t).__name__}; grad() returns Tensors, which can be "
                        "differentiated again, if it is called with create_graph=True")
    if t._node is None:
        raise RuntimeError(f"{name}, of shape {t.shape}, does not require grad: create its inputs with "
                           "requires_grad=True, and compute it outside no_grad()")
    return t._node


def _cotangent(y: Tensor, g: Any, name: str) -> Any:
    if g is None:
        if y.size != 1:
            raise ValueError(f"{name}: y has shape {y.shape} and only a single number can go without g; "
                             f"reduce it with .sum() or .mean(), or pass g of shape {y.shape}")
        return np.ones(y.shape, y.dtype)
    if isinstance(g, bool):
        raise TypeError(f"{name}: g is the gradient arriving at y, not {g}; did you mean retain_graph={g}?")
    g = np.array(g, dtype=y.dtype) if not isinstance(g, Tensor) else g if g.dtype == y.dtype else astype(g, dtype=y.dtype)
    if g.shape != y.shape:
        raise ValueError(f"{name}: g has shape {g.shape} but y has shape {y.shape}; they must be equal")
    return g


def _reverse(root: Node, g: Any, nodes: list[Node], wanted: Collection[Node] | None = None,
             create_graph: bool = False) -> dict[Node, Any]:
    """The gradients of the wanted nodes (default: of all that keep theirs, as leaves do). nodes: the record of root."""
    if wanted is None:
        wanted = {node for node in nodes if node.kept is not None}
    else:
        useful: set[Node] = set()
        for node in reversed(nodes):
            if node in wanted or not useful.isdisjoint(node.parents):
                useful.add(node)
        nodes = [node for node in nodes if node in useful]
    gradients = Gradients(nodes, _piece)
    if create_graph:
        gradients.total[root] = g if isinstance(g, Tensor) else Tensor(g)
    else:
        gradients.total[root] = g._frozen() if isinstance(g, Tensor) else g
    found: dict[Node, Any] = {}
    total, waiting, exact = gradients.total, gradients.waiting, not create_graph and not state.anomalies
    with switched("recording", True) if create_graph else nullcontext():  # on arrays there is nothing to record
        for node in nodes:
            if node in waiting:
                gradients.settle(node)
            g = total.pop(node)
            if node in wanted:
                found[node] = g if create_graph or node in gradients.owned and node.op is None else g.copy()
            if node.op is not None:
                if not create_graph:
                    g.setflags(False)  # read-only: a formula that changed it would change somebody else's gradient
                _apply_formulas(node, g, gradients, create_graph, exact)
    return found


def _record_of(root: Node) -> list[Node]:
    """Every node that y depends on, newest first."""
    seen, stack, record = {root}, [root], []
    while stack:
        node = stack.pop()
        record.append(node)
        if not node.parents and node.op is not None:
            raise _freed(node)
        for parent in node.parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    record.sort(key=attrgetter("order"), reverse=True)  # nearly sorted already, unlike the set
    return record


def _freed(node: Node) -> Exception:
    assert node.op is not None
    return RuntimeError("backward through a record that an earlier backward() has freed, at the result of "
                        f"{node.op.__name__}, of shape {node.shape}. If that is a state carried over, detach() it first: "
                        "state = minigrad.detach(state), for an LSTM's pair too. If it was computed once from a leaf and is "
                        "used in every step, as W = Tensor(..., requires_grad=True) * 0.1, make the leaf from the finished "
                        "values, Tensor(0.1 * ..., requires_grad=True), or compute it in every step. To go through the same "
                        "record twice, call the first backward() with retain_graph=True")


def _apply_formulas(node: Node, g: Any, gradients: Gradients, create_graph: bool, exact: bool) -> None:
    """Add what arrives at a node, by the chain rule, to the gradients of its parents. exact: what fits needs no other check."""
    op, parents, useful = node.op, node.parents, gradients.useful
    if op.accumulate is not None and not create_graph:
        op.accumulate(gradients.buffer(parents[0]), g, **node.static)
        return
    saved: Any = _as_tensors(node) if create_graph else node.saved
    if op.variadic:
        pieces = _run(node, 0, g, saved[0])
        if not isinstance(pieces, (list, tuple)) or len(pieces) != len(parents):
            raise TypeError(f"operation {op.__name__!r}: the gradient formula must return a list of {len(parents)} gradients, "
                            f"one for each of *{op.inputs[0]}")
    for i, parent in enumerate(parents):
        if parent is None or parent not in useful:
            continue
        if op.together and op.together[i] is not None and not create_graph:
            gradients.wait(parent, node, i, g)
            continue
        try:
            piece = op.formulas[i](g, *saved[i]) if not op.variadic else pieces[i]
        except FORMULA_ERRORS as error:
            raise _failed(node, i, g, error) from error
        if not (exact and type(piece) is np.ndarray and piece.shape == parent.shape and piece.dtype is parent.dtype):
            piece = _checked(piece, parent, node, i, g, create_graph)
        gradients.add(parent, piece)


def _piece(node: Node, i: int, g: np.ndarray, piece: Any = None) -> Any:
    """What formula number i contributes, or what it did together with others; checked."""
    assert node.saved is not None
    return _checked(_run(node, i, g, node.saved[i]) if piece is None else piece, node.parents[i], node, i, g, False)


def _run(node: Node, i: int, g: Any, saved: tuple) -> Any:
    """Formula number i, with what it asks for."""
    assert node.op is not None
    try:
        return node.op.formulas[i](g, *saved)
    except FORMULA_ERRORS as error:
        raise _failed(node, i, g, error) from error


FORMULA_ERRORS = (TypeError, ValueError, IndexError, AttributeError)


def _failed(node: Node, i: int, g: Any, error: Exception) -> Exception:
    op = node.op
    assert op is not None
    return RuntimeError(f"operation {op.__name__!r}: the gradient formula for argument {op.inputs[i]!r} failed, with g of "
                        f"shape {g.shape}: {type(error).__name__}: {error}")


def _as_tensors(node: Node) -> list[Any]:
    """What was saved, with the arrays as the Tensors that they were, so that formulas record what they do with them."""
    op = node.op
    assert op is not None and node.saved is not None

    def tensor(name: str, value: Any) -> Any:
        if name == "y":
            return Tensor._make(value, node)
        if name not in op.inputs:
            return value
        if op.variadic:
            return [x if parent is None else Tensor._make(x, parent) for x, parent in zip(value, node.parents)]
        parent = node.parents[op.inputs.index(name)]
        return value if parent is None else Tensor._make(value, parent)

    return [None if values is None else [tensor(name, value) for name, value in zip(names, values)]
            for names, values in zip(op.needs, node.saved)]


def _checked(piece: Any, parent: Node, node: Node, i: int, g: Any, create_graph: bool) -> Any:
    """What a formula returned, with broadcasting undone and in the argument's dtype; an error if it does not fit."""
    def wrong(problem: str) -> Exception:
        assert node.op is not None
        name = f"{node.op.inputs[0]}[{i}]" if node.op.variadic else node.op.inputs[i]
        return TypeError(f"operation {node.op.__name__!r}: the gradient formula for argument {name!r} {problem}")

    if create_graph and (not isinstance(piece, Tensor) or g.requires_grad and not piece.requires_grad):
        raise wrong(f"returned a {type(piece).__name__} cut off from the graph, so it cannot be differentiated again: "
                    "write it with operators, methods and minigrad's operations, without np.*")
    if not create_graph and not isinstance(piece, np.ndarray):
        if isinstance(piece, Tensor):
            raise wrong("returned a Tensor, but was given arrays: it must not make Tensors itself")
        piece = np.asarray(piece)
    if piece.dtype.kind != "f":
        raise wrong(f"returned dtype {piece.dtype}, not an array of floating-point numbers")
    if piece.shape != parent.shape:
        shape = piece.shape
        piece = unbroadcast(piece, parent.shape, node.shape)
        if piece is None:
            raise wrong(f"returned shape {shape}, but the argument has shape {parent.shape} and the output {node.shape}")
    if piece.dtype != parent.dtype:
        piece = astype(piece, dtype=parent.dtype)
    if state.anomalies:
        values = piece._data if isinstance(piece, Tensor) else np.asarray(piece)
        if not np.isfinite(values).all():
            where = f", which was called at\n  {node.origin}" if node.origin else ""
            raise FloatingPointError(str(wrong(f"gives {count_not_finite(values)}{where}")))
    return piece if create_graph else np.asarray(piece)  # NumPy makes scalars of 0-d results


def unbroadcast(g: Any, shape: tuple[int, ...], output: tuple[int, ...]) -> Any:
    """Sum g over the axes along which NumPy stretched an argument of this shape to the output's; None if it did not."""
    summed = []
    for axis, length in enumerate(g.shape):
        i = axis - g.ndim  # counted from the right, as broadcasting does
        own = shape[i] if -i <= len(shape) else None
        if own != length:
            if own not in (1, None) or -i > len(output) or output[i] != length:
                return None
            summed.append(axis)
    return g.sum(axis=tuple(summed)).reshape(shape) if g.ndim >= len(shape) else None
