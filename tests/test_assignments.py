"""The assignments in examples/assignments: the solution gets all points, the starter none, wrong solutions what they say."""

import importlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from minigrad.course import check
from minigrad.course.assignment import AssignmentError, load_assignment
from minigrad.course.example import Example
from minigrad.course.hints import mistakes
from minigrad.course.judging import judged
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


LOST = ("the carry is lost: nothing flows back from step t+1 to step t through the tanh; only what the last step passes to its "
        "own inputs is right", "what flows back from one time step to the one before is not all there, or not right")
SLOPE = ("1 + y^2 stands where 1 - y^2, tanh's derivative, is right, with y = the tanh",
         "the derivative of an activation is not right, or is taken of another quantity")
BRACKETS = 2 * ("a gradient at index 0 of axis 0 of output 1 alone gives wrong values for exactly x, h, W_i, b_i: look at what "
                "the sigmoid passes back",)


@pytest.mark.parametrize(("folder", "name", "question", "said"), [
    ("rnn", "no_carry", "rnn_backward", LOST), ("rnn", "plus", "step_backward", SLOPE),
    ("lstm", "brackets", "step_backward", BRACKETS)])
def test_the_diagnosis_sees_the_reference_but_does_not_quote_it(folder, name, question, said):
    assignment = load_assignment(FOLDERS[0].parent / folder)
    wrong = next(mistake for mistake in mistakes(assignment) if mistake.path.stem == name)
    found = judged(Example(assignment.question(question), "seed"), wrong.local(assignment)).values()
    assert {(finding.text, finding.family) for finding in found if not finding.ok} == {said}


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
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "examples" / "assignments" / "rnn")
    monkeypatch.setattr(sys, "argv", ["milestone.py", "solution"])
    for name in ("milestone", "solution"):
        sys.modules.pop(name, None)
    milestone = importlib.import_module("milestone")
    monkeypatch.setattr(milestone, "STEPS", 500)
    xor, random = milestone.main()
    assert xor < 0.1 and 0.9 < random < 1.1 and np.isfinite(xor) and "XOR" in capsys.readouterr().out
    for name in ("milestone", "solution"):
        sys.modules.pop(name, None)
