"""The structure of the project: who imports whom, who touches which private slot, and how long a file may be."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad
from minigrad.core import Node, Value, grad, op

ROOT = Path(__file__).parent.parent
FOLDERS = ("minigrad", "layers", "optim")
SLOTS = {*Value.__slots__, *minigrad.Tensor.__slots__} - {"__weakref__"}


def modules(root):
    """The files of the package by the module's name: layers/ is imported as minigrad.layers."""
    found = {}
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*.py")):
            parts = [*([] if folder == "minigrad" else ["minigrad"]), *file.relative_to(root).with_suffix("").parts]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


parsed = functools.cache(ast.parse)  # the copies below differ from the project in one file only


@functools.cache
def slots(text):
    """Uses of a Tensor's private slots in a module's text: name and line."""
    return [(node.attr, node.lineno) for node in ast.walk(parsed(text))
            if isinstance(node, ast.Attribute) and node.attr in SLOTS]


def imports(name, files, in_functions=False):
    """The modules of the package that a module imports, for type checkers too; those that its functions import only if
    in_functions. A package's __init__ stands for the package, except for the modules in it."""
    package = name if files[name].name == "__init__.py" else name.rpartition(".")[0]
    found, waiting = set(), list(parsed(files[name].read_text(encoding="utf-8")).body)
    while waiting:
        statement = waiting.pop()
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            up = package.split(".")[:len(package.split(".")) - statement.level + 1] if statement.level else []
            source = ".".join([*up, *([statement.module] if statement.module else [])])
            found |= {f"{source}.{alias.name}" if f"{source}.{alias.name}" in files else source for alias in statement.names}
        elif in_functions or not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            waiting += [part for part in ast.iter_child_nodes(statement) if isinstance(part, ast.stmt)]
    return found & files.keys() - {name}


def circle(arrows):
    """Modules that import each other in a circle, or None."""
    done = set()

    def visit(name, path):
        if name in path:
            return [*path[path.index(name):], name]
        if name in done:
            return None
        found = next(filter(None, (visit(other, [*path, name]) for other in sorted(arrows[name]))), None)
        done.add(name)
        return found

    return next(filter(None, (visit(name, []) for name in arrows)), None)


def problems(root):
    """Sentences about broken rules of the structure."""
    files = modules(root)
    arrows = {name: imports(name, files) for name in files}
    found = []
    if around := circle({name: imports(name, files, in_functions=True) for name in files}):
        found.append(f"a circle: {' -> '.join(around)}")
    for name, allowed in (("minigrad.core", {"minigrad.explain", "minigrad.types"}), ("minigrad.explain", set()),
                          ("minigrad.types", set())):
        found += [f"{name} imports {other}" for other in arrows[name] - allowed]
    for room in ("minigrad.layers", "minigrad.optim"):  # nobody asks for them, but for the command line, inside its function
        found += [f"{name} imports {other}" for name in arrows for other in arrows[name]
                  if other.startswith(room) and not name.startswith(room)]
    for name, file in files.items():
        text = file.read_text(encoding="utf-8")
        if len(text.splitlines()) > 300:
            found.append(f"{name} has more than 300 lines")
        tree = parsed(text)
        bottom = [isinstance(statement, (ast.Import, ast.ImportFrom)) for statement in tree.body]
        first = next((i for i, statement in enumerate(tree.body) if isinstance(statement, (ast.FunctionDef, ast.ClassDef))), None)
        if first is not None and any(bottom[first:]):
            found.append(f"{name} has an import below a function or class")
        if name not in ("minigrad.core", "minigrad.tensor"):
            found += [f"{name} touches {slot}, line {line}" for slot, line in slots(text)]
        if name.startswith("minigrad.ops") and "minigrad.tensor" in arrows[name]:
            found.append(f"{name} imports minigrad.tensor")
    return found


def test_the_house_is_in_order():
    assert not problems(ROOT)


