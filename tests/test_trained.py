"""Questions about a trained model: only the weights' loss on data that the submission has not seen earns points."""

import json

import numpy as np
import pytest

from minigrad.course.assignment import AssignmentError, load_assignment
from minigrad.course.classroom import grade_one
from minigrad.course.example import Example
from minigrad.course.grading import AFTER_A_HANG, Rules
from minigrad.course.hints import mistakes
from minigrad.course.proof import _as_it_says, prove
from minigrad.course.release import released
from minigrad.course.results import text
from minigrad.course.session import Session

ASSIGNMENT = '''
def drawn(rng):  # REFERENCE
    slope, x, new = rng.normal(size=3), rng.normal(size=(50, 3)), rng.normal(size=(50, 3))
    return x, x @ slope, 7, new, new @ slope

def quality(x, y, seed, new, new_y, weights):
    """Half of the points for half of the slope."""
    error = (new * weights["W"]).sum(axis=1) + weights["b"] - new_y
    return np.sqrt((error ** 2).mean() / (new_y ** 2).mean()), 1.0, 1e-6

assignment("line", file="line.py")
question("model", points=2, function="model", reference=lambda x, W, rows: (x @ W)[rows], outputs=["y"],
         inputs=lambda rng: (rng.normal(size=(2, 3)), rng.normal(size=3), np.array([1, 0, 1])), takes=["x", "W", "rows"],
         parts=["y"])
question("train", points=8, trains="train", reference=quality, inputs=drawn, takes=["x", "y", "seed"],
         weights={"W": (3,), "b": ()}, needs=["model"], seconds=2, sets=1)
'''
SOLUTION = '''
import numpy as np

### BEGIN SOLUTION
def model(x, W, rows):
    return (x @ W)[rows]


def train(x, y, seed):
    found = model(np.linalg.pinv(x), y, np.arange(3))
    return {"W": found, "b": 0.0}
### END SOLUTION
'''
MEASURE = '''
def error(new, new_y, W, b):
    return np.sqrt(((new @ W + b - new_y) ** 2).mean() / (new_y ** 2).mean())
'''


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    folder = tmp_path_factory.mktemp("line")
    (folder / "wrong").mkdir()
    for name, content in (
            ("assignment.py", ASSIGNMENT), ("solution.py", SOLUTION), ("handout.md", "# Fit a line\n"),
            ("wrong/half.py", "# loses: train 3.9..4.1\n# hint: One half.\ndef train(x, y, seed):\n"
                              "    return {'W': np.linalg.pinv(x) @ y / 2, 'b': 0.0}\n"),
            ("wrong/model.py", "# loses: model 2\n# hint: A factor.\ndef model(x, W, rows):\n    return 3 * (x @ W)[rows]\n")):
        (folder / name).write_text(content)
    return folder


def graded(line, tmp_path, content, **rules):
    (tmp_path / "line.py").write_text(content)
    return grade_one(line, tmp_path / "line.py", "anna", Rules(**{"secret": b"s3cret", "seconds": 2.0, **rules}),
                     tmp_path / "results.json", "gradescope")


def test_points_are_linear_in_the_loss(line, tmp_path):
    """Public points alone are called partial; the sentence gives loss and worth, and nothing of the data."""
    assert graded(line, tmp_path, SOLUTION)["points"] == 10
    for factor, points in ((0.5, 4), (0.25, 2), (2, 0), (-1, 0)):
        result = graded(line, tmp_path, SOLUTION.replace('"W": found', f'"W": {factor} * found'))
        assert abs(result["points"] - 2 - points) < 1e-4, text(result)
    result = graded(line, tmp_path, SOLUTION.replace('"W": found', '"W": found / 2'), secret=None)
    assert "public: in part" in text(result) and "its loss on new data is 0.5, worth 50.0%" in text(result)
    written = json.loads((tmp_path / "results.json").read_text())
    assert "REFERENCE" not in str(written) and not any("score" in test for test in written["tests"])


