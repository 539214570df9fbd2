"""Describes an operation's place in the student's program: the line, the variable that gets its result, its arguments."""

from __future__ import annotations

import ast
import dis
import inspect
import textwrap
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

COMPREHENSIONS = ("<genexpr>", "<listcomp>", "<dictcomp>", "<setcomp>")
HERE = str(Path(__file__).parent)
LONGEST = 60  # characters of a line that are quoted
MOST_LINES = 2  # of more lines, only the numbers are quoted


def frames_of(place: tuple[Any, ...]) -> list[tuple[Any, int]]:
    """The functions and instructions, the one to name first: for a helper such as sigmoid(x), one operation, its call."""
    frames = [frame for frame in place[1:] if not isinstance(frame, str)]  # a string names the weight in a loop over weights
    helper = place[0] == "sigmoid" and len(frames) > 1 and not frames[1][0].co_filename.startswith(HERE) and (
        "sig" in frames[0][0].co_name.lower() or frames[0][0].co_argcount == 1)
    return frames[1:] if helper else frames


def _position(place: tuple[Any, ...]) -> tuple[Any, int, int | None, int | None, int | None]:
    """The function, first and last line, first and last column of the expression; None if Python does not know them."""
    code, instruction = frames_of(place)[0]
    if hasattr(code, "co_positions"):
        line, end, start, stop = list(code.co_positions())[instruction // 2]
        return code, line or code.co_firstlineno, end, start, stop
    line = max((line for start, stop, line in code.co_lines() if start <= instruction < stop and line), default=0)
    return code, line, None, None, None


@lru_cache(maxsize=256)
def _lines(code: Any) -> tuple[str, ...]:
    """The function's source; empty if there is none, or if the file has changed since."""
    try:
        if code.co_name in COMPREHENSIONS:  # Python gives their source another beginning
            lines = inspect.findsource(code)[0][code.co_firstlineno - 1:]
            return tuple(line.rstrip("\n") for line in lines)
        text = inspect.getsource(code)
    except (OSError, TypeError, SyntaxError):
        return ()
    return tuple(text.splitlines()) if code.co_name == "<lambda>" or f"def {code.co_name}" in text else ()


@lru_cache(maxsize=256)
def _statements(code: Any) -> tuple[ast.stmt, ...]:
    try:
        tree = ast.parse(textwrap.dedent("\n".join(_lines(code))))
    except SyntaxError:
        return ()
    return tuple(node for node in ast.walk(tree) if isinstance(node, ast.stmt) and not hasattr(node, "body"))


def _expression(place: tuple[Any, ...]) -> Any:
    """The operation's node in Python's syntax tree."""
    code, line, end, start, stop = _position(place)
    lines = _lines(code)
    if start is None or stop is None or end is None or not lines:
        return None
    first, last = line - code.co_firstlineno, end - code.co_firstlineno
    if not 0 <= first <= last < len(lines):
        return None
    parts = [part.encode() for part in lines[first : last + 1]]  # columns count bytes
    parts[-1] = parts[-1][:stop]
    parts[0] = parts[0][start:]
    try:
        statement = ast.parse(b" ".join(parts).decode().strip()).body[0]
    except SyntaxError:
        return None
    if isinstance(statement, ast.AugAssign):  # a += b is the sum of a and b
        return ast.BinOp(statement.target, statement.op, statement.value)
    return statement.value if isinstance(statement, ast.Expr) else None


@lru_cache(maxsize=4096)
def line_of(place: tuple[Any, ...]) -> str:
    """Such as: line 12: h = np.tanh(x @ Wx + h @ Wh + b)"""
    code, line, *_ = _position(place)
    lines, number = _lines(code), line - code.co_firstlineno
    if not 0 <= number < len(lines):
        return f"line {line} of {code.co_name}"
    text = lines[number].strip()
    return f"line {line}: {text if len(text) <= LONGEST else text[: LONGEST - 3] + '...'}"


def lines_of(places: Iterable[tuple[Any, ...]]) -> str:
    """Such as: line 12: a = h @ W; line 14: b = h @ V"""
    found = list(dict.fromkeys(map(line_of, places)))
    numbers = sorted(dict.fromkeys(line.partition(":")[0].removeprefix("line ") for line in found), key=lambda n: (len(n), n))
    return "; ".join(found) if len(found) <= MOST_LINES else f"lines {', '.join(numbers)}"


@lru_cache(maxsize=4096)
def variable(place: tuple[Any, ...]) -> str:
    """The name of the variable that gets the result, or the expression."""
    code, line, *_ = _position(place)
    row = line - code.co_firstlineno + 1
    for statement in _statements(code):
        if statement.lineno <= row <= (statement.end_lineno or row):
            targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
            value, target, inside = getattr(statement, "value", None), targets[0], _expression(place)
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and inside is not None:
                pairs = [(t, v) for t, v in zip(target.elts, value.elts) if ast.dump(inside) in ast.dump(v)]
                target, value = pairs[0] if len(pairs) == 1 else (None, None)
            if (
                isinstance(target, (ast.Name, ast.Subscript, ast.Attribute))
                and value is not None
                and (inside is None or ast.dump(inside) in (ast.dump(value), _sum(statement)))
            ):
                return ast.unparse(target)
    return written(place) if _lines(code) else _stored(place) or written(place)


def _sum(statement: ast.stmt) -> str:
    return ast.dump(ast.BinOp(statement.target, statement.op, statement.value)) if isinstance(statement, ast.AugAssign) else ""


@lru_cache(maxsize=4096)
def written(place: tuple[Any, ...]) -> str:
    """The operation's source text."""
    expression = _expression(place)
    text = "" if expression is None else ast.unparse(expression)
    return text if text and len(text) <= LONGEST else f"the {place[0]}"


@lru_cache(maxsize=4096)
def argument(place: tuple[Any, ...], number: int) -> str:
    """The source text of the operation's argument."""
    e = _expression(place)
    found: list[Any] = []
    if place[0] == "sigmoid" and isinstance(e, ast.BinOp):
        found = [_of_sigmoid(e)]
    elif isinstance(e, ast.BinOp):
        found = [e.left, e.right]
    elif isinstance(e, ast.UnaryOp):
        found = [e.operand]
    elif isinstance(e, ast.Call):
        of_object = place[0] != "sigmoid" and isinstance(e.func, ast.Attribute) and not (
            isinstance(e.func.value, ast.Name) and e.func.value.id in ("np", "numpy")
        )
        found = [*([e.func.value] if of_object else []), *e.args]  # type: ignore[attr-defined]
        found = found[1:] if isinstance(found[0], ast.Constant) and isinstance(found[0].value, str) else found  # einsum's
    text = ast.unparse(found[number]) if number < len(found) else _loaded(place)[number] if e is None and number < 2 else ""
    return (text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}...") or f"argument {number + 1}"


def _of_sigmoid(e: ast.BinOp) -> ast.expr:
    """z in 1 / (1 + np.exp(-z)) and in 0.5 * (1 + np.tanh(0.5 * z)); if it is written elsewhere, the input."""
    for call in (node for node in ast.walk(e) if isinstance(node, ast.Call) and node.args):
        name, z = ast.unparse(call.func).rpartition(".")[2], call.args[0]
        if name == "exp" and isinstance(z, ast.UnaryOp):
            return z.operand
        if name == "tanh" and isinstance(z, ast.BinOp):
            return z.right if isinstance(z.left, ast.Constant) else z.left
    return ast.Name("the input")


def _compiled(place: tuple[Any, ...]) -> tuple[list[dis.Instruction], int]:
    """The function's instructions, and the number of the operation's."""
    code, instruction = frames_of(place)[0]
    steps = [step for step in dis.get_instructions(code) if step.opname not in ("EXTENDED_ARG", "CACHE")]
    return steps, next((i for i, step in enumerate(steps) if step.offset == instruction), 0)


def _stored(place: tuple[Any, ...]) -> str:
    """The variable that gets the result, if the compiled function shows it."""
    steps, at = _compiled(place)
    following = steps[at + 1] if at + 1 < len(steps) else None
    name = following.argval if following and following.opname.startswith("STORE_") else ""
    return name[0] if isinstance(name, tuple) else str(name)  # Python 3.13 can store one and load another at once


@lru_cache(maxsize=4096)
def _loaded(place: tuple[Any, ...]) -> tuple[str, str]:
    """The names of the two operands, if the compiled function shows them; for functions without source."""
    steps, at = _compiled(place)
    names: list[Any] = []
    for step in steps[max(0, at - 2):at] if steps and steps[at].opname.startswith("BINARY") else []:
        parts = step.argval if isinstance(step.argval, tuple) else (step.argval,)  # Python 3.13 loads two at a time
        names += [part if step.opname.startswith("LOAD_") and isinstance(part, str) else None for part in parts]
    left, right = ([None, None, *names])[-2:]
    return (left or "" if right else ""), right or ""
