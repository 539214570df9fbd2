"""Measures the smallest relative error in a gradient that each of several gradient checkers refuses.

    python3 -m venv .venv-peers
    .venv-peers/bin/pip install -e . "torch==2.13.0" jax autograd
    .venv-peers/bin/python tests/benchmarks/sensitivity.py

Prints a table, operation by checker: the smallest error in all entries of all gradients, then in one entry of one gradient.
An error counts as refused if all larger ones (in steps of a quarter of a decade) are also refused. "none": even 10 % is not
refused. A checker that is not installed is left out. Run by hand, not by pytest.

Checkers, tolerances and steps are those of gradcheck_peers.py. HIPS autograd compares in one direction, another in every
run: an error counts if all of ten runs refuse it. JAX compares in one direction that is always the same. The inputs are
drawn in the usual way: rng = np.random.default_rng(0), then rng.normal for x, W, ... in turn.
"""

import inspect
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
from gradcheck_peers import CAUGHT, PASSES, Operation, installed_checkers, softmax, tanh
from tqdm import tqdm

STEPS_OF_A_DECADE, SMALLEST = 4, 13  # errors of 10^-1, 10^-1.25, ... 10^-13


def layer_norm(x):
    return (x - mean(x)) / deviation(x)


def mean(a):
    return a.mean(axis=-1, keepdims=True)


def deviation(x):
    return (mean((x - mean(x)) ** 2) + 1e-5) ** 0.5


def rnn(x, h, W_x, W_h, b):
    """h_1 .. h_T of a recurrent network."""
    hs = []
    for x_t in x:
        h = tanh(x_t @ W_x + h @ W_h + b)
        hs.append(h)
    return h.__array_namespace__().stack(hs)


def rnn_gradients(g, y, x, h, W_x, W_h, b):
    dh, dx, dW_x, dW_h, db = 0 * h, [], 0 * W_x, 0 * W_h, 0 * b
    for t in reversed(range(len(x))):
        da = (g[t] + dh) * (1 - y[t] * y[t])
        before = y[t - 1] if t else h
        dx, dh = [da @ W_x.T, *dx], da @ W_h.T
        dW_x, dW_h, db = dW_x + x[t].T @ da, dW_h + before.T @ da, db + da.sum(axis=0)
    return h.__array_namespace__().stack(dx), dh, dW_x, dW_h, db


def operations() -> list[tuple[Operation, int]]:
    """Operations with their right formulas, and the argument of which one entry will be wrong."""
    def inputs(*shapes):
        rng = np.random.default_rng(0)
        return [rng.normal(size=shape) for shape in shapes]

    def of_rnn(i):
        return lambda *values: rnn_gradients(*values)[i]

    return [
        (Operation("tanh", tanh, inputs((3, 4)), [lambda g, y, x: g * (1 - y * y)], {}), 0),
        (Operation("x @ W", lambda x, W: x @ W, inputs((3, 4), (4, 5)),
                   [lambda g, y, x, W: g @ W.T, lambda g, y, x, W: x.T @ g], {}), 1),
        (Operation("softmax", softmax, inputs((3, 4)), [lambda g, y, x: y * (g - (g * y).sum(axis=-1, keepdims=True))], {}), 0),
        (Operation("layer norm", layer_norm, inputs((3, 4)),
                   [lambda g, y, x: (g - mean(g) - y * mean(g * y)) / deviation(x)], {}), 0),
        (Operation("4-step RNN", rnn, inputs((4, 2, 3), (2, 3), (3, 3), (3, 3), (3,)), [of_rnn(i) for i in range(5)], {}), 3)]


def with_error(operation: Operation, error: float, argument: int | None = None) -> list[Callable]:
    """Formulas that arrive at 1 + error times the gradient: in all entries, or in one entry of one argument's."""
    names = ", ".join(["g", "y", *inspect.signature(operation.function).parameters])  # op asks for arguments by name

    def changed(i, formula):
        factor = 1 + error * np.ones(operation.inputs[i].shape)
        if argument is not None:
            factor[...] = 1
            if i == argument:
                factor[1, 2] += error
        return eval(f"lambda {names}: formula({names}) * factor", {"formula": formula, "factor": factor})
    return [changed(i, formula) for i, formula in enumerate(operation.right)]


def smallest_refused(check: Callable, operation: Operation, argument: int | None) -> str:
    if check(operation, with_error(operation, 0.0))[0] != PASSES:
        return "ALARM"

    def refused(k):
        return check(operation, with_error(operation, 10.0 ** (-k / STEPS_OF_A_DECADE), argument))[0] == CAUGHT

    low, high = STEPS_OF_A_DECADE, STEPS_OF_A_DECADE * SMALLEST  # low is refused, high is not
    if not refused(low):
        return "none"
    if refused(high):
        return f"{10.0 ** -SMALLEST:.0e}"
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if refused(middle) else (low, middle)
    return f"{10.0 ** (-low / STEPS_OF_A_DECADE):.0e}"


def main():
    checks = installed_checkers()
    peers = [name for name in checks if name != "minigrad"]
    print("peers:", ", ".join(f"{name} {version(name)}" for name in peers) or "none", end="\n\n")
    bank = [(operation, where, at) for where in ("all entries", "one entry")
            for operation, argument in operations() for at in [None if where == "all entries" else argument]]
    found = {}
    for (operation, where, at), name in tqdm([(case, name) for case in bank for name in checks], unit="check", disable=None):
        found[f"{operation.name}, {where}", name] = smallest_refused(checks[name], operation, at)
    print(f"{'smallest relative error refused':<34}" + "".join(f"{name:>12}" for name in checks))
    for label in dict.fromkeys(label for label, _ in found):
        print(f"{label:<34}" + "".join(f"{found[label, name]:>12}" for name in checks))


if __name__ == "__main__":
    main()
