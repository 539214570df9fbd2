"""minigrad can be imported however it is installed: as a wheel, editable, or not at all (a bare checkout)."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).parent.parent
IMPORTS = ("import minigrad, minigrad.layers, minigrad.optim, minigrad.__main__; from minigrad.layers import LSTM; "
           "from minigrad.optim import Adam; import os; print(os.path.realpath(minigrad.__file__)); "
           "print(os.path.realpath(minigrad.layers.__file__))")


def run(*command, cwd, **environment):
    result = subprocess.run([str(part) for part in command], cwd=cwd, env={**os.environ, **environment}, text=True,
                            capture_output=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the checkout, so that a build leaves nothing there and finds no old files."""
    copy = tmp_path_factory.mktemp("source") / "minigrad-checkout"
    left_out = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "char_*.npz", "*.png", "*.svg", "*.dot")
    shutil.copytree(ROOT, copy, ignore=left_out)
    return copy


@pytest.fixture(scope="module")
def dependencies(tmp_path_factory):
    """A folder that has NumPy, pip and setuptools of this environment, and not its minigrad."""
    folder = tmp_path_factory.mktemp("dependencies")
    for installed in Path(numpy.__file__).parent.parent.iterdir():
        if re.match(r"(numpy|pip|setuptools|pkg_resources|_distutils_hack|wheel)\b", installed.name.replace("-", " ")):
            (folder / installed.name).symlink_to(installed)
    return str(folder)


@pytest.fixture
def python(tmp_path):
    """The interpreter of an empty virtual environment."""
    venv.create(tmp_path / "venv", symlinks=True)
    return tmp_path / "venv" / "bin" / "python"


def pip_install(python, dependencies, *what, cwd):
    run(python, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", *what, cwd=cwd,
        PYTHONPATH=dependencies)


def build(kind, source, folder):
    run(sys.executable, "-c", f"import sys; from setuptools import build_meta; build_meta.build_{kind}(sys.argv[1])", folder,
        cwd=source)
    (file,) = [*folder.glob("*.whl"), *folder.glob("*.tar.gz")]
    return file


def test_wheel(source, dependencies, python, tmp_path):
    file = build("wheel", source, tmp_path)
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"minigrad"}
    modules = {path.relative_to(source).as_posix() for folder in ("minigrad", "layers", "optim")
               for path in (source / folder).rglob("*.py")}
    expected = {name if name.startswith("minigrad/") else f"minigrad/{name}" for name in modules} | {"minigrad/py.typed"}
    assert {name for name in names if "dist-info" not in name} == expected

    pip_install(python, dependencies, file, cwd=tmp_path)
    found = run(python, "-c", IMPORTS, cwd=tmp_path, PYTHONPATH=dependencies)
    assert all("site-packages" in line for line in found.splitlines())
    assert "of 1 ok" in run(tmp_path / "venv" / "bin" / "minigrad", "check", "tanh", cwd=tmp_path, PYTHONPATH=dependencies)
    # In the checkout the local folder shadows what is installed; then layers must come from there too.
    found = run(python, "-c", IMPORTS, cwd=source, PYTHONPATH=dependencies)
    assert all(str(source.resolve()) in line for line in found.splitlines())


def test_editable(source, dependencies, python, tmp_path):
    """Imports take the checkout's files, also new ones; editors find all in one folder, as if installed."""
    pip_install(python, dependencies, "-e", source, cwd=tmp_path)
    (site,) = (tmp_path / "venv").glob("lib/*/site-packages")
    (folder,) = (Path(line) for file in site.glob("*minigrad*.pth") for line in file.read_text().splitlines())
    shown = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"minigrad/py.typed", "minigrad/core.py", "minigrad/layers/lstm.py", "minigrad/optim/adam.py"} <= shown
    (source / "layers" / "brand_new.py").write_text(
        "from minigrad.calling_line import calling_line\n\ndef line():\n    return calling_line()\n")
    found = run(python, "-c", "from minigrad.layers import brand_new; print(brand_new.line())", cwd=tmp_path,
                PYTHONPATH=dependencies)
    (source / "layers" / "brand_new.py").unlink()
    assert found.startswith("<string>")  # minigrad's own files are not outside of it
    for folder in (tmp_path, source):
        found = run(python, "-c", IMPORTS, cwd=folder, PYTHONPATH=dependencies)
        assert all(str(source.resolve()) in line for line in found.splitlines())


def test_bare_checkout(source, dependencies, python):
    """This environment has only NumPy besides."""
    found = run(python, "-c", IMPORTS, cwd=source, PYTHONPATH=dependencies)
    assert all(str(source.resolve()) in line for line in found.splitlines())


def test_source_distribution_carries_tests_and_examples(source, tmp_path):
    file = build("sdist", source, tmp_path)
    with tarfile.open(file) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {"tests/test_ops.py", "examples/char_lstm.py", "examples/data/alice.txt", "layers/lstm.py", "LICENSE",
            "README.md", "CHANGELOG.md", "pyproject.toml"} <= names
