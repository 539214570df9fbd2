"""--explain prints programs: pasted into Python, each makes the call again and shows the first wrong number and the right one."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minigrad.__main__ import main
from minigrad.course.assignment import load_assignment
from minigrad.course.example import Example
from minigrad.course.grading import Rules, grade
from minigrad.course.public import load_public
from minigrad.course.release import released
from minigrad.course.results import text

ROOT = Path(__file__).parents[1]
ASSIGNMENT = '''
from minigrad import Tensor, concat, log_softmax, matmul, tanh
from minigrad.layers import Linear

class Layer(Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, rng=np.random.default_rng())

def loss(scores, labels):
    return -log_softmax(scores)[np.arange(len(labels)), labels].mean()

def head(W, x, labels):
    return loss(x @ W, labels)

def labelled(*shapes):
    return lambda rng: (*(rng.normal(size=shape) for shape in shapes), rng.integers(0, 3, 4))

def outer(state, x):
    return state[0] * x, (state[1] + x) * x

assignment("kinds")
question("loss_backward", points=2, function="loss_backward", reference=loss, inputs=labelled((4, 3)), outputs=["loss"],
         takes=["dloss", "scores", "labels"], parts=["dscores"], allow=["numpy"])
question("head", points=4, function="head", reference=head, inputs=labelled((5, 3), (4, 5)), outputs=["loss"],
         takes=["dloss", "W", "x", "labels"], parts=["loss", "dW", "dx"], needs=["loss_backward"])
question("tanh", points=8, op=tanh, inputs=[(2, 3)], order=2)
question("outer", points=4, tensors="outer", reference=outer, inputs=[((2, 3), (2, 3)), (3,)])
question("layer", points=4, module="Layer", reference=Layer, make=(3, 2), inputs=[(4, 3)])
question("is_right", points=2, tests="is_right", right={"sine": (np.sin, lambda g, x: g * np.cos(x))},
         planted={"sign": (np.sin, lambda g, x: -g * np.cos(x))}, inputs=[(3,)])
question("empty", points=1, function="empty", reference=lambda x, y: y.sum(), inputs=[(0, 3), (2,)], outputs=["s"],
         takes=["ds", "x", "y"], parts=["dy"])
'''
RIGHT = '''
import numpy as np
from minigrad import op
from minigrad.layers import Linear

def loss_backward(dloss, scores, labels):
    p = np.exp(scores)
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(4), labels] -= 1
    return dloss * p / 4

def head(dloss, W, x, labels):
    d = loss_backward(dloss, x @ W, labels)
    scores = x @ W
    loss = (np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(4), labels]).mean()
    return loss, x.T @ d, d @ W.T

@op(lambda g, y: g * (1 - y * y))
def tanh(x):
    return np.tanh(x)

def outer(state, x):
    return state[0] * x, (state[1] + x) * x

class Layer(Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, rng=np.random.default_rng())

def is_right(function, gradient, x):
    return np.allclose(gradient(np.ones(3), x), np.cos(x))

def empty(ds, x, y):
    assert x.shape == (0, 3)
    return ds * np.ones(2)
'''
TWICE = "class Layer(Linear):", "class Layer(Linear):\n    def forward(self, x): return 2 * super().forward(x)\n"
CHANGES = {  # what is wrong, by the part that it costs
    "head, loss": ("- scores[np", "+ scores[np"),
    "head, dW": ("return loss, x.T @ d,", "return loss, 2 * x.T @ d,"),
    "tanh, forward": ("return np.tanh(x)", "return 3 * np.tanh(x)"),
    "tanh, gradient of x": ("(1 - y * y)", "(1 + y * y)"),
    "tanh, gradient of the gradient": ("(1 - y * y)", "(1 + y * y)"),
    "outer, forward": ("(state[1] + x) * x", "(state[1] - x) * x"),
    "outer, gradients": ("return state[0] * x, (",
                         "from minigrad import Tensor\n    return state[0] * x, (Tensor(x.numpy()) * 0 + "),
    "layer, forward": TWICE, "layer, gradients": TWICE,
    "empty, dy": ("ds * np.ones(2)", "ds * np.arange(2)"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("kinds")
    (found / "assignment.py").write_text(ASSIGNMENT)
    (found / "solution.py").write_text(RIGHT)
    (found / "handout.md").write_text("# Kinds\n")
    return found


def explained(folder, tmp_path, content, secret=b"s", only=(), name="anna-1.py"):
    """The result, and each program in its text by the part that it is of."""
    (tmp_path / name).write_text(content)
    result = grade(folder, tmp_path / name, "anna", Rules(secret, explain=True, only=only))
    assert "error" not in result, result["error"]
    shown, found = text(result), {}
    for question in result["questions"]:
        for part in question["parts"]:
            if part["explain"]:
                assert f"\n{part['explain']}\n" in shown  # not indented
                found[f"{question['name']}, {part['name']}"] = part["explain"]
    return result, found


def run(*programs):
    """What they print, each in a fresh namespace."""
    several = f"for program in {programs!r}:\n    exec(program, {{'__name__': '__main__'}})\n    print(end='\\0', flush=True)"
    done = subprocess.run([sys.executable, "-c", several], cwd=ROOT, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, f"{programs}\n{done.stderr}"
    printed = done.stdout.split("\0")[:-1]
    return printed if len(programs) > 1 else printed[0]


def test_programs_of_all_kinds(folder, tmp_path):
    content = RIGHT
    for old, new in dict(CHANGES.values()).items():
        assert old in content
        content = content.replace(old, new)
    result, programs = explained(load_assignment(folder), tmp_path, content, secret=None)
    assert set(programs) >= {*CHANGES}, text(result)
    for (part, program), printed in zip(programs.items(), run(*programs.values())):
        assert f"\n# {part}: public inputs 1\n" in program and program.startswith("# Unprotected: "), program
        found = re.fullmatch(r"(.*)\[.*\]: got (\S+) right (\S+)\n", printed)
        assert f"# behind the walls it was: {printed}" in program
        assert found and abs(float(found[2]) - float(found[3])) > 1e-3, program
        if part in ("layer, forward", "head, dW"):
            assert float(found[2]) == pytest.approx(2 * float(found[3]))
        if part == "tanh, gradient of x":  # at the right output, as it was graded
            y = np.tanh(Example(load_assignment(folder).question("tanh"), "public 0").xs[0][0, 0])
            assert float(found[2]) / float(found[3]) == pytest.approx((1 + y * y) / (1 - y * y))


def test_a_program_has_the_right_answers_that_were_given(folder, tmp_path):
    """Where the submission breaks, the program ends as it did, or with the right numbers alone."""
    wrong = RIGHT.replace("return dloss * p / 4", "return None").replace("return loss, x.T @ d,", "return loss, 2 * x.T @ d,")
    result, programs = explained(load_assignment(folder), tmp_path, wrong, secret=None, only=("head", "loss_backward"))
    assert result["questions"][1]["message"] == "for loss_backward it was given the right answers"
    assert run(programs["loss_backward, dscores"]) == "" and "right = [np.array([[" in programs["loss_backward, dscores"]
    found = re.fullmatch(r"dW\[.*\]: got (\S+) right (\S+)\n", run(programs["head, dW"]))
    assert float(found[1]) == pytest.approx(2 * float(found[2])) and float(found[2]) != 0


def test_hidden_inputs_are_called_hidden(folder, tmp_path):
    """Those that lost the points are shown; nothing of the secret is."""
    public = float(Example(load_assignment(folder).question("tanh"), "public 0").xs[0][0, 0])
    second = float(Example(load_assignment(folder).question("tanh"), "public 1").xs[0][0, 0])
    wrong = RIGHT.replace("return np.tanh(x)", f"return np.tanh(x) if x[0, 0] in ({public}, {second}) else 3 * np.tanh(x)")
    result, programs = explained(load_assignment(folder), tmp_path, wrong, only=("tanh",))
    (program,) = programs.values()
    assert "\n# tanh, forward: hidden inputs 1\n" in program and result["points"] == 4
    assert "--student 'anna' --secret FILE --question tanh --explain\n" in program
    found = re.fullmatch(r"output 0\[0, 0\]: got (\S+) right (\S+)\n", run(program))
    assert float(found[1]) == pytest.approx(3 * float(found[2]))
    assert not re.search("[0-9a-f]{20}", re.sub(r"\d+", "0", program))  # no key


def test_a_test_a_notebook_and_what_students_have(folder, tmp_path):
    """A student's own test is run on all pairs; a notebook is run as it is graded; a release shows its stored numbers."""
    wrong = RIGHT.replace("return np.allclose(", "return True or np.allclose(").replace("(1 - y * y)", "(1 + y * y)")
    released(load_assignment(folder), tmp_path)
    notebook = json.dumps({"cells": [{"cell_type": "code", "source": f"%matplotlib inline\n{wrong}"}]})
    _, programs = explained(load_assignment(folder), tmp_path, notebook, None, ("tanh", "is_right"), "anna.ipynb")
    assert run(programs["is_right, finds sign"]) == "sine True\nsign True\n"
    result, stored = explained(load_public(tmp_path), tmp_path, wrong, None, ("tanh", "is_right"))
    assert "With --explain" not in text(result)
    result["questions"][0]["parts"][1]["explain"] = ""
    assert "With --explain you see the inputs of each part that is not right" in text(result)
    assert run(stored["is_right, accepts what is right"]) == "the square True\na wrong sign True\na factor of two True\n"
    for part, name in (("tanh, gradient of x", "gradient of x"), ("tanh, gradient of the gradient", "second gradient of x")):
        for program in (programs[part], stored[part]):
            assert run(program).startswith(f"{name}[0, 0]: got ")


