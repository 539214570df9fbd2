"""Glorot and Bengio 2010: how much of a gradient reaches the first layer of a deep network, measured with your operations.py."""

import importlib
import sys

import numpy as np

from minigrad import Tensor, grad

mine = importlib.import_module(sys.argv[1] if len(sys.argv) > 1 else "operations")

LAYERS, N, ROWS, SEEDS = 5, 200, 200, 5
USUAL, NORMALIZED = 1 / np.sqrt(N), np.sqrt(6 / (N + N))  # weights are uniform between -range and range


def sizes(activation, weight_range, inputs=0.3):
    """The size of the gradient of each layer's z = h W, from the first to the last, relative to the last: the median over seeds.
    As in the paper, the loss is not trained: a random gradient arrives at the last layer."""
    rows = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        h, zs = Tensor(rng.normal(size=(ROWS, N)) * inputs, requires_grad=True), []
        for _ in range(LAYERS):
            zs.append(mine.matmul(h, rng.uniform(-weight_range, weight_range, (N, N))))
            h = activation(zs[-1])
        rows.append([float((g ** 2).mean() ** 0.5) for g in grad(h, zs, rng.normal(size=h.shape))])
    rows = np.array(rows)
    return np.median(rows / rows[:, -1:], axis=0)


def main():
    print("size of the gradient  " + "".join(f"  layer {k}" for k in range(1, LAYERS + 1)) + "   factor of a layer")
    factors = {}
    for name, activation, weight_range in (("tanh, usual", mine.tanh, USUAL), ("tanh, normalized", mine.tanh, NORMALIZED),
                                           ("sigmoid, normalized", mine.sigmoid, NORMALIZED)):
        found = sizes(activation, weight_range)
        factors[name] = found[0] ** (1 / (LAYERS - 1))
        bar = "#" * round(20 * min(1, found[0]))
        print(f"{name:<22}" + "".join(f"{size:>9.3f}" for size in found) + f"   {factors[name]:.3f}  {bar}")
    return factors


if __name__ == "__main__":
    main()
