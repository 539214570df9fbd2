"""The command line, minigrad or python -m minigrad:

    minigrad check                        every operation and layer that minigrad comes with
    minigrad check sigmoid LSTM           some of them
    minigrad check student.py             every operation that the file declares with @op, and all that check_inputs names
    minigrad check student.py:name        one function, operation or Module of the file
    minigrad grade student.py --assignment DIR        points for a submission; see minigrad grade --help
    minigrad assignment new DIR           an assignment; see minigrad assignment --help

If shapes are not enough, a file gives the inputs of its functions and Modules:

    check_inputs = {"my_cell": (x, (h, c)),                                     a tuple of the inputs, by name
                    "my_loss": lambda rng: (rng.normal(size=(2, 3)), [0, 2])}   or a function of a numpy Generator

Exit code 0: every gradient is right; 1: one is wrong; 2: a check could not be run, is inconclusive, or saw nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .cases import CASES, COMPOSED, Case
from .check import Report, gradcheck
from .check.report import HINTS, INCONCLUSIVE, OK, UNSEEN, WRONG
from .course.commands import add_commands
from .student import Options, check_file
from .student_file import CannotCheckError

EXIT_CODES = {OK: 0, UNSEEN: 2, INCONCLUSIVE: 2, WRONG: 1}  # from best to worst
NOT_SEEN = ("A gradient check cannot see a wrong forward, such as two gates exchanged or a tanh forgotten: compare it with a "
            "reference by minigrad.assert_same.")


def main(argv: list[str] | None = None) -> int:
    """Run a command of this file's docstring, and return its exit code."""
    parser = argparse.ArgumentParser(prog="minigrad", description="gradients of recurrent networks, and their check")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="compare the gradients of operations and layers with finite differences",
                                description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    check.add_argument("names", nargs="*", metavar="NAME", help="operations or layers (default: all); or "
                       "FILE.py, or FILE.py:NAME for one function, operation or Module in it")
    check.add_argument("--examples", type=int, default=10, help="random inputs for each operation (default %(default)s)")
    check.add_argument("--seed", type=int, default=0, help="seed of the random inputs (default %(default)s)")
    of_file = check.add_argument_group("for a file")
    of_file.add_argument("--shape", type=_shape, action="append", default=[], metavar="3,4",
                         help="shape of an input; repeat it for each input. The inputs are then random numbers, even if "
                         "the file has check_inputs")
    of_file.add_argument("--low", type=float, default=-2.0, help="smallest input (default %(default)s)")
    of_file.add_argument("--high", type=float, default=2.0, help="largest input (default %(default)s)")
    of_file.add_argument("--positive", action="store_true", help="inputs from 0.1 to --high")
    of_file.add_argument("--order", type=int, choices=(1, 2), default=1, help="2: the gradient of the gradient too")
    of_file.add_argument("--budget", type=int, default=20_000, help="calls of a function that a check may make; it checks a "
                         "sample of the entries if all need more (default %(default)s)")
    of_file.add_argument("--backward", default="", metavar="NAME", help="the function in the file that gives the gradients, "
                         "written by hand in NumPy: backward(g, *inputs)")
    of_file.add_argument("--step", default="", metavar="NAME", help="the function in the file that gives one step of the "
                         "recurrence, for hints: step(x_t, h, *weights)")
    of_file.add_argument("--time-axis", type=int, metavar="N", help="the axis of the first input and of the outputs that "
                         "is time, where hints cannot see it")
    of_file.add_argument("--hints", choices=HINTS, default="full", help="how much a report says about "
                         "a mistake (default %(default)s)")
    of_file.add_argument("--timeout", type=float, default=60.0, help="seconds for each check (default %(default)s)")
    check.add_argument("--json", action="store_true", help="print the reports as JSON, one on each line")
    add_commands(commands)
    options = parser.parse_args(argv)
    if options.command != "check":
        return options.run(options)
    low = 0.1 if options.positive else options.low
    if min(options.examples, options.budget) < 1 or options.seed < 0 or not 0 < options.timeout < 1e6 or not (
            -math.inf < low < options.high < math.inf):
        check.error("--examples and --budget must be 1 or more, --seed 0 or more, --timeout above 0, and --low below --high")
    if any(".py" in name for name in options.names):
        if len(options.names) > 1:
            check.error("check one file at a time")
        if options.step and not options.backward or (options.time_axis or 0) < 0:
            check.error("--step NAME goes with --backward NAME, and --time-axis is 0 or more")
        if options.backward and (options.order == 2 or ".py:" not in options.names[0]):
            check.error("--backward NAME needs one function, FILE.py:NAME, and --order 1")
        return _check_file(options, low)

    checks = {**_operations(), **_layers()}
    by_lower_case = {name.lower(): name for name in checks}
    unknown = [name for name in options.names if name.lower() not in by_lower_case]
    if unknown:
        check.error(f"minigrad has no operation or layer {', '.join(unknown)}; it has {', '.join(checks)}")
    names = [by_lower_case[name.lower()] for name in options.names] or list(checks)
    verdicts = [_check(name, checks[name], options.examples, options.seed, options.json) for name in names]
    return _exit_code(verdicts) if options.json else _summary(verdicts)


def _shape(text: str) -> tuple[int, ...]:
    """"3,4" as (3, 4); "" as ()."""
    shape = tuple(int(length) for length in text.split(",") if length.strip())
    if any(length < 0 for length in shape):
        raise ValueError
    return shape


