"""Draws functions with right and with wrong gradients, by family, and counts the gradient check's errors on them.

    python tests/bank.py [--right N] [--wrong N] [--seed S] [--family NAME] [--verbose]

Draws N functions of each family, prints a table, and with --verbose each report that is a defect. Draw i of a family is
the same in every run: `--family "l2 norm" --seed 17 --wrong 1 --verbose` repeats draw 17 alone. Exit code 1 if anything is
a defect: a right function called WRONG (unless several kinks meet and the report says so), more than 1 % of the right
ones INCONCLUSIVE away from the edge of a domain or UNSEEN where there is much to see, or a wrong one passed.

Right functions consist of minigrad's operations. If inputs lie on kinks and the check says WRONG, the slopes at many
points nearby decide. A gradient outside all of them is of the documented class ("several"). A gradient between them is right,
so WRONG is a defect; the column "between" counts those outside left and right slope along their own entry.

Wrong functions come with the right version of the same operation. A wrong one is passed if the report is truthy although,
for each of several random weights, an entry off a kink is wrong by more than the sensitivity of its row, relative to the
entry or to the root mean square of the row, whichever is larger.
"""

from __future__ import annotations

import argparse
import functools
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

import minigrad as mg
from minigrad import Tensor, concat, exp, gradcheck, log, log_softmax, logsumexp, op, relu, sigmoid, softmax, sqrt, tanh, where
from minigrad.check import taylor_test
from minigrad.layers import (
    GRU, LSTM, RNN, Dropout, Embedding, GRUCell, Linear, LSTMCell, RNNCell, Sequential, binary_cross_entropy_with_logits,
    cross_entropy, mse_loss,
)

Rng = np.random.Generator

# ---- Right functions: family(rng) -> (f, inputs) or (f, inputs, order) ----

RIGHT: dict[str, Callable[[Rng], tuple]] = {}
EDGES: set[str] = set()  # families at the edge of a domain, where INCONCLUSIVE is no defect
KINKED: set[str] = set()  # families with inputs on kinks, where several may meet
FAINT: set[str] = set()  # families with gradients that may drown in rounding errors, where UNSEEN is right
SEVERAL_KINKS = "several kinks meet"


def right(name: str, *kinds: set[str]) -> Callable:
    def declare(family: Callable) -> Callable:
        RIGHT[name] = family
        for kind in kinds:
            kind.add(name)
        return family
    return declare


def declared(*formulas: Callable) -> Callable:
    """op without an entry in the registry, which other tests walk through."""
    def declare(function: Callable) -> Callable:
        before = dict(mg.registry)
        operation = op(*formulas)(function)
        mg.registry.clear()
        mg.registry.update(before)
        return operation
    return declare


def pick(rng: Rng, *options: Any) -> Any:
    return options[rng.integers(len(options))]


def power(rng: Rng, low: float = -12, high: float = 12, shape: Any = None) -> Any:
    """Random magnitudes, 10^low .. 10^high."""
    return 10.0 ** rng.uniform(low, high, shape)


def shape_of(rng: Rng) -> tuple[int, ...]:
    return pick(rng, (), (1,), (5,), (3, 4), (4, 4), (2, 3, 2))


def silu(x: Any) -> Any:
    return x * sigmoid(x)


def layer_norm(x: Any, epsilon: float = 1e-5) -> Any:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / sqrt((centred * centred).mean(axis=-1, keepdims=True) + epsilon)


def l2_norm(x: Any) -> Any:
    return x / sqrt((x * x).sum())


def variance(x: Any) -> Any:
    return ((x - x.mean(axis=0)) ** 2).mean(axis=0)


SMOOTH = [
    tanh, sigmoid, silu, softmax, layer_norm, l2_norm, lambda x: exp(tanh(x)), lambda x: x * x, lambda x: x ** 3,
    lambda x: sqrt(x * x + 1), lambda x: 1 / (x * x + 1), lambda x: log(1 + x * x), lambda x: -x, lambda x: x + x.sum(),
    lambda x: x - x.mean(), lambda x: x - logsumexp(x), lambda x: log_softmax(x), lambda x: x.swapaxes(-1, 0) * 0.5,
    lambda x: 2 * x[::-1] + 1, lambda x: x * x.sum(axis=-1, keepdims=True), lambda x: concat(x, tanh(x), axis=-1)]


@right("smooth programs")
def _(rng):
    chain = [pick(rng, *SMOOTH) for _ in range(rng.integers(1, 5))]

    def f(x, W, b):
        y = tanh(x @ W + b) if len(chain) % 2 else x
        for step in chain:
            y = step(y)
        return pick_output(y)
    pick_output = pick(rng, lambda y: y, lambda y: y.sum(), lambda y: y.mean(axis=0), lambda y: (y, y.sum()))
    return f, [rng.normal(size=(3, 4)), rng.normal(size=(4, 4)), rng.normal(size=4)], pick(rng, 1, 1, 2)


@right("scaled inputs and outputs")
def _(rng):
    step, a, b = pick(rng, *SMOOTH), power(rng), power(rng)
    return lambda x: step(x / a) * b, [rng.normal(size=(3, 4)) * a]


@right("mixed scales, linear", FAINT)
def _(rng):
    scales = power(rng, shape=(4,))
    f = pick(rng, lambda x: x * scales, lambda x: (x * scales).sum(), lambda x: x.sum(axis=0), lambda x: x * [1e12, 1, 1, 1e-12],
             lambda x: (x * scales).sum(axis=1), lambda x: x / scales)
    return f, [rng.normal(size=(3, 4)) * pick(rng, 1.0, scales, power(rng))]


@right("mixed scales, curved", FAINT)
def _(rng):
    scales = power(rng, shape=(4,))
    f = pick(rng, lambda x: x * x * scales, lambda x: tanh(x), lambda x: tanh(x / scales) * scales, lambda x: x ** 3,
             lambda x: sqrt(x * x + 1), lambda x: 1 / (1 + x * x), lambda x: x * x[:, ::-1], lambda x: x / (x * x).sum() ** 0.5)
    return f, [rng.normal(size=(3, 4)) * scales]


@right("outputs of different sizes")
def _(rng):
    a, b, c = power(rng, shape=3)
    f = pick(rng, lambda x, w: (tanh(x) * a, w * b, x.sum() * c), lambda x, w: (a * x * w, b * sigmoid(x)),
             lambda x, w: (exp(20 * x), exp(-20 * w)), lambda x, w: (a * (x @ w.swapaxes(0, 1)), (b * x, (c * w,))))
    return f, [rng.normal(size=(3, 4)), rng.normal(size=(3, 4))]


@right("products of unlike factors")
def _(rng):
    a, b = power(rng, -8, 8, 2)
    f = pick(rng, lambda x, w: x @ w, lambda x, w: tanh(x @ w / (a * b)), lambda x, w: x * w.sum(), lambda x, w: (x @ w) ** 2)
    return f, [rng.normal(size=(4, 4)) * a, rng.normal(size=(4, 4)) * b]


def integers(rng: Rng, shape: Any, low: int = -2, high: int = 2) -> np.ndarray:
    return rng.integers(low, high + 1, shape).astype(float)


def _sorted_formula(g, x, *, axis=-1):
    order = np.argsort(x, axis=axis, kind="stable")
    gx = np.zeros_like(x)
    np.put_along_axis(gx, order, g, axis=axis)
    return gx


@declared(lambda g, x: _sorted_formula(g, x))
def sort(x):
    return np.sort(x, axis=-1, kind="stable")


