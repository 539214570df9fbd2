"""Error messages of core.py and tensor.py, and checks of declarations, arguments and results.

They stand here so that core.py shows the idea alone. This file only uses the attributes of operations, nodes and values, so
it imports nothing but NumPy.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

# -- data -----------------------------------------------------------------------------------------

IMMUTABLE = frozenset({int, float, bool, slice, type(None), type(...)})

def number_array(data: Any, name: str = "data") -> np.ndarray:
    """A new plain array of `data`; TypeError if they are not real numbers."""
    if isinstance(data, np.ma.MaskedArray):
        raise TypeError(f"{name} must be an array without a mask: call its filled() first")
    try:
        array = np.array(data)
    except TypeError as error:  # a list of Tensors
        raise TypeError(f"{name}: {error}") from None
    except ValueError as error:  # ragged lists
        raise TypeError(f"{name} must be numbers in a regular array: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, not {data!r:.60} of dtype {array.dtype}")
    return array

def read_only_copy(x: Any) -> Any:
    """x, with read-only copies of the arrays in it."""
    if isinstance(x, np.ndarray):
        x = x.copy()
        x.flags.writeable = False
    elif isinstance(x, list) or isinstance(x, tuple) and not IMMUTABLE.issuperset(map(type, x)):
        x = (tuple if isinstance(x, tuple) else list)(map(read_only_copy, x))
    return x

# -- a Tensor -------------------------------------------------------------------------------------

def cannot_require_grad(array: np.ndarray) -> Exception:
    return TypeError(f"a Tensor of dtype {array.dtype} cannot require grad; only floating-point numbers can: "
                     "convert first, as in Tensor(array.astype(float), requires_grad=True)")

def keeps_no_grad(node: Any) -> Exception:
    return RuntimeError(f"this is not a leaf but the result of {node.op.__name__}, which keeps no .grad (did "
                        "x = x * 2 replace your leaf?): call retain_grad() on it before backward(), or use grad(y, x)")

def cannot_be_copied(node: Any) -> Exception:
    return TypeError(f"the result of {node.op.__name__} cannot be copied or pickled with its graph: detach() it first")

def parameter_in_place() -> Exception:
    return TypeError("a leaf that requires grad cannot be changed in place: to update it write p.data -= ..., "
                     "for a new tensor p = p - ...")

def item_assignment() -> Exception:
    return TypeError("a Tensor does not support item assignment, because the graph cannot follow it: "
                     "build a new one with minigrad.where, concat or stack (or write into t.data of a leaf)")

def array_of_tensor() -> Exception:
    return TypeError("turning this Tensor into an array would cut it off from its graph: use minigrad's operations "
                     "(stack for a list of Tensors), or t.numpy() if no gradient is wanted")

# -- a declaration --------------------------------------------------------------------------------

def check_formulas(formulas: tuple) -> None:
    for formula in formulas:
        if not callable(formula):
            raise TypeError(f"a gradient formula must be a function of g, not {formula!r:.60}: if nothing flows back to an "
                            "argument, write lambda g: 0 * g, or make the argument keyword-only")
        if list(inspect.signature(formula).parameters)[:1] != ["g"]:
            raise ValueError("the first parameter of a gradient formula must be g: "
                             "write @op(lambda g, ...: ...) above the function, with one formula for each argument")

def parameters(function: Any, formulas: tuple, backward: Any) -> tuple[list[str], list[str], dict[str, Any], bool, list[tuple]]:
    """The names of an operation's inputs and of its static arguments, their defaults, whether it takes *args, and the names
    that each formula asks for. ValueError if the formulas do not fit."""
    def require(condition: bool, message: str) -> None:
        if not condition:
            raise ValueError(f"operation {function.__name__!r}: {message}")

    given = inspect.signature(function).parameters.values()
    inputs = [p.name for p in given if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
    static = {p.name: p.default for p in given if p.kind == p.KEYWORD_ONLY}
    variadic = any(p.kind == p.VAR_POSITIONAL for p in given)
    require(bool(inputs), "needs at least one positional argument to differentiate")
    require(not variadic or len(inputs) == 1, "an operation with *args can have no other positional argument")
    require(not any(p.kind == p.VAR_KEYWORD for p in given), "static arguments must be named one by one, not **")
    require(not {"g", "y"} & {p.name for p in given}, "g and y mean gradient and output: rename the arguments")
    require(all(p.default is p.empty or p.kind == p.KEYWORD_ONLY for p in given),
            "a default makes an argument static: put it behind a * in the signature")
    if backward is not None:
        require(not formulas, "give formulas or backward=, not both")
        require(not variadic, "an operation with *args has one formula, and no backward=")
        formulas = (backward,)
    require(len(formulas) == (len(inputs) if backward is None else 1),
            f"{len(formulas)} formulas for {len(inputs)} arguments ({', '.join(inputs)}): write one for each")
    shapes = {f"{name}_shape" for name in inputs}
    require(not shapes & {p.name for p in given}, f"{', '.join(shapes)} mean arguments' shapes: rename static arguments")
    known = {"y", *inputs, *static, *shapes}
    needs = [tuple(p.name for p in inspect.signature(formula).parameters.values() if not backward or p.default is p.empty)[1:]
             for formula in formulas]
    if backward is not None and not known.issuperset(needs[0]) and len(needs[0]) == len(inputs):
        needs = [tuple(inputs)]  # other names, in the same order
    for name, names in zip(inputs if backward is None else ["backward"], needs):
        for unknown in set(names) - known:
            require(False, f"the formula for {name!r} asks for {unknown!r}; it can have {', '.join(sorted(known))}")
    defaults = {name: default for name, default in static.items() if default is not inspect.Parameter.empty}
    return inputs, list(static), defaults, variadic, needs

# -- a call ---------------------------------------------------------------------------------------

def counted(op: Any, inputs: tuple) -> tuple:
    """The inputs of an operation with *args, which may come as one list; TypeError for other operations."""
    if not op.variadic:
        raise TypeError(f"{op.__name__} takes {len(op.inputs)} positional argument(s), not {len(inputs)}, "
                        f"and static ones by keyword\n{_rule(op)}")
    return tuple(inputs[0]) if len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) else inputs

def constant(op: Any, i: int, x: Any) -> Any:
    """Input number i, which is not a Tensor. A number stays a number, so that it does not change the dtype; everything else
    becomes an array."""
    if isinstance(x, (int, float)) or type(x) is np.ndarray and x.dtype.kind in "biuf":
        return x
    if isinstance(x, np.generic) and x.dtype.kind in "biuf":
        return x
    return number_array(x, f"{op.__name__}: argument {op.inputs[0 if op.variadic else i]!r}")

def only_to_read(x: Any) -> Any:
    """An input as the operation's function gets it. The user's array cannot be written into. A NumPy scalar becomes a Python
    number, which does not turn float32 into float64."""
    if isinstance(x, np.ndarray) and x.flags.writeable:
        x = x.view()
        x.flags.writeable = False
    return x.item() if isinstance(x, np.generic) else x

def static(op: Any, given: dict[str, Any], Value: type, recorded: bool) -> dict[str, Any]:
    """The static arguments. If they are recorded, arrays are copied, because the user may write into them."""
    for name, value in given.items():
        if isinstance(value, Value):
            raise TypeError(f"{op.__name__}: the static argument {name!r} has no gradient and cannot be a Tensor; "
                            "pass a NumPy array or a number")
    return {name: read_only_copy(value) for name, value in given.items()} if recorded else given

def call_failed(op: Any, inputs: tuple, error: Exception) -> Exception:
    """The same kind of error, with the shapes and the rule from the docstring's first line."""
    kind = next(kind for kind in (ValueError, IndexError, TypeError) if isinstance(error, kind))
    return kind(f"{call(op, inputs)}: {_said(error)}\n{_rule(op)}")

