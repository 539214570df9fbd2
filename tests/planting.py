"""Plants errors in a copy of the project, one wrong line at a time: do its tests notice each?"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).parent.parent


def count(errors: Mapping[str, tuple[str, str, str]], tests: list[str], place: str) -> int:
    """Prints how many errors are noticed, and which are not; returns 0 if all are, and 1 otherwise.

    errors: by name: a file, what stands there, and what is planted. tests: arguments for pytest; one of these tests must then
    fail, and none without an error. place: where the errors are, in words.
    """
    def noticed(file: str, right: str, wrong: str) -> bool:
        source = (ROOT / file).read_text(encoding="utf-8")
        assert source.count(right) == 1, f"{file} has no longer one place with {right!r}: adapt this script"
        (copy / file).write_text(source.replace(right, wrong), encoding="utf-8")
        try:
            result = subprocess.run([sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests], cwd=copy,
                                    capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(copy)})
        finally:
            (copy / file).write_text(source, encoding="utf-8")
        assert result.returncode in (0, 1), result.stdout + result.stderr  # passed, or a test failed: the tests did run
        return result.returncode == 1

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "minigrad"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__"))
        file, right, _ = next(iter(errors.values()))
        assert not noticed(file, right, right), "the tests fail without any error"
        missed = [name for name, error in tqdm(errors.items(), unit="error", disable=None) if not noticed(*error)]
    print(f"{len(errors)} errors planted in {place}, {len(errors) - len(missed)} noticed")
    for name in missed:
        print(f"  missed: {name}")
    return 1 if missed else 0
