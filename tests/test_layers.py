"""Layers and losses: gradients of input, states and every named parameter; cells, sequences, stacks; published numbers."""

import copy
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_layers_forward import ReluRNN, ReluRNNCell
from thorough import examples

from minigrad import Tensor, grad, gradcheck, no_grad, tanh
from minigrad.layers import (
    GRU, LSTM, RNN, Dropout, Embedding, GRUCell, Linear, LSTMCell, Module, RNNCell, Sequential,
    binary_cross_entropy_with_logits, cross_entropy, load_arrays, mse_loss, save_arrays, unroll,
)
from minigrad.optim import SGD, Adam
from minigrad.testing import assert_gradients

sizes = st.integers(1, 3)
seeds = st.integers(0, 1000)


def random_state(model, shape, rng):
    h = rng.normal(size=shape)
    return (h, rng.normal(size=shape)) if isinstance(model, (LSTM, LSTMCell)) else h


def randomise(model, rng):
    """Make every parameter random, even biases, so that no gradient is special."""
    for parameter in model.parameters():
        parameter.data = rng.normal(size=parameter.shape) * 0.7
    return model


# -- gradients ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", [RNNCell, ReluRNNCell, LSTMCell, GRUCell])
@pytest.mark.parametrize("order", [1, 2])
@examples(4)
@given(B=sizes, D=sizes, H=sizes, seed=seeds)
def test_cell_gradients(cell, order, B, D, H, seed):
    rng = np.random.default_rng(seed)
    model = randomise(cell(D, H, rng=rng), rng)
    report = gradcheck(model, rng.normal(size=(B, D)), random_state(model, (B, H), rng), order=order)
    assert report, f"\n{report}"
    names = {row.name for row in report.rows}
    assert {name for name, _ in model.named_parameters()} <= names
    assert {"x", "h"} <= names or {"x", "state[0]", "state[1]"} <= names


@pytest.mark.parametrize("sequence", [RNN, ReluRNN, LSTM, GRU])
@examples(5)
@given(T=sizes, B=sizes, D=sizes, H=sizes, layers=st.integers(1, 2), bidirectional=st.booleans(), batch_first=st.booleans(),
       seed=seeds)
def test_sequence_gradients(sequence, T, B, D, H, layers, bidirectional, batch_first, seed):
    rng = np.random.default_rng(seed)
    model = randomise(sequence(D, H, layers, rng=rng, bidirectional=bidirectional, batch_first=batch_first), rng)
    x = rng.normal(size=(B, T, D) if batch_first else (T, B, D))
    report = gradcheck(model, x, random_state(model, (layers * (1 + bidirectional), B, H), rng))
    assert report, f"\n{report}"
    assert len(report.rows) == len(model.parameters()) + (3 if sequence is LSTM else 2)


@pytest.mark.parametrize(("sequence", "layers"), [(RNN, 2), (LSTM, 1), (GRU, 1)])
def test_sequence_gradients_of_second_order(sequence, layers):
    rng = np.random.default_rng(0)
    model = randomise(sequence(1, 2, layers, rng=rng), rng)
    report = gradcheck(model, rng.normal(size=(2, 2, 1)), random_state(model, (layers, 2, 2), rng), order=2,
                       hints="none")  # what is wrong would be found out in half a minute
    assert report, f"\n{report}"


@examples(6)
@given(shape=st.lists(sizes, max_size=2), seed=seeds, bias=st.booleans())
def test_linear_gradients(shape, seed, bias):
    rng = np.random.default_rng(seed)
    assert_gradients(Linear(3, 2, rng=rng, bias=bias), rng.normal(size=(*shape, 3)), order=2)


@examples(6)
@given(shape=st.lists(sizes, max_size=3), seed=seeds)
def test_loss_gradients(shape, seed):
    rng = np.random.default_rng(seed)
    assert_gradients(mse_loss, rng.normal(size=shape), rng.normal(size=shape), order=2)
    assert_gradients(cross_entropy, rng.normal(size=(*shape, 4)), rng.integers(0, 4, shape), order=2)
    target = rng.random(shape)
    assert_gradients(lambda x: binary_cross_entropy_with_logits(x, target), rng.normal(size=shape) * 3, order=2)


@examples(3)
@given(seed=seeds)
def test_embedding_and_sequential_gradients(seed):
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 4, (2, 3))  # some of them several times
    assert_gradients(Sequential(Embedding(4, 2, rng=rng), Linear(2, 3, rng=rng), tanh, Linear(3, 1, rng=rng)), numbers, order=2)


@given(seed=seeds, p=st.sampled_from([0.0, 0.3, 0.9]))
def test_dropout_gradients(seed, p):
    def f(x):
        return Dropout(p, rng=np.random.default_rng(seed))(x) * x

    assert_gradients(f, np.random.default_rng(seed).normal(size=(3, 4)), order=2)


# -- forward --------------------------------------------------------------------------------------------


def linspace(low, high, *shape):
    return np.linspace(low, high, math.prod(shape)).reshape(shape)


