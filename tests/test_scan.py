"""scan: random steps against the ordinary loop, LSTM's against NumPy and finite differences, and what else a record must do."""

import gc
import threading
import tracemalloc
import weakref
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad import (
    Tensor, abs, broadcast_to, concat, detect_anomaly, exp, grad, gradcheck, graph, logsumexp, maximum, minimum, no_grad, relu,
    sigmoid, softmax, split, stack, tanh, where,
)
from minigrad.ops import elementwise
from minigrad.scan import in_a_loop, plans, scan

# -- random steps -----------------------------------------------------------------------------------

STATE = (2, 3)
WEIGHTS = {"W": (3, 3), "V": (3, 6), "M": (2, 2), "b": (3,), "row": (1, 3), "column": (2, 1), "number": ()}
MASK = np.array([[True, False, True], [False, True, True]])


def wide(a):
    return a if a.shape == STATE else broadcast_to(a, shape=STATE)


def halves(a):
    """Two slices that cover a, each used in its own way."""
    a = wide(a)
    return concat(tanh(a[:, :1]), 0.5 * a[:, 1:], axis=1)


def gates(a, V):
    z, r = split(sigmoid(wide(a) @ V), 2, axis=-1)
    return z * tanh(r)


def gates_and_more(a, V):
    """Slices that do not cover, overlap, or stand beside another use."""
    y = tanh(wide(a) @ V)
    return y[:, :3] * y[:, 2:5] + y.sum(axis=1, keepdims=True)


# Values have shapes that broadcast to STATE, and the weights of these shapes are among them.
UNARY = {
    "tanh": tanh, "sigmoid": sigmoid, "neg": lambda a: -a, "exp": lambda a: exp(tanh(a)), "square": lambda a: tanh(a) ** 2,
    "power": lambda a: 1.5 ** tanh(a), "softmax": lambda a: softmax(wide(a)), "logsumexp": lambda a: logsumexp(a, keepdims=True),
    "one minus": lambda a: 1 - a, "half": lambda a: 0.5 * a, "constant": lambda a: a * np.array([[1.0, -0.5, 2.0]]),
    "numpy number": lambda a: np.float64(0.7) * a, "where": lambda a: where(a, 0.5, mask=MASK),
    "sum": lambda a: wide(a).sum(axis=0, keepdims=True), "mean": lambda a: a.mean(), "total": lambda a: tanh(a.sum()),
    "row": lambda a: wide(a)[:1], "column": lambda a: wide(a)[:, -1:], "reverse": lambda a: wide(a)[::-1, ::-1],
    "number": lambda a: wide(a)[1, 2], "an index twice": lambda a: wide(a)[[0, 0]], "every other": lambda a: wide(a)[:, ::2].mean(),
    "reshape": lambda a: tanh(wide(a).reshape(3, 2)).reshape(2, 3), "transpose": lambda a: tanh(wide(a).T).T, "halves": halves,
    "whole and part": lambda a: wide(a) * wide(a)[:, 1:2], "twice": lambda a: a * a + a, "in a row": lambda a: a[..., None][..., 0],
}
KINKED = {"relu": relu, "abs": abs, "max": lambda a: wide(a).max(axis=1, keepdims=True)}
BINARY = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: tanh(a) * b, "mul wide": lambda a, b: wide(a) * wide(b),
    "div": lambda a, b: a / (exp(tanh(b)) + 1), "divided": lambda a, b: tanh(a) / (2 + tanh(b)),
    "pow": lambda a, b: (1.5 + tanh(a)) ** tanh(b), "matmul": lambda a, b: tanh(wide(a) @ (wide(b).T @ wide(a))),
    "concat": lambda a, b: concat(wide(a)[:1], wide(b)[1:]), "stack": lambda a, b: stack(wide(a), wide(b), wide(a)).sum(axis=0) * 0.3,
    "choose": lambda a, b: where(a, b, mask=MASK),
}
KINKED_BINARY = {"maximum": maximum, "minimum": minimum}
WEIGHTED = {
    "W": lambda a, w: tanh(wide(a) @ w["W"]), "W transposed": lambda a, w: tanh(wide(a) @ w["W"].T),
    "tanh W": lambda a, w: wide(a) @ tanh(w["W"] * 0.5), "M": lambda a, w: tanh(w["M"] @ wide(a)),
    "a row times W": lambda a, w: tanh(wide(a)[0] @ w["W"]), "W times a row": lambda a, w: tanh(w["W"] @ wide(a)[1]),
    "W between": lambda a, w: tanh(wide(a) @ w["W"] @ wide(a).T)[:, :1], "b": lambda a, w: wide(a) + w["b"],
    "b times W": lambda a, w: a * (w["b"] @ w["W"]), "parts of W": lambda a, w: tanh(wide(a)[:, :2] @ w["W"][1:]),
    "gates": lambda a, w: gates(a, w["V"]), "gates and more": lambda a, w: gates_and_more(a, w["V"]),
    "beside": lambda a, w: tanh(concat(wide(a), broadcast_to(w["column"], shape=(2, 3)), axis=-1) @ w["V"].T),
    "broadcast number": lambda a, w: a * w["number"], "number minus": lambda a, w: w["number"] - wide(a),
    "column": lambda a, w: w["column"] / (2 + tanh(a)), "row": lambda a, w: tanh(a) * w["row"] + w["row"],
    "power of row": lambda a, w: (1.5 + tanh(a)) ** tanh(w["row"]),
}


