"""scan: random steps against the ordinary loop, LSTM's against NumPy and finite differences, and other duties of a record."""

import gc
import math
import re
import threading
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

from minigrad import (
    Tensor, abs, broadcast_to, concat, detect_anomaly, exp, grad, gradcheck, graph, logsumexp, matmul, maximum, minimum, no_grad,
    op, relu, sigmoid, softmax, split, stack, tanh, where,
)
from minigrad.ops import add, getitem, mul
from minigrad.scan import in_a_loop, plans, scan
from minigrad.scan_formula import expression

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


def gates_of_products(a, V):
    z, r = split(wide(a) @ V, 2, axis=-1)
    return sigmoid(z) * tanh(r)


def overlapping(a, V):
    y = tanh(wide(a) @ V)
    return y[:, :4] @ y[:, 2:].swapaxes(0, 1) @ y[:, :3]


def slices_and_more(a, V):
    y = tanh(wide(a) @ V)
    return y[:, :3] * y[:, 3:] + y.sum(axis=1, keepdims=True)


def with_holes(a, V):
    y = tanh(wide(a) @ V)
    return y[:, :2].sum(axis=1, keepdims=True) * y[:, 3:]


def reshaped(a, V):
    z, r = sigmoid((wide(a) @ V).reshape(2, 2, 3).swapaxes(0, 1))
    return z * tanh(r)


def reshaped_beside_another_use(a, V):
    y = wide(a) @ V
    return tanh(y.reshape(2, 2, 3)[:, 0] + y[:, 3:])


# Values have shapes that broadcast to STATE, and the weights of these shapes are among them.
UNARY = {
    "tanh": tanh, "sigmoid": sigmoid, "neg": lambda a: -a, "exp": lambda a: exp(tanh(a)), "square": lambda a: tanh(a) ** 2,
    "power": lambda a: 1.5 ** tanh(a), "softmax": lambda a: softmax(wide(a)), "logsumexp": lambda a: logsumexp(a, keepdims=True),
    "one minus": lambda a: 1 - a, "half": lambda a: 0.5 * a, "constant": lambda a: a * np.array([[1.0, -0.5, 2.0]]),
    "numpy number": lambda a: np.float64(0.7) * a, "where": lambda a: where(a, 0.5, mask=MASK),
    "sum": lambda a: wide(a).sum(axis=0, keepdims=True), "mean": lambda a: a.mean(), "total": lambda a: tanh(a.sum()),
    "row": lambda a: wide(a)[:1], "column": lambda a: wide(a)[:, -1:], "reverse": lambda a: wide(a)[::-1, ::-1],
    "number": lambda a: wide(a)[1, 2], "an index twice": lambda a: wide(a)[[0, 0]],
    "every other": lambda a: wide(a)[:, ::2].mean(), "reshape": lambda a: tanh(wide(a).reshape(3, 2)).reshape(2, 3),
    "transpose": lambda a: tanh(wide(a).T).T, "halves": halves, "whole and part": lambda a: wide(a) * wide(a)[:, 1:2],
    "twice": lambda a: a * a + a, "one more axis": lambda a: a[..., None][..., 0],
}
KINKED = {"relu": relu, "abs": abs, "max": lambda a: wide(a).max(axis=1, keepdims=True)}
BINARY = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: tanh(a) * b,
    "product": lambda a, b: tanh(wide(a) * wide(b)),
    "div": lambda a, b: a / (exp(tanh(b)) + 1), "divided": lambda a, b: tanh(a) / (2 + tanh(b)),
    "pow": lambda a, b: (1.5 + tanh(a)) ** tanh(b), "matmul": lambda a, b: tanh(wide(a) @ (wide(b).T @ wide(a))),
    "concat": lambda a, b: concat(wide(a)[:1], wide(b)[1:]),
    "stack": lambda a, b: stack(wide(a), wide(b), wide(a)).sum(axis=0) * 0.3,
    "choose": lambda a, b: where(a, b, mask=MASK),
}
KINKED_BINARY = {"maximum": maximum, "minimum": minimum}
WEIGHTED = {
    "W": lambda a, w: tanh(wide(a) @ w["W"]), "W transposed": lambda a, w: tanh(wide(a) @ w["W"].T),
    "tanh W": lambda a, w: wide(a) @ tanh(w["W"] * 0.5), "M": lambda a, w: tanh(w["M"] @ wide(a)),
    "a row times W": lambda a, w: tanh(wide(a)[0] @ w["W"]), "W times a row": lambda a, w: tanh(w["W"] @ wide(a)[1]),
    "W between": lambda a, w: tanh(wide(a) @ w["W"] @ wide(a).T)[:, :1], "b": lambda a, w: wide(a) + w["b"],
    "b times W": lambda a, w: a * (w["b"] @ w["W"]), "parts of W": lambda a, w: tanh(wide(a)[:, :2] @ w["W"][1:]),
    "gates": lambda a, w: gates(a, w["V"]), "gates of products": lambda a, w: gates_of_products(a, w["V"]),
    "more gates": lambda a, w: gates_of_products(a, tanh(w["V"])) + gates_of_products(w["row"], w["V"]),
    "overlapping": lambda a, w: overlapping(a, w["V"]), "slices and more": lambda a, w: slices_and_more(a, w["V"]),
    "with holes": lambda a, w: with_holes(a, w["V"]), "reshaped": lambda a, w: reshaped(a, w["V"]),
    "reshaped beside another use": lambda a, w: reshaped_beside_another_use(a, w["V"]),
    "beside": lambda a, w: tanh(concat(wide(a), broadcast_to(w["column"], shape=(2, 3)), axis=-1) @ w["V"].T),
    "broadcast number": lambda a, w: a * w["number"], "number minus": lambda a, w: w["number"] - wide(a),
    "column": lambda a, w: w["column"] / (2 + tanh(a)), "row": lambda a, w: tanh(a) * w["row"] + w["row"],
    "power of row": lambda a, w: (1.5 + tanh(a)) ** tanh(w["row"]),
}