def test_lstm_step_of_cs231n():
    """Stanford CS231n, assignment 3, lstm_step_forward; its columns are the gates i, f, o, g."""
    N, D, H = 3, 4, 5
    Wx, Wh, b = linspace(-2.1, 1.3, D, 4 * H), linspace(-0.7, 2.2, H, 4 * H), linspace(0.3, 0.7, 4 * H)
    cell = LSTMCell(D, H, rng=np.random.default_rng(0))
    for gate, name in enumerate("ifoc"):
        columns = slice(gate * H, (gate + 1) * H)
        getattr(cell, f"W_{name}").data = np.concatenate([Wh[:, columns], Wx[:, columns]])
        getattr(cell, f"b_{name}").data = b[columns]
    h, c = cell(linspace(-0.4, 1.2, N, D), (linspace(-0.3, 0.7, N, H), linspace(-0.4, 0.9, N, H)))
    # printed with 8 digits
    np.testing.assert_allclose(h.data[0], [0.24635157, 0.28610883, 0.32240467, 0.35525807, 0.38474904], atol=5e-9)
    np.testing.assert_allclose(c.data[0], [0.32986176, 0.39145139, 0.451556, 0.51014116, 0.56717407], atol=5e-9)


def test_rnn_step_of_cs231n():
    """Stanford CS231n, assignment 3, rnn_step_forward."""
    N, D, H = 3, 10, 4
    cell = RNNCell(D, H, rng=np.random.default_rng(0))
    cell.W.data = np.concatenate([linspace(-0.3, 0.7, H, H), linspace(-0.1, 0.9, D, H)])
    cell.b.data = linspace(-0.2, 0.4, H)
    h = cell(linspace(-0.4, 0.7, N, D), linspace(-0.2, 0.5, N, H))
    np.testing.assert_allclose(h.data[0], [-0.58172089, -0.50182032, -0.41232771, -0.31410098], atol=5e-9)


def lstm_reference(cell, x, h, c):
    """The lecture's equations for one sequence and one step, in Python numbers."""
    W = {k: getattr(cell, f"W_{k}").numpy().tolist() for k in "fico"}
    b = {k: getattr(cell, f"b_{k}").numpy().tolist() for k in "fico"}
    hx = [*h, *x]

    def affine(k, j):
        return math.fsum(hx[r] * W[k][r][j] for r in range(len(hx))) + b[k][j]

    def sigma(z):
        return 1 / (1 + math.exp(-z))

    C = [sigma(affine("f", j)) * c[j] + sigma(affine("i", j)) * math.tanh(affine("c", j)) for j in range(len(h))]
    return [sigma(affine("o", j)) * math.tanh(C[j]) for j in range(len(h))], C


def gru_reference(cell, x, h):
    def affine(name, inputs, j):
        W, b = getattr(cell, f"W_{name}").numpy().tolist(), getattr(cell, f"b_{name}").numpy().tolist()
        return math.fsum(inputs[r] * W[r][j] for r in range(len(inputs))) + b[j]

    def sigma(v):
        return 1 / (1 + math.exp(-v))

    hidden = range(len(h))
    z, r = ([sigma(affine(name, [*h, *x], j)) for j in hidden] for name in "zr")
    new = [math.tanh(affine("h", [*(r[k] * h[k] for k in hidden), *x], j)) for j in hidden]
    return [(1 - z[j]) * h[j] + z[j] * new[j] for j in hidden]


def rnn_reference(cell, x, h):
    W, b, hx = cell.W.numpy().tolist(), cell.b.numpy().tolist(), [*h, *x]
    return [math.tanh(math.fsum(hx[r] * W[r][j] for r in range(len(hx))) + b[j]) for j in range(len(h))]


@examples(5)
@given(T=sizes, B=sizes, D=sizes, H=sizes, layers=st.integers(1, 3), seed=seeds)
def test_sequences_against_the_equations_in_plain_python(T, B, D, H, layers, seed):
    rng = np.random.default_rng(seed)
    x, h0, c0 = rng.normal(size=(T, B, D)), rng.normal(size=(layers, B, H)), rng.normal(size=(layers, B, H))
    lstm, rnn = randomise(LSTM(D, H, layers, rng=rng), rng), randomise(RNN(D, H, layers, rng=rng), rng)
    (outputs, (h_T, c_T)), (rnn_outputs, rnn_h_T) = lstm(x, (h0, c0)), rnn(x, h0)
    assert outputs.shape == rnn_outputs.shape == (T, B, H)
    assert h_T.shape == c_T.shape == rnn_h_T.shape == (layers, B, H)
    close = {"rtol": 1e-13, "atol": 1e-14}  # sums of at most 6 products, T * layers <= 9 deep
    for n in range(B):
        below, rnn_below = x[:, n].tolist(), x[:, n].tolist()
        for layer in range(layers):
            h, c, r = h0[layer, n].tolist(), c0[layer, n].tolist(), h0[layer, n].tolist()
            for t in range(T):
                h, c = lstm_reference(lstm.cells[layer], below[t], h, c)
                r = rnn_reference(rnn.cells[layer], rnn_below[t], r)
                below[t], rnn_below[t] = h, r
            np.testing.assert_allclose(h_T.data[layer, n], h, **close)
            np.testing.assert_allclose(c_T.data[layer, n], c, **close)
            np.testing.assert_allclose(rnn_h_T.data[layer, n], r, **close)
        np.testing.assert_allclose(outputs.data[:, n], below, **close)
        np.testing.assert_allclose(rnn_outputs.data[:, n], rnn_below, **close)


