"""The worker's answers for grading: the outputs of a thing that the submission defines, and gradients, one at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .channel import Message, packed, unpacked
from .submission import line_of, run, words


ALL, NONE = -1, -2  # instead of the number of a leaf


class CannotAnswerError(Exception):
    """The submission has no answer; the message is for the student."""


class Answers:
    """Answers questions about one submission. line: the channel to the grader, for stand-ins and progress."""

    def __init__(self, line: Any, plan: Mapping[str, Any]) -> None:
        self.line = line
        self.module: Any = None

    def answer(self, message: Message, arrays: list[np.ndarray]) -> tuple[Message, list[np.ndarray]]:
        """A message and its arrays; errors are answers too."""
        try:
            with np.errstate(all="ignore"):
                return getattr(self, f"_{message['do']}")(message, arrays)
        except CannotAnswerError as error:
            return {"error": {"text": str(error), "line": None, "type": ""}}, []
        except BaseException as error:
            return {"error": {"text": words(error), "line": line_of(error), "type": type(error).__name__[:60]}}, []

    def _load(self, message: Message, arrays: list[np.ndarray]) -> tuple[Message, list[np.ndarray]]:
        stand_ins = {name: stand_in(self.line, name, **about) for name, about in message["stand_ins"].items()}
        self.module, failed = run(arrays[0].tobytes(), message["notebook"], message["skip"], stand_ins,
                                  lambda number, line: self.line.send({"at": number, "line": line}))
        return {"failed": failed[:50]}, []

    def _outputs(self, message: Message, arrays: list[np.ndarray]) -> tuple[Message, list[np.ndarray]]:
        """For op, tensors and module: all outputs in turn; for function: the requested parts, by name."""
        thing, inputs = self._prepared(message, arrays)
        if message["kind"] == "function":
            return parts_of_answer(thing(**dict(zip(message["takes"], inputs))), message["parts"])
        if message["kind"] != "op":
            from minigrad import Tensor
            inputs = [_with_leaves(x, NONE, [], Tensor) for x in inputs]
        return {}, outputs_of(thing(*inputs))

    def _gradient(self, message: Message, arrays: list[np.ndarray]) -> tuple[Message, list[np.ndarray]]:
        """The gradient of the weighted outputs for number `leaf` of inputs and parameters, or for ALL."""
        from minigrad import Tensor
        thing, inputs = self._prepared(message, arrays)
        leaf, cotangents = message["leaf"], [arrays[i] for i in message["cotangents"]]
        if message["kind"] == "op":
            thing = at_the_right_output(thing, arrays[message["outputs"][0]])
        leaves: list[Any] = []
        inputs = [_with_leaves(x, leaf, leaves, Tensor) for x in inputs]
        if message["kind"] == "module":
            own = dict(thing.named_parameters())
            leaves += [own[name] for name in message["parameters"]]
        return {}, gradients_of(flat(thing(*inputs)), leaves if leaf == ALL else [leaves[leaf]], cotangents)

    def _second(self, message: Message, arrays: list[np.ndarray]) -> tuple[Message, list[np.ndarray]]:
        """Gradients of an operation's weighted gradients, for its inputs and the cotangent."""
        thing, inputs = self._prepared(message, arrays)
        thing = at_the_right_output(thing, arrays[message["outputs"][0]])
        return {}, second_order(thing, inputs, *(arrays[i] for i in message["cotangents"]))

    def _verdict(self, message: Message, arrays: list[np.ndarray]) -> tuple[Message, list[np.ndarray]]:
        """The verdict of a student's test on a function and a gradient that the grader computes."""
        thing, inputs = self._prepared(message, arrays)

        def asked(what: str, *values: Any) -> np.ndarray:
            sent: list[np.ndarray] = []
            packed_values = [packed(np.asarray(value, dtype=float), sent) for value in values]
            return _replied(self.line.ask({"ask": None, "what": what, "inputs": packed_values}, sent))[1][0]
        verdict = thing(functools.partial(asked, "outputs"), functools.partial(asked, "gradient"), *inputs)
        return {}, [np.array(float(bool(verdict)))]

    def _prepared(self, message: Message, arrays: list[np.ndarray]) -> tuple[Any, list[Any]]:
        """The thing that the question names, and its inputs."""
        name, kind = message["thing"], message["kind"]
        thing = getattr(self.module, name, None)
        if thing is None:
            raise CannotAnswerError(f"{name} is not defined")
        if kind == "op" and not (hasattr(thing, "formulas") and hasattr(thing, "function")):
            raise CannotAnswerError(f"{name} must be an operation: a function with @op(...) above it")
        if not callable(thing):
            raise CannotAnswerError(f"{name} must be a function or class, not {type(thing).__name__}")
        if kind == "module":
            from minigrad import Tensor
            thing = thing(*unpacked(message["make"], arrays))
            own = dict(thing.named_parameters())
            values = {name: arrays[i] for name, i in message["values"].items()}
            if {n: p.shape for n, p in own.items()} != {n: v.shape for n, v in values.items()}:
                raise CannotAnswerError("the parameters must be " + ", ".join(f"{n}: {v.shape}" for n, v in values.items())
                                   + "; they are " + (", ".join(f"{n}: {p.shape}" for n, p in own.items()) or "none"))
            for parameter, value in ((own[n], values[n]) for n in own):
                parameter.data = Tensor(value).numpy().astype(parameter.dtype)
        return thing, [unpacked(x, arrays) for x in message["inputs"]]