@dataclass
class Case:
    """A random step and its arguments."""

    lines: list  # (operation, number of a value, number of another one)
    results: list  # numbers of values, counted from the last; below 0: of a state, as it is
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
        return tuple(wide(values[-1 - i % len(values)]) if i >= 0 else inputs[i % n] for i in self.results)

    def inputs(self, seed=0, dtype=float, x_shape=None):
        rng = np.random.default_rng([self.seed, seed])
        shapes = [*[STATE] * len(self.results), (self.T, *(self.x_shape if x_shape is None else x_shape)), *WEIGHTS.values()]
        return [Tensor(rng.normal(size=shape).astype(dtype), requires_grad=need) for shape, need in zip(shapes, self.needed)]

    def run(self, way, inputs):
        n = len(self.results)
        outputs, state = way(self.step, inputs[:n], inputs[n], inputs[n + 1:])
        return [outputs, *state]


def random_case(seed, length, kinks=True):
    """One number draws all, so every example is equally rich; a shorter step has the first lines of a longer one."""
    rng = np.random.default_rng(seed)
    kinds = [list(UNARY), list(BINARY), [f"w {name}" for name in WEIGHTED], [*KINKED, *KINKED_BINARY]]

    p = [0.3, 0.3, 0.35, 0.05] if kinks else [0.3, 0.3, 0.4, 0]

    def value():  # mostly a late one, so that most are used, and some in several places
        return min(int(rng.exponential(1.5)), 12)

    T, states, x_shape = int(rng.integers(1, 5)), int(rng.integers(1, 4)), [STATE, (3,), (2, 1), ()][rng.integers(4)]
    results = [-1 - int(rng.integers(states)) if rng.random() < 0.25 else value() for _ in range(states)]
    inputs, which = states + 1 + len(WEIGHTS), rng.integers(3)
    needed = [bool(which == 0 or which == 1 and rng.random() < 0.5) for _ in range(inputs)]
    needed[rng.integers(inputs)] = True
    lines = [(str(rng.choice(kinds[rng.choice(4, p=p)])), value(), value()) for _ in range(length)]
    return Case(lines, results, x_shape, T, needed, seed)


seeds = st.integers(0, 2**32 - 1)


def close(one, other, tolerance=1e-10):
    for a, b in zip(one, other, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, np.abs(b).max(initial=0)))