@examples(5)
@given(T=sizes, D=sizes, H=sizes, seed=seeds)
def test_gru_against_the_equations_in_plain_python(T, D, H, seed):
    rng = np.random.default_rng(seed)
    model, x, h = randomise(GRU(D, H, rng=rng), rng), rng.normal(size=(T, 1, D)), rng.normal(size=H)
    outputs, last = model(x, h.reshape(1, 1, H))
    h = h.tolist()
    for t in range(T):
        h = gru_reference(model.cells[0], x[t, 0].tolist(), h)
        np.testing.assert_allclose(outputs.data[t, 0], h, rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(last.data[0], outputs.data[-1])


@pytest.mark.parametrize("sequence", [RNN, LSTM, GRU])
def test_bidirectional_is_one_layer_each_way(sequence):
    rng = np.random.default_rng(0)
    both = randomise(sequence(2, 3, rng=rng, bidirectional=True), rng)
    x = rng.normal(size=(4, 2, 2))
    outputs, last = both(x)
    parts = []
    for cell, order in zip(both.cells, (slice(None), slice(None, None, -1))):
        one_way = sequence(2, 3, rng=rng)
        one_way.cells = [cell]
        out, state = one_way(x[order])
        parts.append((out.data[order], state[0].data if sequence is LSTM else state.data))
    np.testing.assert_array_equal(outputs.data, np.concatenate([part[0] for part in parts], axis=-1))
    np.testing.assert_array_equal((last[0] if sequence is LSTM else last).data, np.concatenate([part[1] for part in parts]))


@pytest.mark.parametrize("sequence", [RNN, LSTM, GRU])
def test_batch_first_swaps_inputs_and_outputs_only(sequence):
    rng = np.random.default_rng(0)
    model, swapped = (sequence(2, 3, 2, rng=np.random.default_rng(1), batch_first=first) for first in (False, True))
    x = rng.normal(size=(4, 5, 2))
    (one, state), (other, same) = model(x), swapped(x.swapaxes(0, 1))
    np.testing.assert_array_equal(one.data.swapaxes(0, 1), other.data)
    for s, t in zip(state, same):
        np.testing.assert_array_equal(s.data, t.data)


def assert_layer_equals_cell(sequence):
    """The sequence layer and its cell, over time in an ordinary loop, give the same values and gradients."""
    rng = np.random.default_rng(0)
    model = randomise(sequence(3, 4, rng=rng), rng)
    (cell,) = model.cells
    shapes = (6, 2, 3), *[(2, 4)] * len(sequence.state_names)
    x, *state = (Tensor(rng.normal(size=shape), requires_grad=True) for shape in shapes)
    first = [s.reshape(1, 2, 4) for s in state]
    outputs, last = model(x, tuple(first) if len(first) > 1 else first[0])
    by_cell, end = unroll(cell, x, tuple(state) if len(state) > 1 else state[0])
    ys = [outputs, *(last if len(state) > 1 else [last])]
    expected = [by_cell, *(e.reshape(1, 2, 4) for e in (end if len(state) > 1 else [end]))]
    gs, wanted = [rng.normal(size=y.shape) for y in ys], [x, *state, *model.parameters()]
    gradients = (grad(sum((y * g).sum() for y, g in zip(found, gs)), wanted) for found in (ys, expected))
    for a, b in [*zip((y.data for y in ys), (y.data for y in expected)), *zip(*gradients)]:
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13, err_msg=(  # sums of 7 products, 6 deep, forwards and backwards
            f"{type(cell).__name__}.forward has other equations than {sequence.__name__}.prepare and {sequence.__name__}.step, "
            "which run whole sequences: change them as well, in the same file"))


@pytest.mark.parametrize("sequence", [RNN, ReluRNN, LSTM, GRU])
def test_layer_equals_cell_gradients_included(sequence):
    assert_layer_equals_cell(sequence)


def test_the_nonlinearity_is_the_cell_s(tmp_path):
    """A layer may be given cells of the other kind, in scan as in the loop; the parameters are the same by name."""
    model, other = RNN(3, 4, 2, rng=np.random.default_rng(0)), RNN(3, 4, 2, rng=np.random.default_rng(0), nonlinearity="relu")
    model.save(tmp_path / "rnn.npz")
    other.load(tmp_path / "rnn.npz")
    x = np.random.default_rng(1).normal(size=(5, 2, 3))
    assert model.state_dict().keys() == other.state_dict().keys() and (model(x)[0].data != other(x)[0].data).all()
    assert {cell.nonlinearity for cell in other.cells} == {"relu"} and other(x)[0].data.min() == 0
    model.cells[1] = other.cells[1]
    below, _ = model(x)
    expected, _ = unroll(other.cells[1], unroll(model.cells[0], x)[0])
    np.testing.assert_allclose(below.data, expected.data, rtol=1e-13, atol=1e-14)  # sums of 8 products, in another order


@pytest.mark.parametrize("sequence", [RNN, LSTM, GRU])
def test_equations_that_were_edited_in_the_cell_only_are_noticed(sequence, monkeypatch):
    forward = sequence.equations

    def edited(self, x, state=None):
        new = forward(self, x, state)
        return (new[0] * 0.5, new[1]) if isinstance(new, tuple) else new * 0.5

    monkeypatch.setattr(sequence.cell, "forward", edited)
    monkeypatch.setattr(sequence, "equations", edited)  # as if the file had been edited
    name = sequence.__name__
    with pytest.raises(AssertionError, match=f"{name}Cell.forward has other equations than {name}.prepare and {name}.step"):
        assert_layer_equals_cell(sequence)


