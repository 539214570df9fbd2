"""Plants errors in the gradient checker itself: the tests of the checker must notice each.

    python tests/planted_in_checker.py

A copy of the project gets one wrong line at a time; then tests/test_check.py must fail. Exit code 0 if it always does.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).parent.parent
COMPARE, NOISE, NUMERIC, PROBLEM, SAMPLE, SLOPES, VERDICT, WORDS = (
    f"minigrad/check/{name}.py" for name in ("compare", "noise", "numeric", "problem", "sample", "slopes", "verdict", "words"))
ERRORS = {  # file, what stands there, what is planted
    "compares nothing": (VERDICT, "wrong = ~right & ~unknown", "wrong = right & False"),
    "ones for a cotangent": (COMPARE, "rng.normal(size=values.size)", "np.ones(values.size)"),
    "first entry only": (NUMERIC, "for i in range(self.x.size) if entries is None else entries:",
                         "for i in range(self.x.size)[:1]:"),
    "first input only": (COMPARE, "partial(evidence.diagnosis, finding)) for finding in findings]",
                         "partial(evidence.diagnosis, finding)) for finding in findings[:1]]"),
    "no absolute value": (VERDICT, "np.abs(a - value) <= error)", "a - value <= error)"),
    "blind to NaN": (VERDICT, "np.abs(a - value) <= error)", "~(np.abs(a - value) > error))"),
    "loose tolerance": (VERDICT, "np.abs(a - value) <= error)", "np.abs(a - value) <= bound + 1e-5)"),
    "compares the gradient with itself": (VERDICT, "np.abs(a - value) <= error)", "np.abs(a - a) <= error)"),
    "kinks accept everything": (VERDICT, "(low - ulps <= a) & (a <= high + ulps)", "(low <= np.inf)"),
    "what is unknown is right": (WORDS, "INCONCLUSIVE if undecided else", "OK if undecided else"),
    "noise is not looked at": (SLOPES, "rounding = SAFETY * together", "rounding = 0 * together"),
    "one step is believed": (NUMERIC, "if settled(found):\n            return found, False",
                             "if True:\n            return found, False"),
    "inputs are not put back": (PROBLEM, "if x is not now:\n", "if x is not now and x is not self.xs[0]:\n"),
    "a sample is all": (COMPARE, "if not everything and not finding.wrong.any():", "if False:"),
    "the first entries are the sample": (SAMPLE, "np.sort(rng.choice(sizes[i], quota, replace=False))", "np.arange(quota)"),
    "directions of one sign": (SAMPLE, "direction = rng.normal(size=analytic.shape)",
                               "direction = np.abs(rng.normal(size=analytic.shape))"),
    "weights that users draw too": (NOISE, "np.random.default_rng([OWN, *seed])", "np.random.default_rng(seed[0])"),
    "nothing seen is ok": (WORDS, "UNSEEN if unseen.any() and not seen.any() else OK", "OK"),
    "outputs of all sizes count alike": (COMPARE, "self.weights = self._weights()", "self.weights = np.array(1.0)"),
    "laws are not looked at": (COMPARE, "if self.repeatable else []", "if False else []"),
}


def noticed(file: str, right: str, wrong: str, copy: Path) -> bool:
    """Do the checker's tests fail with this error in the copy?"""
    source = (ROOT / file).read_text(encoding="utf-8")
    assert source.count(right) == 1, f"{file} has no longer one place with {right!r}: adapt this script"
    (copy / file).write_text(source.replace(right, wrong), encoding="utf-8")
    try:
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "tests/test_check.py",
             "tests/test_diagnosis.py", "-k", "not command_line and not planted_mistake"],
            cwd=copy, capture_output=True, text=True, env={**os.environ})
    finally:
        (copy / file).write_text(source, encoding="utf-8")
    assert result.returncode in (0, 1), result.stdout + result.stderr  # passed, or a test failed: the tests did run
    return result.returncode == 1


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "minigrad"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__"))
        assert not noticed(VERDICT, "TOO_WIDE = 1e-3", "TOO_WIDE = 1e-3", copy), "the tests fail without any error"
        missed = [name for name, error in tqdm(ERRORS.items(), unit="error", disable=None) if not noticed(*error, copy)]
    print(f"{len(ERRORS)} errors planted in the checker, {len(ERRORS) - len(missed)} noticed")
    for name in missed:
        print(f"  missed: {name}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
