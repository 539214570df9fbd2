"""The laws of the engine, core.py: they hold for every graph with any operations."""

import gc
import math
import sys
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import Tensor, grad, no_grad, op
from minigrad.cases import CASES
from minigrad.core import Node
from minigrad.layers import LSTM, unroll
from minigrad.testing import assert_gradients, calls


def nodes_made(f):
    """How many nodes f records."""
    before = next(Node.creation)
    f()
    return next(Node.creation) - before - 1


def test_doubling_is_linear():
    x = Tensor([1.0, -2.0], requires_grad=True)

    def double():
        y = x
        for _ in range(60):
            y = y + y
        y.sum().backward()

    assert nodes_made(double) == 61
    np.testing.assert_array_equal(x.grad, [2.0 ** 60] * 2)


def test_a_chain_of_a_hundred_thousand_operations():
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y * 1.0
    (gradient,) = grad(y, [x])
    assert gradient == 1
    y.backward()
    assert x.grad == 1
    y = x
    for _ in range(100_000):
        y = -y
    saved = weakref.ref(y)
    del y  # freed without backward, without recursion
    assert saved() is None


def test_the_recursion_limit_does_not_matter():
    limit = sys.getrecursionlimit()
    x = Tensor(0.5, requires_grad=True)
    y = x
    for _ in range(5 * limit):
        y = mg.tanh(y)
    first = grad(y, x, create_graph=True)
    assert np.isfinite(first.item())


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_graph_is_freed_without_the_garbage_collector(create_graph):
    gc.disable()
    try:
        collected = []
        for _ in range(3):  # other threads may leave something, too
            gc.collect()
            x = Tensor(np.ones(3), requires_grad=True)
            h = mg.tanh(x * 2)
            inner = weakref.ref(h)
            y = mg.concat(h, mg.sigmoid(h)).sum()
            first = grad(y, x, create_graph=create_graph)
            del h, y, first
            assert inner() is None
            collected.append(gc.collect())
        assert 0 in collected
    finally:
        gc.enable()


def test_backward_frees_the_record_and_says_so():
    x = Tensor([1.0, 2.0], requires_grad=True)
    h = mg.exp(x)
    y = (h * h).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"detach\(\).*retain_graph=True"):
        y.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        (h + 1).sum().backward()


def test_retained_graph_gives_the_gradient_twice():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = (mg.exp(x) * x).sum()
    y.backward(retain_graph=True)
    once = x.grad.copy()
    y.backward()
    np.testing.assert_array_equal(x.grad, 2 * once)


def test_gradients_share_no_memory():
    a, b = (Tensor(np.ones((2, 2)), requires_grad=True) for _ in range(2))
    (a + b).backward(g := np.ones((2, 2)))
    assert not np.shares_memory(a.grad, b.grad)
    assert not np.shares_memory(a.grad, g)
    a.grad[:] = 7
    assert (b.grad == 1).all() and (g == 1).all()

    c = Tensor(np.ones(3), requires_grad=True)
    h = c + 0.0
    first, second, third = grad(h.reshape(3), [c, h, c], np.ones(3))
    for one, other in ((first, second), (second, third), (first, third)):
        assert not np.shares_memory(one, other)
        assert one.flags.writeable


@pytest.mark.parametrize("operation", CASES, ids=lambda operation: operation.__name__)
@given(data=st.data())
def test_raw_path_and_graph_path_agree(operation, data):
    call = data.draw(calls(operation, CASES[operation]))
    leaves = [Tensor(x, requires_grad=True) for x in call.inputs]
    y = call.f(*leaves)
    g = np.random.default_rng(0).normal(size=y.shape)
    for raw, graph in zip(grad(y, leaves, g), grad(y, leaves, g, create_graph=True)):
        # The same formulas on the same numbers; only the order of additions differs.
        np.testing.assert_allclose(raw, graph.data, rtol=1e-14, atol=1e-14)


def products(w, v, *inputs):
    """One matrix in many products: from both sides, with rows, matrices, stacks and vectors, and once by itself."""
    x = inputs[0]
    for _ in range(7):
        x = mg.tanh(x @ w)
    return mg.concat(x.reshape(-1), (inputs[1] @ w).reshape(-1), (inputs[2] @ w).reshape(-1), (w @ v).reshape(-1),
                     (w @ w).reshape(-1), w.reshape(-1), (inputs[1] @ w @ w).reshape(-1))


def stacked_products(w, v, x):
    """One stack of two matrices in products with a matrix, enough of them to be added up twice, and once with a vector."""
    for t in range(20):
        x = mg.tanh((x @ w)[t % 2])
    return mg.concat(x.reshape(-1), (v @ w).reshape(-1), (mg.concat(x, x) @ w).reshape(-1))


@pytest.mark.parametrize("products, shapes", [(products, [(3, 3), (3,), (2, 3), (2, 2, 3), (3,)]),
                                              (stacked_products, [(2, 3, 3), (3,), (1, 3)])])
