"""What answers for a part of a submission that failed: of the right kind, in any form, and there if nothing was."""

import io
import json

import numpy as np
import pytest

from minigrad.course.assignment import load_assignment
from minigrad.course.example import Example, given
from minigrad.course.grading import Rules, grade
from minigrad.course.results import text
from minigrad.course.session import helper
from minigrad.course.worker.channel import KINDS, packed, read, write
from minigrad.course.worker.grading import stand_in

ASSIGNMENT = '''
def loss(keep, labels, scores):
    return -scores[np.arange(len(labels)), labels][keep].sum()

def both(x, w):
    return x @ w

def drawn(rng):
    return rng.normal(size=4) > -9, rng.integers(0, 3, 4), rng.normal(size=(4, 3))

from minigrad import tanh
assignment("parts")
shared = dict(outputs=["y"], allow=["numpy"])
question("loss_backward", points=2, function="loss_backward", reference=loss, inputs=drawn,
         takes=["dy", "keep", "labels", "scores"], parts=["dscores"], **shared)
question("both", points=2, function="both", reference=both, inputs=[(2, 3), (3, 4)], takes=["dy", "x", "w"], parts=["dx", "dw"],
         **shared)
question("head", points=2, function="head", reference=loss, inputs=drawn, takes=["dy", "keep", "labels", "scores"],
         parts=["dscores"], needs=["loss_backward"], **shared)
question("user", points=2, function="user", reference=lambda x, w: tanh(x @ w), inputs=[(2, 3), (3, 4)], takes=["dy", "x", "w"],
         parts=["dx"], needs=["both"], **shared)
'''
SOLUTION = '''
import numpy as np

def loss_backward(dy, keep, labels, scores):
    d = np.zeros(scores.shape)
    d[np.arange(len(labels))[keep], labels[keep]] = -dy
    return d

def head(dy, keep, labels, scores):
    assert keep.dtype == bool and labels.dtype == np.int64
    return loss_backward(dy, keep, labels, scores)

def both(dy, x, w):
    return {"dx": dy @ w.T, "dw": x.T @ dy}

def user(dy, x, w):
    return both(dy * (1 - np.tanh(x @ w) ** 2), x, w)["dx"]
'''
IN_BOTH = 'return {"dx": dy @ w.T, "dw": x.T @ dy}'
OF_BOTH = 'return both(dy * (1 - np.tanh(x @ w) ** 2), x, w)["dx"]'


@pytest.fixture
def assignment(tmp_path):
    (tmp_path / "assignment.py").write_text(ASSIGNMENT)
    (tmp_path / "solution.py").write_text(SOLUTION)
    return load_assignment(tmp_path)


def graded(assignment, content, name="parts.py"):
    (assignment.folder / name).write_text(content)
    return grade(assignment, assignment.folder / name, "anna", Rules())


def replaced(old, new):
    assert old in SOLUTION
    return SOLUTION.replace(old, new)


def test_whole_numbers_and_truth_values_stay_what_they_are(assignment):
    stream = io.BytesIO()
    arrays = [np.array([True, False]), np.array([1, 2]), np.uint8([3]), np.float32([0.5]), np.array([])]
    write(stream, {}, arrays)
    stream.seek(0)
    assert [(a.dtype, a.tolist()) for a in read(stream)[1]] == [(a.dtype, a.tolist()) for a in arrays]
    forged = json.dumps({"arrays": [["t", [2]]]}).encode()
    found = read(io.BytesIO(len(forged).to_bytes(8, "big") + forged + b"\x02\x01"))[1][0]
    assert KINDS["t"] == "|b1" and found.dtype == bool and np.array_equal(found.view(np.uint8), [1, 1])
    result = graded(assignment, replaced("return d\n", "return 2 * d\n"))
    assert [q["points"] for q in result["questions"]] == [0, 2, 2, 2], text(result)


def test_a_reference_with_labels_before_its_numbers(assignment):
    """The gradient of what is no number with a point is zero; the others get their own."""
    question, rng = assignment.question("loss_backward"), np.random.default_rng(0)
    inputs = assignment.question("loss_backward").draw(rng)
    example = given(question, inputs)
    np.testing.assert_array_equal(example.outputs(example.xs), question.reference(*inputs))
    tensors = [type(question)(**{**vars(question), "kind": "tensors", "thing": "loss"})]
    arrays = [np.array([2.0])]
    message = {"ask": "loss", "what": "gradient", "inputs": [packed(x, arrays) for x in inputs]}
    reply, found = helper(tensors, assignment.solution, lambda: None)(message, arrays)
    assert not reply and [a.shape for a in found] == [(4,), (4,), (4, 3)] and not found[0].any() and not found[1].any()
    np.testing.assert_array_equal(found[2], assignment.solution.loss_backward(2.0, *inputs))