def _said(error: Exception) -> str:
    more = ": the array belongs to somebody else, so write into a copy" if "read-only" in str(error) else ""
    return f"{error}{more}"

def result(op: Any, inputs: tuple, y: Any, parents: list[Any], state: Any) -> np.ndarray:
    """The result of the operation's function, as an array."""
    if isinstance(y, (tuple, list)):
        raise TypeError(f"{call(op, inputs)}: the function returned a {type(y).__name__} of {len(y)}, but an operation gives one "
                        "array: join its parts by np.stack or np.concatenate")
    if y is None:
        raise TypeError(f"{call(op, inputs)}: the function returned None: is `return` missing?")
    y = np.asarray(y)
    if y.dtype.kind not in "biuf":
        raise TypeError(f"{call(op, inputs)}: the function returned dtype {y.dtype}, not an array of numbers")
    if y.dtype.kind != "f" and any(parents) and state.recording:
        raise TypeError(f"{op.__name__}: the result has dtype {y.dtype}, which carries no gradient; "
                        "detach() the input first if you want that")
    return y.copy() if any(isinstance(x, np.ndarray) and np.may_share_memory(x, y) for x in inputs) else y

def call(op: Any, inputs: tuple) -> str:
    """The call as the user sees it: mul(a: (3, 4), b: (5,))."""
    names = op.inputs * len(inputs) if op.variadic else op.inputs
    described = (f"{name}: {x.shape if hasattr(x, 'shape') else repr(x)[:60]}" for name, x in zip(names, inputs))
    return f"{op.__name__}({', '.join(described)})"