@right("relu, abs of integers", KINKED)
def _(rng):
    f = pick(rng, relu, mg.abs, lambda x: relu(x) * 3 + x, lambda x: mg.abs(x).sum(axis=-1), lambda x: relu(x) ** 2)
    return f, [integers(rng, pick(rng, (5,), (3, 4), (6, 6), (8, 8), (20, 20) if rng.random() < 0.3 else ()))]


@right("maximum, minimum of integers", KINKED)
def _(rng):
    f = pick(rng, mg.maximum, mg.minimum, lambda a, b: mg.maximum(a, 0.0) + b, lambda a, b: mg.minimum(a, b).sum(axis=0))
    a = integers(rng, (4, 5))
    return f, [a, pick(rng, a.copy(), integers(rng, (4, 5)), integers(rng, (5,)))]


@right("max, min with ties", KINKED)
def _(rng):
    axis = pick(rng, 0, 1, -1, None)
    f = pick(rng, lambda x: mg.max(x, axis=axis), lambda x: mg.min(x, axis=axis), lambda x: x.max(axis=0) - x.min(axis=0),
             lambda x: x - x.max(axis=1, keepdims=True), lambda x: mg.max(x, axis=axis) * x.sum())
    return f, [integers(rng, pick(rng, (3, 4), (6, 6), (10, 10), (2, 5)))]


@right("sort with ties", KINKED)
def _(rng):
    return pick(rng, sort, lambda x: sort(x) * np.arange(1, 7), lambda x: sort(x)[..., :3]), [
        integers(rng, pick(rng, (6,), (3, 6))) * pick(rng, 1.0, 1.0, 1e-3)]


def relu_network(rng: Rng, bias: float = 0.0, features: int = 4, hidden: int = 5) -> Sequential:
    model = Sequential(Linear(features, hidden, rng=rng), relu, Linear(hidden, 3, rng=rng))
    model.parameters()[1].data = rng.normal(size=hidden) * bias
    return model


@right("relu network, inputs -1 0 1", KINKED)
def _(rng):
    features = pick(rng, 2, 3, 4)
    return relu_network(rng, pick(rng, 0.0, 0.0, 0.3), features, pick(rng, 5, 16)), [integers(rng, (6, features), -1, 1)]


@right("relu network of integers, inputs -1 0 1", KINKED)
def _(rng):
    W = integers(rng, (3, 4), -1, 1)
    f = pick(rng, lambda x, W, b: relu(x @ W + b), lambda x, W, b: relu(x @ W).sum(axis=-1), lambda x, W, b: mg.abs(x @ W + b),
             lambda x, W, b: relu(x @ W + b) @ W.T)
    return f, [integers(rng, (5, 3), -1, 1), W, np.zeros(4)]


@right("relu network, zero rows, with bias", KINKED)
def _(rng):
    x = rng.normal(size=(6, 4))
    x[:rng.integers(1, 5)] = 0
    return relu_network(rng, 0.5), [x]


@right("relu network, zero rows, bias 0", KINKED)
def _(rng):
    x = rng.normal(size=(6, 4))
    x[:rng.integers(1, 5)] = 0
    return relu_network(rng, 0.0), [x]


@right("relu layer, zero rows, bias 0", KINKED)
def _(rng):
    x = rng.normal(size=(6, 4))
    x[:rng.integers(1, 5)] = 0
    return Sequential(Linear(4, 5, rng=rng), pick(rng, relu, mg.abs)), [x]


@right("W zero, inputs of any size", FAINT)
def _(rng):
    a = pick(rng, 1e3, 1e-3, 255.0, power(rng, -6, 6))
    f = pick(rng, lambda x, W, b: tanh(x @ W), lambda x, W, b: sigmoid(x @ W + b), lambda x, W, b: softmax(x @ W + b),
             lambda x, W, b: x @ W + b, lambda x, W, b: logsumexp(x @ W, axis=-1), lambda x, W, b: exp(x @ W / a))
    return f, [rng.normal(size=(3, 4)) * a, np.zeros((4, 5)), np.zeros(5)]


@right("pixels 0..255", FAINT)
def _(rng):
    x, target = rng.integers(0, 256, (4, 16)).astype(float), rng.integers(0, 3, 4)
    model = Linear(16, 3, rng=rng)
    model.W.data = model.W.data * pick(rng, 0.0, 1e-3, 1e-2, 1.0)
    f = pick(rng, lambda W, b: tanh(x @ W + b), lambda W, b: softmax(x @ W + b), lambda W, b: cross_entropy(x @ W + b, target),
             lambda W, b: sigmoid(x @ W + b), lambda W, b: mse_loss(x @ W + b, np.eye(3)[target]))
    return pick(rng, (f, [model.W.data, model.b.data]), (Sequential(model, pick(rng, tanh, softmax)), [x]))


@right("cross entropy, gaps of 20..45", FAINT)
def _(rng):
    target = rng.integers(0, 5, 4)
    logits = rng.normal(size=(4, 5))
    logits[np.arange(4), pick(rng, target, target, rng.integers(0, 5, 4))] += rng.uniform(*pick(rng, (20, 45), (25, 36)))
    f = pick(rng, lambda z: cross_entropy(z, target), lambda z: binary_cross_entropy_with_logits(z, np.eye(5)[target]))
    return f, [logits]


@right("logits ~ 1000", FAINT)
def _(rng):
    a = pick(rng, 100.0, 1000.0, 1e4)
    f = pick(rng, softmax, log_softmax, lambda z: logsumexp(z, axis=-1), lambda z: cross_entropy(z, [0, 1, 2]),
             lambda z: log(softmax(z / 10) + 1e-9))
    return f, [rng.normal(size=(3, 4)) * pick(rng, 1.0, 3.0, a) + pick(rng, 0.0, a)]


@right("log(sigmoid(-700))", FAINT)
def _(rng):
    x = rng.uniform(-705, -30, 5) if rng.random() < 0.5 else np.full(3, -700.0)
    return pick(rng, lambda x: log(sigmoid(x)), lambda x: log(sigmoid(x)).mean(), lambda x: log(exp(x))), [x]


@right("saturated sigmoid, tanh", FAINT)
def _(rng):
    f = pick(rng, tanh, sigmoid, lambda x: 1 - tanh(x), lambda x: tanh(x) ** 2, lambda x: sigmoid(x) * tanh(x), silu,
             lambda x: sigmoid(x).sum(), lambda x: log(1 + exp(x)))
    x = rng.uniform(*pick(rng, (5, 15), (15, 40), (5, 40)), (3, 4))
    return f, [x * rng.choice(pick(rng, [1, -1], [1, 1]), (3, 4))], pick(rng, 1, 2)


CELLS = [(RNNCell, 1), (GRUCell, 1), (LSTMCell, 2)]


def cell_draw(rng, x, h, weights=1.0, dtype=np.float64):
    cell, states = pick(rng, *CELLS)
    model = cell(x.shape[-1], h.shape[-1], rng=rng, dtype=dtype)
    for parameter in model.parameters():
        parameter.data = parameter.data * weights
    return model, [x.astype(dtype), h.astype(dtype) if states == 1 else (h.astype(dtype), h[::-1].astype(dtype))]


@right("cells")
def _(rng):
    return *cell_draw(rng, rng.normal(size=(2, 2)), rng.normal(size=(2, 3)), pick(rng, 1.0, 3.0)), pick(rng, 1, 2)


