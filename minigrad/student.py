"""Checks what a student's file defines: the operations it declares with @op and what its `check_inputs` names, or one function,
operation or Module in it."""

from __future__ import annotations

import contextlib
import faulthandler
import linecache
import multiprocessing
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .check import Report, gradcheck
from .check.report import INCONCLUSIVE, WRONG
from .check.same import by_name
from .student_file import (
    CannotCheckError, FormulaError, check_inputs, check_readable, explained, load_file, number_of_inputs, refuse_forks, same_file,
    split_target, things_to_check,
)
from .tensor import Tensor

DEFAULT_SHAPE = (3, 4)


class FailedFormula(Report):
    """A report without rows, on a formula that failed."""

    def __str__(self) -> str:
        return "\n".join([f"gradient: {self.verdict}", *(text for _, text in self.notes), f"again: {self.again}"])


@dataclass(frozen=True)
class Options:
    """shapes: of the inputs in turn; by default the file's check_inputs, or (3, 4) for each. low, high: the range of their
    values. timeout: seconds for the file and for each check. quiet: what the file prints goes to standard error. The others are
    gradcheck's."""

    shapes: tuple[tuple[int, ...], ...] = ()
    low: float = -2.0
    high: float = 2.0
    order: int = 1
    seed: int = 0
    budget: int = 20_000
    timeout: float = 60.0
    quiet: bool = False


def check_file(target: str, options: Options) -> Iterator[tuple[str, Report | CannotCheckError]]:
    """(name, report) for each thing to check in `target`, which is FILE or FILE:NAME; or (name, why it could not be checked).

    The file runs in a process of its own, which it may block or bring down; the next one goes on with the rest. Raises
    CannotCheckError, with the line that is to blame, if the file itself cannot be run.
    """
    done: list[str] = []
    while True:
        names = None
        with _worker(target, options, done) as (receive, last_words):
            try:
                names = receive()
                if isinstance(names, CannotCheckError):
                    raise names
                for name in names:
                    yield name, receive()
                    done.append(name)
                return
            except EOFError:
                error = last_words()
        if names is None:
            raise error
        name = next(name for name in names if name not in done)
        yield name, error
        done.append(name)


