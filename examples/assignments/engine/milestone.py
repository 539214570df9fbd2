"""Rumelhart, Hinton and Williams 1986: two hidden units learn to tell whether six bits are symmetric, with your own
engine.py."""

import importlib
import itertools
import sys

import numpy as np

engine = importlib.import_module(sys.argv[1] if len(sys.argv) > 1 else "engine")
Node, add, mul, matmul = engine.Node, engine.add, engine.mul, engine.matmul

BITS = np.array(list(itertools.product([0.0, 1.0], repeat=6)))  # all 64
SYMMETRIC = (BITS == BITS[:, ::-1]).all(axis=1)[:, None].astype(float)
EPSILON, ALPHA, SWEEPS = 0.1, 0.9, 5000  # the first two are the paper's


def sigma(x):
    """1 / (1 + exp(-x)), written with tanh."""
    return add(mul(engine.tanh(mul(x, Node(0.5))), Node(0.5)), Node(0.5))


def learn(seed):
    """The number of sweeps until all 64 are right, or None, and the weights W (6, 2) of the two hidden units after all sweeps."""
    rng = np.random.default_rng(seed)
    weights = [rng.uniform(-0.3, 0.3, shape) for shape in ((6, 2), (2,), (2, 1), (1,))]
    steps, learnt = [np.zeros(w.shape) for w in weights], None
    for sweep in range(SWEEPS):
        W, b, V, c = leaves = [Node(w) for w in weights]
        y = sigma(add(matmul(sigma(add(matmul(Node(BITS), W), b)), V), c))
        error = add(y, Node(-SYMMETRIC))
        if learnt is None and (np.abs(error.value) < 0.5).all():
            learnt = sweep
        found = engine.backward(engine.order(mul(mul(error, error), Node(0.5))), np.ones(error.value.shape))
        steps = [ALPHA * step - EPSILON * found[leaf] for step, leaf in zip(steps, leaves)]
        weights = [w + step for w, step in zip(weights, steps)]
    return learnt, weights[0]


def main(starts=10):
    """Sweeps and weights of those that have learnt it."""
    print("The paper: 1,425 sweeps; weights of opposite sign about the middle, and 1 : 2 : 4 in some order\n")
    print("start  sweeps  weights of both hidden units, the smallest of each set to 1")
    found = []
    for seed in range(starts):
        sweeps, W = learn(seed)
        if sweeps is None:
            print(f"{seed:>5}       -  not learnt after {SWEEPS:,} sweeps")
        else:
            units = ["".join(f"{w:>6.2f}" for w in column / np.abs(column).min()) for column in W.T]
            print(f"{seed:>5}  {sweeps:>6,} {'   '.join(units)}", flush=True)
            found.append((sweeps, W))
    return found


if __name__ == "__main__":
    main()