@right("cells, zero states or weights", FAINT)
def _(rng):
    x, h = rng.normal(size=(2, 2)) * pick(rng, 0, 1, 1, 100), rng.normal(size=(2, 3)) * pick(rng, 0, 0, 1)
    return *cell_draw(rng, x, h, pick(rng, 0.0, 1.0)), pick(rng, 1, 2)


@right("cells, large inputs", FAINT)
def _(rng):
    x, h = rng.normal(size=(2, 2)) * pick(rng, 10, 30, 30, 100), rng.normal(size=(2, 3)) * pick(rng, 0, 1)
    return *cell_draw(rng, x, h), pick(rng, 1, 2)


@right("sequences, padding", FAINT)
def _(rng):
    model = pick(rng, RNN, LSTM, GRU)(2, 3, rng=rng)
    x = rng.normal(size=(4, 2, 2)) * pick(rng, 1, 1, 30)
    x[pick(rng, 2, 3, 4):] = 0
    x[:, 1] *= pick(rng, 0, 1)
    return (model, [x]) if rng.random() < 0.75 else (model, [x[1:3, :1]], 2)


@right("sequences, masked loss")
def _(rng):
    model, head = pick(rng, RNN, LSTM, GRU)(2, 3, rng=rng), Linear(3, 4, rng=rng)
    mask, target = rng.random((4, 2)) < 0.6, rng.integers(0, 4, (4, 2))

    def f(x, W, b):
        logits = model(x)[0] @ W + b
        picked = log_softmax(logits)[(*np.indices((4, 2)), target)]
        return where(picked, 0.0, mask=mask).sum() / max(1, mask.sum())
    return f, [rng.normal(size=(4, 2, 2)), head.W.data, head.b.data * 0]


FLAT = [
    lambda x: 1 / (silu(x) ** 2 + 2), lambda x: sqrt(silu(x) ** 2 + 1), lambda x: relu(x) ** 2, lambda x: x ** 3,
    lambda x: x * x, lambda x: x ** 4, lambda x: 1 - x * x / 2 + x ** 4 / 24, lambda x: 1 / (1 + x * x),
    lambda x: exp(-x * x), lambda x: tanh(x) ** 2, lambda x: sigmoid(x * x), lambda x: x * x * tanh(x),
    lambda x: tanh(x ** 3), lambda x: relu(x) ** 3, lambda x: x * relu(x), lambda x: x * mg.abs(x), lambda x: x - tanh(x),
    lambda x: relu(x) ** 2 * tanh(x)]


@declared(lambda g, x: -g * np.sin(x))
def cos(x):
    return np.cos(x)


@right("flat at a point", FAINT)
def _(rng):
    step, shape = pick(rng, *FLAT, cos), pick(rng, (), (3,), (4, 4))
    f = pick(rng, step, step, lambda x: step(x).sum(), lambda x: step(x) * 1e3, lambda x: step(x / 100))
    return f, [np.zeros(shape) if rng.random() < 0.5 else rng.integers(-1, 2, shape) * 1.0]


@right("flat at a point, second order", FAINT)
def _(rng):
    return pick(rng, *FLAT), [np.zeros(pick(rng, (), (3,)))], 2


@right("one-hot, embedding, where")
def _(rng):
    one_hot, numbers, mask = np.eye(5)[rng.integers(0, 5, 6)], rng.integers(0, 5, 6), rng.random((5, 3)) < 0.5
    return pick(rng,
                (lambda x, W: tanh(x @ W), [one_hot, rng.normal(size=(5, 3))]),
                (lambda x, W: softmax(x @ W), [one_hot, np.zeros((5, 3))]),
                (lambda W: tanh(W[numbers]), [rng.normal(size=(5, 3))]),
                (Embedding(5, 3, rng=rng), [numbers]),
                (lambda x, W: where(x @ W, 0.0, mask=mask[:, :1].T.repeat(6, 0)[:, :1]), [one_hot, rng.normal(size=(5, 3))]),
                (lambda W: where(W, -1e9, mask=mask), [rng.normal(size=(5, 3))]),
                (lambda W: softmax(where(W, -1e9, mask=mask)), [rng.normal(size=(5, 3))]),
                (lambda W: softmax(W + np.where(mask, 0.0, -1e9)), [rng.normal(size=(5, 3))]),
                (lambda W: W[numbers] * W[numbers[::-1]], [rng.normal(size=(5, 3))]))


@right("normalisation")
def _(rng):
    a, shift = power(rng, -6, 6), pick(rng, 0.0, 0.0, 1.0, 1000.0)
    f = pick(rng, layer_norm, lambda x: layer_norm(x, 1e-12), l2_norm, variance, lambda x: logsumexp(x, axis=0),
             lambda x: (x - x.mean(axis=0)) / sqrt(variance(x) + 1e-5), lambda x: x / x.sum(axis=0),
             lambda x: x / sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-6))
    return f, [(rng.normal(size=(4, 5)) + shift) * a]


@right("cancellation", FAINT)
def _(rng):
    big = pick(rng, 1e3, 1e6, 1e8, 1e12, 1e15)
    f = pick(rng, lambda x: x + big, lambda x: (x + big) - big, lambda x: (x + big).sum(), lambda x: tanh(x) + big,
             lambda x: ((x - x.mean()) ** 2).sum(), lambda x: (x + 1e6) ** 2 - 1e12, lambda x: variance(x * big),
             lambda x: big * x - (big - 1) * x)
    return f, [rng.normal(size=(3, 4)) + pick(rng, 0.0, 1000.0)]


@right("float32")
def _(rng):
    x, one = rng.normal(size=(3, 4)).astype(np.float32), np.float32(1)
    single = {"rng": rng, "dtype": np.float32}
    return pick(rng,
                (tanh, [x]),
                (lambda x: softmax(x * 5), [x]),
                (layer_norm, [x * one * pick(rng, 1, 1e3, 1e-3)]),
                (Sequential(Linear(4, 5, **single), tanh, Linear(5, 2, **single)), [x]),
                (lambda x: cross_entropy(x * 10, [0, 1, 2]), [x]),
                (lambda x: (x * x).sum(), [x]),
                (variance, [x + 100 * one]),
                cell_draw(rng, x[:, :2], x, dtype=np.float32),
                (pick(rng, RNN, LSTM, GRU)(2, 3, **single), [rng.normal(size=(6, 2, 2)).astype(np.float32)]),
                (lambda x: logsumexp(x + 20, axis=0), [x]),
                (lambda x: sigmoid(x * 8), [x]),
                (lambda x: x / x.sum(), [x + 3 * one]))


@right("empty, 0-d, one entry")
def _(rng):
    shape = pick(rng, (0,), (0, 3), (3, 0), (), (1,), (1, 1))
    f = pick(rng, tanh, lambda x: x.sum(), lambda x: (x, x * 2), lambda x: x * x, lambda x: x.sum(axis=0) if x.ndim else x)
    return f, [rng.normal(size=shape)], pick(rng, 1, 2)


@right("a Tensor given twice")
def _(rng):
    h = Tensor(rng.normal(size=(3, 4)), requires_grad=True)
    return pick(rng, (lambda a, b: a * b, [h, h]), (lambda a, b: a @ b.swapaxes(0, 1), [h, h]), (mg.maximum, [h, h]),
                (LSTMCell(2, 4, rng=rng), [rng.normal(size=(3, 2)), (h, h)]), (lambda a, b: a / (b * b + 1), [h, h]))


@right("not used, constant, dropout off", FAINT)
def _(rng):
    x, w = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    f = pick(rng, lambda x, w: tanh(x), lambda x, w: tanh(x) + 0 * w, lambda x, w: x - x + w, lambda x, w: relu(x - 10) + w,
             lambda x, w: softmax(x).sum() + w, Dropout(0.5, rng=rng).eval())
    return f, [x] if isinstance(f, Dropout) else [x, w]


