"""Every mistake ends in the right gradient or in an error that says what to do. Their table: examples/guides/mistakes.md."""

import copy
import pickle
import re
import threading
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, detach, detect_anomaly, grad, log, no_grad, op
from minigrad.layers import GRU, LSTM, RNN, Linear, Module, Sequential, cross_entropy, mse_loss
from minigrad.optim import SGD, Adam

PAGE = (Path(__file__).parent.parent / "examples" / "guides" / "mistakes.md").read_text(encoding="utf-8")
TABLE = re.findall(r"^\| `(.+?)` \| (\w+): (.+) \|$", PAGE, re.MULTILINE)


def leaf(*shape):
    return Tensor(np.random.default_rng(0).uniform(0.5, 2, shape), requires_grad=True)


def test_the_table_is_there():
    assert len(TABLE) >= 25


@pytest.mark.parametrize(("code", "kind", "message"), TABLE, ids=[code[:40] for code, _, _ in TABLE])
def test_the_table_of_mistakes_quotes_what_happens(code, kind, message):
    rng = np.random.default_rng(0)
    names = {"copy": copy, "np": np, "Tensor": Tensor, "op": op, "log": log, "detect_anomaly": detect_anomaly, "LSTM": LSTM,
             "Linear": Linear, "cross_entropy": cross_entropy, "mse_loss": mse_loss, "SGD": SGD, "rng": rng,
             "x": Tensor([1.0, 2.0, 3.0], requires_grad=True), "lstm": LSTM(3, 4, rng=rng), "xs": np.ones((5, 2, 3))}
    with pytest.raises(Exception) as caught:
        exec(code, names)
    assert caught.type.__name__ == kind
    said = " ".join(str(caught.value).split())
    if message.endswith("[...]"):
        assert said.startswith(message.removesuffix("[...]").strip())
    else:
        assert said == message


@pytest.mark.parametrize("update", [
    lambda W: SGD([W], lr=0.5).step(), lambda W: Adam([W], lr=0.5).step(), lambda W: setattr(W, "data", np.zeros((2, 2))),
    lambda W: W.data.fill(0)])
def test_an_update_between_forward_and_backward_changes_no_gradient(update):
    W = leaf(2, 2)
    y = ((W @ W) * W).sum()
    expected = grad(y, W)
    W.grad = np.ones((2, 2))
    update(W)
    np.testing.assert_array_equal(grad(y, W), expected)


def test_state_carried_with_detach_works():
    for kind in (RNN, LSTM, GRU):
        model, state = kind(2, 3, rng=np.random.default_rng(0)), None
        for _ in range(3):
            h, state = model(np.ones((2, 1, 2)), state)
            h.sum().backward()
            state = detach(state)
    assert isinstance(detach([leaf(1), (leaf(1),)])[1], tuple)
    with pytest.raises(TypeError, match="detach takes a Tensor"):
        detach(None)


def test_retain_grad():
    x = leaf(2)
    h = x * 2
    h.retain_grad()
    assert h.grad is None
    (h * h).sum().backward()
    np.testing.assert_array_equal(h.grad, 2 * h.data)
    np.testing.assert_array_equal(x.grad, 4 * h.data)
    with pytest.raises(RuntimeError, match="does not require grad"):
        Tensor([1.0]).retain_grad()


def test_none_and_zero_gradients_are_told_apart():
    x, unused = leaf(2), leaf(2)
    (x * 0).sum().backward()
    assert unused.grad is None and Tensor([1.0]).grad is None
    np.testing.assert_array_equal(x.grad, [0, 0])


@pytest.mark.parametrize(("formula", "message"), [
    (lambda g, x: np.sin(np.ones(7)) * g, r"'student'.*'x' failed.*shape \(3,\)"),
    (lambda g, x: Tensor(np.ones(3)), "returned a Tensor"),
    (lambda g, x: missing_name * g, "missing_name"),  # noqa: F821
])
def test_a_formula_that_fails_is_named(clean_registry, formula, message):
    @op(formula)
    def student(x):
        return x + 0.0

    with pytest.raises((RuntimeError, TypeError, NameError), match=message):
        student(leaf(3)).sum().backward()


def test_a_formula_is_a_function():
    with pytest.raises(TypeError, match="a gradient formula must be a function of g, not None: if nothing flows back"):
        op(lambda g: g, None)


