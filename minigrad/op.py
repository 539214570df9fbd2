"""The operation contract: a NumPy function plus one gradient formula per argument. `op` has it in full.

Declaring checks the formulas against the function; calling computes the output and records a node, with what the
formulas asked for (record.py). backward.py walks the record.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .record import NOTHING, Node, calling_line, number_array, state
from .tensor import Tensor

registry: dict[str, Op] = {}
"""Every declared operation, keyed "module.name"."""


def op(*formulas: Callable, accumulate: Callable | None = None,
       together: Mapping[str, Callable] = NOTHING) -> Callable[[Callable], Op]:
    """Declare an operation: a NumPy function with one gradient formula per positional argument.

        @op(lambda g, b: g * b,
            lambda g, a: g * a)
        def mul(a, b):
            return a * b

    A formula is a vector-Jacobian product: `g` is the gradient arriving at the output y, with y's shape, and the
    formula returns the gradient for its argument, g dy/da, before broadcasting is undone: the engine does that.
    Positional arguments are differentiable; keyword-only ones (behind a * in the signature) are static, like axis.

    After g a formula names what it needs, and only that is saved: `y` is the output, `a` an argument, `a_shape`
    its shape, `axis` a static argument. It is written with what arrays and Tensors share (operators, comparisons,
    indexing, `.sum`, `.reshape`, `.swapaxes`, `.shape`, `.ndim`, `.dtype`) and with minigrad's own operations:
    then it can itself be differentiated. With np.* it may work at first order and raise TypeError at second.

    A function of `*xs` has one formula, which returns a list of gradients and may name `xs` and `xs_shape`, the
    list of shapes. `accumulate(total, g, **static)` may add the gradient of a one-argument operation into an
    existing array, where most of that gradient would be zeros. `together={"b": f}`: where one array is the argument b
    of several calls, f(gs, saved) may give the sum of their gradients for it, on arrays, faster than one by one; gs are
    the gradients that arrived and saved what the formula asked for, in tuples. It may return NotImplemented.

    Raises ValueError at the declaration if formulas and parameters do not match.
    Declaring a name again in the same module replaces the operation.
    """
    for formula in formulas:
        if list(inspect.signature(formula).parameters)[:1] != ["g"]:
            raise ValueError("the first parameter of a gradient formula must be g: "
                             "write @op(lambda g, ...: ...) above the function, with one formula for each argument")

    def declare(function: Callable) -> Op:
        operation = Op(function, formulas, accumulate, together)
        registry[f"{operation.__module__}.{operation.__name__}"] = operation
        return operation
    return declare


class Op:
    """A declared operation. Calling it computes the output and, where a gradient may be asked for, records a node."""

    __name__: str
    __qualname__: str

    def __init__(self, function: Callable, formulas: tuple[Callable, ...], accumulate: Callable | None,
                 together: Mapping[str, Callable]) -> None:
        functools.update_wrapper(self, function)
        self.function, self.formulas, self.accumulate = function, formulas, accumulate
        parameters = inspect.signature(function).parameters.values()
        self.inputs = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY)]
        self.variadic = any(p.kind == p.VAR_POSITIONAL for p in parameters)
        if self.variadic:
            self.inputs += [p.name for p in parameters if p.kind == p.VAR_POSITIONAL]
        self.count = -1 if self.variadic else len(self.inputs)
        static = [p for p in parameters if p.kind == p.KEYWORD_ONLY]
        self.defaults = {p.name: p.default for p in static if p.default is not p.empty}
        self._check_declaration(parameters, [p.name for p in static])
        self.together = [together.get(name) for name in self.inputs] if together else []
        self.needs = [tuple(inspect.signature(formula).parameters)[1:] for formula in formulas]
        self._save = self._saver()

    def _check_declaration(self, parameters: Any, static: list[str]) -> None:
        def require(condition: bool, message: str) -> None:
            if not condition:
                raise ValueError(f"operation {self.__name__!r}: {message}")

        require(bool(self.inputs), "needs at least one positional argument to differentiate")
        require(not self.variadic or len(self.inputs) == 1, "an operation with *args can have no other positional argument")
        require(not any(p.kind == p.VAR_KEYWORD for p in parameters), "static arguments must be named one by one, not **")
        require(not {"g", "y"} & {p.name for p in parameters}, "g and y mean gradient and output: name the arguments otherwise")
        require(all(p.default is p.empty or p.kind == p.KEYWORD_ONLY for p in parameters),
                "a default makes an argument static: put it behind a * in the signature")
        require(len(self.formulas) == len(self.inputs),
                f"{len(self.formulas)} formulas for {len(self.inputs)} arguments ({', '.join(self.inputs)})")
        shapes = {f"{name}_shape" for name in self.inputs}
        require(not shapes & {p.name for p in parameters},
                f"{', '.join(shapes)} mean arguments' shapes: name static ones otherwise")
        known = {"y", *self.inputs, *static, *shapes}
        for name, formula in zip(self.inputs, self.formulas):
            for unknown in inspect.signature(formula).parameters.keys() - known - {"g"}:
                require(False, f"the formula for {name!r} asks for {unknown!r}; it can have {', '.join(sorted(known))}")

    def _saver(self) -> Callable:
        """A function (y, arrays, static, parents) -> what each formula asks for, or None if its argument is a constant. It is
        written out as an expression, as every call pays for it."""
        def value(i: int, name: str) -> str:
            argument = name.removesuffix("_shape")
            if name == "y":
                return "y"
            if name not in self.inputs and argument not in self.inputs:
                return f"static[{name!r}]"
            if self.variadic:
                return "arrays" if name == argument else "[np.shape(array) for array in arrays]"
            j = self.inputs.index(argument)
            return f"arrays[{j}]" if name == argument else f"parents[{i}].shape" if i == j else f"np.shape(arrays[{j}])"

        values = [f"({''.join(f'{value(i, name)}, ' for name in names)})" for i, names in enumerate(self.needs)]
        if not self.variadic:
            values = [f"None if parents[{i}] is None else {value}" if value != "()" else value for i, value in enumerate(values)]
        return eval(f"lambda y, arrays, static, parents: ({', '.join(values)},)")

    def __call__(self, *inputs: Any, **static: Any) -> Tensor:
        """The output: a Tensor, or a plain array if no Tensor was given."""
        if len(inputs) != self.count:
            inputs = self._counted(inputs)
        arrays: list[Any] = []
        parents: list[Node | None] = []
        constants = 0
        for x in inputs:
            if isinstance(x, Tensor):
                arrays.append(x._frozen() if x._lent else x._data)
                parents.append(x._node)
            else:
                constants += 1
                arrays.append(x if type(x) is np.ndarray and x.dtype.kind == "f" else self._constant(x, len(arrays)))
                parents.append(None)
        plain = True
        if static or self.defaults:
            static = {**self.defaults, **static} if self.defaults else static
            plain = PLAIN.issuperset(map(type, static.values()))
            if not plain:
                self._check_static(static)
        tensors = constants < len(inputs)
        if constants and tensors:  # NumPy's scalars would make float64 of float32, numbers do not
            arrays = [x.item() if isinstance(x, np.generic) else x for x in arrays]
        try:
            y: Any = self.function(*arrays, **static) if static else self.function(*arrays)
        except (TypeError, ValueError, IndexError) as error:
            raise self._explained(error, inputs) from error
        if not tensors:
            return y
        if type(y) is not np.ndarray or y.dtype.kind != "f":
            y = self._result(y, inputs)
        y.setflags(False)  # read-only
        anomalies = state.anomalies
        if anomalies and not np.isfinite(y).all():
            raise FloatingPointError(f"{self._signature(inputs)} gives {count_not_finite(y)}, called at\n  {calling_line()}")
        if not any(parents) or not state.recording:
            return Tensor._make(y, None)
        if y.dtype.kind != "f":
            raise TypeError(f"{self.__name__}: the result has dtype {y.dtype}, which carries no gradient; "
                            "detach() the input first if that is meant")
        if constants:  # the user may write into arrays before backward: save copies
            arrays = [_own(array) if array is x else array for array, x in zip(arrays, inputs)]
        if not plain:
            static = {name: _own(value) for name, value in static.items()}
        node = Node(y, self, tuple(parents), self._save(y, arrays, static, parents), static or NOTHING)
        if anomalies:
            node.origin = calling_line()
        if state.trace is not None:
            state.trace.append((node, arrays, y))
        return Tensor._make(y, node)

    def _counted(self, inputs: tuple) -> tuple:
        """The arguments of an operation that takes any number of them, which may be given as a list; an error for others."""
        if not self.variadic:
            raise TypeError(f"{self.__name__} takes {len(self.inputs)} positional argument(s), not {len(inputs)}, "
                            f"and static ones by keyword\n{self._rule()}")
        return tuple(inputs[0]) if len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) else inputs

    def _check_static(self, static: dict[str, Any]) -> None:
        for name, value in static.items():
            if isinstance(value, Tensor):
                raise TypeError(f"{self.__name__}: the static argument {name!r} has no gradient and cannot be a Tensor; "
                                "pass a NumPy array or a number")

    def _constant(self, x: Any, position: int) -> Any:
        """Numbers stay numbers, so that they do not change the dtype; everything else becomes an array."""
        if isinstance(x, (int, float)) or isinstance(x, np.generic) and x.dtype.kind in "biuf":
            return x
        if type(x) is np.ndarray and x.dtype.kind in "biuf":
            return x
        try:
            return number_array(x)
        except TypeError as error:
            name = self.inputs[min(position, len(self.inputs) - 1)]
            raise TypeError(f"{self.__name__}: argument {name!r} {error}") from None

    def _result(self, y: Any, inputs: tuple) -> np.ndarray:
        y = np.asarray(y)
        if y.dtype.kind not in "biuf":
            raise TypeError(f"{self._signature(inputs)}: the function returned dtype {y.dtype}, not an array of numbers")
        return y

    def _signature(self, inputs: tuple) -> str:
        """The call as the user sees it: mul(a: (3, 4), b: (5,))."""
        names = self.inputs * len(inputs) if self.variadic else self.inputs
        described = (f"{name}: {x.shape if hasattr(x, 'shape') else repr(x)[:60]}" for name, x in zip(names, inputs))
        return f"{self.__name__}({', '.join(described)})"

    def _explained(self, error: Exception, inputs: tuple) -> Exception:
        """The same kind of error, with the shapes and the rule that the docstring's first line states."""
        kind = next(kind for kind in (ValueError, IndexError, TypeError) if isinstance(error, kind))
        return kind(f"{self._signature(inputs)}: {error}\n{self._rule()}")

    def _rule(self) -> str:
        rule = inspect.cleandoc(self.__doc__ or "").split("\n")[0]
        return f"  {self.__name__}{inspect.signature(self.function)}{': ' if rule else ''}{rule}"

    def __reduce__(self) -> str:
        return self.__qualname__  # copied and pickled as functions are: by name

    def __repr__(self) -> str:
        return f"<operation {self.__name__}{inspect.signature(self.function)}>"


def count_not_finite(array: np.ndarray) -> str:
    """"2 NaN and 1 infinite of 6 numbers"."""
    return f"{np.isnan(array).sum()} NaN and {np.isinf(array).sum()} infinite of {array.size} numbers"


def _own(value: Any) -> Any:
    """A copy of the arrays in `value` that nobody else can write into."""
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.flags.writeable = False
    elif isinstance(value, list) or isinstance(value, tuple) and not PLAIN.issuperset(map(type, value)):
        value = (tuple if isinstance(value, tuple) else list)(_own(item) for item in value)
    return value


PLAIN = frozenset({int, float, bool, slice, type(None), type(...)})
