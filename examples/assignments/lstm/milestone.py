"""Hochreiter and Schmidhuber 1997, the adding problem: your own lstm learns it where an RNN of the same size does not."""

import importlib
import sys

import numpy as np

from minigrad import Tensor, tanh
from minigrad.optim import Adam, clip_grad_norm

mine = importlib.import_module(sys.argv[1] if len(sys.argv) > 1 else "lstm")

T, B, H, STEPS = 60, 32, 16, 1600


def sequences(rng, count):
    """Values in the first column, two marks in the second; the target is the sum of the marked values."""
    xs = np.zeros((T, count, 2))
    xs[:, :, 0] = rng.uniform(0, 1, (T, count))
    rows = np.arange(count)
    for half in (rng.integers(0, T // 2, count), rng.integers(T // 2, T, count)):
        xs[half, rows, 1] = 1
    return xs, (xs[:, :, 0] * xs[:, :, 1]).sum(axis=0)[:, None]


def parameters(rng, *shapes):
    return [Tensor(rng.normal(size=shape) / np.sqrt(shape[0]) if len(shape) == 2 else np.zeros(shape), requires_grad=True)
            for shape in shapes]


def lstm_model(rng):
    weights = parameters(rng, *4 * [(H + 2, H)])
    biases = [Tensor(b, requires_grad=True) for b in mine.initial_biases(H)]

    def last_state(xs):
        zeros = np.zeros((xs.shape[1], H))
        return mine.lstm(Tensor(xs), Tensor(zeros), Tensor(zeros), *weights, *biases)[0][-1]
    return last_state, [*weights, *biases]


def rnn_model(rng):
    W_x, W_h, b = parameters(rng, (2, 2 * H), (2 * H, 2 * H), (2 * H,))  # as many parameters as the LSTM has, nearly

    def last_state(xs):
        h = Tensor(np.zeros((xs.shape[1], 2 * H)))
        for x in xs:
            h = tanh(x @ W_x + h @ W_h + b)
        return h
    return last_state, [W_x, W_h, b]


def train(make, seed=0):
    """The error of the last 100 steps."""
    rng = np.random.default_rng(seed)
    last_state, weights = make(rng)
    V, c = parameters(rng, (H if make is lstm_model else 2 * H, 1), (1,))
    optimizer = Adam([*weights, V, c], lr=0.01)
    errors = []
    for step in range(STEPS + 1):
        xs, targets = sequences(rng, B)
        error = last_state(xs) @ V + c - targets
        loss = (error * error).mean()
        errors.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm([*weights, V, c], 1.0)
        optimizer.step()
        if step % 200 == 0 and step:
            print(f"{make.__name__:<11} after {step * B:>6} sequences: error {np.mean(errors[-100:]):.4f}", flush=True)
    return float(np.mean(errors[-100:]))


if __name__ == "__main__":
    print("always saying 1: error 0.1667")
    train(rnn_model)
    train(lstm_model)