@settings(max_examples=400)
@given(case=st.builds(random_case, seeds, st.integers(4, 12)))
def test_a_random_step_gives_what_the_ordinary_loop_gives(case):
    """Values, gradients of all inputs that need one, from a cotangent for all outputs; with a plan from other numbers, and
    beside a plan for another shape of x."""
    plans.clear()
    case.run(scan, case.inputs(seed=1))
    case.run(scan, case.inputs(seed=2, x_shape=(1,) * len(case.x_shape)))
    inputs = case.inputs()
    ys, expected = case.run(scan, inputs), case.run(in_a_loop, inputs)
    assert [plan.fits for plan in plans.values()] == [True] * (2 if case.x_shape else 1)
    close([y.data for y in ys], [y.data for y in expected], 1e-14)
    rng, wanted = np.random.default_rng(case.seed), [t for t in inputs if t.requires_grad]
    gs = [rng.normal(size=y.shape) for y in ys]

    def gradients(ys):
        total = sum((y * g).sum() for y, g in zip(ys, gs))
        found = grad(total, wanted, allow_unused=True) if total.requires_grad else [None] * len(wanted)
        return [np.zeros(t.shape) if g is None else g for t, g in zip(wanted, found)]

    first = gradients(ys)
    close(first, gradients(expected))
    close(first, gradients(ys), 0)  # a second time, from the same tape


@examples(4)
@given(case=st.builds(random_case, seeds, st.integers(1, 5), kinks=st.just(False)), order=st.integers(1, 2))
def test_a_random_step_against_finite_differences(case, order):
    case.needed, case.T = [True] * len(case.needed), min(case.T, 2)
    report = gradcheck(lambda *inputs: tuple(case.run(scan, inputs)), *(0.5 * t.numpy() for t in case.inputs()), order=order)
    assert report.verdict != "WRONG", f"\n{report}"


# -- one step of an LSTM ----------------------------------------------------------------------------


