"""Example, one set of inputs of a question: the reference's answers, and the message that asks a worker the same."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import Tensor, no_grad
from ..check.function import Arrays
from ..check.lending import trace_of
from ..check.noise import generator
from ..check.trace import Trace
from .assignment import AssignmentError, Question
from .worker.channel import Message, packed
from .worker.grading import flat, gradients_of, second_order

Ask = Callable[[Message, Sequence[np.ndarray]], tuple[Message, Arrays]]


class Example:
    """A question at inputs that `seed` decides. xs: all arrays of floating-point numbers in the inputs and the Module's
    parameters. names: their names. limits: of a trained model, the loss worth no points and the loss worth all points."""

    def __init__(self, question: Question, seed: str) -> None:
        self.question, self.seed = question, seed
        self.rng = rng = np.random.default_rng(list(hashlib.sha256(f"{question.name}/{seed}".encode()).digest()))
        try:
            self.inputs = question.draw(rng)
            self.model = question.reference(*question.make) if question.kind == "module" else None
            self.parameters = [] if self.model is None else list(self.model.named_parameters())
            named = [leaf for name, x in zip(question.names, self.inputs) for leaf in _leaves(name, x)]
            self.of_inputs = len(named)
            named += [(name, rng.normal(size=p.shape) / np.sqrt((1, 1, *p.shape)[-2])) for name, p in self.parameters]
            self.names, self.xs = [name for name, _ in named], [x for _, x in named]
            self.limits = self._limits() if question.kind == "trains" else ()
            self.shapes = [] if question.kind == "trains" else [y.shape for y in self.outputs(self.xs)]
        except AssignmentError:
            raise
        except Exception as error:
            raise AssignmentError(f"the reference of question {question.name!r} fails: "
                                  f"{type(error).__name__}: {error}") from None
        for part in question.parts:
            if part not in question.outputs and part[1:] not in self.names:
                given = dict(zip(question.names, self.inputs))[part[1:]]
                raise AssignmentError(f"question {question.name!r} asks for {part}, and {part[1:]} is {given!r:.60}: no array of "
                                      "floating-point numbers, so it has no gradient; the shape of a vector is (3,)")
        if question.outputs and len(question.outputs) != len(self.shapes):
            raise AssignmentError(f"question {question.name!r}: the reference returns {len(self.shapes)} arrays, "
                                  f"and outputs= has {len(question.outputs)} names")

    def outputs(self, xs: Sequence[np.ndarray]) -> Arrays:
        """The reference's results as floating-point arrays."""
        return [y if y.dtype.kind == "f" else y.astype(float) for y in self.returned(xs)]

    def returned(self, xs: Sequence[np.ndarray]) -> Arrays:
        """The reference's results as plain arrays. Integers stay integers, because they may be indices."""
        with no_grad(), np.errstate(all="ignore"):
            return [y.numpy() if isinstance(y, Tensor) else np.array(y) for y in self._outputs(xs)]

    def measured(self, weights: dict[str, np.ndarray]) -> tuple[float, float, float]:
        """The reference's three losses: of these weights, the loss worth no points, and the loss worth all points."""
        with np.errstate(all="ignore"):
            loss, worst, best = (float(x) for x in self.question.reference(*self.inputs, weights))
        if not -np.inf < best < worst < np.inf:
            raise AssignmentError(f"question {self.question.name!r}: a loss of {worst} is worth nothing, and {best} all points")
        return loss, worst, best

    def _limits(self) -> tuple[float, float]:
        """The loss worth no points, and the loss worth all points. AssignmentError if an untrained model would earn some."""
        zeros, worst, best = self.measured({name: np.zeros(shape) for name, shape in self.question.weights.items()})
        if zeros < worst:
            raise AssignmentError(f"question {self.question.name!r}: a model whose weights are all 0 would earn points: its loss "
                                  f"is {zeros:.4g}, and {worst:.4g} is worth nothing")
        return worst, best

    def gradients(self, xs: Sequence[np.ndarray], cotangents: Sequence[np.ndarray]) -> Arrays:
        """The reference's gradients from the engine. They judge only where finite differences see nothing."""
        tensors = [Tensor(x, requires_grad=True) for x in xs]
        wanted = tensors if self.model is None else [*tensors[:self.of_inputs], *(p for _, p in self.parameters)]
        try:
            with np.errstate(all="ignore"):
                return gradients_of(self.reached(self._outputs(tensors)), wanted, cotangents)
        except Exception as error:
            raise AssignmentError(f"the reference of question {self.question.name!r} must work on Tensors, as on arrays: "
                                  f"{type(error).__name__}: {error}") from None

    def trace(self, values: Mapping[str, np.ndarray]) -> Trace:
        """The trace of a NumPy reference at these values of some inputs. Its lines are the answer, so none is quoted."""
        found = trace_of(self.question.reference, lambda mark: self.reached(self._outputs([
            mark(name, values[name]) if name in values else x for name, x in zip(self.names, self.xs)])))
        for node in found.nodes:
            operation, *frames = node.place
            node.place = operation, *((code.replace(co_filename="<reference>"), at) for code, at in frames)
        return found

    def reached(self, outputs: Sequence[Any]) -> list[Any]:
        """The outputs, times 0 if no gradient arrives there: a function that takes no d + output knows of none."""
        names, takes = self.question.outputs or [""] * len(outputs), self.question.takes
        return [y * 0 if name and f"d{name}" not in takes else y for name, y in zip(names, outputs)]

    def _outputs(self, xs: Sequence[Any]) -> list[Any]:
        for (_, parameter), x in zip(self.parameters, xs[self.of_inputs:]):
            parameter.data = x.numpy() if isinstance(x, Tensor) else x
        called = self.question.reference if self.model is None else self.model
        return flat(called(*self.rebuilt(xs)))

    def rebuilt(self, xs: Sequence[Any]) -> tuple:
        """The inputs in their nesting, with these arrays."""
        leaves = iter(xs)

        def built(x: Any) -> Any:
            if isinstance(x, tuple):
                return tuple(built(item) for item in x)
            return next(leaves) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x
        return tuple(built(x) for x in self.inputs)

    def asked(self, do: str, xs: Sequence[np.ndarray], cotangents: Sequence[np.ndarray] = (), leaf: int = 0,
              ) -> tuple[Message, Arrays]:
        """The message that asks a worker for outputs or a gradient."""
        question, arrays = self.question, []  # type: ignore[var-annotated]
        kind = "function" if question.kind == "trains" else question.kind
        message: Message = {"do": do, "thing": question.thing, "kind": kind, "leaf": leaf}
        inputs = self.rebuilt(xs)
        if kind == "function":
            given = dict(zip(question.names, inputs))
            if set(question.takes) & set(question.outputs):
                given.update(zip(question.outputs, self.returned(xs)))
            given.update(zip([f"d{name}" for name in question.outputs], cotangents))
            message.update(takes=list(question.takes), parts=list(question.parts or question.weights))
            inputs = tuple(given[name] for name in question.takes)
        message["inputs"] = [packed(x, arrays) for x in inputs]
        if question.kind == "module":
            start = len(arrays)
            arrays += list(xs[self.of_inputs:])
            message.update(make=packed(question.make, arrays), parameters=self.names[self.of_inputs:],
                           values={name: start + i for i, name in enumerate(self.names[self.of_inputs:])})
        if do in ("gradient", "second"):
            message["cotangents"] = list(range(len(arrays), len(arrays) + len(cotangents)))
            arrays += list(cotangents)
            if question.kind == "op":
                message["outputs"] = list(range(len(arrays), len(arrays) + len(self.shapes)))
                arrays += self.outputs(xs)
        return message, arrays

    def weights(self) -> Arrays:
        """Random weights for the gradient of the gradient: of the output, and of the gradient of each input."""
        rng = generator(2)
        return [rng.normal(size=shape) for shape in (self.shapes[0], *(x.shape for x in self.xs))]

    def second_gradients(self) -> Arrays:
        """The reference's gradients of the gradient, with these weights."""
        return second_order(self.question.reference, self.xs, *self.weights())


def given(question: Question, inputs: Sequence[np.ndarray]) -> Example:
    """The question at given inputs."""
    example = Example.__new__(Example)
    example.question, example.inputs, example.model, example.parameters = question, tuple(inputs), None, []
    example.xs = [x for x in inputs if x.dtype.kind == "f"]
    example.of_inputs = len(example.xs)
    return example


def unquoted(texts: Sequence[str]) -> str:
    """A sentence about the reference's trace, without its line numbers. They told which use of an input is meant."""
    place = r" \(line \d+ of \w+\)"
    return re.sub(place, "", re.sub(f"(what goes back to [^;]*?){place}", r"\1, on one of the ways", "; ".join(texts)))


def _leaves(name: str, x: Any) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(x, tuple):
        for i, item in enumerate(x):
            yield from _leaves(f"{name}[{i}]", item)
    elif isinstance(x, np.ndarray) and x.dtype.kind == "f":
        yield name, x