@dataclass
class Case:
    """A random step and what it is given."""

    lines: list  # (operation, number of a value, number of another one)
    results: list  # numbers of values
    x_shape: tuple
    T: int
    needed: list  # which inputs need a gradient
    seed: int

    def step(self, *inputs):
        n = len(self.results)
        weights = dict(zip(WEIGHTS, inputs[n + 1:]))
        values = [*inputs[:n + 1], *(weights[name] for name in ("b", "row", "column", "number"))]
        for name, i, j in self.lines:
            a, b = values[-1 - i % len(values)], values[-1 - j % len(values)]
            values.append({**UNARY, **KINKED}[name](a) if name in UNARY or name in KINKED else
                          WEIGHTED[name[2:]](a, weights) if name.startswith("w ") else {**BINARY, **KINKED_BINARY}[name](a, b))
        return tuple(wide(values[-1 - i % len(values)]) for i in self.results)

    def inputs(self, seed=0, dtype=float):
        rng = np.random.default_rng([self.seed, seed])
        shapes = [*[STATE] * len(self.results), (self.T, *self.x_shape), *WEIGHTS.values()]
        return [Tensor(rng.normal(size=shape).astype(dtype), requires_grad=need) for shape, need in zip(shapes, self.needed)]

    def run(self, way, inputs):
        n = len(self.results)
        outputs, state = way(self.step, inputs[:n], inputs[n], inputs[n + 1:])
        return [outputs, *state]


@st.composite
def cases(draw, kinks=True, most=10):
    names = [*UNARY, *(f"w {name}" for name in WEIGHTED), *BINARY, *(f"w {name}" for name in WEIGHTED), *BINARY]
    names += [*KINKED, *KINKED_BINARY] if kinks else []
    number = st.integers(0, 8)
    lines = draw(st.lists(st.tuples(st.sampled_from(names), number, number), max_size=most))
    results = draw(st.lists(st.integers(0, 12), min_size=1, max_size=3))
    x_shape = draw(st.sampled_from([STATE, (3,), (2, 1), ()]))
    inputs = len(results) + 1 + len(WEIGHTS)
    needed = draw(st.one_of(st.just([True] * inputs), st.lists(st.booleans(), min_size=inputs, max_size=inputs)))
    return Case(lines, results, x_shape, draw(st.integers(1, 4)), needed, draw(st.integers(0, 1000)))


def close(one, other, tolerance=1e-10):
    for a, b in zip(one, other, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, np.abs(b).max(initial=0)))


@settings(max_examples=150)
@given(case=cases())
def test_a_random_step_gives_what_the_ordinary_loop_gives(case):
    """Values, gradients of all inputs that need one, from a cotangent for all outputs; with a plan from other numbers."""
    plans.clear()
    case.run(scan, case.inputs(seed=1))
    inputs = case.inputs()
    ys, expected = case.run(scan, inputs), case.run(in_a_loop, inputs)
    assert [plan.fits for plan in plans.values()] == [True]
    close([y.data for y in ys], [y.data for y in expected], 1e-14)
    rng, wanted = np.random.default_rng(case.seed), [t for t in inputs if t.requires_grad]
    gs = [rng.normal(size=y.shape) for y in ys]
    if not wanted:
        assert not ys[0].requires_grad
        return

    def gradients(ys):
        total = sum((y * g).sum() for y, g in zip(ys, gs))
        found = grad(total, wanted, allow_unused=True) if total.requires_grad else [None] * len(wanted)
        return [np.zeros(t.shape) if g is None else g for t, g in zip(wanted, found)]

    first = gradients(ys)
    close(first, gradients(expected))
    close(first, gradients(ys), 0)  # a second time, from the same tape


@settings(max_examples=12)
@given(case=cases(kinks=False, most=5), order=st.integers(1, 2))
def test_a_random_step_against_finite_differences(case, order):
    case.needed = [True] * len(case.needed)
    names = "".join(name for name, _, _ in case.lines)
    inputs = case.inputs()
    report = gradcheck(lambda *inputs: tuple(case.run(scan, inputs)), *(0.5 * t.numpy() for t in inputs), order=order)
    assert report.verdict != "wrong", f"{names}\n{report}"
