"""A trace gives the function's gradients, in every style of writing, and leaves nothing changed."""

import numpy as np
import pytest

from minigrad import concat, sigmoid, stack, tanh
from minigrad.check.lending import trace_of
from minigrad.check.place import argument, line_of, variable
from minigrad.check.tracing import Traced

rng = np.random.default_rng(3)
X, W, B = rng.normal(size=(3, 4)), rng.normal(size=(4, 4)), rng.normal(size=4)


def buffers(x, W, b):
    out = np.zeros((3, 4))
    for t in range(3):
        out[t] = np.tanh(x[t].dot(W) + b)
    out[1:] += out[:-1] * 0.5
    return out


def joined(x, W, b):
    both = np.concatenate([x, x[::-1] * b], axis=1)
    left, right = np.split(both, 2, axis=1)
    return np.stack([left @ W, np.array([row * b for row in right])])


def statistics(x, W, b):
    z = np.einsum("ij,jk->ik", x, W)
    return (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-3) * b.max() + np.cumsum(z, axis=1) / z.std()


def one_sided(x, W, b):
    return float(np.sum(np.where(x > 0, x, 0.1 * x) @ W)) + np.maximum(x @ W, 0).sum() + np.clip(b, -0.5, 0.5).sum()


def gathered(x, W, b):
    return (1 / (1 + np.exp(-x[[0, 0, 2]])) @ W.T).T.reshape(-1) ** 2 + np.outer(b, b[:3]).ravel() - np.abs(b).sum()


def changed_later(x, W, b):
    p = np.exp(x @ W)
    picked = np.take_along_axis(p, np.array([[0], [3], [1]]), 1)[:, 0]
    total = np.log(picked).sum() + np.linalg.norm(b) + np.linalg.norm(x * b, axis=1).sum() + (b * b).sum()
    p[:, 0] -= 1  # as losses do that go on with their gradient
    return float(total)


def of_operations(x, W, b):
    """The engine's operations also take arrays."""
    return stack([concat(sigmoid(row @ W), tanh(row * b), axis=0) for row in x])


@pytest.mark.parametrize("f", [buffers, joined, statistics, one_sided, gathered, changed_later, of_operations])
def test_gradients_of_a_trace(f):
    inputs = {"x": X, "W": W, "b": B}
    trace = trace_of(f, lambda mark: [f(*(mark(name, x) for name, x in inputs.items()))])
    v = rng.normal(size=np.size(f(X, W, B)))
    found = trace.gradients(v, {})
    for name, x in inputs.items():
        direction, h = rng.normal(size=x.shape), 1e-6
        up, down = (v @ np.ravel(f(**{**inputs, name: x + sign * h * direction})) for sign in (1, -1))
        np.testing.assert_allclose((found[name] * direction).sum(), (up - down) / (2 * h), rtol=1e-6, atol=1e-7)
    assert type(np.zeros(2)) is np.ndarray and not isinstance(f(X, W, B), Traced) and "float" not in globals()


def test_words_for_a_place():
    trace = trace_of(buffers, lambda mark: [buffers(mark("x", X), W, B)])
    tanh = next(node for node in trace.nodes if node.name == "tanh")
    matmul = next(node for node in trace.nodes if node.name == "matmul")
    assert variable(tanh.place) == "out[t]" and line_of(tanh.place).endswith(": out[t] = np.tanh(x[t].dot(W) + b)")
    assert [argument(matmul.place, i) for i in (0, 1)] == ["x[t]", "W"]


def test_a_loop_over_weights_is_a_place_for_each():
    def layers(x, weights):
        for A in weights:
            x = np.tanh(x @ A)
        return x

    trace = trace_of(layers, lambda mark: [layers(mark("x", X), [mark("first", W), mark("second", W.T)])])
    assert [(node.name, node.turn, node.place[-1]) for node in trace.nodes] == [
        (name, 0, f"for {weight}") for weight in ("first", "second") for name in ("matmul", "tanh")]


def test_what_stands_in_a_file_in_place_of_a_function_is_not_quoted():
    """For example, a file that changed after its import: its lines are not the function's."""
    found = {"np": np}
    exec(compile("def forward(x, W):\n    h = np.tanh(x @ W)\n    return h * h\n", __file__, "exec"), found)
    trace = trace_of(found["forward"], lambda mark: [found["forward"](mark("x", X), mark("W", W))])
    assert {(line_of(node.place), variable(node.place)) for node in trace.nodes if node.name != "matmul"} == {
        ("line 2 of forward", "h"), ("line 3 of forward", "the multiply")}
