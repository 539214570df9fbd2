"""Runs a submission statement by statement, so that definitions before and after a crash still count."""

from __future__ import annotations

import __future__

import ast
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

MODULE, FILE = "submission", "submission.py"


def text_of(content: bytes, notebook: bool) -> str:
    """The program; for a notebook its code cells in order. IPython's lines, which begin with % or !, become comments. A cell
    that is not Python is left out, and the rest counts."""
    if not notebook:
        return content.decode("utf-8-sig")
    cells = ["".join(cell["source"]) for cell in json.loads(content)["cells"] if cell["cell_type"] == "code"]
    return "\n".join(f"# cell {number}\n{_readable(cell)}" for number, cell in enumerate(cells, 1))


def _readable(cell: str) -> str:
    if cell.lstrip().startswith("%%"):
        return "# not Python: " + cell.lstrip().split("\n")[0]
    lines = [f"{line[:len(line) - len(line.lstrip())]}pass  # {line.lstrip()}" if line.lstrip()[:1] in ("%", "!", "?") else line
             for line in cell.split("\n")]
    try:
        ast.parse("\n".join(lines))
    except SyntaxError as error:
        return f"raise SyntaxError({error.msg!r})"
    return "\n".join(lines)


def run(content: bytes, notebook: bool, skip: list[int], stand_ins: Mapping[str, Any], progress: Callable[[int, int], None],
        ) -> tuple[ModuleType, list[dict[str, Any]]]:
    """The submission as a module, and its failures. skip: numbers of statements that have ended a worker before. stand_ins:
    replace these names, or define them. progress: called before each statement."""
    module = ModuleType(MODULE)
    module.__file__, names = FILE, vars(module)
    sys.modules[MODULE] = module
    failed: list[dict[str, Any]] = []
    try:
        text = text_of(content, notebook)
        Path(FILE).write_text(text, encoding="utf-8")  # for the lines in error messages
        tree = ast.parse(text, FILE)
    except SyntaxError as error:
        return module, [{"line": error.lineno, "error": f"SyntaxError: {error.msg}", "all": True}]
    except (Exception, RecursionError, MemoryError) as error:
        return module, [{"line": None, "error": f"{type(error).__name__}: {error}"[:200], "all": True}]
    flags = 0
    for number, statement in enumerate(tree.body):
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            flags |= sum(getattr(__future__, alias.name).compiler_flag for alias in statement.names
                         if hasattr(__future__, alias.name))
        progress(number, statement.lineno)
        if number in skip:
            continue
        try:
            exec(compile(ast.Module([statement], []), FILE, "exec", flags, dont_inherit=True), names)
        except BaseException as error:  # also the student's SystemExit and KeyboardInterrupt
            failed.append({"line": line_of(error) or statement.lineno, "error": words(error)})
        names.update(stand_ins)
    return module, failed


def line_of(error: BaseException) -> int | None:
    """The last line of the submission that the error passed through."""
    try:
        chain = [error]
        while chain[-1].__cause__ is not None and len(chain) < 20:
            chain.append(chain[-1].__cause__)
        lines = [frame.lineno for link in chain for frame in traceback.extract_tb(link.__traceback__) if frame.filename == FILE]
        return lines[-1] if lines else None
    except BaseException:
        return None


def words(error: BaseException) -> str:
    """Type and message, even if the error's own methods fail."""
    try:
        message = str.__str__(str(error))
        return f"{type(error).__name__}: {message}"[:2000] if message else type(error).__name__
    except BaseException:
        return "an error without words"
