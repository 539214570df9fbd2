"""Plants errors in the gradient checker itself: the tests of the checker must notice each.

    python tests/planted_in_checker.py

A copy of the project gets one wrong line at a time; then tests/test_check.py must fail. Exit code 0 if it always does.
"""

import sys

from planting import count

TESTS = ["tests/test_check.py", "tests/test_diagnosis.py", "-k", "not command_line and not planted_mistake"]
COMPARE, NOISE, NUMERIC, PROBLEM, SAMPLE, SLOPES, VERDICT, WORDS = (
    f"minigrad/check/{name}.py" for name in ("compare", "noise", "numeric", "problem", "sample", "slopes", "verdict", "words"))
ERRORS = {  # file, what stands there, what is planted
    "compares nothing": (VERDICT, "wrong = ~right & ~unknown", "wrong = right & False"),
    "ones for a cotangent": (COMPARE, "rng.normal(size=values.size)", "np.ones(values.size)"),
    "first entry only": (NUMERIC, "numbers = np.arange(self.x.size) if entries is None else entries",
                         "numbers = np.arange(self.x.size)[:1]"),
    "first input only": (COMPARE, "partial(self.evidence.said, finding, self.hints)) for finding in findings]",
                         "partial(self.evidence.said, finding, self.hints)) for finding in findings[:1]]"),
    "no absolute value": (VERDICT, "np.abs(a - value) <= error)", "a - value <= error)"),
    "blind to NaN": (VERDICT, "np.abs(a - value) <= error)", "~(np.abs(a - value) > error))"),
    "loose tolerance": (VERDICT, "np.abs(a - value) <= error)", "np.abs(a - value) <= bound + 1e-5)"),
    "compares the gradient with itself": (VERDICT, "np.abs(a - value) <= error)", "np.abs(a - a) <= error)"),
    "kinks accept everything": (VERDICT, "(low - ulps <= a) & (a <= high + ulps)", "(low <= np.inf)"),
    "what is unknown is right": (WORDS, "INCONCLUSIVE if undecided else", "OK if undecided else"),
    "noise is not looked at": (SLOPES, "rounding = SAFETY * together", "rounding = 0 * together"),
    "one step is believed": (NUMERIC, "if settled(found, expected) or best is not None", "if True or best is not None"),
    "inputs are not put back": (PROBLEM, "if x is not now]\n", "if x is not now and x is not self.xs[0]]\n"),
    "a sample is all": (COMPARE, "if not everything and not finding.wrong.any():", "if False:"),
    "the first entries are the sample": (SAMPLE, "np.sort(rng.choice(sizes[i], quota, replace=False))", "np.arange(quota)"),
    "directions of one sign": (SAMPLE, "direction = rng.normal(size=analytic.shape)",
                               "direction = np.abs(rng.normal(size=analytic.shape))"),
    "weights that users draw too": (NOISE, "np.random.default_rng([OWN, *seed])", "np.random.default_rng(seed[0])"),
    "nothing seen is ok": (WORDS, "UNSEEN if unseen.any() and not seen.any() else", "UNSEEN if False else"),
    "outputs of all sizes count alike": (COMPARE, "self.weights = self._weights()", "self.weights = np.array(1.0)"),
    "laws are not looked at": (COMPARE, "if self.repeatable else []", "if False else []"),
}


if __name__ == "__main__":
    sys.exit(count(ERRORS, TESTS, "the checker"))