def operation(op: Any) -> str:
    return f"<operation {op.__name__}{inspect.signature(op.function)}>"

def _rule(op: Any) -> str:
    rule = inspect.cleandoc(op.__doc__ or "").split("\n")[0]
    return f"  {op.__name__}{inspect.signature(op.function)}{': ' if rule else ''}{rule}"

# -- backward -------------------------------------------------------------------------------------

def node_of(t: Any, Value: Any, name: str) -> Any:
    """The node of a Tensor that needs a gradient."""
    if not isinstance(t, Value):
        raise TypeError(f"{name} must be a Tensor, not {type(t).__name__}; grad() returns Tensors, which can be "
                        "differentiated again, if it is called with create_graph=True")
    if t.node is None:
        raise RuntimeError(f"{name}, of shape {t.array.shape}, does not require grad: create its inputs with "
                           "requires_grad=True, and compute it outside no_grad(). It may also depend on none of them: "
                           "the gradient of a linear function is constant")
    return t.node

def arriving(y: Any, g: Any, Value: Any, caller: str, create_graph: bool = False) -> Any:
    """g in y's dtype: a Tensor with create_graph, otherwise an array. By default 1, if y is a single number."""
    like = y.array
    if g is None:
        if like.size != 1:
            raise ValueError(f"{caller}: y has shape {like.shape}: pass g of that shape, or reduce y with .sum() or .mean()")
        g = array = np.ones(like.shape, like.dtype)
    elif isinstance(g, bool):
        raise TypeError(f"{caller}: g is the gradient arriving at y, not {g}; did you mean retain_graph={g}?")
    elif isinstance(g, Value):
        g = g if g.array.dtype == like.dtype else g.astype(like.dtype)
        array = g._freeze()
    else:
        g = array = np.array(g, like.dtype)
    if array.shape != like.shape:
        raise ValueError(f"{caller}: g has shape {array.shape} but y has shape {like.shape}; they must be equal")
    array.flags.writeable = False
    return array if not create_graph else g if isinstance(g, Value) else y._result(array, None)

def check_used(xs: list[Any], found: Mapping[Any, Any], allow_unused: bool) -> None:
    for position, node in enumerate(xs):
        if node not in found and not allow_unused:
            raise RuntimeError(f"grad: y does not depend on xs[{position}], of shape {node.shape}; "
                               "pass allow_unused=True to get None for it")

def freed(node: Any) -> Exception:
    return RuntimeError("backward through a record that an earlier backward() has freed, at the result of "
                        f"{node.op.__name__}, of shape {node.shape}. If that is a state carried over, detach() it first: "
                        "state = minigrad.detach(state), for an LSTM's pair too. If it was computed once from a leaf and is "
                        "used in every step, as W = Tensor(..., requires_grad=True) * 0.1, make the leaf from the finished "
                        "values, Tensor(0.1 * ..., requires_grad=True), or compute it in every step. To go through the same "
                        "record twice, call the first backward() with retain_graph=True")

