"""assert_same: compares with a reference. A gradient check cannot do that: a wrong forward also has right gradients."""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..core import NOTHING
from ..tensor import Tensor, stand_ins
from .noise import generator

ROUNDING = 64  # times a rounding error: two orders of the same computation differ by a few, a wrong equation by millions
TRIES = 3  # inputs that differ by rounding errors


def assert_same(mine: Callable, reference: Callable, *inputs: Any) -> None:
    """AssertionError unless two functions or Modules give the same outputs for the same inputs, up to rounding.

    A gradient check cannot see a wrong forward, such as two gates exchanged, a tanh forgotten, or [x, h] for [h, x]. Compare
    with a reference, for example minigrad's layer, or the equations in plain NumPy:

        rng = np.random.default_rng(0)
        x, h, c = rng.normal(size=(2, 3)), rng.normal(size=(2, 4)), rng.normal(size=(2, 4))
        assert_same(MyLSTMCell(3, 4), LSTMCell(3, 4, rng=rng), x, (h, c))

    inputs: Tensors, arrays, numbers, nested tuples of them, for both functions. Each call gets copies. Pass random states: with
    C = 0 the forget gate has no effect. outputs: Tensors, arrays, numbers; tuples, lists or dicts of them. They must have
    the same structure, shapes and dtypes.

    Two Modules must have parameters of the same names, shapes and dtypes. During the comparison both have the same random
    parameters, because biases of zero hide mistakes; then all are put back. If a parameter changes no output of `reference`,
    the test fails, because it could not see that parameter. If only one of the two is a Module, its parameters stay unchanged.

    Two numbers are the same if they differ by less than 64 rounding errors of the output's dtype, relative to its largest
    number. The tolerance is larger if `reference` itself reacts to rounding errors in its inputs and parameters: 64 times that
    reaction, at most half of the digits. Equal infinities are the same, NaN is the same as NaN; integers must be equal. An
    output that is NaN everywhere fails, because nothing was compared.

    Both start from the same state of the global random generators, which is also put back. Raises TypeError for outputs that
    are not numbers; errors of the two functions are passed on.
    """
    state = random.getstate(), np.random.get_state()
    mine, reference = (_Function(f, inputs, state) for f in (mine, reference))
    try:
        if mine.parameters is not None and reference.parameters is not None:
            _give_both_the_same(mine, reference)
        problems = _differences(mine, reference, inputs)
        if problems:
            problems += [f"{name} itself gives other values when it is called again with the same inputs: does it draw random "
                         "numbers from a generator of its own? (Dropout: call .eval() first)"
                         for name, f in (("mine", mine), ("reference", reference)) if not _equal(f(), f())]
            raise AssertionError("mine and reference are not the same:\n" + "\n".join(problems))
        if mine.parameters is not None and reference.parameters is not None:
            _check_that_all_is_seen(reference)
    finally:
        random.setstate(state[0])
        np.random.set_state(state[1])


class _Function:
    """One of the two functions, with its inputs. `parameters` are its Tensors by name, None for a plain function; `values`
    are their values during a call."""

    def __init__(self, f: Callable, inputs: tuple, state: tuple) -> None:
        self.f, self.inputs, self.state = f, inputs, state
        self.parameters: dict[str, Tensor] | None = dict(f.named_parameters()) if hasattr(f, "named_parameters") else None
        self.values: dict[str, np.ndarray] = {} if self.parameters is None else f.state_dict()  # type: ignore[attr-defined]

    def __call__(self, values: Mapping[str, np.ndarray] = NOTHING, change: Callable[[np.ndarray], np.ndarray] = np.copy,
                 ) -> dict[str, np.ndarray]:
        """The outputs by name. values: new values of some parameters. change: a function applied to all inputs."""
        random.setstate(self.state[0])
        np.random.set_state(self.state[1])
        now = {name: change(value) for name, value in {**self.values, **values}.items()}
        parameters = self.parameters or {}
        with stand_ins(list(parameters.values()), [now[name] for name in parameters]):
            return by_name(self.f(*_copied(self.inputs, change)), "output")


def _give_both_the_same(mine: _Function, reference: _Function) -> None:
    """Random parameters, small enough to saturate nothing; AssertionError if names, shapes or dtypes differ."""
    own, expected = mine.values, reference.values
    problems = [f"missing: {name}, of shape {expected[name].shape}" for name in expected if name not in own]
    problems += [f"unexpected: {name}, of shape {own[name].shape}" for name in own if name not in expected]
    problems += [f"{name} has {what} {getattr(own[name], what)}, in reference {getattr(expected[name], what)}"
                 for name in expected if name in own for what in ("shape", "dtype")
                 if getattr(own[name], what) != getattr(expected[name], what)]
    if problems:
        raise AssertionError("the parameters of mine are not those of reference:\n  " + "\n  ".join(problems))
    rng = generator(0)
    reference.values = {name: _random(rng, value) for name, value in expected.items()}
    mine.values = dict(reference.values)


