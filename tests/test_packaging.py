"""minigrad can be imported however it is installed: as a wheel, editable, or not at all (a bare checkout)."""

import atexit
import functools
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

import numpy
import pytest
from check_command import ENVIRONMENT, ROOT

pytestmark = pytest.mark.meanwhile
IMPORTS = ("import minigrad, minigrad.layers, minigrad.optim, minigrad.__main__; from minigrad.layers import LSTM; "
           "from minigrad.optim import Adam; import os; print(os.path.realpath(minigrad.__file__)); "
           "print(os.path.realpath(minigrad.layers.__file__))")


def run(*command, cwd, **environment):
    result = subprocess.run([str(part) for part in command], cwd=cwd, env={**ENVIRONMENT, **environment}, text=True,
                            capture_output=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@functools.cache
def temporary(name):
    """A folder for all tests of this file."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def source():
    """A copy of the checkout, so that a build leaves nothing there and finds no old files."""
    copy = temporary("source") / "minigrad-checkout"
    left_out = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "char_*.npz", "*.png", "*.svg", "*.dot")
    shutil.copytree(ROOT, copy, ignore=left_out)
    return copy


@functools.cache
def dependencies():
    """A folder that has NumPy, pip and setuptools of this environment, and not its minigrad."""
    folder = temporary("dependencies")
    for installed in Path(numpy.__file__).parent.parent.iterdir():
        if re.match(r"(numpy|pip|setuptools|pkg_resources|_distutils_hack|wheel)\b", installed.name.replace("-", " ")):
            (folder / installed.name).symlink_to(installed)
    return str(folder)


def python_in(folder):
    """The interpreter of an empty virtual environment."""
    venv.create(folder / "venv", symlinks=True)
    return folder / "venv" / "bin" / "python"


def pip_install(python, *what, cwd):
    run(python, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", *what, cwd=cwd,
        PYTHONPATH=dependencies())


def build(kind, folder):
    run(sys.executable, "-c", f"import sys; from setuptools import build_meta; build_meta.build_{kind}(sys.argv[1])", folder,
        cwd=source())
    (file,) = [*folder.glob("*.whl"), *folder.glob("*.tar.gz")]
    return file


def test_wheel():
    place = temporary("wheel")
    file = build("wheel", place)
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"minigrad"}
    modules = {path.relative_to(source()).as_posix() for folder in ("minigrad", "layers", "optim")
               for path in (source() / folder).rglob("*.py")}
    expected = {name if name.startswith("minigrad/") else f"minigrad/{name}" for name in modules} | {"minigrad/py.typed"}
    assert {name for name in names if "dist-info" not in name} == expected

    python = python_in(place)
    pip_install(python, file, cwd=place)
    found = run(python, "-c", IMPORTS, cwd=place, PYTHONPATH=dependencies())
    assert all("site-packages" in line for line in found.splitlines())
    assert "of 1 ok" in run(place / "venv" / "bin" / "minigrad", "check", "tanh", cwd=place, PYTHONPATH=dependencies())
    # In the checkout the local folder shadows what is installed; then layers must come from there too.
    found = run(python, "-c", IMPORTS, cwd=source(), PYTHONPATH=dependencies())
    assert all(str(source().resolve()) in line for line in found.splitlines())


def test_editable():
    """Imports take the checkout's files, also new ones; editors find all in one folder, as if installed."""
    place = temporary("editable")
    python = python_in(place)
    pip_install(python, "-e", source(), cwd=place)
    (site,) = (place / "venv").glob("lib/*/site-packages")
    (folder,) = (Path(line) for file in site.glob("*minigrad*.pth") for line in file.read_text().splitlines())
    shown = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"minigrad/py.typed", "minigrad/core.py", "minigrad/layers/lstm.py", "minigrad/optim/adam.py"} <= shown
    (source() / "layers" / "brand_new.py").write_text(
        "from minigrad.calling_line import calling_line\n\ndef line():\n    return calling_line()\n")
    found = run(python, "-c", "from minigrad.layers import brand_new; print(brand_new.line())", cwd=place,
                PYTHONPATH=dependencies())
    (source() / "layers" / "brand_new.py").unlink()
    assert found.startswith("<string>")  # minigrad's own files are not outside of it
    for folder in (place, source()):
        found = run(python, "-c", IMPORTS, cwd=folder, PYTHONPATH=dependencies())
        assert all(str(source().resolve()) in line for line in found.splitlines())


def test_bare_checkout():
    """This environment has only NumPy besides."""
    found = run(python_in(temporary("bare")), "-c", IMPORTS, cwd=source(), PYTHONPATH=dependencies())
    assert all(str(source().resolve()) in line for line in found.splitlines())


def test_source_distribution_carries_tests_and_examples():
    file = build("sdist", temporary("sdist"))
    with tarfile.open(file) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {"tests/test_ops.py", "examples/char_lstm.py", "examples/data/alice.txt", "layers/lstm.py", "LICENSE",
            "README.md", "CHANGELOG.md", "pyproject.toml"} <= names