def test_public_tests_measure_with_a_function_of_the_starter(line, tmp_path):
    """Students see what their training is worth, and no reference; the loss is as good as their function is."""
    for name, old, new in (("with", "sets=1", 'sets=1, measure="error"'), ("without", "", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "assignment.py").write_text(ASSIGNMENT.replace(old, new))
        (tmp_path / name / "solution.py").write_text(SOLUTION + MEASURE)
        released(load_assignment(tmp_path / name), tmp_path / name / "release")
    half = (SOLUTION + MEASURE).replace('"W": found', '"W": found / 2')
    for content, points, words in (
            (half, 4, "its loss on new data is 0.5, worth 50.0%"), (SOLUTION + MEASURE, 8, "public: right"),
            (SOLUTION, 0, "error, which measures your weights: error is not defined"),
            (SOLUTION + MEASURE.replace("np.sqrt(", "(").replace(".mean()", ""), 0, "error, which measures your weights: it must "
             "return one number")):
        result = graded(tmp_path / "with" / "release", tmp_path, content, secret=None, only=("train",))
        assert abs(result["points"] - points) < 1e-4 and words in text(result), text(result)
    assert "REFERENCE" not in (tmp_path / "with" / "release" / "public.json").read_text()
    assert "`train` has no public tests" in (tmp_path / "without" / "release" / "line.ipynb").read_text()


def test_a_mistake_in_what_training_needs_costs_once(line, tmp_path):
    assert graded(line, tmp_path, SOLUTION.replace("return (x @ W)", "return -(x @ W)"))["points"] == 8


HOSTILE = {  # what train returns instead, or does first: words that the result must have
    'return {"W": np.full(3, np.nan), "b": 0.0}': "W has numbers that are not finite",
    'return {"W": np.full(3, np.inf), "b": 0.0}': "not finite",
    'return {"W": np.full(3, 1e300), "b": 0.0}': "worth 0.0%",
    'return {"W": np.full(3, 1.7e308), "b": -1.7e308}': "loss on new data is nan, worth 0.0%",
    'return {"W": np.zeros((3, 1)), "b": 0.0}': "W has shape (3, 1), and the model's has (3,)",
    'return {"W": found}': "b: it returned None: is a return missing?",
    'return {"W": "found", "b": 0.0}': "no array of numbers",
    'return {"W": np.array([object()] * 3), "b": 0.0}': "no array of numbers",
    'return {"W": 1j * found, "b": 0.0}': "no array of numbers",
    'return {"W": np.zeros(10 ** 7), "b": 0.0}': "more numbers than any answer has",
    'return {"W": lambda x: 0, "b": 0.0, "loss": 0.0}': "no array of numbers",
    'return {"loss": 0.0, "quality": 1.0}': "is a return missing?",
    "return None": "it returned None",
    "raise ValueError('no')": "ValueError: no",
    "import os; os._exit(0)": "its process ended",
}


@pytest.mark.parametrize("body", HOSTILE)
def test_what_are_no_weights_is_worth_nothing(line, tmp_path, body):
    result = graded(line, tmp_path, SOLUTION.replace('return {"W": found, "b": 0.0}', body), secret=None)
    assert result["points"] == 2 and HOSTILE[body] in text(result) and "error" not in result, text(result)


def test_what_hung_once_has_less_time_afterwards(line, tmp_path, monkeypatch):
    asking, given = Session.asking, []
    monkeypatch.setattr(Session, "asking", lambda self, question, stand_ins, seconds: given.append((question.name, seconds)) or
                        asking(self, question, stand_ins, seconds))
    result = graded(line, tmp_path, SOLUTION.replace('return {"W": found, "b": 0.0}', "while True: pass"))
    assert result["points"] == 2 and "took too long" in text(result)
    assert [seconds for name, seconds in given if name == "train"] == [2.0, 2.0 * AFTER_A_HANG]


def test_the_answer_for_known_data_is_worth_nothing(line, tmp_path):
    """Stored weights for the public data fail on the hidden data."""
    example = Example(load_assignment(line).question("train"), "public 0")
    slope = np.linalg.pinv(example.inputs[0]) @ example.inputs[1]
    known = f"found = np.array({slope.tolist()})"
    result = graded(line, tmp_path, SOLUTION.replace("found = model(np.linalg.pinv(x), y, np.arange(3))", known))
    (part,) = result["questions"][1]["parts"]
    assert part["public"] and not part["hidden"] and part["points"] < 4


def test_the_data_that_judge_are_not_sent(line):
    """Only the inputs in takes= leave this process."""
    example = Example(load_assignment(line).question("train"), "hidden 0 x")
    message, arrays = example.asked("outputs", example.xs)
    assert message["takes"] == ["x", "y", "seed"] and len(message["inputs"]) == 3
    sent = [array for array in arrays if array.shape == (50, 3)]
    assert len(sent) == 1 and (sent[0] == example.inputs[0]).all() and not (sent[0] == example.inputs[3]).any()


@pytest.mark.parametrize(("old", "new", "words"), [
    ('takes=["x", "y", "seed"]', 'takes=["x", "y", "seed", "new", "new_y"]', "without the data that it is judged by"),
    ('weights={"W": (3,), "b": ()}', "weights={}", "needs weights="),
    ("1.0, 1e-6", "1.0, 2.0", "a loss of 1.0 is worth nothing, and 2.0 all points"),
    ("1.0, 1e-6", "1.5, 1e-6", "a model whose weights are all 0 would earn points: its loss is 1, and 1.5 is worth nothing"),
    ('weights["W"]', 'weights["V"]', "the reference of question 'train' fails: KeyError"),
])
def test_a_question_that_cannot_be_judged(line, tmp_path, old, new, words):
    assert ASSIGNMENT.count(old) == 1
    (tmp_path / "assignment.py").write_text(ASSIGNMENT.replace(old, new))
    (tmp_path / "solution.py").write_text(SOLUTION)
    with pytest.raises(AssignmentError) as error:
        Example(load_assignment(tmp_path).question("train"), "public 0")
    assert words in str(error.value)


def test_the_proof_of_such_an_assignment(line):
    """A wrong solution loses points within a range; outside of it the proof fails."""
    said = []
    assert prove(line, said.append) == 0 and "ok     wrong/half.py loses train 3.9..4.1" in said, said
    half = line / "wrong" / "half.py"
    half.write_text(half.read_text().replace("3.9..4.1", "4.5..5"))
    assignment = load_assignment(line)
    known = mistakes(assignment)
    (wrong,) = [mistake for mistake in known if mistake.path == half]
    (said,) = _as_it_says(assignment, known, wrong, SOLUTION.encode())
    assert "train loses 4" in said and "not 4.5..5" in said