def _random(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """Normal, divided by the root of the number of terms in W [h, x]."""
    rows = max(1, (1, 1, *like.shape)[-2])
    return (rng.normal(size=like.shape) / np.sqrt(rows)).astype(like.dtype)


def _check_that_all_is_seen(reference: _Function) -> None:
    rng, here = generator(1), reference()
    unseen = [name for name, value in reference.values.items()
              if value.size and _equal(here, reference({name: _random(rng, value)}))]
    if unseen:
        raise AssertionError(f"nothing was seen of {', '.join(unseen)}: other values change no output of reference. "
                             "Do zeros hide them, as a state that was left out? Pass random inputs and states")


def _differences(mine: _Function, reference: _Function, inputs: tuple) -> list[str]:
    """The differences, in words."""
    own, expected = mine(), reference()
    missing, unexpected = ([name for name in some if name not in other] for some, other in ((expected, own), (own, expected)))
    if missing or unexpected:
        return [f"mine returns {', '.join(own) or 'nothing'}, reference returns {', '.join(expected) or 'nothing'}"]
    if not expected:
        return ["both return nothing, so nothing was compared: is a return missing?"]
    tremor = _tremor(reference, expected)
    return [problem for name in expected for problem in _difference(name, own[name], expected[name], tremor[name], inputs)]


def _tremor(reference: _Function, here: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """How much the outputs change if all inputs change by a few rounding errors: if large terms cancel, more than the
    outputs' size suggests. The inputs change towards zero, so none leaves its range."""
    rng, found = generator(0), {name: np.zeros(y.shape) for name, y in here.items()}

    def shaken(a: np.ndarray) -> np.ndarray:
        return a * (1 - np.finfo(a.dtype).eps * rng.integers(0, 5, a.shape)).astype(a.dtype) if a.dtype.kind == "f" else a.copy()

    for _ in range(TRIES):
        with contextlib.suppress(Exception), np.errstate(all="ignore"):  # reference may refuse such inputs
            there = reference(change=shaken)
            for name, y in here.items():
                if y.dtype.kind == "f":
                    found[name] = np.fmax(found[name], np.abs(there[name] - y))
    return found


def _difference(name: str, mine: np.ndarray, reference: np.ndarray, tremor: np.ndarray, inputs: tuple) -> Iterator[str]:
    for what in ("shape", "dtype"):
        if getattr(mine, what) != getattr(reference, what):
            yield f"{name} has {what} {getattr(mine, what)}, in reference {getattr(reference, what)}"
            return
    same, bound = mine == reference, np.zeros(mine.shape)
    if mine.dtype.kind == "f":
        eps, size = float(np.finfo(mine.dtype).eps), float(np.abs(reference[np.isfinite(reference)]).max(initial=0))
        bound = ROUNDING * eps * size + np.minimum(ROUNDING * tremor, np.sqrt(eps) * size)
        with np.errstate(all="ignore"):
            same = same | (np.abs(mine - reference) <= bound) | np.isnan(mine) & np.isnan(reference)
        if mine.size and np.isnan(mine).all() and np.isnan(reference).all():
            yield f"{name} is NaN everywhere in both, so nothing was compared: try other inputs"
    if same.all():
        return
    index = tuple(int(i) for i in np.argwhere(~same)[0])
    steps = next((len(x) for x in inputs if getattr(x, "ndim", 0) == 3), None)
    time = f", the first at time step {index[0]} (x is taken as (T, B, D))" if mine.ndim == 3 and len(mine) == steps else ""
    yield (f"{name}, of shape {mine.shape}, differs at index {list(index)}: mine {mine[index].item()}, reference "
           f"{reference[index].item()}")
    yield f"  {(~same).sum()} of {same.size} numbers differ{time}; rounding explains {bound[index]:.1e}"
    if ROUNDING * tremor[index] > bound[index]:
        yield ("  reference itself changes that much if its inputs change by rounding errors: try smaller inputs or fewer time "
               "steps")


def by_name(output: Any, path: str) -> dict[str, np.ndarray]:
    """The arrays in an output: "output[0]", "output[1][0]", "output['h']"."""
    if isinstance(output, Mapping):
        items = list(output.items())
    elif isinstance(output, (tuple, list)):
        items = list(enumerate(output))
    elif output is None:
        return {}
    else:
        array = output.numpy() if isinstance(output, Tensor) else np.array(output)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"assert_same compares numbers, but {path} is {output!r:.60}")
        return {path: array}
    return {name: array for key, item in items for name, array in by_name(item, f"{path}[{key!r}]").items()}


def _equal(some: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return some.keys() == other.keys() and all(
        np.array_equal(a, other[name], equal_nan=a.dtype.kind == "f") for name, a in some.items())


def _copied(x: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    """Copies of the inputs, with the numbers changed."""
    if isinstance(x, (tuple, list)):
        items = [_copied(item, change) for item in x]
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    if isinstance(x, Tensor):
        return Tensor(change(x.numpy()), x.requires_grad)
    return change(x) if isinstance(x, np.ndarray) else copy.deepcopy(x)
