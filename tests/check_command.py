"""Runs the command `minigrad` in a process of its own, and `minigrad check` on a file."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENT = dict(os.environ)  # before a test changes it
WITH_CHECKOUT = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}


def check(content, *arguments, name="", file="student.py"):
    """The exit code, output and error output of `minigrad check` for a file with this content. name: what follows the file's
    path, such as ":f". arguments: the words behind both."""
    with tempfile.TemporaryDirectory() as folder:
        return check_in(folder, content, *arguments, name=name, file=file)


def check_in(folder, content, *arguments, name="", file="student.py"):
    """The same, with the file in this folder."""
    path = Path(folder, file)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return minigrad("check", f"{path}{name}", *arguments)


def minigrad(*words):
    """The exit code, output and error output of the command `minigrad` with these words."""
    done = subprocess.run([sys.executable, "-W", "error", "-m", "minigrad", *words], cwd=ROOT, env=ENVIRONMENT,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", timeout=300)
    return done.returncode, done.stdout, done.stderr
