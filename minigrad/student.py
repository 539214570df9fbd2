"""Checks what a student's file defines: the operations it declares with @op, or one function, operation or Module in it."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib.util
import inspect
import linecache
import multiprocessing
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .check import Report, gradcheck
from .op import Op, registry

MODULE = "student_file"
DEFAULT_SHAPE = (3, 4)


class CannotCheckError(Exception):
    """The check could not be run; the message is for the student."""


@dataclass(frozen=True)
class Options:
    """shapes: of the inputs in turn, by default (3, 4) for each. low, high: the range of their values. timeout: seconds for
    the file and for each check. quiet: what the file prints goes to standard error. The others are gradcheck's."""

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
            path = Path(_split(target)[0])
            stack = Path(log).read_text(encoding="utf-8") if os.path.exists(log) else ""
            if not stack:
                return CannotCheckError(f"the process ended without a word, with exit code {process.exitcode}")
            lines = [int(line) for file, line in re.findall(r'File "(.*)", line (\d+)', stack) if _same(file, path)]
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
    file, name = _split(target)
    path = Path(file)
    with open(log, "w", encoding="utf-8") as stack:
        faulthandler.dump_traceback_later(options.timeout, exit=True, file=stack)
        try:
            if not path.is_file():
                raise CannotCheckError(f"there is no file {file}")
            with _explained(path):
                module = _load(path)
            things = {key: thing for key, thing in _things(module, name).items() if key not in skip}
        except CannotCheckError as error:
            connection.send(error)
            return
        connection.send(list(things))
        for name, thing in things.items():
            faulthandler.dump_traceback_later(options.timeout, exit=True, file=stack)
            connection.send(_checked(name, thing, path, options))


def _checked(name: str, thing: Callable, path: Path, options: Options) -> Report | CannotCheckError:
    rng = np.random.default_rng(options.seed)
    shapes = options.shapes or (DEFAULT_SHAPE,) * _inputs(thing)
    inputs = [rng.uniform(options.low, options.high, shape) for shape in shapes]
    try:
        with _explained(path):
            report = gradcheck(thing, *inputs, order=options.order, seed=options.seed, budget=options.budget)
            return replace(report, again=_command(name, path, options, shapes))
    except CannotCheckError as error:
        tried = "" if options.shapes else (f"\n({len(shapes)} input(s) of shape {DEFAULT_SHAPE} were tried; "
                                           "give other shapes, one for each input: --shape 3,4 --shape 4,5)")
        return CannotCheckError(f"{error}{tried}")


def _command(name: str, path: Path, options: Options, shapes: tuple[tuple[int, ...], ...]) -> str:
    """What gives the same report again, in a shell."""
    words = [f"python -m minigrad check {path}:{name}", *(f"--shape {','.join(map(str, shape))}" for shape in shapes)]
    words += [f"--{option} {getattr(options, option):g}" for option in ("low", "high", "order", "seed", "budget")
              if getattr(options, option) != getattr(Options, option)]
    return " ".join(words)


def _split(target: str) -> tuple[str, str | None]:
    file, colon, name = target.rpartition(":")
    return (file, name) if colon and not os.path.exists(target) else (target, None)


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE, path)
    if spec is None or spec.loader is None:
        raise CannotCheckError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))  # its own imports, as if it were run
    spec.loader.exec_module(module)
    return module


def _things(module: ModuleType, name: str | None) -> dict[str, Any]:
    declared = {key.partition(".")[2]: operation for key, operation in registry.items() if key.startswith(f"{MODULE}.")}
    if name is None:
        if not declared:
            raise CannotCheckError("the file declares no operation with @op; name what to check, as in FILE:NAME")
        return declared
    if not hasattr(module, name):
        raise CannotCheckError(f"the file has no {name!r}; it declares {', '.join(declared) or 'no operation'}")
    thing = getattr(module, name)
    if not callable(thing) or isinstance(thing, type):
        raise CannotCheckError(f"{name} is {thing!r:.60}, not a function, operation or Module that can be called")
    return {name: thing}


def _inputs(thing: Callable) -> int:
    """How many arrays it takes: its parameters without a default."""
    if isinstance(thing, Op):
        return 2 if thing.variadic else len(thing.inputs)
    parameters = inspect.signature(getattr(thing, "forward", thing)).parameters.values()
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters) or 1


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what goes wrong in a student's file into a message with the line in that file."""
    try:
        yield
    except CannotCheckError:
        raise
    except SyntaxError as error:
        raise CannotCheckError(f"{error.filename}:{error.lineno}: {(error.text or '').strip()}\n{error.msg}") from None
    except (Exception, SystemExit) as error:
        chain: list[BaseException] = [error]
        while chain[-1].__cause__ is not None:
            chain.append(chain[-1].__cause__)
        lines = [frame for link in chain for frame in traceback.extract_tb(link.__traceback__) if _same(frame.filename, path)]
        where = f"{path}:{lines[-1].lineno}: {lines[-1].line}\n" if lines else ""
        raise CannotCheckError(f"{where}{type(error).__name__}: {error}") from None


def _same(file: str, path: Path) -> bool:
    return os.path.realpath(file) == os.path.realpath(path)
