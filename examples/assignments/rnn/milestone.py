"""Elman 1990, XOR in time: a network that predicts the next bit errs less at every third one. It uses your own rnn.py."""

import importlib
import sys

import numpy as np

rnn = importlib.import_module(sys.argv[1] if len(sys.argv) > 1 else "rnn")

T, B, H, STEPS = 24, 64, 8, 1500
rng = np.random.default_rng(0)


def bits(batch):
    """Triples of two random bits and their XOR, as +-1: (T + 1, batch, 1)."""
    first, second = rng.integers(0, 2, (2, T // 3 + 1, batch))
    triples = np.stack([first, second, first ^ second], axis=1).reshape(-1, batch, 1)
    return 2.0 * triples[:T + 1] - 1


def forward(p, sequence):
    hs = rnn.rnn_forward(sequence[:-1], np.zeros((sequence.shape[1], H)), p["W_x"], p["W_h"], p["b"])
    return hs, hs @ p["V"] + p["c"] - sequence[1:]  # states and errors


def main():
    p = {"W_x": rng.normal(size=(1, H)), "W_h": rng.normal(size=(H, H)) / np.sqrt(H), "b": np.zeros(H),
         "V": rng.normal(size=(H, 1)) / np.sqrt(H), "c": np.zeros(1)}
    means, squares = ({name: np.zeros(w.shape) for name, w in p.items()} for _ in range(2))
    for step in range(1, STEPS + 1):
        sequence = bits(B)
        hs, error = forward(p, sequence)
        dy = 2 * error / error.size
        back = rnn.rnn_backward(dy @ p["V"].T, hs, sequence[:-1], np.zeros((B, H)), p["W_x"], p["W_h"])
        gradients = {"W_x": back["dW_x"], "W_h": back["dW_h"], "b": back["db"], "V": np.einsum("tbh,tbo->ho", hs, dy),
                     "c": dy.sum(axis=(0, 1))}
        for name, g in gradients.items():  # Adam
            means[name] = 0.9 * means[name] + 0.1 * g
            squares[name] = 0.999 * squares[name] + 0.001 * g * g
            p[name] = p[name] - 0.01 * (means[name] / (1 - 0.9 ** step)) / (np.sqrt(squares[name] / (1 - 0.999 ** step)) + 1e-8)
    _, error = forward(p, bits(1000))
    mean = (error ** 2).mean(axis=(1, 2))
    for t in range(12, T):
        print(f"bit {t + 2:>3}  {'XOR   ' if t % 3 == 1 else 'random'}  error {mean[t]:.3f}  {'#' * round(40 * mean[t])}")
    return mean[1::3].mean(), np.delete(mean, np.s_[1::3]).mean()


if __name__ == "__main__":
    xor, other = main()
    print(f"\nmean squared error: {xor:.3f} where the next bit is the XOR, {other:.3f} where it is random")
    print("Below 0.01: your network has found the XOR." if xor < 0.01 else
          "Not below 0.01: it has not found the XOR. Is the gradient right through time, too?")
