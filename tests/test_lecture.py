"""The two notebooks run from start to end, with blank exercises and with the solutions, and are stored with their output;
the example of an own operation runs."""

import ast
import json
import re
import sys
from pathlib import Path

import numpy as np
import own_operation
import pytest
from in_jupyter import in_jupyter

ROOT = Path(__file__).parent.parent
LECTURE, ENGINE = (ROOT / "examples" / f"{name}.ipynb" for name in ("lecture", "engine"))
CHECK = "# -- the check: leave it as it is\n"


def outputs(cells):
    return [output for cell in cells for output in cell.get("outputs", [])]


def printed(cells):
    return "".join("".join(output["text"]) for output in outputs(cells) if output["output_type"] == "stream")


def check_outputs(notebook, cells):
    """Every cell with output has stored it, without errors; the exact numbers are there."""
    assert not [output for output in outputs(cells) if output["output_type"] == "error"]
    kinds = [kind for output in outputs(cells) for kind in output.get("data", {})]
    text = printed(cells)
    if notebook == LECTURE:
        for number in ("7.9e-31", "2.5e-14", "3.1e-06", "0.51 of"):
            assert number in text
        assert "gradient: ok" in text and "f = sigmoid(h_x @ self.W_f + self.b_f)" in text
        learnt = {(int(T), name): int(count) for T, name, count in
                  re.findall(r"T = +(\d+)  (.*?) +above 90 % right: (\d) of 6", text)}
        assert learnt[32, "RNN"] <= 1 and learnt[32, "LSTM, forget bias 5"] >= 5 and min(learnt.values()) == learnt[32, "RNN"]
        assert kinds.count("image/png") == 8 and kinds.count("text/html") == 1
    else:
        assert "131,071 visits" in text and "largest difference from minigrad" in text
        assert kinds.count("image/png") == 1 and kinds.count("text/html") == 8
    assert text.count("fill in the blank") == (6 if notebook == LECTURE else 3)
    return kinds


def check_source(text):
    assert len(text) < 600_000
    for folder in (*(f"/{name}/" for name in ("tmp", "home", "root", "Users")), str(ROOT)):
        assert folder not in text
    cells = json.loads(text)["cells"]
    counts = [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert max(len(line.rstrip("\n")) for cell in cells if cell["cell_type"] == "code" for line in cell["source"]) <= 130


@pytest.mark.parametrize("notebook", [LECTURE, ENGINE], ids=lambda path: path.stem)
def test_stored_outputs(notebook):
    text = notebook.read_text(encoding="utf-8")
    check_source(text)
    assert check_outputs(notebook, json.loads(text)["cells"]).count("image/svg+xml") == (2 if notebook == LECTURE else 0)


@pytest.mark.meanwhile
@pytest.mark.parametrize("notebook", [LECTURE, ENGINE], ids=lambda path: path.stem)
def test_runs_from_start_to_end(notebook):
    file = json.loads(notebook.read_text(encoding="utf-8"))
    cells, solutions = [], []
    for cell, following in zip(file["cells"], [*file["cells"][1:], None]):
        cells.append({**cell, "outputs": []} if cell["cell_type"] == "code" else cell)
        source = "".join(cell["source"])
        if CHECK in source:  # once with the blank, and once with the solution that is folded below it
            (solution,) = re.findall(r"<details>.*?^```python\n(.*?)^```", "".join(following["source"]), re.MULTILINE | re.DOTALL)
            solutions.append(len(cells))
            cells.append({**cells[-1], "id": f"solution-{len(cells)}", "source": solution + source[source.index(CHECK):]})
    run = in_jupyter({**file, "cells": cells})
    solved = [run[i] for i in solutions]
    check_outputs(notebook, [cell for cell in run if cell not in solved])
    assert all(printed([cell]) and "fill in" not in printed([cell]) for cell in solved)
    if notebook == LECTURE:
        scores = re.findall(r"(\w+): right answers after 12 steps ([\d.]+)%, after 200 steps ([\d.]+)%", printed(solved))
        assert [name for name, *_ in scores] == ["Lstm1997", "LSTMCell", "CoupledCell"]
        assert float(scores[0][2]) < 98 < min(float(scores[1][2]), float(scores[2][2]))  # without a forget gate


def test_the_engine_has_as_many_lines_as_it_says():
    """The last version of each part; blank lines are not counted."""
    cells, lines = json.loads(ENGINE.read_text(encoding="utf-8"))["cells"], {}
    for source in ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"):
        for part in ast.parse(source).body:
            if isinstance(part, (ast.FunctionDef, ast.ClassDef)):
                first = min([part.lineno, *(decorator.lineno for decorator in part.decorator_list)])
                lines[part.name] = sum(bool(line.strip()) for line in source.splitlines()[first - 1:part.end_lineno])
    names = ("Node", "Op", "op", "add", "mul", "matmul", "tanh", "vjps", "record_of", "unbroadcast", "grad")
    text = "".join("".join(cell["source"]) for cell in cells)
    assert f"makes {sum(lines[name] for name in names)} lines" in text
    assert len((ROOT / "minigrad" / "core.py").read_text(encoding="utf-8").splitlines()) <= 300


@pytest.fixture
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    if "matplotlib" in sys.modules:
        sys.modules["matplotlib"].use("Agg")


def test_own_operation(in_an_empty_folder, tmp_path, capsys):
    wrong, right, losses = own_operation.main(["--steps", "120", "--bias", "-5"])
    assert not wrong and right
    assert losses["slow_gate"][-1] < 0.1 * losses["slow_gate"][0]
    out = capsys.readouterr().out
    assert "x: it is g times y (1 - y), as for sigmoid" in out and "second-order gradient: ok" in out
    assert {"own_operation.dot"} <= {path.name for path in tmp_path.iterdir()} <= {
        "own_operation.dot", "own_operation.svg", "own_operation.png"}
    assert "slow_gate" in Path("own_operation.dot").read_text(encoding="utf-8")


def test_shut_sigmoids_stay_shut():
    options = own_operation.parse([])
    slow, sigmoid = (own_operation.learn(gate, options) for gate in (own_operation.slow_gate, own_operation.sigmoid))
    assert slow[-1] < 0.05 * slow[0] and sigmoid[-1] > 0.99 * sigmoid[0]


def test_derivatives_of_the_own_operation_are_exact():
    x = np.linspace(-5, 5, 41)
    first, second = own_operation.derivatives(x)
    np.testing.assert_allclose(first, (1 + x ** 2) ** -1.5 / 2, rtol=1e-13)
    np.testing.assert_allclose(second, -1.5 * x * (1 + x ** 2) ** -2.5, rtol=1e-12, atol=1e-16)


def test_own_operation_without_graphviz_and_matplotlib(in_an_empty_folder, tmp_path, capsys, monkeypatch):
    for package in ("graphviz", "matplotlib"):
        monkeypatch.setitem(sys.modules, package, None)
    own_operation.main(["--steps", "2"])
    out = capsys.readouterr().out
    assert "pip install graphviz" in out and "matplotlib is not installed" in out
    assert {path.name for path in tmp_path.iterdir()} == {"own_operation.dot"}


@pytest.mark.parametrize(("arguments", "message"), [
    (("--steps", "0"), "--steps must be a number above 0"),
    (("--lr", "nan"), "--lr must be a number above 0"),
    (("--bias", "nan"), "--bias must be within"),
    (("--seed", "-1"), "--seed must be 0 or more"),
    (("--plot", "nowhere/x.png"), "no folder nowhere"),
])
def test_bad_options_end_in_one_clear_error(in_an_empty_folder, capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        own_operation.main(list(arguments))
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