def at_the_right_output(thing: Any, y: np.ndarray) -> Any:
    """The operation's formulas with the reference's output as y, so that a wrong forward costs once."""
    from minigrad import op

    @functools.wraps(thing.function)
    def known(*arguments: Any, **static: Any) -> np.ndarray:
        return y.copy()
    return op(*(thing.formulas if thing.by_hand is None else ()), backward=thing.by_hand)(known)


def second_order(thing: Callable, xs: Sequence[np.ndarray], g: np.ndarray, *weights: np.ndarray) -> list[np.ndarray]:
    """Gradients of the sum of all weights * (gradients of g . thing(xs)), for xs and g."""
    from minigrad import Tensor, grad
    leaves = [Tensor(x, requires_grad=True) for x in (*xs, g)]
    first = grad(thing(*leaves[:-1]), leaves[:-1], leaves[-1], create_graph=True, allow_unused=True)
    total = sum((gradient * w).sum() for gradient, w in zip(first, weights) if gradient is not None)
    found = grad(total, leaves, allow_unused=True) if getattr(total, "requires_grad", False) else [None] * len(leaves)
    return [np.zeros(leaf.shape) if one is None else np.asarray(one) for leaf, one in zip(leaves, found)]


def _with_leaves(x: Any, wanted: int, leaves: list[Any], tensor: Callable) -> Any:
    """Arrays of floating-point numbers as Tensors; number `wanted` requires a gradient."""
    if isinstance(x, tuple):
        return tuple(_with_leaves(item, wanted, leaves, tensor) for item in x)
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        leaves.append(tensor(x, requires_grad=wanted in (ALL, len(leaves))))
        return leaves[-1]
    return x


def flat(outputs: Any, depth: int = 0) -> list[Any]:
    """All that was returned, in turn."""
    if isinstance(outputs, (tuple, list)) and depth < 5 and len(outputs) < 1000:
        return [y for output in outputs for y in flat(output, depth + 1)]
    return [outputs]


def outputs_of(returned: Any) -> list[np.ndarray]:
    """The results as a list of plain arrays."""
    return [_array(y) for y in flat(returned)]