def lstm_step(h, c, x, W):
    f, i, o, candidate = split(h @ W + x, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(candidate)
    return sigmoid(o) * tanh(c), c


def lstm_inputs(T=5, B=2, H=3, dtype=float, seed=0):
    rng = np.random.default_rng(seed)
    shapes = (B, H), (B, H), (T, B, 4 * H), (H, 4 * H)
    return [Tensor(rng.normal(size=shape).astype(dtype), requires_grad=True) for shape in shapes]


def run(way, h, c, x, W, step=lstm_step):
    outputs, (h, c) = way(step, (h, c), x, (W,))
    return outputs, h, c


def total(ys, seed=1):
    """A number that depends on all of ys, by random weights."""
    rng = np.random.default_rng(seed)
    return sum((y * rng.normal(size=y.shape).astype(y.dtype)).sum() for y in ys)


def operations(y):
    return re.findall(r'^ *n\d+ \[label="(\w+)', graph(y).dot, re.MULTILINE)


def test_an_lstm_against_numpy():
    h, c, x, W = (t.numpy() for t in lstm_inputs())
    outputs, last_h, last_c = run(scan, *map(Tensor, (h, c, x, W)))
    for t in range(len(x)):
        f, i, o, candidate = np.split(h @ W + x[t], 4, axis=1)
        c = c / (1 + np.exp(-f)) + np.tanh(candidate) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        np.testing.assert_allclose(outputs.data[t], h, rtol=1e-13)
    np.testing.assert_allclose([last_h.data, last_c.data], [h, c], rtol=1e-13)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_an_lstm_against_finite_differences(order):
    inputs = [t.numpy() for t in lstm_inputs(T=2, B=1, H=2)]
    if order < 3:
        assert gradcheck(lambda *inputs: run(scan, *inputs), *inputs, order=order)
        return
    h, c, x, W = map(Tensor, inputs)
    assert gradcheck(lambda W: grad(total(run(scan, h, c, x, W)), W, create_graph=True), W.numpy(), order=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("T", [1, 2, 7])
def test_all_dtypes_and_lengths(dtype, T):
    inputs = lstm_inputs(T, dtype=dtype)
    ys, expected = run(scan, *inputs), run(in_a_loop, *inputs)
    tolerance = 1e-13 if dtype == np.float64 else 1e-5
    close([y.data for y in ys], [y.data for y in expected], tolerance)
    close(grad(total(ys), inputs), grad(total(expected), inputs), tolerance)
    assert all(t.dtype == dtype for t in (*ys, *map(np.asarray, grad(total(ys), inputs))))


def test_the_record_has_one_entry():
    inputs = lstm_inputs(T=50)
    outputs, h, c = run(scan, *inputs)
    assert sorted(operations([outputs, h, c])) == ["getitem"] * 3 + ["leaf"] * 4 + ["repeated"]
    assert "run=lstm_step" in graph(outputs).dot


def test_nothing_is_saved_without_a_gradient_and_only_what_is_needed_for_some():
    inputs = lstm_inputs()

    def source():
        plans.clear()
        run(scan, *inputs)
        (plan,) = plans.values()
        return plan.source

    assert "rows.append" in source() and "dw3" in source()
    with no_grad():
        assert "rows.append" not in source()
        assert not run(scan, *inputs)[0].requires_grad
    inputs[3].requires_grad = False  # frozen
    assert "dw3" not in source() and "Sw" not in source() and "rows.append" in source()
    for t in inputs:
        t.requires_grad = False
    assert "rows.append" not in source()


def test_values_may_be_overwritten_between_forward_and_backward():
    inputs = lstm_inputs()
    ys = run(scan, *inputs)
    expected = grad(total(ys), inputs)
    for t in inputs:
        t.data[:] = 7
    close(grad(total(ys), inputs), expected, 0)


def test_what_is_given_out_cannot_be_written_into():
    inputs = lstm_inputs()
    outputs, h, c = run(scan, *inputs)
    for y in (outputs, h, c):
        with pytest.raises(ValueError, match="read-only"):
            y.data[0] = 1
    for g in grad(total([outputs, h, c]), inputs):
        g[:] = 0  # they are ours
    assert grad(total([outputs, h, c]), inputs)[3].any()


def test_retain_graph_and_what_is_freed():
    inputs = lstm_inputs(T=200, B=8, H=16)
    for t in inputs[:3]:
        t.requires_grad = False
    run(scan, *inputs)
    tracemalloc.start()
    ys = run(scan, *inputs)
    loss = total(ys)
    tape = tracemalloc.get_traced_memory()[0]
    loss.backward(retain_graph=True)
    W = inputs[3]
    first = W.grad.copy()
    loss.backward()
    freed = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    close([W.grad], [2 * first], 1e-15)
    assert freed < tape / 3, (freed, tape)  # ys are left
    with pytest.raises(RuntimeError, match="has freed"):
        total(ys).backward()


def test_threads_share_plans():
    expected = []
    for seed in range(4):
        inputs = lstm_inputs(seed=seed)
        expected.append(grad(total(run(in_a_loop, *inputs)), inputs))
    failures = []

    def work(seed):
        try:
            for _ in range(20):
                plans.clear()
                inputs = lstm_inputs(seed=seed)
                close(grad(total(run(scan, *inputs)), inputs), expected[seed])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_an_ordinary_loop_where_it_must_be_one():
    inputs = lstm_inputs()
    with detect_anomaly():
        assert "repeated" not in operations(run(scan, *inputs)[0])
    h, c, x, W = inputs
    outputs, state = scan(lambda h, k, x, W: (tanh(h @ W[:, :3] + k), k * 0.5), (h, Tensor(1.0)), x[:, :, :3], (W,))
    assert "repeated" not in operations(outputs) and state[1].item() == 0.5 ** 5
    outputs, (h_T, _) = run(scan, h, c, Tensor(np.zeros((0, 2, 12))), W)[0], (h, c)
    assert outputs.shape == (0, 2, 3) and h_T is h
    single = Tensor(np.ones((2, 3), np.float32), requires_grad=True)  # float64 after the first step
    outputs, state = scan(lambda h, x, W: (tanh(h @ W[:, :3] + x),), (single,), x[:, :, :3], (W,))
    assert "repeated" not in operations(outputs) and state[0].dtype == np.float64


def test_one_tensor_in_two_places_and_inputs_made_of_each_other():
    W = lstm_inputs()[3]

    def f(way):
        h = tanh(W[:2, :3])
        return total(way(lstm_step, (h, h), stack(W[:2] * 2, W[1:]), (W * h.sum(),))[0:1])

    close([grad(f(scan), W)], [grad(f(in_a_loop), W)])

    def of_one_tensor(h):
        W = concat(h, h, h, h, axis=1)
        return run(scan, h, h, W[None], W)

    assert gradcheck(of_one_tensor, np.random.default_rng(0).normal(size=(3, 3)), order=2)


def test_a_tensor_that_needs_a_gradient_must_be_an_argument():
    h, c, x, W = lstm_inputs()
    with pytest.raises(ValueError, match=r"a Tensor of shape \(3, 12\) .* not among its arguments"):
        scan(lambda h, x: (tanh(h @ W[:, :3] + x),), (h,), x[:, :, :3])
    constant = W.detach()
    outputs, _ = scan(lambda h, x: (tanh(h @ constant[:, :3] + x),), (h,), x[:, :, :3])
    assert "repeated" in operations(outputs)


def test_a_formula_that_was_changed_is_used(monkeypatch):
    inputs = lstm_inputs()
    before = grad(total(run(scan, *inputs)), inputs)
    monkeypatch.setattr(tanh, "formulas", (lambda g, y: 0 * g,))
    ys = run(scan, *inputs)
    after = grad(total(ys), inputs)
    close(after, grad(total(run(in_a_loop, *inputs)), inputs))
    assert not np.allclose(before[3], after[3])


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(("op", "other"), [
    (tanh, lambda x: 0.5 * np.tanh(x)), (sigmoid, lambda x: 0.5 / (1 + np.exp(-x))), (add, lambda a, b: a + 2 * b),
    (mul, lambda a, b: a * b + 1), (matmul, lambda a, b: 2 * (a @ b)),
    (getitem, lambda x, *, index: x[index] * (2 if isinstance(index, tuple) else 1)),  # in the step, not between time steps
])
def test_a_function_that_was_replaced_is_called(monkeypatch, op, other, new):
    """scan writes these operations as what they call: NumPy's functions, an index. new: there is no plan yet."""
    inputs = lstm_inputs()
    before = run(scan, *inputs)[1]
    if new:
        plans.clear()
    monkeypatch.setattr(op, "function", other)
    ys, expected = run(scan, *inputs), run(in_a_loop, *inputs)
    close([ys[0].data], [expected[0].data], 1e-14)
    assert not np.allclose(before.data, ys[0].data[-1])
    monkeypatch.undo()
    close([run(scan, *inputs)[1].data], [before.data], 0)


def test_formulas_of_arithmetic_are_written_as_they_stand():
    def written(formula):
        return expression(formula, ["g", "y"], str)

    assert written(lambda g, y: g * (1 - y * y)) == "(g * (1 - (y * y)))"
    assert written(lambda g, y: -g / (0.5 + y) - 2 / g + y * 3) == "((((-g) / (0.5 + y)) - (2 / g)) + (y * 3))"
    assert written(lambda g, y: g) == "g"
    array, factor = np.ones(3), 2.0
    more = [lambda g, y: g * (y == 0), lambda g, y: g * (y > 0), lambda g, y: g if y else -g,
            lambda g, y: g if y in (0, 1) else y, lambda g, y: np.exp(y) * g, lambda g, y: exp(y) * g,
            lambda g, y: g * array, lambda g, y: array * g, lambda g, y: g * np.exp(1) ** y, lambda g, y: g[0] * y,
            lambda g, y: g.sum() * y, lambda g, y: g @ y, lambda g, y: factor * g, lambda g, y: math.pi * g,
            lambda g, y: 1.0]
    assert [written(formula) for formula in more] == [None] * len(more)


def test_the_garbage_collector_has_nothing_to_do_per_time_step():
    """A list or tuple for each time step is fine. More would make long sequences slower per time step."""
    run(scan, *lstm_inputs())
    inputs, grown = lstm_inputs(T=2000), []
    for _ in range(3):  # other threads may make objects, too
        gc.collect()
        before = len(gc.get_objects())
        ys = run(scan, *inputs)
        gc.collect()
        grown.append(len(gc.get_objects()) - before)
        total(ys).backward()
    assert min(grown) < 100


def test_an_operation_by_hand_runs_in_the_ordinary_loop(clean_registry):
    @op(backward=lambda g, a, b: (g * b, g * a))
    def product(a, b):
        return a * b

    def step(h, x, w):
        return (product(h, x) + w,)

    rng = np.random.default_rng(0)
    inputs = [Tensor(rng.normal(size=shape), requires_grad=True) for shape in ((2, 3), (4, 2, 3), (2, 3))]
    found = [grad(f(step, inputs[:1], *inputs[1:2], inputs[2:])[0].sum(), inputs) for f in (scan, in_a_loop)]
    close(*found, 0)


@dataclass
class Scaled:
    """tanh's formula, and a thing that cannot be hashed."""

    factor: float

    def __call__(self, g, y):
        return self.factor * g * (1 - y * y)

    __name__ = "scaled"


def test_a_formula_that_cannot_be_hashed():
    own = op(Scaled(1.0))(lambda x: np.tanh(x))
    x, h = Tensor(np.ones((4, 2)), requires_grad=True), Tensor(np.zeros(2), requires_grad=True)
    found = [grad(loop(lambda h, x_t: (own(h + x_t),), (h,), x, ())[0].sum(), [x, h]) for loop in (scan, in_a_loop)]
    close(*found)