def test_a_matrix_in_many_products(monkeypatch, products, shapes):
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=shape) for shape in shapes]
    assert_gradients(products, *inputs, order=2)
    leaves = [Tensor(x, requires_grad=True) for x in inputs]
    y = products(*leaves)
    g = rng.normal(size=y.shape)
    for raw, graph in zip(grad(y, leaves, g, allow_unused=True), grad(y, leaves, g, create_graph=True, allow_unused=True)):
        if raw is not None:  # sums of up to 20 terms, in another order
            np.testing.assert_allclose(raw, graph.data, rtol=1e-13, atol=1e-13)
    batches = mg.matmul.postpone[1]
    right = batches.total

    def wrong(gs, saved):
        total = right(gs, saved)
        return total if total is NotImplemented else 1.01 * total

    monkeypatch.setattr(batches, "total", wrong)
    with pytest.raises(AssertionError, match="WRONG"):
        assert_gradients(products, *inputs)


def test_what_is_computed_in_a_batch_is_checked_like_a_formula(monkeypatch):
    w = Tensor(np.eye(3), requires_grad=True)
    y = ((np.ones((1, 3)) @ w) + (np.ones((1, 3)) @ w)).sum()
    for total, error, message in ((lambda gs, saved: np.ones((5, 3)), TypeError, r"'b' returned shape \(5, 3\)"),
                                  (lambda gs, saved: np.full((3, 3), np.nan), FloatingPointError, "9 NaN")):
        monkeypatch.setattr(mg.matmul.postpone[1], "total", total)
        with pytest.raises(error, match=message), mg.detect_anomaly():
            grad(y, w)


def test_stacks_of_matrices_in_many_products():
    rng = np.random.default_rng(0)
    assert_gradients(lambda w, x: (x @ w) @ w @ w, rng.normal(size=(2, 3, 3)), rng.normal(size=(4, 3)), order=2)


def test_what_waits_for_a_shared_weight_is_bounded():
    """1,000 products with one small matrix: their rows are summed now and then, not kept to the end."""
    w = Tensor(np.eye(4), requires_grad=True)
    x = np.ones((500, 4))
    y = mg.stack(*((x @ w).sum() for _ in range(1000))).sum()
    tracemalloc.start()
    y.backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(w.grad, np.full((4, 4), 500 * 1000.0))
    assert peak < 100 * x.nbytes  # all of them would be 1,000


def test_the_record_of_a_loop_grows_linearly_with_time_and_that_of_a_layer_does_not():
    model = LSTM(2, 3, rng=np.random.default_rng(0))
    model(np.ones((1, 1, 2)))  # traced

    def nodes(run):
        return [nodes_made(lambda: run(np.ones((T, 1, 2)))[0].sum().backward()) for T in (10, 20, 40)]  # noqa: B023

    of_loop, of_layer = nodes(lambda x: unroll(model.cells[0], x)), nodes(model)
    assert of_loop[2] - of_loop[1] == 2 * (of_loop[1] - of_loop[0]) > 0
    assert of_layer[0] == of_layer[1] == of_layer[2]


def test_memory_of_an_lstm_grows_linearly_with_time():
    model = LSTM(8, 16, rng=np.random.default_rng(0))

    def peak(T):
        x = np.ones((T, 4, 8))
        tracemalloc.start()
        model(x)[0].sum().backward()
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(10)
    short, long = peak(200), peak(800)
    assert long < 6 * short  # 4 if linear, 16 if quadratic


def test_slicing_every_time_step_needs_one_buffer():
    """The gradient of x[t] is added into one array of x's size; an array for each slice would be T of them."""
    T = 2000
    x = Tensor(np.ones((T, 50)), requires_grad=True)
    y = mg.stack(*(x[t].sum() for t in range(T))).sum()
    tracemalloc.start()
    y.backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (x.grad == 1).all()
    assert peak < 10 * x.data.nbytes


def test_backward_frees_as_it_goes():
    """The gradients of a chain are not kept: one of 400 operations needs a few arrays, not 400."""
    x = Tensor(np.ones(10_000), requires_grad=True)
    y = x
    for _ in range(400):
        y = mg.neg(y)
    y = y.sum()
    tracemalloc.start()
    y.backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * x.data.nbytes


weights = st.lists(st.floats(-2, 2), min_size=3, max_size=3).map(np.array)


@given(weights, weights)
def test_two_graphs_on_the_same_leaves_add_up(a, b):
    x = Tensor([0.3, -0.7, 1.1], requires_grad=True)
    (mg.tanh(x) * a).sum().backward()
    first = x.grad.copy()
    (mg.sigmoid(x) * b).sum().backward()
    np.testing.assert_array_equal(x.grad, first + grad((mg.sigmoid(x) * b).sum(), x))