@pytest.mark.parametrize("way", ["subclass", "own class", "class", "instance", "call", "function"])
@pytest.mark.parametrize("sequence", [RNN, LSTM, GRU])
def test_a_cell_whose_equations_were_replaced_runs_as_it_is(sequence, way, monkeypatch):
    """Nothing is silently ignored: the layer gives h / 2 from the first step on."""
    pair = sequence is LSTM
    forward = sequence.cell.forward

    def halved(self, x, state=None):
        new = forward(self, x, state)
        return (new[0] * 0.5, new[1]) if pair else new * 0.5

    rng = np.random.default_rng(0)
    model, x = sequence(3, 4, rng=rng), rng.normal(size=(3, 2, 3))
    cell = model.cells[0]
    if way == "subclass":
        model = type("Mine", (sequence,), {"cell": type("Halved", (sequence.cell,), {"forward": halved})})(3, 4, rng=rng)
    elif way == "own class":
        class Own(Module):
            def __init__(self):
                self.inner = cell

            def forward(self, x, state=None):
                return halved(self.inner, x, state)
        model.cells[0] = Own()
    elif way == "class":
        monkeypatch.setattr(sequence.cell, "forward", halved)
    elif way == "instance":
        cell.forward = lambda x, state=None: halved(cell, x, state)
    elif way == "call":
        cell.__class__ = type("Called", (sequence.cell,), {"__call__": halved})
    else:
        model.extra, model.cells[0] = cell, lambda x, state=None: halved(cell, x, state)
    outputs, last = model(x)
    state, expected = None, []
    for x_t in x:
        state = halved(model.cells[0] if way == "subclass" else cell, x_t, state)
        expected.append((state[0] if pair else state).data)
    np.testing.assert_array_equal(outputs.data, expected)
    for one, other in zip(last if pair else [last], state if pair else [state]):
        np.testing.assert_array_equal(one.data[0], other.data)
    assert model(x[:0])[0].shape == (0, 2, 4)
    outputs.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_unroll():
    x = Tensor(np.arange(6.0).reshape(3, 1, 2), requires_grad=True)
    outputs, state = unroll(lambda x_t, total: x_t if total is None else x_t + total, x)
    np.testing.assert_array_equal(outputs.data, np.cumsum(x.data, axis=0))
    np.testing.assert_array_equal(state.data, outputs.data[-1])
    np.testing.assert_array_equal(grad(outputs, x, np.ones((3, 1, 2)))[:, 0, 0], [3, 2, 1])
    outputs, state = unroll(lambda x_t, s: (x_t * s[0], s[1] + 1), x, (Tensor(np.ones((1, 2))), 0))
    assert outputs.shape == (3, 1, 2) and state[1] == 3
    with pytest.raises(ValueError, match="no time steps"):
        unroll(LSTMCell(2, 3, rng=np.random.default_rng(0)), np.zeros((0, 1, 2)))


@pytest.mark.parametrize("sequence", [RNN, LSTM, GRU])
def test_a_sequence_may_be_cut_and_its_state_carried(sequence):
    rng = np.random.default_rng(0)
    model, x = sequence(2, 3, 2, rng=rng), rng.normal(size=(5, 2, 2))
    whole, end = model(x)
    first, state = model(x[:2])
    second, carried = model(x[2:], state)
    np.testing.assert_array_equal(np.concatenate([first.data, second.data]), whole.data)
    for one, other in zip(end, carried):
        np.testing.assert_array_equal(one.data, other.data)


@pytest.mark.parametrize("sequence", [RNN, LSTM, GRU])
def test_dtype_and_empty_sequences(sequence):
    model = sequence(2, 3, 2, rng=np.random.default_rng(0), dtype=np.float32)
    assert model(Tensor(np.zeros((4, 2, 2))))[0].dtype == np.float32
    y, _ = model(np.zeros((4, 2, 2)))
    assert y.dtype == np.float32
    y.sum().backward()
    assert all(p.grad.dtype == np.float32 for p in model.parameters())
    assert model(np.zeros((0, 2, 2)))[0].shape == (0, 2, 3)
    assert model(np.zeros((4, 0, 2)))[0].shape == (4, 0, 3)


