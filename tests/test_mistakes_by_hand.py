"""Mistakes that people really made: each is caught, nearly all are named in every wrong row, none misleadingly.

python tests/test_mistakes_by_hand.py, which .ci/run calls, prints the table by family, of all mistakes at two sizes; the tests
take every third. test_right_ones: right passes are never refused.
"""

import re
import sys
from collections import Counter
from functools import cache

import numpy as np
import pytest
from mistakes_beyond_time import BEYOND_TIME
from mistakes_by_hand import IN_TIME
from mistakes_in_gates import IN_GATES
from mistakes_in_losses import IN_LOSSES
from right_by_hand import RIGHT
from thorough import THOROUGH

from minigrad import gradcheck

RECURRENT = [*IN_TIME, *IN_GATES]
OTHERS = [*IN_LOSSES, *BEYOND_TIME]
BANK = [*RECURRENT, *OTHERS]
NO_NAME = ("no simple pattern", "no diagnosis")
NOT_A_NAME = ("too small to show", "where any slope", "did not change", "0 everywhere at these values")


@cache
def judged(mistake, variant):
    """Is it caught? How many rows are wrong, how many of these have a name; misleading notes; the report."""
    rng = np.random.default_rng(variant + 5)
    forward, backward, inputs = mistake.build(mistake.name, rng, variant)
    report = gradcheck(forward, *inputs, backward=backward)
    wrong = [row for row in report.rows if row.verdict == "WRONG"]
    names = {row.name: [note for note in row.notes if not any(text in note for text in NOT_A_NAME)] for row in wrong}
    named = [name for name, notes in names.items() if notes and not any(text in note for note in notes for text in NO_NAME)]
    misleading = [(name, note) for name in named for note in names[name] if not any(text in note for text in mistake.said)]
    return bool(wrong), len(wrong), len(named), misleading, report


@pytest.mark.parametrize("variant", [0, 1] if THOROUGH else [1])
@pytest.mark.parametrize("mistakes", [RECURRENT, OTHERS], ids=["in time", "beyond time"])
def test_each_is_caught_most_are_named_and_none_is_misleading(mistakes, variant):
    of_all, mistakes = 0, mistakes if THOROUGH else mistakes[::3]  # .ci/run judges all
    for mistake in mistakes:
        caught, wrong, named, misleading, report = judged(mistake, variant)
        assert caught, mistake.name
        assert not misleading, (mistake.name, misleading)
        assert max(map(len, str(report).splitlines()[:-1])) <= 100, str(report)
        of_all += named == wrong
    assert of_all >= 0.8 * len(mistakes)


@pytest.mark.parametrize("name", ["RNN-01", "RNN-05", "LSTM-05", "GRU-02"])
def test_one_story_for_all_rows(name):
    """One sentence explains all rows."""
    (mistake,) = [mistake for mistake in RECURRENT if mistake.name == name]
    report = judged(mistake, 1)[-1]
    notes = {note for row in report.rows if row.verdict == "WRONG" for note in row.notes if "too small" not in note}
    assert len(notes) == 1
    assert str(report).replace("\n  ", " ").count(notes.pop()) == 1


def test_hints():
    (mistake,) = [mistake for mistake in RECURRENT if mistake.name == "RNN-05"]
    forward, backward, inputs = mistake.build(mistake.name, np.random.default_rng(0), 1)
    full, family, none = (str(gradcheck(forward, *inputs, backward=backward, hints=h)) for h in ("full", "family", "none"))
    assert "1 + y^2 stands where 1 - y^2" in full
    assert "the derivative of an activation is not right" in family and "1 + y^2" not in family and "hints='family'" in family
    assert "derivative" not in none and "WRONG" in none
    with pytest.raises(ValueError, match="hints must be one of"):
        gradcheck(forward, *inputs, backward=backward, hints="some")