def test_a_formula_that_cuts_the_graph_is_named(clean_registry):
    @op(lambda g, x: g.detach() * 2 if isinstance(g, Tensor) else g * 2)
    def student(x):
        return 2 * x

    x = leaf(3)
    cotangent = leaf(3)
    with pytest.raises(TypeError, match=r"student.*cut off from the graph"):
        grad(student(x), x, cotangent, create_graph=True)


def test_detect_anomaly_names_operation_and_line():
    x = Tensor([1.0, 0.0], requires_grad=True)
    with detect_anomaly(), np.errstate(all="ignore"):
        with pytest.raises(FloatingPointError, match=r"log\(x: \(2,\)\) gives 0 NaN and 1 infinite of 2") as caught:
            log(x)  # the guilty line
        assert "test_mistakes.py" in str(caught.value) and "the guilty line" in str(caught.value)
        y = mg.sqrt(x)  # sqrt is finite at 0, its slope is not
        with pytest.raises(FloatingPointError, match=r"'sqrt'.*'x' gives 0 NaN and 1 infinite") as caught:
            y.sum().backward()
        assert "its slope is not" in str(caught.value)
    assert mg.tanh(x).requires_grad


def test_detect_anomaly_names_the_users_line_for_layers_too():
    model = LSTM(1, 2, rng=np.random.default_rng(0))
    with detect_anomaly(), np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="the guilty call"):
        model(np.full((1, 1, 1), np.nan))  # the guilty call


def test_a_backward_that_failed_can_be_repeated():
    x = Tensor([0.0], requires_grad=True)
    y = mg.sqrt(x).sum()
    with np.errstate(all="ignore"):
        with detect_anomaly(), pytest.raises(FloatingPointError):
            y.backward()
        y.backward()
    assert x.grad == np.inf