@right("near the edge of a domain", EDGES, FAINT)
def _(rng):
    tiny = power(rng, -300 if rng.random() < 0.2 else -14, -1, 4)
    return pick(rng, log, sqrt, lambda x: 1 / x, lambda x: x ** 0.5, lambda x: x * log(x), lambda x: x ** 1.5,
                lambda x: log(1 - x), lambda x: sqrt(1 - (1 - (x + 1e-10)) ** 2), lambda x: log(1 - sigmoid(-30 - x))), [tiny]


@right("several kinks meet", KINKED)
def _(rng):
    v = rng.normal(size=3)
    f = pick(rng, lambda x: relu(x) - relu(-x), lambda x: relu(x) - relu(-2 * x), lambda x: relu(relu(x) - relu(-x)),
             lambda x: mg.abs(x) + 3 * relu(-x) - relu(x) * 0.5, lambda x: (relu(x) - relu(-x)) * v)
    return f, [np.zeros(3)]


# ---- Wrong functions: family(usual, rng) -> Wrong ----


@dataclass
class Wrong:
    """f with a wrong gradient, truth with the right one. unequal: the outputs are of very different sizes, and weights that
    make them equal count as well. kinks(*inputs): a mask for each input of the entries that lie on a kink. relative:
    the error, where truth cannot give it. taylor: for taylor_test instead of gradcheck. seed and order: the
    check's."""

    f: Callable
    truth: Callable
    inputs: list[np.ndarray]
    unequal: bool = False
    kinks: Callable | None = None
    relative: float | None = None
    taylor: bool = False
    seed: int = 0
    order: int = 1


WRONG: dict[str, Callable] = {}


def wrong(name: str, taylor: bool = False) -> Callable:
    def declare(family: Callable) -> Callable:
        WRONG[name] = family
        if taylor:
            def for_taylor(usual, rng):
                draw = family(usual, rng)
                draw.taylor = True
                return draw
            WRONG[f"{name} (taylor)"] = for_taylor
        return family
    return declare


def _seeded(seed: int) -> Callable:
    np.random.seed(seed)
    return lambda shape: np.random.randn(*shape)


WAYS: dict[str, Callable[[int], Callable]] = {
    "normal": lambda seed: (lambda rng: lambda shape: rng.normal(size=shape))(np.random.default_rng(seed)),
    "standard_normal": lambda seed: np.random.default_rng(seed).standard_normal,
    "uniform": lambda seed: (lambda rng: lambda shape: rng.uniform(size=shape))(np.random.default_rng(seed)),
    "uniform -1..1": lambda seed: (lambda rng: lambda shape: rng.uniform(-1, 1, shape))(np.random.default_rng(seed)),
    "integers": lambda seed: (lambda rng: lambda shape: rng.integers(-3, 4, shape).astype(float))(np.random.default_rng(seed)),
    "RandomState": lambda seed: (lambda rng: lambda shape: rng.normal(size=shape))(np.random.RandomState(seed)),
    "seed, randn": _seeded,
    "linspace": lambda seed: lambda shape: np.linspace(-1, 1, int(np.prod(shape))).reshape(shape),
    "arange": lambda seed: lambda shape: np.arange(int(np.prod(shape))).reshape(shape) * 1.0,
    "ones": lambda seed: np.ones,
}
"""How people draw their inputs: seed -> (shape -> array), one array after the other."""
WITHOUT_SEED = {"linspace", "arange", "ones"}
PLACES = [(way, seed) for seed in range(21) for way in WAYS if seed == 0 or way not in WITHOUT_SEED]


def pair(function: Callable, right: list[Callable], wrong: dict[int, Callable]) -> tuple[Callable, Callable]:
    """The function with its formulas, some of them replaced, and with the right ones."""
    return declared(*[wrong.get(i, formula) for i, formula in enumerate(right)])(function), declared(*right)(function)


def _softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _std(x, epsilon=1e-5):
    return np.sqrt(x.var(axis=-1, keepdims=True) + epsilon)


def _mean(a):
    return a.mean(axis=-1, keepdims=True)


def _sum(a):
    return a.sum(axis=-1, keepdims=True)


def sech2(x):
    """The derivative of tanh."""
    return 1 / np.cosh(x) ** 2


L2 = (lambda x: x / np.sqrt((x * x).sum()), [lambda g, y, x: (g - y * (g * y).sum()) / np.sqrt((x * x).sum())])
SOFTMAX = (lambda x: _softmax(x), [lambda g, y: y * (g - _sum(g * y))])
LAYER_NORM = (lambda x: (x - _mean(x)) / _std(x), [lambda g, y, x: (g - _mean(g) - y * _mean(g * y)) / _std(x)])
STANDARDIZED = (lambda x: (x - _mean(x)) / _std(x, 0), [lambda g, y, x: (g - _mean(g) - y * _mean(g * y)) / _std(x, 0)])
MATMUL = (lambda x, W: x @ W, [lambda g, W: g @ W.T, lambda g, x: x.T @ g])
TANH = (lambda x: np.tanh(x), [lambda g, y: g * (1 - y * y)])
SQUARE = (lambda x: x * x, [lambda g, x: 2 * g * x])


@wrong("l2 norm", taylor=True)
def _(usual, rng):
    bad = pick(rng, lambda g: 0 * g, lambda g, x: g / np.sqrt((x * x).sum()), lambda g, y: g - y * (g * y).sum(),
               lambda g, y, x: (g + y * (g * y).sum()) / np.sqrt((x * x).sum()))
    return Wrong(*pair(*L2, {0: bad}), [usual(pick(rng, (3, 4), (5,), (4, 4)))])


@wrong("layer norm", taylor=True)
def _(usual, rng):
    bad = pick(rng, lambda g: 0 * g, lambda g, x: g / _std(x), lambda g, x: (g - _mean(g)) / _std(x),
               lambda g, y: g - _mean(g) - y * _mean(g * y), lambda g, y, x: (g - y * _mean(g * y)) / _std(x),
               lambda g, y, x: (g - g.mean() - y * _mean(g * y)) / _std(x))
    return Wrong(*pair(*pick(rng, LAYER_NORM, STANDARDIZED), {0: bad}), [usual(pick(rng, (3, 4), (4, 4), (2, 6)))])


@wrong("softmax", taylor=True)
def _(usual, rng):
    bad = pick(rng, lambda g, y: y * g, lambda g, y: g * y * (1 - y), lambda g, y: y * (g - (g * y).sum()), lambda g, y: g - y,
               lambda g, y: y * (g - g.sum(axis=-1, keepdims=True)), lambda g, y: y * (g + _sum(g * y)))
    return Wrong(*pair(*SOFTMAX, {0: bad}), [usual(pick(rng, (3, 4), (4, 4), (5,)))])


@wrong("x @ W, W square", taylor=True)
def _(usual, rng):
    bad = pick(rng, {1: lambda g, x: (x.T @ g).T}, {1: lambda g, x: g.T @ x}, {0: lambda g, W: g @ W},
               {1: lambda g, x: x.T @ x}, {1: lambda g: g.T @ g})
    return Wrong(*pair(*MATMUL, bad), [usual(pick(rng, (4, 5), (5, 5), (1, 5))), usual((5, 5))])