def test_time_axis_can_be_said():
    """With one output at the end, only a visible loop shows which axis is time."""
    step = np.frompyfunc(lambda x, h: np.tanh(x + 0.5 * h), 2, 1)  # NumPy's own functions are not traced through this

    def forward(x):
        h = np.zeros(x.shape[1])
        for x_t in x:
            h = step(x_t, h).astype(float)
        return h

    def backward(g, x):
        hs, dx, dh = [np.zeros(x.shape[1])], np.zeros_like(x), g
        for x_t in x:
            hs.append(np.tanh(x_t + 0.5 * hs[-1]))
        for t in reversed(range(len(x))):
            dz = dh * (1 - hs[t + 1] ** 2)
            dx[t], dh = dz, 0.4 * dz
        return dx

    x = np.random.default_rng(0).normal(size=(4, 2))
    assert "right in step 3" in str(gradcheck(forward, x, backward=backward, time_axis=0)).replace("\n  ", " ")
    assert "in step 3" not in str(gradcheck(forward, x, backward=backward))
    for wrong in (-1, 2, 0.5):
        with pytest.raises(ValueError, match=re.escape(f"below 2, because the first input has shape (4, 2), not {wrong}")):
            gradcheck(forward, x, backward=backward, time_axis=wrong)


@pytest.mark.parametrize(("rows", "other", "said"), [
    ([1.1, 1.2, 1.0], 1.0, "W: it is wrong in rows 0..1"),
    ([1.0, 1.0, 1.0], 0.0, "x, W: it is right for what arrives at index 0 of axis 0 of output 1 and wrong for index 1")])
def test_the_time_axis_is_that_of_the_first_input(rows, other, said):
    """Rows of a matrix are not time steps; the batch of a last state is not time."""
    product = np.frompyfunc(lambda a, b: a * b, 2, 1)

    def forward(x, W):
        y = product(x, W.sum(axis=0)).astype(float)
        return np.tanh(y), y[-1] * y[:2]

    def backward(g, x, W):
        y = x * W.sum(axis=0)
        g_y = g[0] * (1 - np.tanh(y) ** 2)
        g_y[:2] += g[1] * y[-1]
        g_y[-1] += g[1][0] * y[0] + other * g[1][1] * y[1]
        return g_y * W.sum(axis=0), np.outer(rows, (g_y * x).sum(axis=0))

    x, W = (np.random.default_rng(1).normal(size=shape) for shape in ((4, 2), (3, 2)))
    assert said in str(gradcheck(forward, x, W, backward=backward, time_axis=0))


def test_a_lost_carry_is_seen_in_the_jacobian_alone():
    """Where the forward cannot be traced: causality shows which axis is time."""
    step = np.frompyfunc(lambda x, h: np.tanh(x + 0.5 * h), 2, 1)

    def forward(x):
        h, hs = np.zeros(x.shape[1]), []
        for x_t in x:
            h = step(x_t, h).astype(float)
            hs.append(h)
        return np.stack(hs)

    x = np.random.default_rng(0).normal(size=(4, 2))
    report = gradcheck(forward, x, backward=lambda g, x: g * (1 - forward(x) ** 2))
    assert "the carry is lost" in str(report) or "tanh" in str(report), report


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones(name):
    for seed in range(20 if THOROUGH else 1):
        forward, backward, inputs = RIGHT[name](np.random.default_rng(seed))
        report = gradcheck(forward, *inputs, backward=backward, seed=seed)
        assert all(row.verdict in ("ok", "KINK") for row in report.rows), f"seed {seed}\n{report}"


def table():
    """A line for each family: how many were caught, named in every wrong row, in some, in none, or misleadingly."""
    counts = {}
    for mistake in BANK:
        for variant in (0, 1):
            caught, wrong, named, misleading, _ = judged(mistake, variant)
            kind = ("misleading" if misleading else "every row" if caught and named == wrong else
                    "some rows" if named else "no pattern")
            of_family = counts.setdefault(mistake.family, Counter())
            of_family.update({"mistakes": 1, "caught": int(caught), kind: 1})
    columns = ("mistakes", "caught", "every row", "some rows", "no pattern", "misleading")
    lines = [f"{'family':28}" + "".join(f"{column:>12}" for column in columns)]
    counts["all"] = sum(counts.values(), Counter())
    lines += [f"{family:28}" + "".join(f"{n[column]:12}" for column in columns) for family, n in counts.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    found = table()
    print(found)
    *_, mistakes, caught, every_row, _, _, misleading = found.split()
    sys.exit(caught != mistakes or int(every_row) < 0.8 * int(mistakes) or misleading != "0")