@contextlib.contextmanager
def _worker(target: str, options: Options, skip: list[str]) -> Iterator[tuple[Callable[[], Any], Callable[[], CannotCheckError]]]:
    """A process that checks what is not in `skip`: a function that gets what it sends, and one that says why it ended."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log")
        process = context.Process(target=_work, args=(theirs, log, target, options, skip))
        process.start()
        theirs.close()

        def last_words() -> CannotCheckError:
            process.join()
            path = Path(split_target(target)[0])
            stack = Path(log).read_text(encoding="utf-8") if os.path.exists(log) else ""
            if not stack:
                return CannotCheckError(f"the process ended without a word, with exit code {process.exitcode}")
            lines = [int(line) for file, line in re.findall(r'File "(.*)", line (\d+)', stack) if same_file(file, path)]
            where = f"{path}:{lines[0]}: {linecache.getline(str(path), lines[0]).strip()}\n" if lines else ""
            return CannotCheckError(f"{where}stopped after {options.timeout:g} seconds (does a loop never end? "
                                    "--timeout gives it longer)")

        try:
            yield ours.recv, last_words
        finally:
            process.terminate()
            process.join()
            ours.close()


def _work(connection: Any, log: str, target: str, options: Options, skip: list[str]) -> None:
    """In the other process: send the names of what there is to check, and then the report of each, or the error."""
    if options.quiet:
        os.dup2(2, 1)
    sys.addaudithook(refuse_forks)
    file, name = split_target(target)
    path = Path(file)
    with open(log, "w", encoding="utf-8") as stack:
        faulthandler.dump_traceback_later(options.timeout, exit=True, file=stack)
        try:
            check_readable(path)
            with explained(path):
                module = load_file(path)
            given = check_inputs(module)
            things = {key: thing for key, thing in things_to_check(module, name, given).items() if key not in skip}
        except CannotCheckError as error:
            connection.send(error)
            return
        connection.send(list(things))
        for name, thing in things.items():
            faulthandler.dump_traceback_later(options.timeout, exit=True, file=stack)
            connection.send(_checked(name, thing, path, options, given.get(name)))


def _checked(name: str, thing: Any, path: Path, options: Options, given: Any = None) -> Report | CannotCheckError:
    """given: the inputs that the file's check_inputs has for it."""
    if isinstance(thing, type):
        return CannotCheckError(f"{name} is a class: make one in the file, say what it takes, and name that. For example\n"
                                f"  {name.lower()} = {name}(...)\n"
                                f'  check_inputs = {{"{name.lower()}": (x, (h, c))}}\nand then {path}:{name.lower()}')
    if not callable(thing):
        return CannotCheckError(f"{name} is {thing!r:.60}, not a function, operation or Module that can be called")
    if options.shapes:
        given = None  # what was typed just now counts more than what stands in the file
    rng = np.random.default_rng(options.seed)
    shapes = () if given is not None else options.shapes or (DEFAULT_SHAPE,) * number_of_inputs(thing)
    try:
        with explained(path):
            inputs = tuple(rng.uniform(options.low, options.high, shape) for shape in shapes)
            if given is not None:
                inputs = given(rng) if callable(given) else given
                if not isinstance(inputs, tuple):
                    raise CannotCheckError(f"check_inputs[{name!r}] must be a tuple of the inputs, as in (x, (h, c)) or (x,), or "
                                           f"a function of a numpy Generator that returns one, not {type(inputs).__name__}")
            report = gradcheck(thing, *inputs, order=options.order, seed=options.seed, budget=options.budget)
            if not report and not _is_finite(thing, inputs):
                report = replace(report, notes=[*report.notes, (INCONCLUSIVE, _not_finite(name, options, given))])
    except FormulaError as error:
        if options.order == 2:
            first = _checked(name, thing, path, replace(options, order=1), given)
            if isinstance(first, Report) and first:
                return CannotCheckError(f"{error}\n(the gradient itself is right, but it cannot be differentiated again)")
            return first
        report = FailedFormula([], options.order, [(WRONG, str(error))])
    except CannotCheckError as error:
        return CannotCheckError(f"{error}{'' if options.shapes or given is not None else _tried(shapes, options)}")
    return replace(report, again=_command(name, path, options, shapes))


def _tried(shapes: tuple, options: Options) -> str:
    return (f"\n({len(shapes)} input(s) of shape {DEFAULT_SHAPE} from {options.low:g} to {options.high:g} were tried; give other "
            "shapes, one for each input: --shape 3,4 --shape 4,5; other numbers: --positive, or --low and --high; or the inputs "
            "themselves, as check_inputs in the file: see --help)")


def _is_finite(thing: Callable, inputs: tuple) -> bool:
    """Are all numbers finite that it returns for these inputs?"""
    with np.errstate(all="ignore"):
        outputs = thing(*(Tensor(x, True) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in inputs))
    return all(np.isfinite(y).all() for y in by_name(outputs, "output").values())


def _not_finite(name: str, options: Options, given: Any) -> str:
    if given is not None:
        return f"{name} is NaN or infinite for the inputs in check_inputs: give it other ones"
    return (f"{name} is NaN or infinite for some of the inputs that were tried, from {options.low:g} to {options.high:g}: if it "
            "is defined for other numbers only, try --positive, or --low and --high")


def _command(name: str, path: Path, options: Options, shapes: tuple[tuple[int, ...], ...]) -> str:
    """What gives the same report again, in a shell."""
    words = ["python", "-m", "minigrad", "check", f"{path}:{name}"]
    words += [f"--shape={','.join(map(str, shape))}" for shape in shapes]
    words += [f"--{option}={getattr(options, option)!r}" for option in ("low", "high", "order", "seed", "budget", "timeout")
              if getattr(options, option) != getattr(Options, option)]
    return shlex.join(words)