@wrong("affine map")
def _(usual, rng):
    formulas = [lambda g, W: g @ W.T, lambda g, x: x.T @ g, lambda g: g.sum(axis=0)]
    bad = pick(rng, {2: lambda g: g[0]}, {2: lambda g: g.mean(axis=0)}, {2: lambda g: g.sum(axis=1)}, {2: lambda g: 0 * g[0]},
               {2: lambda g: 0 * g[0] + g.sum()}, {1: lambda g, x: x.T @ g / len(x)}, {1: lambda g, x: np.outer(x[0], g[0])},
               {1: lambda g, x: np.abs(x).T @ g})
    return Wrong(*pair(lambda x, W, b: x @ W + b, formulas, bad), [usual((5, 4)), usual((4, 5)), usual((5,))])


@wrong("summed over the wrong axis")
def _(usual, rng):
    function, formulas, bad, *shapes = pick(
        rng,
        (lambda x: x.sum(axis=0), [lambda g, x: 0 * x + g[None]], {0: lambda g, x: 0 * x + g[:, None]}, (4, 4)),
        (lambda x: x.mean(axis=0), [lambda g, x: (0 * x + g[None]) / len(x)], {0: lambda g, x: 0 * x + g[None]}, (3, 4)),
        (lambda a, b: a * b, [lambda g, b: g * b, lambda g, a: (g * a).sum(axis=0)],
         {1: lambda g, a: (g * a).sum(axis=1)}, (4, 4), (4,)),
        (lambda a, b: a + b, [lambda g: g, lambda g: g.sum(axis=0)], {1: lambda g: g[-1]}, (4, 3), (3,)),
        (lambda x: np.cumsum(x, axis=0), [lambda g: np.cumsum(g[::-1], axis=0)[::-1]],
         {0: lambda g: np.cumsum(g, axis=0)}, (4, 3)))
    return Wrong(*pair(function, formulas, bad), [usual(shape) for shape in shapes])


@wrong("one output of another size, sign flipped")
def _(usual, rng):
    sizes = np.array(pick(rng, [1e12, 1], [1, 1e-14], [1, 1e-8, 1e8], [1e-12, 1e12, 1], power(rng, shape=4)))
    signs = np.ones(len(sizes))
    signs[rng.integers(len(sizes))] = -1
    inside, slope = pick(rng, (lambda x: x, lambda x: 1.0), (np.tanh, sech2), (lambda x: x * x, lambda x: 2 * x))
    return Wrong(*pair(lambda x: inside(x) * sizes, [lambda g, x: g * sizes * slope(x)],
                       {0: lambda g, x: g * sizes * slope(x) * signs}),
                 [usual(pick(rng, (len(sizes),), (3, len(sizes))))], unequal=True)


@wrong("one of several outputs, sign flipped")
def _(usual, rng):
    a, b = pick(rng, (1.0, 1e12), (1e-14, 1.0), (1e-6, 1e6), tuple(power(rng, shape=2)))
    bad = pick(rng, lambda g, x: -2 * a * g * x, lambda g, x: 0 * g, lambda g, x: a * g * x)
    f, truth = pair(lambda x: x * x * a, [lambda g, x: 2 * a * g * x], {0: bad})
    return Wrong(lambda x: (f(x), b * x), lambda x: (truth(x), b * x), [usual((3, 4))], unequal=True)


def scaled(formula: Callable, error: Any) -> Callable:
    """The formula times 1 + error, with the same parameters."""
    names = [name for name in formula.__code__.co_varnames[:formula.__code__.co_argcount]]
    call = f"lambda {', '.join(names)}: formula({', '.join(names)}) * (1 + error)"
    return eval(call, {"formula": formula, "error": error})


OFF = [TANH, SOFTMAX, LAYER_NORM, L2, SQUARE]


@wrong("off by 1e-3 .. 1e-7, all entries")
def _(usual, rng):
    function, formulas = pick(rng, *OFF)
    return Wrong(*pair(function, formulas, {0: scaled(formulas[0], power(rng, -7, -3))}), [usual((3, 4))])


@wrong("off by 1e-3 .. 1e-7, one entry")
def _(usual, rng):
    function, formulas = pick(rng, *OFF)
    error = np.zeros((3, 4))
    error[rng.integers(3), rng.integers(4)] = power(rng, -7, -3)
    return Wrong(*pair(function, formulas, {0: scaled(formulas[0], error)}), [usual((3, 4))])


@wrong("x @ W off by 1e-3 .. 1e-7")
def _(usual, rng):
    error = power(rng, -7, -3) * pick(rng, np.ones((4, 5)), np.eye(4, 5), np.arange(20).reshape(4, 5) == 7)
    return Wrong(*pair(*MATMUL, {1: scaled(MATMUL[1][1], error)}), [usual((3, 4)), usual((4, 5))])


@wrong("float32 only")
def _(usual, rng):
    error = pick(rng, 1e-2, 1e-3, -1e-2)
    function, formulas = pick(rng, TANH, SQUARE, SOFTMAX, (lambda x: 3 * x, [lambda g, x: 3 * g]))
    names = formulas[0].__code__.co_varnames[:formulas[0].__code__.co_argcount]
    bad = eval(f"lambda {', '.join(names)}: formula({', '.join(names)}) * (1 + error * (g.dtype == np.float32))",
               {"formula": formulas[0], "error": error, "np": np})
    return Wrong(*pair(function, formulas, {0: bad}), [usual((3, 4)).astype(np.float32)], relative=abs(error))


@wrong("below the noise")
def _(usual, rng):
    bad = pick(rng, lambda g: -g, lambda g: 0 * g, lambda g: 2 * g)
    big = pick(rng, 1e15, 1e15, 1e14, 1e16)
    f, truth = pair(lambda x: x + big, [lambda g: g], {0: bad})
    inside = pick(rng, lambda x: x, tanh)
    return Wrong(lambda x: f(inside(x)), lambda x: truth(inside(x)), [usual((3, 4))])


@wrong("tanh(x) + 1e-3 sin(1e9 x)")
def _(usual, rng):
    sign = pick(rng, 1, -1)
    formulas = [lambda g, x: g * (sech2(x) + 1e6 * np.cos(1e9 * x))]
    return Wrong(*pair(lambda x: np.tanh(x) + 1e-3 * np.sin(1e9 * x), formulas, {0: lambda g, x: sign * g * sech2(x)}),
                 [usual((3, 4))])


@wrong("saturated, negated")
def _(usual, rng):
    function, slope = pick(rng, (np.tanh, sech2), (_sigma, lambda x: np.exp(-x) * _sigma(x) ** 2))
    shift = pick(rng, 5.0, 8.0, 10.0, 12.0)
    factor = pick(rng, -1, 0, 2)
    return Wrong(*pair(lambda x: function(x), [lambda g, x: g * slope(x)], {0: lambda g, x: factor * g * slope(x)}),
                 [np.clip(usual((3, 4)), -2, 2) + shift])


@wrong("wrong at zeros only")
def _(usual, rng):
    function, slope = pick(rng, (lambda x: x ** 3 + 2 * x, lambda x: 3 * x * x + 2), (np.sin, np.cos), (np.exp, np.exp))
    bad = pick(rng, lambda g, x: g * slope(x) * (x != 0), lambda g, x: g * slope(x) * np.where(x == 0, -1, 1))
    x = usual((3, 4))
    x[rng.random((3, 4)) < 0.3] = 0
    return Wrong(*pair(lambda x: function(x), [lambda g, x: g * slope(x)], {0: bad}), [x])