def test_threads_that_share_a_parameter_lose_nothing():
    p = leaf(1)
    threads = [threading.Thread(target=lambda: [(p * 1.0).sum().backward() for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert p.grad == 2000


def test_wide_graphs():
    x = leaf(1)
    mg.concat(*[x] * 100_000).sum().backward()
    assert x.grad == 100_000
    x.grad = None
    total = x * 0
    for _ in range(20_000):
        total = total + x
    total.sum().backward()
    assert x.grad == 20_000


def test_diamonds():
    x = leaf(1)
    y = x
    for _ in range(40):
        y = (mg.tanh(y) + mg.sigmoid(y)) * 0.5
    assert mg.gradcheck(lambda t: mg.tanh(mg.tanh(t) + mg.sigmoid(t) * t), np.ones(1), order=2)
    assert np.isfinite(grad(y.sum(), x)).all()


def test_threads_do_not_meet():
    expected = 2 * np.arange(5.0)
    found, failures = [None] * 4, []

    def work(i):
        try:
            for _ in range(200):
                x = Tensor(np.arange(5.0), requires_grad=True)
                y = (x * x).sum()
                if i % 2:
                    with no_grad():
                        assert not (x * x).requires_grad
                y.backward()
                found[i] = x.grad
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    for gradient in found:
        np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
def test_nothing_at_all_gives_empty_results(kind):
    rng = np.random.default_rng(0)
    for T, B, H in ((0, 2, 3), (2, 0, 3), (2, 2, 0)):
        model = kind(2, H, rng=rng)
        h, _ = model(np.ones((T, B, 2)))
        assert h.shape == (T, B, H)
        if h.requires_grad:
            h.sum().backward()
            assert all(p.grad is None or np.isfinite(p.grad).all() for p in model.parameters())
    with pytest.raises(ValueError, match="mean of nothing"):
        cross_entropy(Tensor(np.ones((0, 3))), np.zeros(0, int))
    with pytest.raises(ValueError, match="mean of nothing"):
        mse_loss(Tensor(np.ones((0, 3))), np.ones((0, 3)))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_copies_and_pickles(duplicate):
    rng = np.random.default_rng(0)
    model = Sequential(Linear(2, 3, rng=rng), mg.tanh, Linear(3, 1, rng=rng))
    model(np.ones((1, 2))).sum().backward()
    other = duplicate(model)
    for (name, p), (_, q) in zip(model.named_parameters(), other.named_parameters(), strict=True):
        assert p is not q and q.requires_grad and not np.shares_memory(p.data, q.data), name
        np.testing.assert_array_equal(p.data, q.data)
        np.testing.assert_array_equal(p.grad, q.grad)
    np.testing.assert_array_equal(model(np.ones((1, 2))).data, other(np.ones((1, 2))).data)

    class Shared(Module):
        def __init__(self):
            self.one = self.other = leaf(2)

    if duplicate is copy.deepcopy:
        copied = duplicate(Shared())
        assert copied.one is copied.other
    constant = duplicate(Tensor(np.float32([1, 2])))
    assert constant.dtype == np.float32 and not constant.requires_grad
    with pytest.raises(TypeError, match=r"result of mul.*detach\(\)"):
        duplicate(leaf(2) * 2)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_copies_of_what_is_frozen(duplicate):
    model = Sequential(Linear(2, 3, rng=np.random.default_rng(0)), Linear(3, 1, rng=np.random.default_rng(1)))
    model(np.ones((1, 2))).sum().backward()
    frozen = getattr(model, "0").W
    frozen.requires_grad = False
    other, optimizer = duplicate((model, SGD(model.parameters(), lr=0.1, momentum=0.9)))
    assert other.state_dict().keys() == model.state_dict().keys()
    assert [p.requires_grad for p in other.parameters()] == [False, True, True, True]
    assert all(p is q for p, q in zip(optimizer.parameters, other.parameters(), strict=True))
    before = other.state_dict()
    optimizer.step()
    assert [name for name, value in other.state_dict().items() if (value != before[name]).any()] == ["0.b", "1.W", "1.b"]
    frozen.requires_grad = other.parameters()[0].requires_grad = True
    np.testing.assert_array_equal(other.parameters()[0].grad, frozen.grad)  # it was kept, too


def test_a_pickle_of_a_parameter_from_an_older_version():
    function, arguments = leaf(2).__reduce__()
    t = function(np.ones(2), True, np.ones(2))  # had no word about freezing
    assert len(arguments) == 4 and t.requires_grad and (t.grad == 1).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e3, 1e4])
def test_stable_extremes(dtype, size):
    """Values and gradients are finite, and nothing warns."""
    x = Tensor(np.array([[-size, 0, size], [size, size, size]], dtype), requires_grad=True)
    for f in (mg.sigmoid, mg.tanh, mg.softmax, mg.log_softmax, lambda t: mg.logsumexp(t, axis=-1),
              lambda t: cross_entropy(t, [0, 2])):
        y = f(x)
        assert y.dtype == dtype and np.isfinite(y.data).all()
        assert np.isfinite(grad(y, x, np.ones(y.shape))).all()


def test_square_root_and_powers_at_zero():
    x = Tensor([0.0], requires_grad=True)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert grad(mg.sqrt(x), x) == np.inf
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert grad(x ** 0.5, x) == np.inf
    assert grad(x ** 2, x) == 0 and grad(x ** 1, x) == 1


@pytest.mark.parametrize(("function", "formula", "message"), [
    (lambda x: None, lambda g: g, "returned None: is `return` missing"),
    (lambda x: np.multiply(x, 2, out=x), lambda g: g, "read-only: the array belongs to somebody else, so write into a copy"),
    (lambda x: 2 * x, lambda g: np.multiply(g, 2, out=g), "read-only: the array belongs to somebody else, so write into a copy"),
    (np.sin, lambda g, x: g * np.cos(x), "a formula gets Tensors, otherwise arrays"),
], ids=["no return", "writes into x", "writes into g", "np in a formula"])
def test_an_operation_of_ones_own_that_cannot_be_says_why(clean_registry, function, formula, message):
    def student(x):
        return function(x)

    x = leaf(3)
    with pytest.raises((TypeError, ValueError, RuntimeError), match=message):
        grad(op(formula)(student)(x).sum(), x)
        grad(op(formula)(student)(x).sum(), x, create_graph=True)


def test_the_gradient_of_a_linear_function_does_not_depend_on_its_inputs():
    x = leaf(3)
    with pytest.raises(RuntimeError, match="It may also depend on none of them: the gradient of a linear function is constant"):
        grad(grad((2 * x).sum(), x, create_graph=True).sum(), x)
