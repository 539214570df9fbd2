"""Bengio et al. 1994 and Pascanu et al. 2013: how much of a gradient is left k steps before, measured with your vanishing.py."""

import importlib
import sys

import numpy as np

mine = importlib.import_module(sys.argv[1] if len(sys.argv) > 1 else "vanishing")

T, H, D, SEEDS, SHOWN = 60, 32, 4, 10, (1, 5, 10, 20, 40, 60)
RADII, BIASES = (0.6, 0.8, 0.95, 1.0, 1.05, 1.3), (0.0, 2.0, 5.0)


def measured(radius, linear, inputs=0.1):
    """The median over the seeds of |dL/dh_{T-k}|, for k = 0 .. T, where |dL/dh_T| is 1."""
    rows = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        W, g = mine.rescaled(rng.normal(size=(H, H)), radius), rng.normal(size=H)
        g /= np.linalg.norm(g)
        if linear:
            rows.append(mine.norms_back(np.ones((T, H)), W, g))
        else:
            rows.append(mine.rnn_norms(inputs * rng.normal(size=(T, D)), np.zeros(H), rng.normal(size=(D, H)), W, np.zeros(H), g))
    return np.median(rows, axis=0)


def row(name, norms):
    """Numbers, and a bar for the last of them: a # for each power of ten above 1e-16."""
    return f"{name:<26}" + "".join(f"{norms[k]:>10.1e}" for k in SHOWN) + f"  {'#' * round(16 + np.log10(norms[SHOWN[-1]]))}"


def factor(norms):
    """By which the gradient is multiplied at a step, for the later half."""
    return (norms[T] / norms[T // 2]) ** (2 / T)


def main():
    print(f"{'k, steps back':<26}" + "".join(f"{k:>10}" for k in SHOWN))
    factors = {}
    for linear in (True, False):
        for radius in RADII:
            norms = measured(radius, linear)
            factors[linear, radius] = factor(norms)
            print(row(f"{'linear' if linear else 'tanh'}, radius {radius:g}", norms))
        print()
    for bias in BIASES:
        print(row(f"memory cell, b_f {bias:g}", mine.gate_norms(np.full(H, bias), np.full(H, H ** -0.5), T)))
    print("\nthe factor of one step, for k from T/2 to T")
    for radius in RADII:
        print(f"  radius {radius:<5g} linear {factors[True, radius]:.3f}   tanh {factors[False, radius]:.3f}")
    Q = mine.orthogonal(np.random.default_rng(0).normal(size=(H, H)))
    kept = mine.norms_back(np.ones((T, H)), Q, np.eye(H)[0])
    print(f"\nan orthogonal W, linear: between {kept.min():.15f} and {kept.max():.15f} at all k")
    return factors, kept


if __name__ == "__main__":
    main()
