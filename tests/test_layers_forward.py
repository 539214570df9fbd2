"""Compares every cell and sequence with the lecture's equations in plain NumPy: a gradient check cannot do this.

The equations use nothing of minigrad: W [h, x] is h times the first rows of W plus x times the others. Planted mistakes
show that the comparison notices them.
"""

import numpy as np
import pytest
from wrong_forwards import FORWARD, MISTAKES, MISTAKES_IN_THE_LOOP, student_cell, student_sequence

from minigrad import Tensor
from minigrad.layers import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell


class ReluRNNCell(RNNCell):
    def __init__(self, *sizes, **options):
        super().__init__(*sizes, nonlinearity="relu", **options)


class ReluRNN(RNN):
    def __init__(self, *sizes, **options):
        super().__init__(*sizes, nonlinearity="relu", **options)


CELL = {RNN: RNNCell, ReluRNN: ReluRNNCell, LSTM: LSTMCell, GRU: GRUCell}
SIZES = [(3, 4), (4, 4), (1, 1)]  # of input and hidden: equal ones let a program run that exchanges the two
T, B = 5, 2


def sigma(a):
    return 1 / (1 + np.exp(-a))


def rnn_step(p, x, h):
    H = h.shape[1]
    return np.tanh(h @ p["W"][:H] + x @ p["W"][H:] + p["b"])


def relu_rnn_step(p, x, h):
    H = h.shape[1]
    return np.maximum(0, h @ p["W"][:H] + x @ p["W"][H:] + p["b"])


def lstm_step(p, x, state):
    h, C = state
    H = h.shape[1]
    forget = sigma(h @ p["W_f"][:H] + x @ p["W_f"][H:] + p["b_f"])
    taken_in = sigma(h @ p["W_i"][:H] + x @ p["W_i"][H:] + p["b_i"])
    candidate = np.tanh(h @ p["W_c"][:H] + x @ p["W_c"][H:] + p["b_c"])
    C = forget * C + taken_in * candidate
    shown = sigma(h @ p["W_o"][:H] + x @ p["W_o"][H:] + p["b_o"])
    return shown * np.tanh(C), C


def gru_step(p, x, h):
    H = h.shape[1]
    update = sigma(h @ p["W_z"][:H] + x @ p["W_z"][H:] + p["b_z"])
    reset = sigma(h @ p["W_r"][:H] + x @ p["W_r"][H:] + p["b_r"])
    candidate = np.tanh((reset * h) @ p["W_h"][:H] + x @ p["W_h"][H:] + p["b_h"])
    return h - update * h + update * candidate


STEP = {RNNCell: rnn_step, ReluRNNCell: relu_rnn_step, LSTMCell: lstm_step, GRUCell: gru_step}


def run(step, p, xs, state):
    """All h_t (T, B, H), and the last state."""
    outputs = []
    for x in xs:
        state = step(p, x, state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    return np.array(outputs), state


def randomised(model):
    """Random parameters: with biases of zero, exchanged biases stay hidden."""
    rng = np.random.default_rng(5)
    for parameter in model.parameters():
        parameter.data = rng.normal(size=parameter.shape)
    return model


def inputs(kind, D, H, *steps):
    rng = np.random.default_rng(6)
    x, h, c = rng.normal(size=(*steps, B, D)), rng.normal(size=(B, H)), rng.normal(size=(B, H))
    return x, (h, c) if kind is LSTMCell else h


def agree(found, expected):
    found, expected = (np.concatenate([np.ravel(part) for part in flat(parts)]) for parts in (found, expected))
    return found.shape == expected.shape and np.abs(found - expected).max() < 1e-13


def flat(parts):
    """The arrays in nested tuples."""
    if isinstance(parts, tuple):
        return [array for part in parts for array in flat(part)]
    return [parts.numpy() if isinstance(parts, Tensor) else parts]


def cell_agrees(model, kind, D, H):
    x, state = inputs(kind, D, H)
    return agree(model(x, state), STEP[kind](model.state_dict(), x, state))


def sequence_agrees(model, kind, D, H):
    x, state = inputs(kind, D, H, T)
    first = tuple(Tensor(part[np.newaxis]) for part in state) if isinstance(state, tuple) else Tensor(state[np.newaxis])
    parameters = {name.removeprefix("cells.0."): values for name, values in model.state_dict().items()}
    return agree(model(Tensor(x), first), run(STEP[kind], parameters, x, state))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("sequence", CELL)
def test_cells_and_sequences_compute_the_lecture_s_equations(sequence, sizes):
    rng, cell = np.random.default_rng(0), CELL[sequence]
    assert cell_agrees(randomised(cell(*sizes, rng=rng)), cell, *sizes)
    assert sequence_agrees(randomised(sequence(*sizes, rng=rng)), cell, *sizes)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("sequence", CELL)
def test_layers_and_directions_are_wired_as_the_lecture_says(sequence, sizes):
    D, H = sizes
    model = randomised(sequence(D, H, 2, rng=np.random.default_rng(0), bidirectional=True))
    x, _ = inputs(CELL[sequence], D, H, T)
    below = x
    states = np.random.default_rng(7).normal(size=(2, 4, B, H))
    pair, last = sequence is LSTM, []
    for layer in range(2):
        both = []
        for direction in range(2):
            number, order = 2 * layer + direction, slice(None, None, -1 if direction else 1)
            start = (states[0, number], states[1, number]) if pair else states[0, number]
            outputs, state = run(STEP[CELL[sequence]], model.cells[number].state_dict(), below[order], start)
            both.append(outputs[order])
            last.append(state)
        below = np.concatenate(both, axis=-1)
    expected = below, tuple(np.array(part) for part in zip(*last)) if pair else np.array(last)
    assert agree(model(x, tuple(states) if pair else states[0]), expected)


@pytest.mark.parametrize("kind", FORWARD)
def test_a_student_s_cell_and_loop_without_a_mistake_agree(kind):
    for D, H in SIZES:
        model = randomised(student_cell(kind)(D, H, rng=np.random.default_rng(0)))
        assert cell_agrees(model, kind, D, H) and sequence_agrees(student_sequence(model), kind, D, H)


@pytest.mark.parametrize("sizes", SIZES[:2])  # of one hidden unit some mistakes are none
@pytest.mark.parametrize(("kind", "mistake", "right", "wrong"), MISTAKES)
def test_a_planted_mistake_is_noticed(kind, mistake, right, wrong, sizes):
    model = randomised(student_cell(kind, right, wrong)(*sizes, rng=np.random.default_rng(0)))
    assert not cell_agrees(model, kind, *sizes) and not sequence_agrees(student_sequence(model), kind, *sizes)


@pytest.mark.parametrize("kind", FORWARD)
@pytest.mark.parametrize(("mistake", "right", "wrong"), MISTAKES_IN_THE_LOOP)
def test_a_planted_mistake_in_the_loop_is_noticed(kind, mistake, right, wrong):
    model = randomised(student_cell(kind)(4, 4, rng=np.random.default_rng(0)))
    assert not sequence_agrees(student_sequence(model, right, wrong), kind, 4, 4)
