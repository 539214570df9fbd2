"""The library for a worker: a copy of minigrad without the parts that students write themselves, or only NumPy.

Withheld parts are not in the copy's files, so no trick in Python brings them back.
"""

from __future__ import annotations

import ast
import atexit
import compileall
import functools
import shutil
import tempfile
from pathlib import Path

import numpy as np

from .assignment import AssignmentError

ROOT = Path(__file__).resolve().parents[1]  # the package minigrad
LAYERS = next(folder for folder in (ROOT, ROOT.parent) if (folder / "layers").is_dir())
WORKER = "minigrad_worker"
COMMANDS = ("__main__.py", "student.py", "testing.py")  # no student's code needs them
NOTHING = '''"""Not allowed in this question: a file that imports it can be run, and what it makes is nothing."""

class Nothing:
    """Can be called, used as a base class or a decorator, and asked for attributes; it is no number."""
    def __init__(self, *args, **kwargs): pass
    def __call__(self, *args, **kwargs): return self
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Nothing()
'''

COURSE = '''from .todo import NotWrittenError, todo

def check(*args, **kwargs):
    """In a notebook that was handed in, nothing is checked: it is graded."""

milestone = check
'''


def library(folder: Path, withhold: tuple[str, ...], with_minigrad: bool) -> list[str]:
    """Paths for a worker: the worker's own package, and a copy of minigrad if allowed. They are copied to `folder`, which must
    not exist: a submission may overwrite what it reads, where nothing forbids it, but not what the next one reads."""
    shutil.copytree(_made(withhold, with_minigrad), folder)
    return [str(folder), str(Path(np.__file__).parents[1])]


@functools.cache
def _made(withhold: tuple[str, ...], with_minigrad: bool) -> Path:
    """A folder to copy from, with byte code, so that each worker need not compile what it imports."""
    place = Path(tempfile.mkdtemp(prefix="library-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    folder = place / "library"
    ignore = shutil.ignore_patterns("__pycache__", "course")
    shutil.copytree(ROOT / "course" / "worker", folder / WORKER, ignore=shutil.ignore_patterns("__pycache__", "checking.py"))
    if with_minigrad:
        shutil.copytree(ROOT, folder / "minigrad", ignore=shutil.ignore_patterns("__pycache__", "course", *COMMANDS))
        for name in ("layers", "optim"):
            shutil.copytree(LAYERS / name, folder / "minigrad" / name, ignore=ignore, dirs_exist_ok=True)
        missing = [name for name in withhold if not any([_cut(file, name) for file in (folder / "minigrad").rglob("*.py")])]
        if missing:
            raise AssignmentError(f"minigrad defines no {', '.join(missing)} that could be withheld")
    else:
        for name in (".", "layers", "optim"):
            (folder / "minigrad" / name).mkdir()
            (folder / "minigrad" / name / "__init__.py").write_text(NOTHING)
    (folder / "minigrad" / "course").mkdir()
    shutil.copy(ROOT / "course" / "todo.py", folder / "minigrad" / "course" / "todo.py")
    (folder / "minigrad" / "course" / "__init__.py").write_text(COURSE)
    for part in (folder / WORKER, folder / "minigrad", folder / "minigrad" / "ops"):  # every worker imports these
        compileall.compile_dir(part, maxlevels=0, quiet=2)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o444)
    return folder


def _cut(file: Path, name: str) -> bool:
    """Replace the function or class with this name by one that only says that it is missing."""
    text = file.read_text(encoding="utf-8")
    if f"def {name}" not in text and f"class {name}" not in text:
        return False  # for most files; parsing all takes longer than grading
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            lines = text.split("\n")
            start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            assert node.end_lineno is not None
            lines[start - 1:node.end_lineno] = [
                f"def {name}(*args, **kwargs):",
                f'    """Withheld."""\n    raise NameError("{name} is what you write yourself: minigrad\'s own is withheld")']
            file.write_text("\n".join(lines), encoding="utf-8")
            return True
    return False