def _check_file(options: argparse.Namespace, low: float) -> int:
    """Check the definitions of a student's file."""
    verdicts = []
    try:
        for name, found in check_file(options.names[0], Options(tuple(options.shape), low, options.high, options.order,
                                                                options.seed, options.budget, options.timeout, options.backward,
                                                                options.step, options.hints, options.time_axis)):
            if isinstance(found, CannotCheckError):
                verdicts.append(INCONCLUSIVE)
                print(f"cannot check {name}:\n{found}\n", file=sys.stderr, flush=True)
            else:
                verdicts.append(found.verdict)
                print(json.dumps({"name": name, **found.to_dict()}) if options.json else f"{name}\n{found}\n", flush=True)
    except CannotCheckError as error:
        print(f"cannot check {options.names[0]}:\n{error}", file=sys.stderr)
        return EXIT_CODES[INCONCLUSIVE]
    if options.json:
        return _exit_code(verdicts)
    code = _summary(verdicts)
    print(NOT_SEEN)
    return code


def _exit_code(verdicts: list[str]) -> int:
    return EXIT_CODES[max(verdicts, key=list(EXIT_CODES).index)]


def _summary(verdicts: list[str]) -> int:
    print(f"\n{verdicts.count(OK)} of {len(verdicts)} ok, {verdicts.count(WRONG)} wrong, "
          f"{verdicts.count(INCONCLUSIVE)} inconclusive, {verdicts.count(UNSEEN)} unseen")
    return _exit_code(verdicts)


Checks = Callable[[int, int], Iterator[tuple[str, Report]]]


def _check(name: str, reports: Checks, examples: int, seed: int, as_json: bool) -> str:
    """Print one line for an operation or layer, and the whole report if it fails; return the verdict."""
    entries, worst_ratio, worst = 0, 0.0, OK
    for description, report in reports(examples, seed):
        entries += sum(row.checked for row in report.rows)
        worst_ratio = max([worst_ratio, *(abs(row.analytic - row.numeric) / row.bound for row in report.rows if row.bound)])
        if as_json:
            print(json.dumps({"name": name, "inputs": description, **report.to_dict()}), flush=True)
        if not report:
            worst = report.verdict
            if not as_json:
                print(f"\n{description}\n{report}\n")
            break
    if not as_json:
        print(f"{name:<32} {worst:<13} {entries:>6} entries, largest difference {worst_ratio:.2f} of its bound", flush=True)
    return worst


def _operations() -> dict[str, Checks]:
    return {operation.__name__: _operation(operation, case) for operation, case in {**CASES, **COMPOSED}.items()}


def _operation(operation: Any, case: Case) -> Checks:
    def reports(examples: int, seed: int) -> Iterator[tuple[str, Report]]:
        choose = random.Random(seed).choice
        for _ in range(examples):
            inputs, static = case.draw(choose)
            called = f"{operation.__name__}, inputs of shape {', '.join(str(x.shape) for x in inputs)}, {static}"
            yield called, gradcheck(lambda *xs, static=static: operation(*xs, **static), *inputs, order=2, seed=seed)
    return reports


def _layers() -> dict[str, Checks]:
    """The layers and losses. The engine never imports them; only this command does, to check them."""
    from . import layers

    time, batch, inputs, hidden, depth = 3, 2, 2, 3, 2

    def array(rng: np.random.Generator, *shape: int) -> np.ndarray:
        return rng.normal(size=shape)

    def recurrent(kind: Any, pair: bool, **options: Any) -> Callable[[np.random.Generator], tuple]:
        def make(rng: np.random.Generator) -> tuple:
            cell = issubclass(kind, (layers.RNNCell, layers.LSTMCell, layers.GRUCell))
            model = kind(inputs, hidden, *([] if cell else [depth]), rng=rng, **options)
            shape = (batch, hidden) if cell else (len(model.cells), batch, hidden)
            state = (array(rng, *shape), array(rng, *shape)) if pair else array(rng, *shape)
            return model, array(rng, batch, inputs) if cell else array(rng, time, batch, inputs), state
        return make

    made: dict[str, Callable[[np.random.Generator], tuple]] = {
        "Linear": lambda rng: (layers.Linear(inputs, hidden, rng=rng), array(rng, batch, inputs)),
        "Embedding": lambda rng: (layers.Embedding(inputs, hidden, rng=rng), rng.integers(0, inputs, (time, batch))),
        "RNNCell": recurrent(layers.RNNCell, False),
        "LSTMCell": recurrent(layers.LSTMCell, True),
        "GRUCell": recurrent(layers.GRUCell, False),
        "RNN": recurrent(layers.RNN, False),
        "RNNCell-relu": recurrent(layers.RNNCell, False, nonlinearity="relu"),
        "RNN-relu": recurrent(layers.RNN, False, nonlinearity="relu"),
        "LSTM": recurrent(layers.LSTM, True),
        "GRU": recurrent(layers.GRU, False, bidirectional=True),
        "mse_loss": lambda rng: (layers.mse_loss, array(rng, batch, hidden), array(rng, batch, hidden)),
        "cross_entropy": lambda rng: (layers.cross_entropy, array(rng, time, batch, hidden),
                                      rng.integers(0, hidden, (time, batch))),
        "binary_cross_entropy_with_logits": lambda rng: (
            lambda logits: layers.binary_cross_entropy_with_logits(logits, np.full((batch, hidden), 0.3)),
            array(rng, batch, hidden)),
    }

    def checks(name: str, make: Callable[[np.random.Generator], tuple]) -> Checks:
        def reports(examples: int, seed: int) -> Iterator[tuple[str, Report]]:
            yield name, gradcheck(*make(np.random.default_rng(seed)), seed=seed)
        return reports

    return {name: checks(name, make) for name, make in made.items()}


if __name__ == "__main__":
    sys.exit(main())
