"""Checks what a student's file defines: the operations it declares with @op, or one function, operation or Module in it."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
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


def check_file(target: str, shapes: list[tuple[int, ...]], low: float, high: float, order: int, seed: int,
               timeout: float) -> Iterator[tuple[str, Report | CannotCheckError]]:
    """(name, report) for each thing to check in `target`, which is FILE or FILE:NAME; or (name, why it could not be checked).

    shapes: of the inputs in turn, by default (3, 4) for each. low, high: the range of their values. timeout: seconds for
    the file and for each check. Raises CannotCheckError, with the line that is to blame, if the file itself cannot be run.
    """
    file, name = _split(target)
    path = Path(file)
    if not path.is_file():
        raise CannotCheckError(f"there is no file {file}")
    with _explained(path, timeout):
        module = _load(path)
    for thing_name, thing in _things(module, name).items():
        rng = np.random.default_rng(seed)
        given = shapes or [DEFAULT_SHAPE] * _inputs(thing)
        try:
            with _explained(path, timeout):
                report = gradcheck(thing, *(rng.uniform(low, high, shape) for shape in given), order=order, seed=seed)
            yield thing_name, report
        except CannotCheckError as error:
            tried = "" if shapes else (f"\n({len(given)} input(s) of shape {DEFAULT_SHAPE} were tried; "
                                       "give other shapes, one for each input: --shape 3,4 --shape 4,5)")
            yield thing_name, CannotCheckError(f"{error}{tried}")


def _split(target: str) -> tuple[str, str | None]:
    file, colon, name = target.rpartition(":")
    return (file, name) if colon and not os.path.exists(target) else (target, None)


def _load(path: Path) -> ModuleType:
    for key in [key for key in registry if key.startswith(f"{MODULE}.")]:
        del registry[key]
    spec = importlib.util.spec_from_file_location(MODULE, path)
    if spec is None or spec.loader is None:
        raise CannotCheckError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))  # its own imports, as if it were run
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
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
def _explained(path: Path, timeout: float) -> Iterator[None]:
    """Turn what goes wrong in a student's file into a message with the line in that file."""
    def stop(signum: int, frame: Any) -> None:
        raise TimeoutError(f"stopped after {timeout:g} seconds (does a loop never end? --timeout gives it longer)")

    alarm = hasattr(signal, "setitimer")
    before = signal.signal(signal.SIGALRM, stop) if alarm else None
    if alarm:
        signal.setitimer(signal.ITIMER_REAL, timeout)
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
        lines = [frame for link in chain for frame in traceback.extract_tb(link.__traceback__)
                 if os.path.realpath(frame.filename) == os.path.realpath(path)]
        where = f"{path}:{lines[-1].lineno}: {lines[-1].line}\n" if lines else ""
        raise CannotCheckError(f"{where}{type(error).__name__}: {error}") from None
    finally:
        if alarm:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