def test_losses_against_references():
    rng = np.random.default_rng(0)
    p, t = rng.normal(size=(3, 2)), rng.normal(size=(3, 2))
    assert mse_loss(Tensor(p), t).item() == pytest.approx(sum((a - b) ** 2 for a, b in zip(p.flat, t.flat)) / 6, rel=1e-14)
    logits, target = rng.normal(size=(2, 3, 4)), rng.integers(0, 4, (2, 3))
    expected = [math.log(math.fsum(map(math.exp, row))) - row[k] for row, k in zip(logits.reshape(6, 4).tolist(), target.flat)]
    assert cross_entropy(Tensor(logits), target).item() == pytest.approx(math.fsum(expected) / 6, rel=1e-14)
    assert cross_entropy(Tensor(logits), Tensor(target)).item() == pytest.approx(math.fsum(expected) / 6, rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_of_extreme_logits(dtype):
    logits = Tensor(np.array([[1e4, -1e4], [1e4, -1e4]], dtype), requires_grad=True)
    loss = cross_entropy(logits, [0, 1])
    assert loss.item() == 1e4
    np.testing.assert_array_equal(grad(loss, logits), [[0, 0], [0.5, -0.5]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy(dtype):
    x = np.array([-1e4, -2.0, 0.0, 0.5, 1e4], dtype)
    logits, target = Tensor(x, requires_grad=True), np.array([0, 0.25, 0.5, 1, 1])
    loss = binary_cross_entropy_with_logits(logits, target)
    p = [1 / (1 + math.exp(-v)) for v in (-2, 0, 0.5)]
    expected = -(0.25 * math.log(p[0]) + 0.75 * math.log(1 - p[0]) + math.log(0.5) + math.log(p[2])) / 5
    assert loss.item() == pytest.approx(expected, rel=1e-6 if dtype == np.float32 else 1e-13) and loss.dtype == dtype
    sigmoid = np.array([0, *p, 1])
    np.testing.assert_allclose(grad(loss, logits), (sigmoid - target) / 5, rtol=1e-6, atol=1e-7)
    wrong = Tensor(np.array([-1e4, 1e4], dtype), requires_grad=True)
    assert binary_cross_entropy_with_logits(wrong, [1, 0]).item() == 1e4


def test_dropout_keeps_the_mean_and_does_nothing_in_evaluation():
    x = Tensor(np.ones((100, 100)))
    model = Sequential(Dropout(0.25, rng=np.random.default_rng(0)))
    y = model(x).numpy()
    assert set(np.unique(y)) == {0, 1 / 0.75}
    assert abs((y == 0).mean() - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 10_000)  # 5 standard deviations
    assert (model(x).numpy() != y).any()
    assert model.eval() is model and not model.training
    assert model(x) is x
    model.train()
    assert (model(x).numpy() == 0).any()
    assert Dropout(0.5, rng=np.random.default_rng(0))(Tensor(np.ones(4, np.float32))).dtype == np.float32
    assert set(np.unique(Dropout(0.2, rng=np.random.default_rng(0))(np.full(50, 8)).data)) == {0, 10}


def test_embedding_is_one_hot_times_weight():
    embedding = Embedding(5, 2, rng=np.random.default_rng(0))
    numbers = np.array([[0, 4], [3, 4]])
    np.testing.assert_array_equal(embedding(numbers).data, np.eye(5)[numbers] @ embedding.W.data)
    np.testing.assert_array_equal(embedding(Tensor(numbers)).data, embedding.W.data[numbers])


# -- initialisation -----------------------------------------------------------------------------------------


def test_initial_values():
    cell = LSTMCell(3, 16, rng=np.random.default_rng(0), forget_bias=2.5)
    assert (cell.b_f.data == 2.5).all() and not cell.b_i.data.any() and not cell.b_c.data.any() and not cell.b_o.data.any()
    assert np.abs(cell.W_f.data).max() <= 1 / 4 and np.abs(cell.W_f.data).max() > 0.9 / 4
    assert (LSTMCell(3, 16, rng=np.random.default_rng(0)).b_f.data == 1).all()
    same = LSTMCell(3, 16, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(same.W_o.data, cell.W_o.data)
    W = RNNCell(3, 16, rng=np.random.default_rng(0), init="orthogonal").W.data[:16]
    np.testing.assert_allclose(W @ W.T, np.eye(16), atol=1e-14)  # 16 products of rounding error 1e-16
    W = RNNCell(3, 16, rng=np.random.default_rng(0), init="xavier").W.data
    for part, rows in ((W[:16], 16), (W[16:], 3)):
        assert 0.8 < np.abs(part).max() / math.sqrt(6 / (rows + 16)) <= 1
    tall, wide = (Linear(*shape, rng=np.random.default_rng(0), init="orthogonal").W.data for shape in ((8, 3), (3, 8)))
    np.testing.assert_allclose(tall.T @ tall, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(wide @ wide.T, np.eye(3), atol=1e-14)
    state = np.random.get_state()[1].tolist()
    LSTM(2, 3, rng=np.random.default_rng(0))
    assert np.random.get_state()[1].tolist() == state


# -- Module -------------------------------------------------------------------------------------------------


class Nested(Module):
    def __init__(self):
        rng = np.random.default_rng(0)
        self.first = Linear(2, 2, rng=rng)
        self.rest = [Linear(2, 2, rng=rng), {"a": self.first, "b": Tensor([1.0], requires_grad=True)}]
        self.constant = Tensor([1.0])
        self.result = self.first.W * 2
        self.parent = self


def test_named_parameters():
    model = Nested()
    with pytest.warns(UserWarning, match="result"):
        assert [name for name, _ in model.named_parameters()] == ["first.W", "first.b", "rest.0.W", "rest.0.b", "rest.1.b"]
    assert [name for name, _ in LSTM(2, 3, 2, rng=np.random.default_rng(0)).named_parameters()] == [
        f"cells.{layer}.{kind}_{gate}" for layer in (0, 1) for kind, gates in (("W", "fico"), ("b", "fico")) for gate in gates]
    assert repr(Linear(2, 3, rng=np.random.default_rng(0))) == "Linear(W: (2, 3), b: (3,))"
    with pytest.raises(AttributeError):
        _ = model.frist
    with pytest.raises(NotImplementedError, match="Nested must define forward"):
        model()


class Scaled(Module):
    """A mistake: W is the result of an operation, not a parameter."""

    def __init__(self):
        self.W = Tensor(np.ones((2, 3)), requires_grad=True) * 0.1
        self.b = Tensor(np.zeros(3), requires_grad=True)
        self.mask = Tensor(np.ones(3))
        with no_grad():
            self.scale = self.b * 2
        self.again = [self.W, self.mask]

    def forward(self, x):
        return x @ self.W + self.b


class Carrying(Module):
    """A cell that keeps its last state, as a result, and its first one, as a constant."""

    def __init__(self, cell=None):
        self.cell, self.h = cell or RNNCell(2, 3, rng=np.random.default_rng(0)), Tensor(np.zeros((1, 3)))

    def forward(self, x):
        self.h = self.step(x)
        return self.h

    def step(self, x):
        return self.cell.forward(x, self.h)


class Outer(Module):
    def __init__(self, *cells):
        self.cells = list(cells)

    def forward(self, x):
        for cell in self.cells:
            cell.h = cell.step(x)  # does not call the cell itself
        return x


@pytest.mark.parametrize("use", [
    lambda m, path: SGD(m.parameters()), lambda m, path: SGD(m.named_parameters()), lambda m, path: m.state_dict(),
    lambda m, path: m.save(path / "m.npz")])
def test_a_result_held_before_the_first_call_is_warned_about(tmp_path, use):
    model = Outer(Scaled())
    with pytest.warns(UserWarning) as caught:
        use(model, tmp_path)
    (warning,) = caught
    assert warning.filename == __file__
    for part in ("Outer: cells.0.W, of shape (2, 3), is the result of mul. ", "Tensor(0.1 * rng.normal(", "requires_grad=True)"):
        assert part in str(warning.message)
    assert "mask" not in str(warning.message) and "scale" not in str(warning.message)


def test_the_second_step_with_a_result_made_once_names_the_cause():
    model = Scaled()
    model(np.ones((1, 2))).sum().backward()
    with pytest.raises(RuntimeError, match=r"result of mul, of shape \(2, 3\).* computed once from a leaf .*Tensor\(0.1 \* "):
        model(np.ones((1, 2))).sum().backward()


@pytest.mark.parametrize("wrapped", [lambda m: m, lambda m: Sequential(m), lambda m: Outer(m)])
def test_a_state_is_no_mistake(wrapped, tmp_path):
    cell = Carrying()
    model = wrapped(cell)
    optimizer = SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(np.ones((1, 2)))
        assert not cell.h.is_leaf
        (cell.h * cell.h).sum().backward()
        assert len(model.parameters()) == 2
        optimizer.step()
        model.save(tmp_path / "model.npz")
        copied = copy.deepcopy(wrapped(Carrying(cell.cell)))
        cell.h = cell.h.detach()
        assert [name for name, _ in model.not_parameters()] == [name for name, _ in copied.not_parameters()]


def test_a_part_that_was_called_says_nothing_about_the_whole():
    model = Scaled()
    model.cell = Carrying()
    model.cell(np.ones((1, 2)))
    with pytest.warns(UserWarning, match=r"Scaled: W, of shape \(2, 3\), is the result of mul\. Only a leaf"):
        model.parameters()
    cell = copy.deepcopy(model.cell.cell)
    carrying = Carrying(cell)
    carrying(np.ones((1, 2)))
    carrying.h = carrying.h.detach()
    carrying = copy.deepcopy(carrying)  # a copy has been called, too
    carrying.h = cell(np.ones((1, 2)))
    assert carrying.parameters()


def test_not_parameters():
    model = Outer(Scaled(), Carrying())
    model.cells[0].b.requires_grad = False  # frozen, still a parameter
    held = [("cells.0.W", (2, 3)), ("cells.0.mask", (3,)), ("cells.0.scale", (3,)), ("cells.1.h", (1, 3))]
    assert [(name, t.shape) for name, t in model.not_parameters()] == held
    assert all(isinstance(t, Tensor) for _, t in model.not_parameters())
    assert repr(model) == ("Outer(cells.0.b: (3,), cells.1.cell.W: (5, 3), cells.1.cell.b: (3,), "
                           + ", ".join(f"{name}: {shape} not a parameter" for name, shape in held) + ")")
    del model.cells[0]
    model(np.ones((1, 2)))
    assert [name for name, _ in model.not_parameters()] == ["cells.0.h"] and "cells.0.h: (1, 3) not a parameter" in repr(model)


def test_the_check_lists_arrays_that_should_be_parameters():
    class Forgotten(Module):
        def __init__(self):
            self.W, self.numbers = np.ones((3, 2)), np.arange(3)
            self.b = Tensor(np.zeros(2), requires_grad=True)

        def forward(self, x):
            return x @ self.W + self.b

    report = gradcheck(Sequential(Forgotten()), np.ones((1, 3)))
    assert report and "0.W, of shape (3, 2), is an array, not a parameter of the Module" in str(report).replace("\n  ", " ")
    assert "numbers" not in str(report)


def test_the_check_calls_state_what_changes_from_call_to_call():
    class Keeps(Module):
        def __init__(self):
            self.cell, self.h, self.mean = RNNCell(3, 4, rng=np.random.default_rng(0)), Tensor(np.zeros((2, 4))), np.zeros(3)

        def forward(self, x):
            self.h, self.mean = self.cell(x, self.h), 0.9 * self.mean + x.numpy().mean(axis=0)
            return self.h

    said = str(gradcheck(Keeps(), np.ones((2, 3)))).replace("\n  ", " ")
    for name in ("h, of shape (2, 4),", "mean, of shape (3,),"):
        assert f"{name} is no parameter of the Module, and changes from call to call" in said, said
    assert "constant" not in said


def test_state_dict_round_trip():
    one, other = LSTM(2, 3, rng=np.random.default_rng(0)), LSTM(2, 3, rng=np.random.default_rng(1))
    state = one.state_dict()
    other.load_state_dict(state)
    x = np.ones((2, 1, 2))
    np.testing.assert_array_equal(one(x)[0].data, other(x)[0].data)
    state["cells.0.W_f"][:] = 0
    assert one.cells[0].W_f.data.any() and other.cells[0].W_f.data.any()


def test_load_state_dict_lists_all_problems_and_changes_nothing():
    model = Linear(2, 3, rng=np.random.default_rng(0))
    before = model.state_dict()
    with pytest.raises(ValueError) as caught:
        model.load_state_dict({"W": np.zeros((3, 2)), "V": np.zeros(1)})
    for part in ("missing: b", "unexpected: V", "W has shape (3, 2), expected (2, 3)", "Linear"):
        assert part in str(caught.value)
    with pytest.raises(ValueError, match="W has dtype"):
        model.load_state_dict({"b": np.ones(3), "W": np.full((2, 3), "x")})
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_save_and_load(tmp_path):
    one, other = (GRU(2, 3, rng=np.random.default_rng(seed)) for seed in (0, 1))
    one.save(tmp_path / "weights.npz")
    other.load(tmp_path / "weights.npz")
    for name, value in one.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], value)
    assert [file.name for file in tmp_path.iterdir()] == ["weights.npz"]


@pytest.mark.parametrize(("damage", "message"), [
    ("truncated", "damaged"), ("empty", "damaged"), ("text", "damaged"), ("other", "missing: W_z"), ("pickled", "damaged"),
    ("one array", "damaged")])
def test_loading_what_is_no_file_of_ours_changes_nothing(tmp_path, damage, message):
    model, path = GRUCell(2, 3, rng=np.random.default_rng(0)), tmp_path / "weights.npz"
    before = model.state_dict()
    model.save(path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage in ("empty", "text"):
        path.write_bytes(b"" if damage == "empty" else b"hello")
    elif damage == "other":
        Linear(2, 3, rng=np.random.default_rng(0)).save(path)
    elif damage == "pickled":
        np.savez(path, **{name: np.array([print], dtype=object) for name in before})
    else:
        with open(path, "wb") as file:
            np.save(file, np.ones(3))
    with pytest.raises(ValueError, match=message):
        model.load(path)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    with pytest.raises(FileNotFoundError):
        model.load(tmp_path / "nothing.npz")


def test_names_that_could_clash(tmp_path):
    class Odd(Module):
        def __init__(self, value):
            self.file, self.allow_pickle = (Tensor([value + i], requires_grad=True) for i in range(2))
            self.inner = {"a": Tensor([value + 2], requires_grad=True), "a.npy": Tensor([value + 3], requires_grad=True)}

    Odd(1.0).save(tmp_path / "odd")
    model = Odd(7.0)
    model.load(tmp_path / "odd")
    np.testing.assert_array_equal(list(model.state_dict().values()), [[1], [2], [3], [4]])
    model.inner = {1: model.file, "1": model.allow_pickle}
    del model.file, model.allow_pickle
    with pytest.raises(ValueError, match="two parameters .* 'inner.1'"):
        model.state_dict()


def test_files_have_the_usual_rights_and_errors_name_the_path(tmp_path):
    model = Linear(2, 3, rng=np.random.default_rng(0))
    (tmp_path / "other").write_bytes(b"")
    model.save(tmp_path / "mine")
    assert (tmp_path / "mine").stat().st_mode == (tmp_path / "other").stat().st_mode
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    model.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    with pytest.raises(FileNotFoundError, match="no folder .*nowhere to write weights.npz"):
        model.save(tmp_path / "nowhere" / "weights.npz")


def test_frozen_layers_still_run():
    for kind in (RNN, LSTM, GRU):
        model = kind(2, 3, rng=np.random.default_rng(0), dtype=np.float32)
        for p in model.parameters():
            p.requires_grad = False
        assert model(np.ones((2, 1, 2)))[0].dtype == np.float32
        assert gradcheck(kind(2, 3, rng=np.random.default_rng(0)), np.ones((2, 1, 2)))


def test_only_numbers_and_text_are_saved(tmp_path):
    save_arrays(tmp_path / "a.npz", {"text": "words", "number": 3})
    found = load_arrays(tmp_path / "a.npz")
    assert found["text"].item() == "words" and found["number"] == 3
    with pytest.raises(TypeError, match="objects in thing"):
        save_arrays(tmp_path / "a.npz", {"thing": object()})
    assert load_arrays(tmp_path / "a.npz").keys() == {"text", "number"}


def test_resumed_training_equals_an_uninterrupted_run(tmp_path):
    """Bit for bit, with model, optimiser and generator from a file; Dropout draws from the generator."""
    class Model(Module):
        def __init__(self, rng):
            self.lstm, self.dropout, self.output = LSTM(2, 4, rng=rng), Dropout(0.5, rng=rng), Linear(4, 1, rng=rng)

        def forward(self, x):
            return self.output(self.dropout(self.lstm(x)[0]))

    def start():
        rng = np.random.default_rng(0)
        model = Model(rng)
        return model, Adam(model.parameters(), lr=lambda step: 0.1 / (1 + step)), rng

    def train(model, optimizer, rng, steps):
        for _ in range(steps):
            x = rng.normal(size=(3, 2, 2))
            optimizer.zero_grad()
            mse_loss(model(x), x[:, :, :1]).backward()
            optimizer.step()

    whole, *rest = start()
    train(whole, *rest, 20)
    model, optimizer, rng = start()
    train(model, optimizer, rng, 8)
    model.save(tmp_path / "model.npz")
    save_arrays(tmp_path / "optimizer.npz", optimizer.state_dict())
    state = rng.bit_generator.state

    model, optimizer, rng = start()
    model.load(tmp_path / "model.npz")
    optimizer.load_state_dict(load_arrays(tmp_path / "optimizer.npz"))
    rng.bit_generator.state = state
    train(model, optimizer, rng, 12)
    for name, value in whole.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name], value)


def test_zero_grad():
    model = Linear(2, 1, rng=np.random.default_rng(0))
    model(np.ones((1, 2))).sum().backward()
    assert model.W.grad is not None
    model.zero_grad()
    assert model.W.grad is None


# -- errors -------------------------------------------------------------------------------------------------


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(("f", "kind", "parts"), [
    (lambda: Linear(2, 3, rng=rng())(np.ones((4, 3))), ValueError, ["Linear(2, 3)", "(4, 3)", "(4, 2)"]),
    (lambda: RNNCell(2, 3, rng=rng())(np.ones((4, 3))), ValueError, ["RNNCell(2, 3)", "x has shape (4, 3)", "(batch, 2)"]),
    (lambda: RNNCell(2, 3, rng=rng())(np.ones((4, 2)), np.ones((1, 3))), ValueError, ["h has shape (1, 3)", "(4, 3)"]),
    (lambda: LSTMCell(2, 3, rng=rng())(np.ones((4, 2)), (np.ones((4, 3)), np.ones((4, 2)))), ValueError, ["c has", "(4, 3)"]),
    (lambda: LSTM(2, 3, rng=rng())(np.ones((4, 2))), ValueError, ["LSTM(2, 3, num_layers=1)", "(time, batch, 2)"]),
    (lambda: RNN(2, 3, 2, rng=rng())(np.ones((5, 4, 2)), np.ones((1, 4, 3))), ValueError, ["h_0", "(1, 4, 3)", "(2, 4, 3)"]),
    (lambda: RNN(2, 3, rng=0), TypeError, ["default_rng"]),
    (lambda: RNN(2, 3, rng=rng(), init="zeros"), ValueError, ["'uniform' or 'xavier' or 'orthogonal'", "zeros"]),
    (lambda: RNN(2, 3, rng=rng(), nonlinearity="sigmoid"), ValueError, ["nonlinearity must be 'tanh' or 'relu'", "'sigmoid'"]),
    (lambda: RNNCell(2, 3, rng=rng(), nonlinearity=["relu"]), ValueError, ["'tanh' or 'relu'", "not ['relu']"]),
    (lambda: LSTM(2, 3, rng=rng(), nonlinearity="relu"), TypeError, ["nonlinearity"]),
    (lambda: mse_loss(Tensor(np.ones(3)), np.ones((3, 1))), ValueError, ["(3,)", "(3, 1)", "equal"]),
    (lambda: cross_entropy(Tensor(np.ones((2, 3))), [0, 3]), ValueError, ["target[1] is 3", "0 .. 2"]),
    (lambda: cross_entropy(Tensor(np.ones((2, 3))), [0, -1]), ValueError, ["target[1] is -1"]),
    (lambda: cross_entropy(Tensor(np.ones((2, 3))), [0, 1, 2]), ValueError, ["(2, 3)", "(3,)"]),
    (lambda: cross_entropy(Tensor(np.ones((2, 3))), [0.0, 1.0]), TypeError, ["integers", "float64"]),
    (lambda: cross_entropy(Tensor(np.ones((0, 3))), np.zeros(0, int)), ValueError, ["mean of nothing"]),
    (lambda: mse_loss(np.ones(2), np.ones(2)), TypeError, ["prediction", "ndarray"]),
    (lambda: mse_loss(Tensor(np.array([1, 2])), [1.5, 2.5]), TypeError, ["prediction", "int64"]),
    (lambda: cross_entropy([[1.0, 2.0]], [0]), TypeError, ["logits", "list"]),
    (lambda: Linear(3, 1, rng=rng())(LSTM(2, 3, rng=rng())(np.ones((1, 1, 2)))), TypeError, ["outputs, state = lstm(x)"]),
    (lambda: mse_loss(LSTM(2, 3, rng=rng())(np.ones((1, 1, 2))), 0), TypeError, ["prediction", "tuple"]),
    (lambda: LSTM(2, 3, rng=rng())(np.ones((1, 1, 2)), np.ones((1, 1, 3))), TypeError, ["pair (h_0, c_0)"]),
    (lambda: Embedding(3, 2, rng=rng())([[0], [3]]), ValueError, ["numbers[1, 0] is 3", "0 .. 2"]),
    (lambda: Embedding(3, 2, rng=rng())([-1]), ValueError, ["numbers[0] is -1"]),
    (lambda: Embedding(3, 2, rng=rng())([0.5]), TypeError, ["integers", "float64"]),
    (lambda: Linear(2, 1, rng=rng())(np.ma.array([[1.0, 2.0]], mask=[[0, 1]])), TypeError, ["without a mask"]),
    (lambda: mse_loss(Tensor([1.0]), [None]), TypeError, ["real numbers", "None"]),
    (lambda: Sequential([np.tanh]), TypeError, ["layer 0", "not a layer"]),
    (lambda: Sequential(Linear), TypeError, ["layer 0", "not a layer"]),
    (lambda: Dropout(1.0, rng=rng()), ValueError, ["below 1"]),
    (lambda: binary_cross_entropy_with_logits(Tensor([1.0]), [2.0]), ValueError, ["0 .. 1", "2.0"]),
    (lambda: binary_cross_entropy_with_logits(Tensor([1.0]), [[1.0]]), ValueError, ["(1,)", "(1, 1)"]),
    (lambda: GRU(2, 3, rng=rng(), forget_bias=1), TypeError, ["forget_bias"]),
    (lambda: GRU(2, 3, rng=rng(), batch_first=True)(np.ones((1, 2, 3))), ValueError, ["(batch, time, 2)"]),
    (lambda: RNN(2, 3, 0, rng=rng()), ValueError, ["num_layers"]),
])
def test_errors_name_layer_argument_and_shapes(f, kind, parts):
    with pytest.raises(kind) as caught:
        f()
    for part in parts:
        assert part in str(caught.value)