def test_words_of_a_submission_stay_comments(folder, tmp_path):
    wrong = RIGHT.replace("return dloss * p / 4", "raise ValueError('a\\nprint(1)\\r\\x0cprint(2)\\u2028print(3)')")
    _, programs = explained(load_assignment(folder), tmp_path, wrong, None, ("loss_backward",))
    (program,) = programs.values()
    assert sum(line.startswith("# ") for line in program.splitlines()) == 5 and "# print(1)" in program


def test_a_question_alone_has_the_verdict_that_it_has_among_all(folder, tmp_path, capsys):
    """What it needs is graded too, without points, and the headline names the question."""
    wrong = RIGHT.replace("return dloss * p / 4", "return dloss * p")
    alone, _ = explained(load_assignment(folder), tmp_path, wrong, only=("head",))
    whole, _ = explained(load_assignment(folder), tmp_path, wrong)
    assert alone["questions"] == [whole["questions"][1]] and alone["points"] == alone["max"] == 4
    assert text(alone).startswith("anna: 4 of 4 points of head\n") and "Only head was graded." in text(alone)
    arguments = ["grade", str(tmp_path / "anna-1.py"), "--assignment", str(folder), "--public", "--question", "heads"]
    assert main(arguments) == 2 and "no question heads; there are loss_backward, head," in capsys.readouterr().err
