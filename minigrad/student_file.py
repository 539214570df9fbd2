"""Reads a student's file: finds its definitions and inputs, and explains its errors with the line in the file."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import linecache
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from .core import Op, backward, registry
from .course.todo import NotWrittenError

MODULE = "student_file"


class CannotCheckError(Exception):
    """The check could not be run; the message is for the student."""


class FormulaError(CannotCheckError):
    """A gradient formula failed, or its result cannot be a gradient. This counts as wrong."""


class ForkError(Exception):
    """The student's file forks: a copy of the process would check everything a second time."""


def check_readable(path: Path) -> None:
    """CannotCheckError unless it is a file with text in it."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not an ordinary file" if path.exists() else "does not exist"
        raise CannotCheckError(f"cannot read {path}: it {what}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CannotCheckError(f"{path} cannot be read: {error.strerror}") from None
    unfit = content.find(b"\0")
    try:
        if unfit < 0:
            importlib.util.decode_source(content)
    except UnicodeDecodeError as error:
        unfit = error.start
    except SyntaxError as error:
        raise CannotCheckError(f"{path}: {error.msg}: save it as UTF-8") from None
    if unfit >= 0:
        line = content[:unfit].count(b"\n") + 1
        raise CannotCheckError(f"{path}:{line}: the byte {content[unfit]:#04x} is not UTF-8 text: save the file as UTF-8")


def split_target(target: str) -> tuple[str, str | None]:
    """FILE.py:NAME as (FILE.py, NAME); a colon may also be a part of the file's name."""
    file, colon, name = target.rpartition(":")
    return (file, name) if colon and file.endswith(".py") and not os.path.exists(target) else (target, None)


def load_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE, path)
    if spec is None or spec.loader is None:
        raise CannotCheckError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))  # so that it can import files beside it
    spec.loader.exec_module(module)
    return module


def declared() -> dict[str, Op]:
    return {key.partition(".")[2]: operation for key, operation in registry.items() if key.startswith(f"{MODULE}.")}


def things_to_check(module: ModuleType, name: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """The functions, operations and Modules to check, by name."""
    operations = declared()
    if name is None:
        named = {key: _found(module, key) for key in given}
        ids = {id(thing) for thing in named.values()}
        found = {**{key: operation for key, operation in operations.items() if id(operation) not in ids}, **named}
        if not found:
            raise CannotCheckError("the file declares no operation with @op, and has no check_inputs; name one function, as in "
                                   "FILE:NAME")
        return found
    thing = _found(module, name)
    if thing is None:
        raise CannotCheckError(f"the file has no {name!r}; it declares {', '.join(operations) or 'no operation'}" if name else
                               "there is no name behind the colon: write FILE:NAME, or FILE for all operations in it")
    return {name: thing}


def _found(module: ModuleType, name: str) -> Any:
    """The thing in the file with this name, which may have dots; None if there is none."""
    thing: Any = module
    for part in name.split("."):
        thing = getattr(thing, part, None)
    return declared().get(name) if thing is None else thing


def check_inputs(module: ModuleType) -> Mapping[str, Any]:
    """The file's check_inputs: a tuple of inputs for each name, or a function of a numpy Generator that returns one."""
    given = getattr(module, "check_inputs", {})
    if not isinstance(given, Mapping):
        raise CannotCheckError(f'check_inputs must be a dict, as in {{"my_cell": (x, (h, c))}}, not {type(given).__name__}')
    unknown = [key for key in given if not isinstance(key, str) or _found(module, key) is None]
    if unknown:
        raise CannotCheckError(f"check_inputs has inputs for {', '.join(map(repr, unknown))}, but the file defines nothing of "
                               "that name")
    return given


def number_of_inputs(thing: Callable) -> int:
    """How many arrays it takes: its parameters without a default."""
    if isinstance(thing, Op):
        return 2 if thing.variadic else len(thing.inputs)
    try:
        parameters = inspect.signature(getattr(thing, "forward", thing)).parameters.values()
    except ValueError:  # a function written in C has no signature
        return 1
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters) or 1


def refuse_forks(event: str, _: tuple) -> None:
    if event in ("os.fork", "os.forkpty"):
        raise ForkError("a file that forks cannot be checked: fork only under if __name__ == '__main__'. The check runs in this "
                        f"process, {os.getpid()}, and a copy of it would check everything a second time")


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an error in a student's file into a message with the line in that file."""
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
        frames = [frame for link in chain for frame in traceback.extract_tb(link.__traceback__)]
        lines = [(frame.lineno, frame.line) for frame in frames if same_file(frame.filename, path)] or _line_of_formula(error)
        where = f"{path}:{lines[-1][0]}: {lines[-1][1]}\n" if lines else ""
        if any(isinstance(link, NotWrittenError) for link in chain):
            raise CannotCheckError(f"{where}not written yet") from None
        kind = FormulaError if _in_a_formula(error, frames, path) else CannotCheckError
        raise kind(f"{where}{type(error).__name__}: {error}") from None


def _in_a_formula(error: BaseException, frames: list[traceback.FrameSummary], path: Path) -> bool:
    """Did the student's gradient formula fail? Then the engine says so, or its backward() called a line of the file."""
    if not isinstance(error, Exception) or isinstance(error, ForkError):
        return False
    engine = [(frame.filename, frame.name) == (backward.__code__.co_filename, "backward") for frame in frames]
    return "the gradient formula" in str(error) or True in engine and any(
        same_file(frame.filename, path) for frame in frames[engine.index(True):])


def _line_of_formula(error: BaseException) -> list[tuple[int, str]]:
    """The line of the formula that the engine's message names."""
    named = re.match(r"operation '(.*?)': the gradient formula (?:for argument '(.*?)['[])?", str(error))
    operation = next((one for one in declared().values() if named and one.__name__ == named[1]), None)
    if named is None or operation is None:
        return []
    formula = operation.formulas[operation.inputs.index(named[2]) if named[2] in operation.inputs else 0]
    code = getattr(formula, "__code__", None)
    return [(code.co_firstlineno, linecache.getline(code.co_filename, code.co_firstlineno).strip())] if code else []


def same_file(file: str, path: Path) -> bool:
    return os.path.realpath(file) == os.path.realpath(path)
