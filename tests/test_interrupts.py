"""Ctrl-C at any line of minigrad changes everything or nothing, so that a notebook's cell can be run again."""

import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad
from minigrad import Tensor, sigmoid, tanh
from minigrad.layers import Linear
from minigrad.optim import SGD, Adagrad, Adam
from minigrad.training import adding

OURS = tuple(str(Path(folder).resolve()) for folder in (
    minigrad.__path__[0], *minigrad.optim.__path__, *minigrad.layers.__path__))


def interrupted(f, n):
    """Run f and press Ctrl-C before the n-th line of minigrad's files. Did f run that far?"""
    lines = 0

    def at_line(frame, event, argument):
        nonlocal lines
        lines += event == "line"
        if lines == n:
            raise KeyboardInterrupt
        return at_line

    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: at_line if frame.f_code.co_filename.startswith(OURS) else None)
    try:
        f()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def check_all_or_nothing(prepare, act, look):
    """look(...) after an interrupted act(...) is the same as before act, or as after a full act; both happen."""
    old, whole = prepare(), prepare()
    act(whole)
    old, new = look(old), look(whole)
    found, n = set(), 1
    while True:
        things = prepare()
        ran_that_far = interrupted(lambda: act(things), n)  # noqa: B023
        seen = look(things)
        assert seen in (old, new), f"half done, when interrupted before line {n}: {seen}"
        if not ran_that_far:
            break
        found.add(seen == new)
        n += 1
    assert seen == new and n > 10
    return found


def numbers(array):
    return None if array is None else array.tolist()


def parameters():
    return [Tensor(np.arange(4.0).reshape(2, 2) + i, requires_grad=True) for i in range(3)]


@pytest.mark.parametrize("again", [False, True])
def test_backward(again):
    def prepare():
        a, b, c = parameters()
        for p in (a, b, c)[:2 * again]:
            p.grad = np.ones((2, 2))
        h = sigmoid(a @ b)
        h.retain_grad()
        return a, b, c, h, (tanh(h @ a) * c + b).sum()

    def look(things):
        assert not adding.locked()
        return [(numbers(t.grad), t.node.accumulator.calls) for t in things[:4]]

    found = check_all_or_nothing(prepare, lambda things: things[-1].backward(), look)
    assert found == {False, True}  # interrupted while the record is freed: the gradients are there


@pytest.mark.parametrize("optimizer", [lambda p: SGD(p, momentum=0.9), Adam, Adagrad])
@pytest.mark.parametrize("lent", [False, True])
def test_step(optimizer, lent):
    def prepare():
        o = optimizer(parameters())
        for _ in range(2):
            for p in o.parameters:
                p.grad = np.ones((2, 2))
            o.step()
        if lent:
            o.handed_out = [p.data for p in o.parameters]
        return o

    def look(o):
        return [numbers(p.numpy()) for p in o.parameters], o.steps, {name: numbers(v) for name, v in o.state_dict().items()}

    check_all_or_nothing(prepare, lambda o: o.step(), look)


def test_load_state_dict():
    model, optimizer = Linear(2, 3, rng=np.random.default_rng(1)), Adam(parameters())
    model.b.data = np.ones(3)
    for p in optimizer.parameters:
        p.grad = np.ones((2, 2))
    optimizer.step()

    def look(thing):
        return {name: numbers(value) for name, value in thing.state_dict().items()}

    for thing, fresh in ((model, lambda: Linear(2, 3, rng=np.random.default_rng(0))), (optimizer, lambda: Adam(parameters()))):
        check_all_or_nothing(fresh, lambda other: other.load_state_dict(thing.state_dict()), look)  # noqa: B023
