"""Optimisers against their update equations, written out independently, number by number."""

import math

import numpy as np
import pytest

from minigrad import Tensor
from minigrad.layers import Linear
from minigrad.optim import SGD, Adagrad, Adam, AdamW, RMSprop, clip_grad_norm, clip_grad_value

STEPS = 20


def trajectory(optimizer, p, gradients):
    """p after each step, for given gradients of p."""
    values = []
    for g in gradients:
        optimizer.zero_grad()
        (p * g).sum().backward()
        optimizer.step()
        values.append(p.numpy())
    return values


def sgd_reference(p, gradients, lr, momentum=0.0, weight_decay=0.0, nesterov=False):
    v, values = None, []
    for g in gradients:
        d = g + weight_decay * p
        if momentum:
            v = d if v is None else momentum * v + d
            d = d + momentum * v if nesterov else v
        p = p - lr * d
        values.append(p)
    return values


def adam_reference(p, gradients, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    m = v = 0.0
    values = []
    for t, g in enumerate(gradients, start=1):
        g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g ** 2
        p = p - lr * (m / (1 - betas[0] ** t)) / (math.sqrt(v / (1 - betas[1] ** t)) + eps)
        values.append(p)
    return values


def adamw_reference(p, gradients, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
    m = v = 0.0
    values = []
    for t, g in enumerate(gradients, start=1):
        p = p * (1 - lr * weight_decay)
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g ** 2
        p = p - lr * (m / (1 - betas[0] ** t)) / (math.sqrt(v / (1 - betas[1] ** t)) + eps)
        values.append(p)
    return values


def rmsprop_reference(p, gradients, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False):
    v = a = b = 0.0
    values = []
    for g in gradients:
        g = g + weight_decay * p
        v = alpha * v + (1 - alpha) * g ** 2
        a = alpha * a + (1 - alpha) * g
        b = momentum * b + g / (math.sqrt(v - a ** 2 if centered else v) + eps)
        p = p - lr * b
        values.append(p)
    return values


def adagrad_reference(p, gradients, lr=1e-2, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10):
    v, values = initial_accumulator_value, []
    for t, g in enumerate(gradients):
        g = g + weight_decay * p
        v = v + g ** 2
        p = p - lr / (1 + t * lr_decay) * g / (math.sqrt(v) + eps)
        values.append(p)
    return values


@pytest.mark.parametrize(("optimizer", "reference", "options"), [
    (AdamW, adamw_reference, {}),
    (AdamW, adamw_reference, {"lr": 0.3, "betas": (0.8, 0.95), "weight_decay": 0.2}),
    (RMSprop, rmsprop_reference, {}),
    (RMSprop, rmsprop_reference, {"lr": 0.1, "alpha": 0.9, "momentum": 0.5, "centered": True, "weight_decay": 0.1}),
    (Adagrad, adagrad_reference, {}),
    (Adagrad, adagrad_reference, {"lr": 0.3, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    (SGD, sgd_reference, {"lr": 0.1}),
    (SGD, sgd_reference, {"lr": 0.1, "weight_decay": 0.3}),
    (SGD, sgd_reference, {"lr": 0.1, "momentum": 0.9}),
    (SGD, sgd_reference, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.3, "nesterov": True}),
    (Adam, adam_reference, {}),
    (Adam, adam_reference, {"lr": 0.3, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
])
def test_trajectory(optimizer, reference, options):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=(2, 3)), rng.normal(size=(STEPS, 2, 3))
    p = Tensor(start, requires_grad=True)
    values = trajectory(optimizer([p], **options), p, gradients)
    for index in np.ndindex(2, 3):
        expected = reference(start[index].item(), gradients[(slice(None), *index)].tolist(), **options)
        # a rounding error or two for each of 20 steps, on numbers near 1
        np.testing.assert_allclose([value[index] for value in values], expected, rtol=1e-13, atol=1e-14)


def test_a_step_without_any_gradient_names_the_parameters():
    model = Linear(2, 1, rng=np.random.default_rng(0))
    with pytest.raises(RuntimeError, match=r"loss.backward\(\) before step.*W \(2, 1\), b \(1,\)"):
        SGD(model.named_parameters()).step()
    with pytest.raises(ValueError, match="twice: again"):
        SGD([("once", model.W), ("again", model.W)])


def test_gradients_of_several_backwards_are_named_on_request():
    p = Tensor([1.0], requires_grad=True)
    optimizer = SGD([("p", p)])
    for _ in range(2):
        (p * 2).sum().backward()
    clip_grad_norm([p], 1.0)
    with pytest.warns(UserWarning, match=r"gradients of p are sums .* zero_grad\(\)"):
        optimizer.step(warn_accumulated=True)
    optimizer.zero_grad()
    (p * 2).sum().backward()
    optimizer.step(warn_accumulated=True)


def test_a_schedule_is_a_function_of_the_step():
    p = Tensor([0.0], requires_grad=True)
    optimizer = SGD([p], lr=lambda step: 1 / (1 + step))
    values = trajectory(optimizer, p, [np.array([1.0])] * 3)
    np.testing.assert_allclose(np.ravel(values), [-1, -1.5, -1.5 - 1 / 3], rtol=1e-15)
    assert optimizer.current_lr() == 1 / 4
    optimizer.lr = 0.5
    assert trajectory(optimizer, p, [np.array([1.0])])[0] == pytest.approx(-1.5 - 1 / 3 - 0.5)


@pytest.mark.parametrize("optimizer", [SGD, Adam, AdamW, RMSprop, Adagrad])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_parameter_that_is_a_single_number(optimizer, dtype):
    w = Tensor(dtype(1.0), requires_grad=True)
    o = optimizer([w], lr=0.1)
    for _ in range(3):
        o.zero_grad()
        (w * w).backward()
        o.step()
    assert w.shape == () and w.dtype == dtype and 0 < w.item() < 1
    w.data[...] = 3
    assert w.item() == 3


def test_frozen_parameters_are_kept_and_left_alone():
    model = Linear(2, 1, rng=np.random.default_rng(0))
    o = SGD(model.parameters(), lr=0.1)
    model.W.requires_grad = False
    before = model.state_dict()
    assert set(before) == {"W", "b"}
    o.zero_grad()
    model(np.ones((1, 2))).sum().backward()
    o.step(warn_accumulated=True)
    assert (model.W.data == before["W"]).all() and model.b.data == before["b"] - 0.1
    SGD(model.parameters(), lr=0.1)
    for p in model.parameters():
        p.requires_grad = True
    assert model(np.ones((1, 2))).requires_grad


def test_a_step_that_fails_changes_nothing():
    class Wrong(SGD):
        def update(self, value, g, lr, memory):
            memory["v"] = g
            return value - g if value.size == 2 else self.result(value, g)

    for result in (lambda value, g: None, lambda value, g: np.ones((3, 3)), lambda value, g: "x"):
        p, q = (Tensor(np.ones(n), requires_grad=True) for n in (2, 3))
        o = Wrong([p, q])
        o.result = result
        p.grad, q.grad = np.ones(2), np.ones(3)
        with pytest.raises(TypeError, match=r"Wrong.update must return .* \(3,\) for parameter 1"):
            o.step()
        assert (p.data == 1).all() and o.memory == [{}, {}] and o.steps == 0

    o.result = lambda value, g: g
    o.step()
    q.grad *= 2
    assert (q.data == 1).all()


def test_data_handed_out_before_a_step_can_no_longer_be_written():
    p = Tensor([1.0], requires_grad=True)
    held = p.data
    p.grad = np.ones(1)
    SGD([p], lr=0.1).step()
    with pytest.raises(ValueError, match="read-only"):
        held[0] = 5


def test_clip_grad_value():
    p, q = Tensor(np.zeros(3), requires_grad=True), Tensor(np.zeros(1), requires_grad=True)
    p.grad = np.array([-3.0, 0.25, 2.0])
    clip_grad_value([p, q], 0.5)
    np.testing.assert_array_equal(p.grad, [-0.5, 0.25, 0.5])
    assert q.grad is None


@pytest.mark.parametrize("make", [
    lambda p: SGD(p, lr=0.1, momentum=0.9), lambda p: Adam(p, lr=0.1), lambda p: AdamW(p, lr=lambda step: 0.1 / (1 + step)),
    lambda p: RMSprop(p, momentum=0.9, centered=True), lambda p: Adagrad(p, lr_decay=0.1)])
def test_training_resumes_exactly(make):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=3), rng.normal(size=(STEPS, 3))
    p = Tensor(start, requires_grad=True)
    uninterrupted = trajectory(make([p]), p, gradients)

    p = Tensor(start, requires_grad=True)
    first = make([p])
    trajectory(first, p, gradients[:7])
    q = Tensor(p.data, requires_grad=True)
    second = make([q])
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(trajectory(second, q, gradients[7:])[-1], uninterrupted[-1])


def test_float32_and_parameters_without_gradient_are_left_alone():
    p, q = Tensor(np.ones(2, np.float32), requires_grad=True), Tensor([1.0], requires_grad=True)
    optimizer = Adam([p, q])
    (p * 2).sum().backward()
    with pytest.warns(UserWarning, match=r"no gradient reached parameter 1 \(1,\)"):
        optimizer.step()
    optimizer.step()  # said once
    assert p.dtype == np.float32 and q.data[0] == 1 and p.data[0] != 1


@pytest.mark.parametrize("max_norm", [0.1, 100.0])
def test_clip_grad_norm(max_norm):
    parameters = [Tensor(np.zeros(n), requires_grad=True) for n in (2, 3, 1)]
    gradients = [np.array([3.0, 4.0]), np.array([0.0, 12.0, 0.0])]
    for p, g in zip(parameters, gradients):
        p.grad = g
    assert clip_grad_norm(parameters, max_norm) == pytest.approx(13, rel=1e-15)
    assert parameters[2].grad is None
    expected = min(1, max_norm / (13 + 1e-6))
    for p, g in zip(parameters, gradients):
        np.testing.assert_allclose(p.grad, g * expected, rtol=1e-15)


def test_clip_grad_norm_of_huge_gradients_and_repeated_parameters():
    p = Tensor(np.zeros(2), requires_grad=True)
    p.grad = np.array([3e200, 4e200])
    assert clip_grad_norm([p, p], 1.0) == pytest.approx(5e200, rel=1e-15)
    np.testing.assert_allclose(p.grad, [0.6, 0.8], rtol=1e-15)
    assert clip_grad_norm(p, 2.0) == pytest.approx(1, rel=1e-15)
    p.grad = np.zeros(2)
    assert clip_grad_norm([p], 1.0) == 0


@pytest.mark.parametrize("optimizer", [SGD, Adam, AdamW, RMSprop, Adagrad])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_memory_of_another_kind_is_refused_and_changes_nothing(optimizer, shape, dtype):
    p = Tensor(np.ones(shape, dtype), requires_grad=True)
    options = {"momentum": 0.9} if optimizer in (SGD, RMSprop) else {}
    o = optimizer([p], **options, **({"centered": True} if optimizer is RMSprop else {}))
    trajectory(o, p, [np.full(shape, 2, dtype)] * 3)
    state = o.state_dict()
    assert {key.removeprefix("0.") for key in state} == {"kind", "steps", *o.remembers}
    for key, value in state.items():
        if key == "kind":
            continue
        counts = value.dtype.kind in "iu"
        others = [value.astype(bool), value.astype(str), value.astype(complex), value.astype(object), np.stack([value] * 2),
                  value.astype(float) if counts else value.astype(int), np.array(-1) if counts else np.ones((*shape, 4))]
        for other in others:
            with pytest.raises(ValueError, match="expected"):
                o.load_state_dict({**state, key: other})
        np.testing.assert_equal(o.state_dict(), state)
    o.load_state_dict(state)
    np.testing.assert_equal(o.state_dict(), state)


def one():
    return Tensor([1.0], requires_grad=True)


@pytest.mark.parametrize(("f", "kind", "message"), [
    (lambda: SGD([], lr=1), ValueError, "no parameters"),
    (lambda: SGD(Tensor([1.0], requires_grad=True), lr=1), TypeError, "not one Tensor"),
    (lambda: Adam([Tensor([1.0])]), TypeError, r"parameter 0, of shape \(1,\), is not a leaf"),
    (lambda: Adam(Linear(1, 1, rng=np.random.default_rng(0))), TypeError, r"module.parameters\(\), not one Linear"),
    (lambda: Adam(Linear(1, 1, rng=np.random.default_rng(0)).parameters), TypeError, r"module.parameters\(\)"),
    (lambda: Adam([np.ones(2)]), TypeError, "parameter 0 is a ndarray"),
    (lambda: clip_grad_value([], -1), ValueError, "clip_value"),
    (lambda: SGD([one()], lr=lambda step: -1), ValueError, "lr must be"),
    (lambda: clip_grad_norm(Linear(1, 1, rng=np.random.default_rng(0)), 1.0), TypeError, r"module.parameters\(\)"),
    (lambda: Adam([one()] * 2), ValueError, "twice"),
    (lambda: Adam([one()], lr=-1), ValueError, "lr must be"),
    (lambda: Adam([one()], betas=(0.9, 1.0)), ValueError, "betas"),
    (lambda: SGD([one()], nesterov=True), ValueError, "nesterov"),
    (lambda: clip_grad_norm([], 0), ValueError, "max_norm"),
    (lambda: Adam([one()]).load_state_dict({"kind": "Adam of 1 parameters", "steps": 1, "1.m": 0}), ValueError, "'1.m'"),
    (lambda: SGD([one()]).load_state_dict({"kind": "SGD of 1 parameters", "steps": 1, "0.m": [0]}), ValueError, "no '0.m' here"),
    (lambda: Adam([one()]).load_state_dict({"kind": "Adam of 1 parameters", "steps": 1, "0.m": ["x"]}), ValueError, "dtype"),
    (lambda: Adam([one()]).load_state_dict({"kind": "Adam of 1 parameters", "steps": 1, "0.m": [0, 0]}), ValueError, r"\(2,\)"),
    (lambda: Adam([one()]).load_state_dict({"W": 1}), ValueError, "expected the state of Adam"),
    (lambda: Adam([one()]).load_state_dict(
        SGD([one()]).state_dict()), ValueError, "state of SGD of 1 parameters after 0 steps"),
    (lambda: SGD([one()], lr="fast"), ValueError, "'fast'"),
    (lambda: SGD([(one(), one())]), TypeError, "parameter 0 is a tuple"),
])
def test_errors(f, kind, message):
    with pytest.raises(kind, match=message):
        f()