@given(weights, weights)
def test_two_losses_on_one_graph_equal_their_sum(a, b):
    x = Tensor([0.3, -0.7, 1.1], requires_grad=True)
    h = mg.tanh(x * 2)
    one, two = (h * a).sum(), (mg.exp(h) * b).sum()
    together = grad(one + two, x)
    np.testing.assert_allclose(grad(one, x) + grad(two, x), together, rtol=1e-14, atol=1e-14)  # three additions
    one.backward(retain_graph=True)
    two.backward()
    np.testing.assert_allclose(x.grad, together, rtol=1e-14, atol=1e-14)


def test_derivatives_of_any_order():
    x = Tensor(0.7, requires_grad=True)
    y = mg.exp(2 * x)
    for order in range(1, 6):
        y = grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(2 ** order * math.exp(1.4), rel=1e-14)
    y = mg.tanh(x)
    for _ in range(3):
        y = grad(y, x, create_graph=True)
    t = math.tanh(0.7)
    assert y.item() == pytest.approx((1 - t * t) * (6 * t * t - 2), rel=1e-13)


def test_second_derivative_mixes_with_backward():
    x = Tensor([1.0, 2.0], requires_grad=True)
    slope = grad((x ** 3).sum(), x, create_graph=True)
    (slope * slope).sum().backward()  # d/dx (3 x^2)^2 = 36 x^3
    np.testing.assert_allclose(x.grad, [36, 288], rtol=1e-15)


def test_shared_and_reused_values():
    """One value used in several places gathers all its gradients, at both orders."""
    def f(x, w):
        h = mg.tanh(x @ w)
        h = mg.tanh(h @ w) * h
        return mg.concat(h, x[0:1], h[::-1], axis=0) @ w

    rng = np.random.default_rng(0)
    assert_gradients(f, rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), order=2)


def test_no_grad_records_nothing_and_is_restored():
    x = Tensor([1.0], requires_grad=True)
    with no_grad():
        assert not (x * 2).requires_grad
    with pytest.raises(ZeroDivisionError), no_grad():
        1 / 0  # noqa: B018
    assert (x * 2).requires_grad

    @no_grad()
    def f():
        return x * 2

    assert not f().requires_grad and not f().requires_grad
    assert (x * 2).requires_grad
    with no_grad(), no_grad():
        pass
    assert (x * 2).requires_grad


def test_writing_between_forward_and_backward_changes_no_gradient():
    W = Tensor(np.full((2, 2), 3.0), requires_grad=True)
    constant = np.full((2, 2), 5.0)
    index = np.array([0, 1])
    y = (W * constant * W.T)[index].sum()
    expected = grad(y, W)
    W.data -= 1.0
    W.data[0, 0] = 100.0
    constant[:] = 0
    index[:] = 0
    np.testing.assert_array_equal(grad(y, W), expected)
    assert W.data[0, 0] == 100 and W.data[1, 1] == 2

    views = [W.data[0], W.data.ravel(), Tensor.detach(W).data]
    y = (W * W).sum()
    expected = grad(y, W)
    for view in views:
        view[...] = 1000
    np.testing.assert_array_equal(grad(y, W), expected)

    seen = W.data
    result = W * W
    with pytest.raises(ValueError, match="read-only"):
        seen[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        result.data[0, 0] = 1


def test_the_update_of_every_tutorial():
    W = Tensor([1.0, 2.0], requires_grad=True)
    for _ in range(3):
        W.grad = None
        (W * W).sum().backward()
        W.data -= 0.25 * W.grad
    np.testing.assert_array_equal(W.data, [0.125, 0.25])


def test_a_gradient_for_a_result_asks_no_formula_below_it(clean_registry):
    """Neither a formula by hand, which cannot be differentiated again, nor one that adds into a large array."""
    @op(backward=lambda g, a: 1 / 0)
    def broken(a):
        return a * a

    x = Tensor(np.ones(3), requires_grad=True)
    for z in (broken(x), x[np.array([0, 1])]):
        for create_graph in (False, True):
            found = grad((z ** 3).sum(), z, create_graph=create_graph)
            assert np.array_equal(np.asarray(found if not create_graph else found.data), 3 * z.data ** 2)
    with pytest.raises(ZeroDivisionError):
        grad(broken(x).sum(), x)


@pytest.mark.parametrize("function", [lambda x, b: b, lambda x, b: b[:2], lambda x, b: b.reshape(2, 1)[:, 0]])
def test_an_operation_that_returns_a_constant_shares_it_with_nobody(clean_registry, function):
    second = op(lambda g: g * 0, lambda g: g)(function)
    b = np.ones(2)
    y = second(Tensor(np.ones(2), requires_grad=True), b)
    b[:] = 7
    assert y.data.tolist() == [1, 1]


def test_an_operation_cannot_write_into_a_constant(clean_registry):
    @op(lambda g: g, lambda g: g)
    def careless(x, b):
        b *= 2
        return x + b

    b = np.ones(2)
    with pytest.raises(ValueError, match="read-only: the array belongs to somebody else, so write into a copy"):
        careless(Tensor(np.ones(2), requires_grad=True), b)
    assert b.tolist() == [1, 1] and b.flags.writeable
