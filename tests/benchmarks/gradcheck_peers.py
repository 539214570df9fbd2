"""Gives the same wrong gradient formulas to several gradient checkers: which ones notice, and what do they say?

    python3 -m venv .venv-peers
    .venv-peers/bin/pip install -e . "torch==2.13.0" jax autograd
    .venv-peers/bin/python tests/benchmarks/gradcheck_peers.py

Prints a table, wrong formula by checker, and for three of them the full messages. --lines adds the first line of every
message, --verbose every message in full. A checker that is not installed is left out. It is run by hand, not by pytest.

Every checker sees the same functions, formulas and float64 inputs, and has its own default tolerances and steps:

    minigrad  gradcheck(f, *inputs): every entry, within the error bound that it derives
    torch     torch.autograd.gradcheck(f, inputs): every entry, atol 1e-5 + rtol 1e-3
    jax       jax.test_util.check_grads(f, inputs, order=1, modes=["rev"]): one random direction, the same in every run,
              atol 1e-5 + rtol 1e-5
    autograd  autograd.test_util.check_grads(f, modes=["rev"], order=1): one random direction, another in every run,
              atol 1e-6 or rtol 1e-6; it runs with ten seeds, and "6 of 10 runs" counts the runs that notice

With one direction, noticing a small error is luck: along it the errors of all entries add up or cancel.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

CAUGHT, PASSES, INCONCLUSIVE = "caught", "passes", "INCONCLUSIVE"
AUTOGRAD_SEEDS = range(10)


# ---- The operations and formulas ----
# Each is written once, with what NumPy's and JAX's arrays share, so that nobody is given another formula.

def exp(x):
    return x.__array_namespace__().exp(x)


def tanh(x):
    return x.__array_namespace__().tanh(x)


def concat(a, b):
    return a.__array_namespace__().concat([a, b])


def sigmoid(x):
    return 1 / (1 + exp(-x))


def softmax(x):
    e = exp(x)
    return e / e.sum(axis=-1, keepdims=True)


def relu(x):
    return x * (x > 0)


def lookup(table):
    return table[ROWS]


ROWS = np.array([1, 3, 1, 0])  # row 1 twice: its gradients must be added up
PICKS = np.eye(4)[ROWS]        # lookup(table) is PICKS @ table
LAST_PICKS = PICKS.copy()
LAST_PICKS[0] = 0              # the first use of row 1 is forgotten, as by table_grad[ROWS] = g

ONE_ENTRY_OFF = np.ones((3, 4))
ONE_ENTRY_OFF[1, 2] = 1.001


@dataclass
class Operation:
    """A function, inputs to check it at, and gradient formulas (g, y, *inputs) -> gradient, one for each input."""

    name: str
    function: Callable
    inputs: list[np.ndarray]
    right: list[Callable]
    wrong: dict[str, list[Callable]]


def operations():
    """The bank: every operation with its right formulas and with wrong ones."""
    rng = np.random.default_rng(0)
    line, matrix, square, square2 = (rng.normal(size=shape) for shape in [(4,), (3, 4), (3, 3), (3, 3)])
    return [
        Operation("sigmoid", sigmoid, [line], [lambda g, y, x: g * y * (1 - y)], {
            "y": [lambda g, y, x: g * y],
            "x (1 - x)": [lambda g, y, x: g * x * (1 - x)],
            "sign flipped": [lambda g, y, x: -g * y * (1 - y)],
            "times 1.01": [lambda g, y, x: 1.01 * g * y * (1 - y)],
            "times 1.0001": [lambda g, y, x: 1.0001 * g * y * (1 - y)]}),
        Operation("saturated sigmoid", sigmoid, [np.array([13.0, 14.0, 15.0])], [lambda g, y, x: g * y * (1 - y)], {
            "sign flipped": [lambda g, y, x: -g * y * (1 - y)],
            "zero": [lambda g, y, x: 0 * g]}),
        Operation("tanh", tanh, [matrix], [lambda g, y, x: g * (1 - y * y)], {
            "y (1 - y)": [lambda g, y, x: g * y * (1 - y)],
            "1 - x^2": [lambda g, y, x: g * (1 - x * x)],
            "g ignored": [lambda g, y, x: 1 - y * y],
            "one entry times 1.001": [lambda g, y, x: ONE_ENTRY_OFF * g * (1 - y * y)]}),
        Operation("relu", relu, [matrix], [lambda g, y, x: g * (x > 0)], {
            "no mask": [lambda g, y, x: g]}),
        Operation("mul", lambda a, b: a * b, [square, square2], [lambda g, y, a, b: g * b, lambda g, y, a, b: g * a], {
            "gradients of a and b exchanged": [lambda g, y, a, b: g * a, lambda g, y, a, b: g * b],
            "zero for a and b": [lambda g, y, a, b: 0 * g, lambda g, y, a, b: 0 * g]}),
        Operation("div", lambda a, b: a / b, [square, 2 + abs(square2)],
                  [lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b], {
            "1 / b missing for a": [lambda g, y, a, b: g, lambda g, y, a, b: -g * y / b]}),
        Operation("matmul", lambda a, b: a @ b, [square, square2],
                  [lambda g, y, a, b: g @ b.T, lambda g, y, a, b: a.T @ g], {
            "b not transposed for a": [lambda g, y, a, b: g @ b, lambda g, y, a, b: a.T @ g],
            "gradient of b transposed": [lambda g, y, a, b: g @ b.T, lambda g, y, a, b: (a.T @ g).T]}),
        # 0 * x + ... spreads g over the shape of x
        Operation("sum over axis 0", lambda x: x.sum(axis=0), [square], [lambda g, y, x: 0 * x + g[None, :]], {
            "g spread over axis 1": [lambda g, y, x: 0 * x + g[:, None]]}),
        Operation("mean over axis 0", lambda x: x.mean(axis=0), [matrix], [lambda g, y, x: (0 * x + g) / x.shape[0]], {
            "1 / N missing": [lambda g, y, x: 0 * x + g]}),
        Operation("a + b.T", lambda a, b: a + b.T, [square, square2], [lambda g, y, a, b: g, lambda g, y, a, b: g.T], {
            "not transposed (right for g = 1)": [lambda g, y, a, b: g, lambda g, y, a, b: g]}),
        Operation("bias x + b", lambda x, b: x + b, [matrix, line], [lambda g, y, x, b: g, lambda g, y, x, b: g.sum(axis=0)], {
            "only the last row for b": [lambda g, y, x, b: g, lambda g, y, x, b: g[-1]]}),
        Operation("concat", concat, [square, square2], [lambda g, y, a, b: g[:3], lambda g, y, a, b: g[3:]], {
            "pieces exchanged": [lambda g, y, a, b: g[3:], lambda g, y, a, b: g[:3]]}),
        Operation("embedding", lookup, [matrix.T], [lambda g, y, table: PICKS.T @ g], {
            "repeated row overwritten": [lambda g, y, table: LAST_PICKS.T @ g]}),
        Operation("softmax", softmax, [matrix], [lambda g, y, x: y * (g - (g * y).sum(axis=-1, keepdims=True))], {
            "g y (1 - y) only": [lambda g, y, x: g * y * (1 - y)]}),
    ]


SHOWN_IN_FULL = ["sigmoid: x (1 - x)", "matmul: b not transposed for a", "saturated sigmoid: sign flipped"]


# ---- The checkers ----
# Each function imports its library and returns check(operation, formulas) -> (outcome, message). It catches the one
# exception with which that library says "wrong gradient", so that a mistake in this file is not counted as a catch.

def minigrad_checker():
    from minigrad import gradcheck, op

    def check(operation, formulas):
        report = gradcheck(op(*formulas)(operation.function), *operation.inputs)
        return {"ok": PASSES, "WRONG": CAUGHT}.get(report.verdict, INCONCLUSIVE), str(report)
    return check


def torch_checker():
    import torch
    from torch.autograd.gradcheck import GradcheckError

    def to_numpy(tensors):
        return [t.detach().numpy() for t in tensors]

    def function_of(operation, formulas):
        class Function(torch.autograd.Function):
            @staticmethod
            def forward(ctx, *inputs):
                y = torch.from_numpy(operation.function(*to_numpy(inputs)))
                ctx.save_for_backward(y, *inputs)
                return y

            @staticmethod
            def backward(ctx, g):
                arrays = to_numpy([g, *ctx.saved_tensors])
                return tuple(torch.from_numpy(formula(*arrays).copy()) for formula in formulas)
        return Function.apply

    def check(operation, formulas):
        inputs = [torch.tensor(x, requires_grad=True) for x in operation.inputs]
        try:
            torch.autograd.gradcheck(function_of(operation, formulas), inputs)
        except GradcheckError as error:
            return CAUGHT, str(error)
        return PASSES, ""
    return check


def jax_checker():
    import jax
    from jax.test_util import check_grads
    jax.config.update("jax_enable_x64", True)

    def function_of(operation, formulas):
        function = jax.custom_vjp(operation.function)

        def forward(*inputs):
            y = operation.function(*inputs)
            return y, (y, *inputs)

        def backward(saved, g):
            return tuple(formula(g, *saved) for formula in formulas)

        function.defvjp(forward, backward)
        return function

    def check(operation, formulas):
        inputs = [jax.numpy.asarray(x) for x in operation.inputs]
        try:
            check_grads(function_of(operation, formulas), inputs, order=1, modes=["rev"])
        except AssertionError as error:
            return CAUGHT, str(error)
        return PASSES, ""
    return check


def autograd_checker():
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    def function_of(operation, formulas):
        def with_saved(formula):
            return lambda y, *inputs: lambda g: formula(g, y, *inputs)

        function = primitive(operation.function)
        defvjp(function, *map(with_saved, formulas))
        return function

    def message_with_seed(seed, function, inputs):
        np.random.seed(seed)  # check_grads draws from NumPy's global generator
        every_input = tuple(range(len(inputs)))  # the default is the first one alone
        try:
            check_grads(function, every_input, modes=["rev"], order=1)(*inputs)
        except AssertionError as error:
            return str(error)
        return ""

    def check(operation, formulas):
        function = function_of(operation, formulas)
        messages = [message_with_seed(seed, function, operation.inputs) for seed in AUTOGRAD_SEEDS]
        found = [message for message in messages if message]
        if not found:
            return PASSES, ""
        every_time = len(found) == len(messages)
        return CAUGHT if every_time else f"{len(found)} of {len(messages)} runs", found[0]
    return check


CHECKERS = {"minigrad": minigrad_checker, "torch": torch_checker, "jax": jax_checker, "autograd": autograd_checker}
INSTALL = {"minigrad": "pip install -e .", "torch": 'pip install "torch==2.13.0"', "jax": "pip install jax",
           "autograd": "pip install autograd"}


def installed_checkers():
    """name -> check; says which ones are missing."""
    found = {}
    for name, make in CHECKERS.items():
        try:
            found[name] = make()
        except ImportError as error:
            print(f"{name} is left out ({error}): {INSTALL[name]}")
    return found


# ---- The results ----

def run(checks):
    """Two dicts, of the wrong formulas and of the right ones: "operation: formula" -> checker -> (outcome, message)."""
    wrong, right = {}, {}
    for operation in operations():
        right[operation.name] = {name: check(operation, operation.right) for name, check in checks.items()}
        for mistake, formulas in operation.wrong.items():
            wrong[f"{operation.name}: {mistake}"] = {name: check(operation, formulas) for name, check in checks.items()}
    return wrong, right


def print_table(wrong, right, names):
    width = max(map(len, [*wrong, f"{len(right)} right formulas"]))

    def print_row(label, cells):
        print("  ".join([label.ljust(width), *(cell.ljust(12) for cell in cells)]).rstrip())

    print_row("wrong formula", names)
    print_row("-" * width, ["-" * 12] * len(names))
    for label, results in wrong.items():
        outcomes = [results[name][0] for name in names]
        print_row(label, ["NOT caught" if outcome == PASSES else outcome for outcome in outcomes])
    print_row("-" * width, ["-" * 12] * len(names))
    caught = [sum(results[name][0] == CAUGHT for results in wrong.values()) for name in names]
    print_row("caught (in every run)", [f"{n} of {len(wrong)}" for n in caught])
    alarms = {name: [label for label, results in right.items() if results[name][0] != PASSES] for name in names}
    print_row(f"{len(right)} right formulas", [f"{len(a)} ALARMS" if a else "all pass" for a in alarms.values()])
    for name, labels in alarms.items():
        for label in labels:
            print(f"FALSE ALARM of {name}, {label}: {first_line(right[label][name][1])}")


def first_line(message):
    """The first line that is not empty, at most 70 characters of it."""
    line = next((line.strip() for line in message.splitlines() if line.strip()), "(prints nothing)")
    return line if len(line) <= 70 else line[:67] + "..."


def print_first_lines(wrong):
    for label, results in wrong.items():
        print(f"\n{label}")
        for name, (_, message) in results.items():
            print(f"    {name:8}  {first_line(message)}")


def print_messages(label, results):
    print(f"\n==== {label} ====")
    for name, (outcome, message) in results.items():
        print(f"\n-- {name}: {'NOT caught' if outcome == PASSES else outcome}")
        print(message.strip() or "(prints nothing)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", action="store_true", help="the first line of every message, too")
    parser.add_argument("--verbose", action="store_true", help="every message in full")
    arguments = parser.parse_args()

    checks = installed_checkers()
    peers = [name for name in checks if name != "minigrad"]
    print("peers:", ", ".join(f"{name} {version(name)}" for name in peers) or "none", end="\n\n")
    wrong, right = run(checks)
    print_table(wrong, right, list(checks))
    if arguments.lines:
        print_first_lines(wrong)
    for label in wrong if arguments.verbose else SHOWN_IN_FULL:
        print_messages(label, wrong[label])


if __name__ == "__main__":
    main()
