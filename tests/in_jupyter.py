"""Runs a notebook in Jupyter, in processes of its own."""

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec

import pytest
from check_command import WITH_CHECKOUT

INSTALLED = all(map(find_spec, ("nbformat", "nbclient", "ipykernel", "matplotlib")))  # before a test hides one of them
RUN = """
import json, sys, nbclient, nbformat
notebook = nbformat.reads(sys.stdin.read(), as_version=4)
nbformat.validate(notebook)
nbclient.NotebookClient(notebook, timeout=600).execute()
sys.stdout.write(nbformat.writes(notebook))
"""


def in_jupyter(notebook, folder=None):
    """The notebook's cells after a run in this folder, by default an empty one."""
    if not INSTALLED:
        pytest.skip("Jupyter or Matplotlib is not installed")
    with tempfile.TemporaryDirectory() as empty:
        environment = {**WITH_CHECKOUT, "IPYTHONDIR": empty}
        environment.pop("MPLBACKEND", None)  # the notebook's own shows pictures
        done = subprocess.run([sys.executable, "-c", RUN], input=json.dumps(notebook), cwd=folder or empty, text=True,
                              encoding="utf-8", capture_output=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["cells"]