def test_what_would_keep_the_grader_busy_is_refused(assignment):
    """Its own process answers for what failed: no submission may choose how long a loop or an array of the reference is."""
    question = assignment.question("both")
    endless = type(question)(**{**vars(question), "thing": "endless"})
    assignment.solution.endless = lambda steps: [np.zeros(1) for _ in range(steps)][:2]
    for value, refused in ((3, False), (10_000, False), (10 ** 8, True), (-2 ** 63, True)):
        arrays = []
        message = {"ask": "endless", "what": "outputs", "inputs": [packed(np.asarray(value), arrays)]}
        reply, _ = helper([endless], assignment.solution, lambda: None)(message, arrays)
        assert ("refused" in reply) == refused, value


def test_outputs_that_are_indices_are_given_as_indices(tmp_path):
    (tmp_path / "solution.py").write_text("")
    (tmp_path / "assignment.py").write_text(
        "assignment('a')\nquestion('a', points=1, function='a', reference=lambda x: (np.argsort(x), x), inputs=[(3,)], "
        "outputs=['order', 'y'], takes=['x', 'order'], parts=['y'])")
    example = Example(load_assignment(tmp_path).questions[0], "public 0")
    _, arrays = example.asked("outputs", example.xs)
    assert arrays[1].dtype == np.int64


@pytest.mark.parametrize("use", [
    "dx, dw = both(dy * s, x, w)\n    return dx", 'return both(dy * s, x, w)["dx"]', "return both(dy * s, x, w)[0]",
    "return both(dy * s, w=w, x=x)[-2]",
    'return dict(both(dy * s, x, w))["dx"]', "return dict(both(dy * s, x, w).items())['dx']"])
@pytest.mark.parametrize("own", ["raise NotImplementedError", "return None"])
def test_it_can_be_used_in_any_form_where_the_students_own_has_none(assignment, use, own):
    result = graded(assignment, replaced(IN_BOTH, own).replace(OF_BOTH, f"s = 1 - np.tanh(x @ w) ** 2\n    {use}"))
    assert [q["points"] for q in result["questions"]] == [2, 0, 2, 2], text(result)


@pytest.mark.parametrize(("own", "use"), [
    ("return {'dx': dy @ w.T, 'dw': dy}", "return [g for name, g in both(dy * s, x, w).items() if name == 'dx'][0]"),
    ("return {'dx': dy @ w.T, 'dw': dy}", "names = list(both(dy * s, x, w))\n    return both(dy * s, x, w)[names[0]]"),
    ("return dy @ w.T, dy", "found = both(dy * s, x, w)\n    assert type(found) is tuple\n    return found[0]")])
def test_it_has_the_form_of_the_students_own(assignment, own, use):
    result = graded(assignment, replaced(IN_BOTH, own).replace(OF_BOTH, f"s = 1 - np.tanh(x @ w) ** 2\n    {use}"))
    assert [q["points"] for q in result["questions"]] == [2, 1, 2, 2], text(result)


@pytest.mark.parametrize(("form", "right"), [("", np.ndarray), ("array", np.ndarray), ("tuple", tuple), ("dict", dict)])
def test_one_part(form, right):
    class Line:
        def ask(self, message, arrays):
            return {"names": ["dx"]}, [np.ones(2)]
    assert type(stand_in(Line(), "f", "function", ["x"], form)(np.ones(2))) is right


def test_what_is_not_defined_is_answered_for_too(assignment):
    """In a notebook with a broken cell as well; also where the file itself uses it."""
    cut = SOLUTION[:SOLUTION.index("def both")] + SOLUTION[SOLUTION.index("def user"):]
    result = graded(assignment, cut)
    assert [q["points"] for q in result["questions"]] == [2, 0, 2, 2] and not result["messages"], text(result)
    assert result["questions"][3]["message"] == "for both it was given the right answers"
    cells = [{"cell_type": "code", "source": code} for code in (cut, "def both(:\n    pass")]
    result = graded(assignment, json.dumps({"cells": cells}), "parts.ipynb")
    assert [q["points"] for q in result["questions"]] == [2, 0, 2, 2] and "SyntaxError" in result["messages"][0]
    result = graded(assignment, cut.replace("def user(", "mine = [both]\n\ndef user(").replace("return both(", "return mine[0]("))
    assert result["questions"][3]["points"] == 2
    assert result["deduction"] == 0.6 and "NameError: name 'both' is not defined" in result["messages"][0]  # it did not run