@wrong("wrong for integers only")
def _(usual, rng):
    bad = pick(rng, lambda g, x: 2 * g * x * (x % 1 != 0), lambda g, x: g * x * (1 + (x % 1 != 0)))
    return Wrong(*pair(*SQUARE, {0: bad}), [np.where(rng.random((3, 4)) < 0.5, np.round(usual((3, 4)) * 3) + 1, usual((3, 4)))])


@wrong("relu, abs, max off the kink")
def _(usual, rng):
    function, formulas, bad = pick(
        rng,
        (lambda x: np.maximum(x, 0), [lambda g, x: g * (x > 0)],
         {0: pick(rng, lambda g: g, lambda g, x: g * (x < 0), lambda g, x: g * x, lambda g, x: g * (x > 0.5),
                  lambda g, x: (x > 0) * 1.0)}),
        (lambda x: np.abs(x), [lambda g, x: g * np.sign(x)],
         {0: pick(rng, lambda g: g, lambda g, x: -g * np.sign(x), lambda g, x: np.abs(g), lambda g, x: g * x)}),
        (lambda a, b: np.maximum(a, b), [lambda g, a, b: g * (a > b), lambda g, a, b: g * (b > a)],
         pick(rng, {1: lambda g, a, b: 0 * g}, {0: lambda g, a, b: g * (b > a)}, {0: lambda g: g})))
    return Wrong(*pair(function, formulas, bad), [usual((3, 4)) for _ in formulas],
                 kinks=lambda *xs: [xs[0] == (xs[1] if len(xs) > 1 else 0) for _ in xs])


def _rnn(x, h0, Wx, Wh, b):
    hs, h = [], h0
    for t in range(len(x)):
        h = np.tanh(x[t] @ Wx + h @ Wh + b)
        hs.append(h)
    return np.stack(hs)


def rnn_backward(g, hs, x, h0, Wx, Wh, b, mistake=""):
    """The gradients for x, h0, Wx, Wh, b by backpropagation through time, with a mistake."""
    T = len(x)
    dx, dh_next, dWx, dWh, db = map(np.zeros_like, (x, h0, Wx, Wh, b))
    for t in reversed(range(T)):
        before = hs[t - 1] if t else h0
        dh = (g[t] if t == T - 1 or mistake != "g of the last step only" else 0) + dh_next * (mistake != "dh_next forgotten")
        h = hs[t]
        slopes = {"1 + h^2": 1 + h * h, "1 - tanh(h)^2": 1 - np.tanh(h) ** 2, "h (1 - h)": h * (1 - h)}
        da = dh * slopes.get(mistake, 1 - h * h)
        if mistake == "clipped":
            da = np.clip(da, -0.5, 0.5)
        dx[t] = da @ Wx.T
        step_x, step_h, step_b = x[t].T @ da, (hs[t] if mistake == "h_t for h_(t-1)" else before).T @ da, da.sum(axis=0)
        if mistake == "steps overwritten":
            dWx, dWh, db = step_x, step_h, step_b
        else:
            dWx, dWh, db = dWx + step_x, dWh + step_h, db + (da[0] if mistake == "b from one row" else step_b)
        dh_next = da @ (Wh if mistake == "W_h not transposed" else Wh.T)
    if mistake == "averaged over time":
        dWx, dWh, db = dWx / T, dWh / T, db / T
    if mistake == "averaged over the batch":
        dWx, dWh, db = dWx / len(b), dWh / x.shape[1], db / x.shape[1]
    if mistake == "W_h transposed":
        dWh = dWh.T
    if mistake == "no gradient for h0":
        dh_next = 0 * dh_next
    if mistake == "clipped at the end":
        dWx, dWh, db = (np.clip(d, -1, 1) for d in (dWx, dWh, db))
    return dx, dh_next, dWx, dWh, db


def five(backward: Callable, mistake: str) -> list[Callable]:
    def formula(i):
        return lambda g, y, x, h0, Wx, Wh, b: backward(g, y, x, h0, Wx, Wh, b, mistake)[i]
    return [formula(i) for i in range(5)]


RNN_MISTAKES = [
    "g of the last step only", "dh_next forgotten", "1 + h^2", "1 - tanh(h)^2", "h (1 - h)", "clipped", "h_t for h_(t-1)",
    "steps overwritten", "b from one row", "W_h not transposed", "averaged over time", "averaged over the batch",
    "W_h transposed", "no gradient for h0", "clipped at the end"]


def sequence_inputs(usual, rng, T, B, D, H, gates):
    """x, h0, Wx, Wh, b; h0 and b are sometimes zero, and the weights sometimes small."""
    scale = pick(rng, 1.0, 0.3)
    return [usual((T, B, D)), usual((B, H)) * pick(rng, 1, 1, 0), usual((D, gates)) * scale, usual((H, gates)) * scale,
            usual((gates,)) * pick(rng, 1, 0)]


@wrong("rnn through time", taylor=True)
def _(usual, rng):
    T, B, D, H = pick(rng, (4, 2, 3, 3), (2, 1, 2, 4), (3, 3, 3, 3), (1, 3, 3, 3))
    function = lambda x, h0, Wx, Wh, b: _rnn(x, h0, Wx, Wh, b)  # noqa: E731
    f = declared(*five(rnn_backward, pick(rng, *RNN_MISTAKES)))(function)
    truth = declared(*five(rnn_backward, ""))(function)
    return Wrong(f, truth, sequence_inputs(usual, rng, T, B, D, H, H))


def _sigma(x):
    return 1 / (1 + np.exp(-x))


def _lstm_forward(x, h0, Wx, Wh, b):
    h, C, saved = h0, 0.5 * h0, []
    for t in range(len(x)):
        f, i, o, c = np.split(x[t] @ Wx + h @ Wh + b, 4, axis=-1)
        f, i, o, c = _sigma(f), _sigma(i), _sigma(o), np.tanh(c)
        saved.append((h, C, f, i, o, c))
        C = f * C + i * c
        h = o * np.tanh(C)
    return h, C, saved


def _lstm(x, h0, Wx, Wh, b):
    """h_1 .. h_T and C_T, from h_0 and C_0 = h_0 / 2."""
    h, C, saved = _lstm_forward(x, h0, Wx, Wh, b)
    return np.stack([*(step[0] for step in saved[1:]), h, C])


def lstm_backward(g, y, x, h0, Wx, Wh, b, mistake=""):
    """The gradients for x, h0, Wx, Wh, b, with a mistake."""
    _, C, saved = _lstm_forward(x, h0, Wx, Wh, b)
    dx, dh_next, dWx, dWh, db = map(np.zeros_like, (x, h0, Wx, Wh, b))
    dC = g[-1]
    for t in reversed(range(len(x))):
        h, before, f, i, o, c = saved[t]
        dh = g[t] + (0 if mistake == "dh_next forgotten" else dh_next)
        inner = np.tanh(C) if mistake == "tanh twice" else C
        from_h = dh * o * (1 - np.tanh(inner) ** 2)
        dC = {"dC through o forgotten": dC, "dC_next forgotten": from_h}.get(mistake, dC + from_h)
        do = dh * (C if mistake == "C for tanh(C)" else np.tanh(C)) * o * (1 - o)
        df = dC * (C if mistake == "C_t for C_(t-1)" else before) * (_sigma(f) if mistake == "sigma of f" else f * (1 - f))
        di = dC * (before if mistake == "C for c in i" else c) * i * (1 - i)
        dc = dC * (f if mistake == "f for i" else i) * (1 - c if mistake == "1 - c" else 1 - c * c)
        da = np.concatenate([di, df, do, dc] if mistake == "gates exchanged" else [df, di, do, dc], axis=-1)
        dx[t] = da @ Wx.T
        dWx, dWh = dWx + x[t].T @ da, dWh + (x[t] if mistake == "x for h" and x.shape[2] == h.shape[1] else h).T @ da
        db = db + (np.concatenate([df, df, df, dc], axis=-1) if mistake == "one bias for three" else da).sum(axis=0)
        dh_next, dC, C = da @ Wh.T, dC * (1 if mistake == "f forgotten on the way back" else f), before
    return dx, dh_next + 0.5 * dC, dWx, dWh, db


