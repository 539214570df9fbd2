"""Every public name has a docstring, and the API pages can be built."""

import inspect
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from check_command import ENVIRONMENT, ROOT

import minigrad
import minigrad.layers
import minigrad.optim
import minigrad.testing
from minigrad.layers import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

PDOC = find_spec("pdoc")
MODULES = (minigrad, minigrad.layers, minigrad.optim, minigrad.testing)


def public(module):
    names = getattr(module, "__all__", [name for name, thing in vars(module).items()
                                        if not name.startswith("_") and getattr(thing, "__module__", "") == module.__name__])
    return {name: getattr(module, name) for name in names if name not in ("__version__", "registry")}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_name_has_a_docstring(module):
    without = []
    for name, thing in public(module).items():
        without += [name] if not inspect.getdoc(thing) else []
        if inspect.isclass(thing):
            members = {member: getattr(thing, member) for member in vars(thing)
                       if not member.startswith("_") and member != "equations" and hasattr(thing, member)}
            without += [f"{name}.{member}" for member, value in members.items() if not inspect.isclass(value)
                        and (callable(value) or isinstance(value, property)) and not inspect.getdoc(getattr(thing, member))]
    assert not without


@pytest.mark.parametrize(("layer", "cell"), [(RNN, RNNCell), (LSTM, LSTMCell), (GRU, GRUCell)])
def test_help_of_a_layer_stands_by_itself(layer, cell):
    """It repeats the cell's equations exactly, and has shapes, options, errors and source."""
    equations = [line.split("One step:")[-1].strip() for line in cell.__doc__.splitlines() if "_t = " in line]
    assert equations and all(equation in layer.__doc__ for equation in equations)
    options = [*inspect.signature(layer).parameters, *inspect.signature(cell).parameters]
    for word in (*options, "(T, B, D)", "(L, B, H)", "(2L, B, H)", "Raises ValueError", "Source: "):
        assert word in layer.__doc__ or word == "cell_options", word


@pytest.mark.meanwhile
def test_api_pages():
    if not PDOC:
        pytest.skip("pdoc is not installed")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, ROOT / ".ci" / "docs", folder], cwd=folder, env=ENVIRONMENT, capture_output=True,
                              timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        page, layers = (Path(folder, name).read_text(encoding="utf-8") for name in ("minigrad.html", "minigrad/layers.html"))
    for name in public(minigrad):
        assert f'id="{name}"' in page or f"minigrad/{name}.html" in page, name
    for part in ("f_t = sigma(W_f [h_{t-1}, x_t] + b_f)", 'id="LSTM.__init__"', 'id="LSTM.forward"', 'id="LSTM-view-source"'):
        assert part in layers
    assert 'id="Tensor.sum"' in page and 'id="Tensor.tanh"' not in page
