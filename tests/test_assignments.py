"""The assignments in examples/assignments: the solution gets all points, the starter none, wrong solutions what they say."""

import contextlib
import importlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from minigrad.course import check
from minigrad.course.assignment import AssignmentError, load_assignment
from minigrad.course.hints import mistakes
from minigrad.course.proof import _all_points, graded, prove
from minigrad.course.starter import starter

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[1] / "examples" / "assignments").glob("*/assignment.py"))
THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_solution_and_starter(folder):
    assignment, solution = load_assignment(folder), (folder / "solution.py").read_text(encoding="utf-8")
    assert not _all_points(graded(assignment, solution.encode()))
    result = graded(assignment, starter(solution).encode())
    assert result["points"] == 0 and not result["messages"]
    assert len(mistakes(assignment)) >= 8 and (folder / "handout.md").is_file()


@pytest.mark.skipif(not THOROUGH, reason="it takes some minutes: HYPOTHESIS_PROFILE=thorough")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_proof(folder):
    assert prove(folder) == 0


def test_check_in_a_notebook(capsys):
    """The verdict and the hint, in place."""
    folder = FOLDERS[-1].parent / "operations"
    namespace = dict(check=check, folder=str(folder))
    exec((folder / "solution.py").read_text(encoding="utf-8"), namespace)
    exec("check('tanh', folder)", namespace)
    assert capsys.readouterr().out.count(": right") == 3
    exec((folder / "wrong" / "tanh_plus.py").read_text(encoding="utf-8") + "\ncheck('tanh', folder, hints='family')", namespace)
    out = capsys.readouterr().out
    assert "forward (2 points): right" in out and "gradient of x (1 points): wrong values" in out and "hint: Sketch tanh" in out
    with pytest.raises(AssignmentError, match="there is no question 'sinh'; there are sigmoid"):
        check("sinh", folder)


def test_milestone_xor_in_time(monkeypatch, capsys):
    """Elman 1990: the error falls where the next bit is the XOR of the two before."""
    with milestone_of("rnn", monkeypatch) as milestone:
        monkeypatch.setattr(milestone, "STEPS", 500)
        xor, random = milestone.main()
    assert xor < 0.1 and 0.9 < random < 1.1 and np.isfinite(xor) and "XOR" in capsys.readouterr().out


def test_milestone_symmetry(monkeypatch, capsys):
    """Rumelhart, Hinton and Williams 1986: weights of opposite sign about the middle, 1 : 2 : 4 in some order."""
    with milestone_of("engine", monkeypatch) as milestone:
        if not THOROUGH:
            monkeypatch.setattr(milestone, "SWEEPS", 2500)
        found = milestone.main(starts=10 if THOROUGH else 2)
    assert len(found) >= (3 if THOROUGH else 1) and "1 : 2 : 4" in capsys.readouterr().out
    for sweeps, W in found:
        sizes = np.sort(abs(W[:3]), axis=0)
        assert sweeps < 5000 and np.abs(W + W[::-1]).max() < 0.05 * abs(W).max()
        np.testing.assert_allclose(sizes / sizes[0], [[1, 1], [2, 2], [4, 4]], rtol=0.05)  # near to it when training stops


@contextlib.contextmanager
def milestone_of(assignment, monkeypatch):
    """The module milestone.py, with the solution in place of what a student writes."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "examples" / "assignments" / assignment)
    monkeypatch.setattr(sys, "argv", ["milestone.py", "solution"])
    for name in ("milestone", "solution"):
        sys.modules.pop(name, None)
    yield importlib.import_module("milestone")
    for name in ("milestone", "solution"):
        sys.modules.pop(name, None)