LSTM_MISTAKES = [
    "dh_next forgotten", "tanh twice", "dC through o forgotten", "dC_next forgotten", "C for tanh(C)", "C_t for C_(t-1)",
    "sigma of f", "C for c in i", "f for i", "1 - c", "gates exchanged", "x for h", "one bias for three",
    "f forgotten on the way back"]


@wrong("lstm through time")
def _(usual, rng):
    T, B, D, H = pick(rng, (3, 2, 2, 2), (2, 1, 3, 2), (1, 3, 2, 2), (2, 2, 2, 2))
    function = lambda x, h0, Wx, Wh, b: _lstm(x, h0, Wx, Wh, b)  # noqa: E731
    f = declared(*five(lstm_backward, pick(rng, *LSTM_MISTAKES)))(function)
    truth = declared(*five(lstm_backward, ""))(function)
    return Wrong(f, truth, sequence_inputs(usual, rng, T, B, D, H, 4 * H))


@wrong("one parameter of a cell")
def _(usual, rng):
    bad = rng.integers(5)
    factor = pick(rng, 0.0, -1.0, 2.0, 0.5, 1.01, 1.0001)
    formulas = five(rnn_backward, "")

    def formula(g, y, x, h0, Wx, Wh, b):
        return factor * rnn_backward(g, y, x, h0, Wx, Wh, b)[bad]
    f, truth = pair(lambda x, h0, Wx, Wh, b: _rnn(x, h0, Wx, Wh, b), formulas, {bad: formula})
    return Wrong(f, truth, sequence_inputs(usual, rng, *pick(rng, (1, 3, 2, 4, 4), (2, 2, 3, 3, 3))))


@wrong("second order only")
def _(usual, rng):
    bad = pick(rng, lambda g, x: g * np.sin(x), lambda g, x: 0 * g, lambda g, x: -1.001 * g * np.sin(x))
    cosine = declared(bad)(lambda x: np.cos(x))
    sine = declared(lambda g, x: g * cosine(x))(lambda x: np.sin(x))
    return Wrong(sine, sine, [usual((3, 4)) + 0.1], relative=1e-3, order=2)


@wrong("losses")
def _(usual, rng):
    target = np.eye(4)[[0, 2, 3]]

    def loss(z):
        return -(target * np.log(_softmax(z))).sum() / 3
    function, right, *bad = pick(
        rng,
        (loss, lambda g, z: g * (_softmax(z) - target) / 3, lambda g, z: g * (_softmax(z) - target),
         lambda g, z: (_softmax(z) - target) / 3, lambda g, z: g * (target - _softmax(z)) / 3,
         lambda g, z: g * (_softmax(z) - target) / 12),
        (lambda p: ((p - target) ** 2).mean(), lambda g, p: 2 * g * (p - target) / 12, lambda g, p: g * (p - target) / 12,
         lambda g, p: 2 * g * (p - target), lambda g, p: 2 * (p - target) / 12, lambda g, p: g * p / 6))
    return Wrong(*pair(function, [right], {0: pick(rng, *bad)}), [usual((3, 4))])


@wrong("embedding, repeated rows")
def _(usual, rng):
    rows = np.array([1, 3, 1, 0])

    def added(g, table_shape):
        total = np.zeros(table_shape)
        np.add.at(total, rows, g)
        return total

    def overwritten(g, table_shape):
        total = np.zeros(table_shape)
        total[rows] = g
        return total
    return Wrong(*pair(lambda table: table[rows], [added], {0: overwritten}), [usual((4, 3))])


# ---- Putting them to the check ----


def draw_right(family: str, i: int) -> tuple:
    f, inputs, *order = RIGHT[family](np.random.default_rng([i, zlib.crc32(family.encode())]))
    return f, inputs, order[0] if order else 1


def draw_wrong(family: str, i: int) -> Wrong:
    way, seed = PLACES[i % len(PLACES)]
    draw = WRONG[family](WAYS[way](seed), np.random.default_rng([i, zlib.crc32(family.encode())]))
    draw.seed = seed if i % 2 else 0  # people pass the check the seed of their inputs, or none
    return draw


@dataclass
class Result:
    """outcome: a column of the table. defect: is it one? said: the report, or the error's message."""

    outcome: str
    defect: bool
    said: str


def put_right(family: str, i: int) -> Result:
    f, inputs, order = draw_right(family, i)
    try:
        report = quietly(gradcheck, f, *inputs, order=order)
    except Exception as error:  # a right function that stops the check is a defect, however it does so
        return Result("error", True, f"{type(error).__name__}: {error}")
    verdict, said = report.verdict, str(report)
    if verdict == "ok" and any(row.verdict == "KINK" for row in report.rows):
        return Result("KINK", False, said)
    if verdict == "WRONG" and family in KINKED:
        nearby, sides = outside_slopes(*draw_right(family, i)[:2])
        if nearby:
            return Result("several", SEVERAL_KINKS not in said, said)
        if sides:
            return Result("between", True, said)
    return Result(verdict, verdict == "WRONG", said)


def put_wrong(family: str, i: int) -> Result | None:
    """None where the formula happens to be right for these inputs."""
    draw = draw_wrong(family, i)
    errors = [draw.relative] * len(draw.inputs) if draw.relative is not None else quietly(relative_errors, draw)
    if not max(errors) > 1e-12:
        return None
    try:
        check = taylor_test if draw.taylor else functools.partial(gradcheck, order=draw.order)
        report = quietly(check, draw.f, *draw.inputs, seed=draw.seed)
    except (RuntimeError, TypeError, ValueError) as error:
        return Result("not ok", False, f"{type(error).__name__}: {error}")
    said = f"relative errors {[f'{error:.1e}' for error in errors]}, {' '.join(map(str, PLACES[i % len(PLACES)]))}\n{report}"
    if not report:
        return Result("caught" if report.verdict.startswith("WRONG") else "not ok", False, said)
    if "not tested" in said:
        return Result("untested", False, said)
    # A row that can miss an error of half the gradient has seen nothing and must not be ok.
    limits = [1e-3] * len(errors) if draw.taylor else [min(row.sensitivity, 0.5) for row in report.rows]
    passed = any(error > limit for error, limit in zip(errors, limits))
    return Result("passed" if passed else "smaller", passed, said)


def quietly(call: Callable, *args: Any, **kwargs: Any) -> Any:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return call(*args, **kwargs)


def relative_errors(draw: Wrong) -> list[float]:
    """For each input the largest error of an entry, relative to the larger of the entry and the root mean square, that is
    there for every one of several weights."""
    rng = np.random.default_rng(987654321)
    sizes = [np.ones(y.shape) for y in outputs(draw.truth, draw.inputs)]
    errors = _errors(draw, [[rng.normal(size=size.shape) * size for size in sizes] for _ in range(6)])
    if draw.unequal:
        sizes = [1 / np.maximum(np.abs(y), 1e-200) for y in outputs(draw.truth, draw.inputs)]
        errors = np.maximum(errors, _errors(draw, [[rng.normal(size=size.shape) * size for size in sizes] for _ in range(6)]))
    return [float(error) for error in errors]


