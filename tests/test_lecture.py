"""The lecture runs from start to end, and is stored with what it printed and drew; the example of an own operation runs."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import own_operation
import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "examples" / "lecture.ipynb"


def outputs(cells):
    return [output for cell in cells for output in cell.get("outputs", [])]


def check_outputs(cells):
    """Every cell that shows something has shown it, without errors, and the exact numbers are there."""
    found = outputs(cells)
    assert not [output for output in found if output["output_type"] == "error"]
    printed = "".join("".join(output["text"]) for output in found if output["output_type"] == "stream")
    for number in ("7.9e-31", "2.5e-14", "3.1e-06", "0.51 of"):
        assert number in printed
    assert "gradient: ok" in printed and "f = sigmoid(h_x @ self.W_f + self.b_f)" in printed
    kinds = [kind for output in found for kind in output.get("data", {})]
    assert kinds.count("image/png") == 6
    return kinds


def test_stored_outputs():
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 600_000
    cells = json.loads(text)["cells"]
    assert check_outputs(cells).count("image/svg+xml") == 2
    for folder in (*(f"/{name}/" for name in ("tmp", "home", "root", "Users")), str(ROOT)):
        assert folder not in text
    counts = [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.filterwarnings("default")  # those of Jupyter's own packages are not ours
def test_runs_from_start_to_end(tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the notebook's own shows pictures
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        cell.pop("outputs", None) if cell.cell_type != "code" else cell.update(outputs=[])
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    check_outputs(notebook.cells)


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