def gradients_of(outputs: Sequence[Any], leaves: Sequence[Any], cotangents: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The gradients of all outputs, weighted with the cotangents, for the leaves."""
    from minigrad import grad
    total = [np.zeros(leaf.shape) for leaf in leaves]
    with np.errstate(all="ignore"):
        for y, g in zip(outputs, cotangents):
            if getattr(y, "requires_grad", False):
                found = grad(y, leaves, g, allow_unused=True)
                total = [a if b is None else np.asarray(a + np.asarray(b)) for a, b in zip(total, found)]
    return total


def _array(y: Any) -> np.ndarray:
    """A plain array of numbers from y of any type."""
    if y is None:
        raise CannotAnswerError("it returned None: is a return missing?")
    array = np.array(y.numpy() if type(y).__name__ == "Tensor" else y, copy=True, subok=False)
    if array.dtype.kind not in "biuf":
        raise CannotAnswerError(f"it returned {type(y).__name__[:60]}, which is no array of numbers")
    return array if array.dtype in (np.float64, np.float32) or array.dtype.kind in "biu" else array.astype(float)


def parts_of_answer(outputs: Any, parts: list[str]) -> tuple[Message, list[np.ndarray]]:
    """The parts of a dict by name, of a tuple in turn. Missing parts and parts that are no arrays get a message; others count."""
    if outputs is None:
        raise CannotAnswerError("it returned None: is a return missing?")
    form = "dict" if isinstance(outputs, dict) else "tuple" if isinstance(outputs, (tuple, list)) else "array"
    if not isinstance(outputs, dict):
        found = list(outputs) if form == "tuple" else [outputs]
        if len(found) != len(parts):
            many = "one array" if len(parts) == 1 else f"{len(parts)} arrays"
            raise CannotAnswerError(f"it must return {', '.join(parts)}: {many}, not {len(found)}")
        outputs = dict(zip(parts, found))
    arrays: list[np.ndarray] = []
    places: dict[str, Any] = {}
    for part in parts:
        try:
            arrays.append(_array(outputs[part]) if part in outputs else _array(None))
            places[part] = len(arrays) - 1
        except CannotAnswerError as error:
            places[part] = str(error)
    return {"parts": places, "form": form}, arrays


class Parts(tuple):
    """Several arrays for a caller who may unpack them or ask for them by name."""

    names: Sequence[str] = ()

    def __getitem__(self, key: Any) -> Any:
        return dict(self.items())[key] if isinstance(key, str) else super().__getitem__(key)

    def keys(self) -> Sequence[str]:
        """The names, so that dict(parts) and **parts work too."""
        return self.names

    def items(self) -> list[tuple[str, Any]]:
        """Names and arrays."""
        return list(zip(self.names, self))


def stand_in(line: Any, name: str, kind: str, arguments: list[str], form: str = "") -> Callable:
    """Replaces a failed function of the student for later questions: it asks the grader, which has the right one. form: the form
    of the student's own result, "dict", "tuple" or "array". If it is unknown, the result can be used as any of them."""
    def values(*inputs: Any) -> tuple[Message, list[np.ndarray]]:
        arrays: list[np.ndarray] = []
        return _replied(line.ask({"ask": name, "what": "outputs", "inputs": [packed(np.asarray(x), arrays) for x in inputs]},
                                 arrays))

    def plain(*inputs: Any, **named: Any) -> Any:
        """The reference's outputs."""
        message, found = values(*inputs, *(named[argument] for argument in arguments if argument in named))
        if form == "array" or not form and len(found) == 1:
            return found[0]
        parts = Parts(found)
        parts.names = message["names"]
        return dict(parts.items()) if form == "dict" else tuple(found) if form == "tuple" else parts

    if kind == "function":
        return plain
    from minigrad import op, reshape
    shapes: list[tuple[int, ...]] = []

    def joined(*inputs: Any) -> np.ndarray:
        found = values(*inputs)[1]
        shapes[:] = [y.shape for y in found]
        return np.concatenate([y.ravel() for y in found])

    def gradients(g: Any, *inputs: Any) -> list[np.ndarray]:
        arrays = [np.asarray(g)]
        asked = [packed(np.asarray(x), arrays) for x in inputs]
        return _replied(line.ask({"ask": name, "what": "gradient", "inputs": asked}, arrays))[1]

    names = ", ".join(arguments)
    joint = op(backward=eval(f"lambda g, {names}: gradients(g, {names})", {"gradients": gradients}))(
        eval(f"lambda {names}: joined({names})", {"joined": joined}))

    def split(*inputs: Any, **named: Any) -> Any:
        """The reference's outputs, with its gradients."""
        y = joint(*inputs, *(named[argument] for argument in arguments if argument in named))
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        outputs = [reshape(y[end - int(np.prod(shape)):end], shape=shape) for end, shape in zip(ends, list(shapes))]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)
    return split


def _replied(reply: tuple[Message, list[np.ndarray]]) -> tuple[Message, list[np.ndarray]]:
    if "refused" in reply[0]:
        raise ValueError(reply[0]["refused"])
    return reply
