"""Three wrong gradients that students often write, and the gradient check's report on each.

    python examples/wrong_gradients.py

What to look at: the verdict on each input, and the last lines, which name the likely mistake. What to
try: repair one of the formulas below and run it again; or plant another mistake.
"""

from __future__ import annotations

import argparse

import numpy as np

from minigrad import concat, gradcheck, op, tanh


@op(lambda g, x: g * x * (1 - x))
def sigmoid(x):
    """1 / (1 + exp(-x)); its derivative is y (1 - y), with the output y."""
    return 1 / (1 + np.exp(-x))


@op(lambda g, W: g @ W,
    lambda g, x: x.swapaxes(0, 1) @ g)
def project(x, W):
    """x W; the gradient for x is g W^T."""
    return x @ W


@op(lambda g, y, W, h_shape: (g * y * (1 - y)) @ W[:h_shape[1]].swapaxes(0, 1),
    lambda g, y, W, h_shape: (g * y * (1 - y)) @ W[h_shape[1]:].swapaxes(0, 1),
    lambda g, y, h, x: concat(0 * h, x, axis=1).swapaxes(0, 1) @ (g * y * (1 - y)))
def gate(h, x, W):
    """sigma(W [h, x]), a gate of an LSTM; the gradient for W needs h as well as x."""
    return 1 / (1 + np.exp(-np.concatenate([h, x], axis=1) @ W))


def lstm_cell(h, c, x, W_f, W_i, W_c, W_o):
    """One step of an LSTM; `gate` computes its gates."""
    C = gate(h, x, W_f) * c + gate(h, x, W_i) * tanh(concat(h, x, axis=1) @ W_c)
    return gate(h, x, W_o) * tanh(C), C


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="of the inputs (default %(default)s)")
    rng = np.random.default_rng(parser.parse_args(argv).seed)
    batch, inputs, hidden = 2, 3, 4
    checks = {
        "sigmoid": (sigmoid, [(3, 4)]),
        "project": (project, [(5, 3), (3, 3)]),
        "lstm_cell": (lstm_cell, [(batch, hidden), (batch, hidden), (batch, inputs), *4 * [(hidden + inputs, hidden)]]),
    }
    for name, (function, shapes) in checks.items():
        print(f"{name}\n{gradcheck(function, *(rng.normal(size=shape) for shape in shapes))}\n")


if __name__ == "__main__":
    main()