def outputs(f: Callable, inputs: list[np.ndarray]) -> list[np.ndarray]:
    return [y.data for y in flat(f(*map(Tensor, inputs)))]


def _errors(draw: Wrong, weights: list[list[np.ndarray]]) -> np.ndarray:
    off = [~mask for mask in draw.kinks(*draw.inputs)] if draw.kinks else [np.ones(x.shape, bool) for x in draw.inputs]

    def largest(got, truth, off):
        size = np.maximum(np.abs(truth), np.sqrt(np.mean(truth * truth)))
        difference = np.where(off & (got != truth), np.abs(got - truth) / np.where(size > 0, size, 1e-300), 0)
        return difference.max()
    found = [zip(gradients(draw.f, draw.inputs, v), gradients(draw.truth, draw.inputs, v), off) for v in weights]
    return np.min([[largest(*entries) for entries in of_weights] for of_weights in found], axis=0)


def gradients(f: Callable, inputs: list[np.ndarray], weights: list[np.ndarray]) -> list[np.ndarray]:
    leaves = [Tensor(x, requires_grad=True) for x in inputs]
    total = sum((y * v).sum() for y, v in zip(flat(f(*leaves)), weights))
    return mg.grad(total, leaves, allow_unused=True)


def flat(nested: Any) -> Iterator[Any]:
    if isinstance(nested, (tuple, list)):
        for part in nested:
            yield from flat(part)
    elif nested is not None:
        yield nested


def rebuilt(nested: Any, leaves: Iterator[Tensor]) -> Any:
    if isinstance(nested, (tuple, list)):
        return tuple(rebuilt(part, leaves) for part in nested)
    return next(leaves) if _is_floating(nested) else nested


def _is_floating(x: Any) -> bool:
    return isinstance(x, Tensor) or (isinstance(x, np.ndarray) and x.dtype.kind == "f")


def outside_slopes(f: Callable, inputs: list, points: int = 60, tiny: float = 1e-9) -> tuple[bool, bool]:
    """Does a number of the engine's Jacobian lie outside all of those at points nearby, where no kinks meet? And outside left
    and right slope along its entry?"""
    rng = np.random.default_rng(123)
    parameters = f.parameters() if hasattr(f, "parameters") else []
    starts = [np.asarray(x.data if isinstance(x, Tensor) else x, float) for x in flat(inputs) if _is_floating(x)]
    starts += [parameter.data.copy() for parameter in parameters]
    sizes = [np.full(x.size, np.abs(x[x != 0]).min(initial=1.0)) for x in starts]
    steps = tiny * np.concatenate(sizes)

    def at(move):
        moves = np.split(move, np.cumsum([x.size for x in starts])[:-1])
        leaves = [Tensor(x + move.reshape(x.shape), requires_grad=True) for x, move in zip(starts, moves)]
        given = rebuilt(inputs, iter(leaves))
        for parameter, leaf in zip(parameters, leaves[len(leaves) - len(parameters):]):
            parameter.data = leaf.data
        return [*leaves[:len(leaves) - len(parameters)], *parameters], concat(*[y.reshape(-1) for y in flat(f(*given))])

    def jacobian(move):
        leaves, ys = at(move)
        rows = [mg.grad(ys[k], leaves, allow_unused=True) for k in range(ys.size)]
        return np.array([np.concatenate([np.zeros(leaf.size) if d is None else d.ravel() for d, leaf in zip(row, leaves)])
                         for row in rows])

    def slope(i, sign):
        move = np.zeros(steps.size)
        move[i] = sign * 1e5 * steps[i]
        return (at(move)[1].data - at(0 * move)[1].data) / move[i]

    def outside(low, high, slack):
        return bool(((here < low - slack) | (here > high + slack)).any())

    here = jacobian(0 * steps)
    nearby = np.array([jacobian(rng.normal(size=steps.size) * steps) for _ in range(points)])
    size = np.abs(nearby).max(initial=1e-300)
    sides = np.array([[slope(i, sign) for i in range(steps.size)] for sign in (-1, 1)]).swapaxes(1, 2)
    return (outside(nearby.min(axis=0), nearby.max(axis=0), 1e-6 * size),
            outside(sides.min(axis=0), sides.max(axis=0), 1e-2 * size))


RIGHT_COLUMNS = ["ok", "KINK", "UNSEEN", "INCONCLUSIVE", "several", "between", "WRONG"]
WRONG_COLUMNS = ["caught", "not ok", "untested", "smaller", "passed"]


def table(results: dict[str, list[Result]], columns: list[str]) -> Iterator[str]:
    """A line for each family and one for all."""
    counts = {family: Counter(result.outcome for result in of_family) for family, of_family in results.items()}
    columns = [*columns, *sorted({outcome for count in counts.values() for outcome in count} - {*columns})]
    yield f"{'':<42} {'drawn':>6} " + " ".join(f"{column:>12}" for column in columns) + f" {'defects':>8}"
    for family, count in {**counts, "all": sum(counts.values(), Counter())}.items():
        defects = sum(result.defect for name, of_family in results.items() if family in (name, "all") for result in of_family)
        cells = " ".join(f"{count[column] or '.':>12}" for column in columns)
        yield f"{family:<42} {count.total():>6} {cells} {defects or '.':>8}"


def undecided(results: dict[str, list[Result]]) -> float:
    """The share of INCONCLUSIVE away from the edges of domains, and of UNSEEN where there is much to see."""
    outcomes = Counter(is_undecided(family, result) for family, of_family in results.items() for result in of_family)
    return outcomes[True] / max(1, outcomes.total())


def is_undecided(family: str, result: Result) -> bool:
    return (result.outcome, family in EDGES) == ("INCONCLUSIVE", False) or (result.outcome, family in FAINT) == ("UNSEEN", False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--right", type=int, metavar="N", help="how many right functions of each family (40)")
    parser.add_argument("--wrong", type=int, metavar="N", help="how many wrong functions of each family (60)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the first draw's number")
    parser.add_argument("--family", metavar="NAME", help="only families with this in their names")
    parser.add_argument("--verbose", action="store_true", help="print each report that is a defect")
    arguments = parser.parse_args()
    n_right, n_wrong = arguments.right, arguments.wrong
    if n_right is None and n_wrong is None:
        n_right, n_wrong = 40, 60

    failed = False
    for name, families, put, columns, n in (("right", RIGHT, put_right, RIGHT_COLUMNS, n_right or 0),
                                            ("wrong", WRONG, put_wrong, WRONG_COLUMNS, n_wrong or 0)):
        chosen = [family for family in families if (arguments.family or "") in family]
        results: dict[str, list[Result]] = {family: [] for family in chosen}
        for family, i in tqdm([(family, arguments.seed + i) for family in chosen for i in range(n)], unit="draw", disable=None):
            result = put(family, i)
            if result is None:
                continue
            results[family].append(result)
            if arguments.verbose and (result.defect or is_undecided(family, result)):
                tqdm.write(f'\n---- {result.outcome}: --family "{family}" --seed {i} --{name} 1\n{result.said}')
        if not any(results.values()):
            continue
        print(f"\n{name} gradients")
        print("\n".join(table(results, columns)))
        failed |= any(result.defect for of_family in results.values() for result in of_family)
        if name == "right":
            share = undecided(results)
            print(f"INCONCLUSIVE away from the edges of domains, or UNSEEN where there is much to see: {share:.2%}")
            failed |= share > 0.01
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