# -- results of formulas --------------------------------------------------------------------------

def formula(node: Any, i: int) -> str:
    name = f"{node.op.inputs[0]}[{i}]" if node.op.variadic else node.op.inputs[i]
    return f"operation {node.op.__name__!r}: the gradient formula for argument {name!r}"

def formula_failed(node: Any, i: int, g: Any, error: Exception) -> Exception:
    of = "backward" if node.op.by_hand else f"the gradient formula for argument {node.op.inputs[0 if node.op.variadic else i]!r}"
    both = "" if isinstance(g, np.ndarray) else (
        "\n  With create_graph a formula gets Tensors, otherwise arrays. Write it so that it works for both: with operators, "
        "methods and minigrad's operations")
    return RuntimeError(f"operation {node.op.__name__!r}: {of} failed, with g of shape {g.shape}: "
                        f"{type(error).__name__}: {_said(error)}{both}")

def one_for_each(node: Any, vjps: Any) -> Any:
    """The list of gradients from one formula for all arguments; by hand it may be a dict or one array. Otherwise TypeError."""
    op = node.op
    if op.by_hand is not None and isinstance(vjps, dict):
        vjps = [vjps.get(name, vjps.get(f"d{name}")) for name in op.inputs]
    elif op.by_hand is not None and len(op.inputs) == 1 and not isinstance(vjps, (list, tuple)):
        vjps = [vjps]
    if not isinstance(vjps, (list, tuple)) or len(vjps) != len(node.parents):
        what, each = ("backward", ", ".join(op.inputs)) if op.by_hand else ("the gradient formula", f"*{op.inputs[0]}")
        raise TypeError(f"operation {op.__name__!r}: {what} must return a list of {len(node.parents)} gradients, one for each of "
                        f"{each}")
    return vjps

def written_as_formulas(op: Any) -> Any:
    """The operation; TypeError if its gradients are written by hand, because those have no graph."""
    if op.by_hand is not None:
        raise TypeError(f"operation {op.__name__!r}: its gradients are written by hand in NumPy (backward=), so they cannot be "
                        "differentiated again with create_graph: write formulas with minigrad's operations")
    return op

def checked(node: Any, i: int, g: Any, vjp: Any, Value: type, create_graph: bool) -> Any:
    """The result of formula i; TypeError unless it fits its argument, up to broadcasting and dtype."""
    if vjp is None:
        raise TypeError(f"{formula(node, i)} returned None, but that argument requires a gradient")
    parent, is_value = node.parents[i], isinstance(vjp, Value)
    if create_graph and (not is_value or g.node is not None and vjp.node is None):
        raise TypeError(f"{formula(node, i)} returned a {type(vjp).__name__} cut off from the graph, so it cannot be "
                        "differentiated again: write it with operators, methods and minigrad's operations, without np.*")
    if is_value and not create_graph:
        raise TypeError(f"{formula(node, i)} returned a Tensor, but was given arrays: it must not make Tensors itself")
    vjp = vjp if is_value else np.asarray(vjp)
    if vjp.dtype.kind != "f":
        raise TypeError(f"{formula(node, i)} returned dtype {vjp.dtype}, not an array of floating-point numbers")
    if vjp.shape != parent.shape and not _fits(vjp.shape, parent.shape, node.shape):
        raise TypeError(f"{formula(node, i)} returned shape {vjp.shape}, but the argument has shape {parent.shape} and the "
                        f"output {node.shape}")
    return vjp

def _fits(shape: tuple[int, ...], argument: tuple[int, ...], output: tuple[int, ...]) -> bool:
    """Is it the argument's shape, except for axes along which NumPy stretched the argument to the output's shape?"""
    new = len(shape) - len(argument)  # axes are counted from the right, as broadcasting does
    if new > 0 and shape == output and shape[new:] == argument:
        return True  # a bias, quickly
    own, outputs = [None] * new + [*argument], [None] * (len(shape) - len(output)) + [*output[max(0, len(output) - len(shape)):]]
    return new >= 0 and all(n == a or a in (1, None) and n == y for n, a, y in zip(shape, own, outputs))