@pytest.mark.parametrize(("file", "text", "problem"), [
    ("minigrad/explain.py", "from . import graph\n", "minigrad.explain imports minigrad.graph"),
    ("minigrad/core.py", "import minigrad.ops.matmul\n", "minigrad.core imports minigrad.ops.matmul"),
    ("minigrad/ops/shaping.py", "from ..tensor import Tensor\n", "a circle: minigrad.tensor -> "),
    ("minigrad/ops/elementwise.py", "if True:\n    from .reductions import sum\n", "a circle: minigrad.ops.elementwise"),
    ("minigrad/check/verdict.py", "def f():\n    from .compare import Check\n", "a circle: "),
    ("minigrad/ops/shaping.py", "from ..tensor import Tensor\n", "minigrad.ops.shaping imports minigrad.tensor"),
    ("minigrad/graph.py", "import os\n", "minigrad.graph has an import below a function or class"),
    ("minigrad/check/same.py", "def f(t):\n    return t._array\n", "minigrad.check.same touches _array"),
    ("optim/sgd.py", "def f(t):\n    t._lent = False\n", "minigrad.optim.sgd touches _lent"),
    ("optim/adam.py", "from minigrad.layers import Linear\n", "minigrad.optim.adam imports minigrad.layers"),
    ("minigrad/cases.py", "import minigrad.optim.adam\n", "minigrad.cases imports minigrad.optim.adam"),
    ("layers/rnn.py", "# a line\n" * 300, "minigrad.layers.rnn has more than 300 lines"),
])
def test_what_is_out_of_order_is_noticed(tmp_path, file, text, problem):
    for path in modules(ROOT).values():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    with open(tmp_path / file, "a", encoding="utf-8") as changed:
        changed.write(text)
    assert any(found.startswith(problem) for found in problems(tmp_path)), problems(tmp_path)


def test_core_imports_alone(tmp_path):
    """It differentiates in a package with only explain.py beside it."""
    package = tmp_path / "alone"
    package.mkdir()
    for name, text in (("__init__.py", ""), *((name, (ROOT / "minigrad" / name).read_text(encoding="utf-8"))
                                             for name in ("core.py", "explain.py"))):
        (package / name).write_text(text, encoding="utf-8")
    program = ("import numpy as np, sys; from alone.core import *; from alone.core import Node\n"
               "tanh = op(lambda g, y: g * (1 - y * y))(lambda x: np.tanh(x))\n"
               "a = np.array([0.5, 2.0]); x = Value(a, Node(a)); print(grad(tanh(x), x, [1.0, 0.0]))\n"
               "print(sorted(name for name in sys.modules if name.startswith(('alone', 'minigrad'))))")
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, text=True, capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [str(np.array([1 - np.tanh(0.5) ** 2, 0.0])), "['alone', 'alone.core', 'alone.explain']"]


def test_operations_give_what_they_were_given(clean_registry):
    @op(lambda g, b: g * b, lambda g, a: g * a)
    def times(a, b):
        return a * b

    array = np.array([2.0, 3.0])
    x = Value(array, Node(array))
    y = times(x, x)
    assert type(y) is Value and type(times(array, array)) is np.ndarray
    assert type(times(minigrad.Tensor(array), array)) is minigrad.Tensor
    np.testing.assert_array_equal(grad(y, x, np.ones(2)), 2 * array)
    with pytest.raises(ValueError, match="read-only"):
        y.array[0] = 7
    for name in ("array", "node"):
        with pytest.raises(AttributeError):
            setattr(minigrad.Tensor(array), name, None)


def test_importing_minigrad_does_not_import_the_check():
    """It would take twice the time. Names imported later still complete in editors and import."""
    code = ("import sys, minigrad; assert 'minigrad.check' not in sys.modules and 'gradcheck' in dir(minigrad); "
            "from minigrad import gradcheck, with_cache; assert minigrad.gradcheck is gradcheck is minigrad.check.gradcheck")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
