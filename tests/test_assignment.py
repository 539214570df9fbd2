"""python -m minigrad assignment: a new assignment, its proof, release and bundle, run in Gradescope's way."""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from check_command import ENVIRONMENT, minigrad

from minigrad.__main__ import main
from minigrad.course.assignment import AssignmentError, load_assignment
from minigrad.course.example import Example
from minigrad.course.finding import Finding
from minigrad.course.hints import Mistake, hint, mistakes
from minigrad.course.judging import judged
from minigrad.course.proof import _all_points, _as_it_says, _earned_by_zeros, graded, prove
from minigrad.course.public import judged_stored, load_public
from minigrad.course.release import released
from minigrad.course.starter import solution_lines, starter


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course") / "gated"
    assert main(["assignment", "new", str(folder)]) == 0
    return folder


@pytest.mark.meanwhile
def test_a_new_assignment_is_a_proved_one():
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "gated")
        assert minigrad("assignment", "new", made)[0] == 0
        code, out, _ = minigrad("assignment", "test", made)
        assert code == 0 and "gated: ready for release" in out and "FAILS" not in out and out.count("wrong/") == 3, out
        code, _, err = minigrad("assignment", "new", made)
        assert code == 2 and "is not empty" in err


LEAK = "dict(dh=dh_new * z, dx=dh_new * (1 - z), dz=dh_new * (h - x))"
DEFECTS = [
    ("solution.py", "### STARTER @op(todo)", "### STARTER @op(nothing)", "NameError"),
    ("solution.py", "### STARTER return dict(dh=todo(), dx=todo(), dz=todo())", "### STARTER return dict(dh=dh_new * z)",
     "it gets 1.8"),
    ("wrong/slope.py", "softsign 2", "softsign 4", "softsign loses 2, not 4"),
    ("wrong/sign.py", "dz=dh_new * (x - h)", "dz=dh_new * (x - 2 * h)", "ok     wrong/sign.py"),
    ("wrong/convention.py", "dh=dh_new * (1 - z), dx=dh_new * z", "dh=dh_new * z, dx=dh_new * (1 - z)",
     "its hint is not shown"),
    ("handout.md", "# gated", f"return {LEAK}", f"handout.md has: return {LEAK}"),
    ("assignment.py", "seconds=20", "seconds=0.001", "it takes too long"),
]


def copied(made, to):
    (to / "wrong").mkdir()
    for source in (*made.glob("*.py"), *made.glob("*.md"), *made.glob("wrong/*.py")):
        (to / source.relative_to(made)).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")


def replaced(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.meanwhile
def test_what_the_proof_finds():
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "gated")
        assert minigrad("assignment", "new", made)[0] == 0
        for file, old, new, _ in DEFECTS:
            replaced(made / file, old, new)
        code, out, _ = minigrad("assignment", "test", made)
    assert code == 1
    for *_, words in DEFECTS:
        assert words in out, words


def test_a_wrong_solution_is_found(made, tmp_path):
    copied(made, tmp_path)
    replaced(tmp_path / "solution.py", "(1 + abs(x)) ** 2", "(1 + abs(x)) ** 3")
    assert any("softsign, gradient of x" in line for line in _all_points(graded(load_assignment(tmp_path), (
        tmp_path / "solution.py").read_bytes())))


def test_the_starter():
    solution = "a = 1\n### BEGIN SOLUTION\n    secret = a + 12345\n### END SOLUTION\n    ### STARTER return todo()\nb = 2\n"
    assert starter(solution) == "a = 1\n    return todo()\nb = 2\n" and solution_lines(solution) == {"secret = a + 12345"}
    for broken in ("### BEGIN SOLUTION\n", "### END SOLUTION\n", "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION"):
        with pytest.raises(AssignmentError, match="has no partner"):
            starter(broken)


def test_the_release_holds_no_answer_and_is_what_students_grade_with(made, tmp_path, capsys):
    assert main(["assignment", "release", str(made)]) == 0
    release = made / "release"
    assert sorted(file.name for file in release.iterdir()) == ["gated.ipynb", "gated.py", "handout.md", "public.json"]
    assert main(["grade", str(release / "gated.py"), "--assignment", str(release)]) == 0
    out = capsys.readouterr().out
    assert "0 of 10 points, if the hidden tests agree" in out and "not written yet" in out
    assert main(["grade", str(made / "solution.py"), "--assignment", str(release)]) == 0
    assert "10 of 10 points, if the hidden tests agree" in capsys.readouterr().out
    wrong = tmp_path / "gated.py"
    wrong.write_text((made / "solution.py").read_text() + (made / "wrong" / "sign.py").read_text())
    assert main(["grade", str(wrong), "--assignment", str(release)]) == 0
    assert "8 of 10 points" in (out := capsys.readouterr().out) and "6 of 6 numbers are wrong" in out
    assert "hint: Make z a little larger" in out


@pytest.mark.meanwhile
def test_the_bundle_runs_as_gradescope_runs_it():
    with tempfile.TemporaryDirectory() as folder:
        made, root = Path(folder, "gated"), Path(folder, "autograder")
        assert minigrad("assignment", "new", made)[0] == minigrad("assignment", "bundle", made)[0] == 0
        for name in ("source", "submission", "results"):
            (root / name).mkdir(parents=True)
        with zipfile.ZipFile(made / "gated.zip") as archive:
            archive.extractall(root / "source")
        assert {"setup.sh", "run_autograder", "secret", "assignment", "minigrad"} <= set(os.listdir(root / "source"))
        assert oct((made / "secret").stat().st_mode)[-3:] == "600"
        (root / "submission_metadata.json").write_text(json.dumps({"users": [{"id": 17, "email": "anna@x.org"}]}))
        environment = {**ENVIRONMENT, "AUTOGRADER": str(root), "PYTHON": sys.executable}

        def run(content):
            if content is not None:
                (root / "submission" / "gated.py").write_text(content)
            subprocess.run(["sh", root / "source" / "run_autograder"], cwd=root, env=environment, check=True, capture_output=True,
                           timeout=300)
            return json.loads((root / "results" / "results.json").read_text())

        missing = run(None)
        assert missing["score"] == 0 and "gated.py was not handed in" in missing["output"]
        solution = (made / "solution.py").read_text()
        result = run(solution)
        assert result["score"] == 10 and result["extra_data"]["student"] == "anna@x.org" and "protection: " in result["output"]
        result = run(solution + (made / "wrong" / "slope.py").read_text())
        assert result["score"] == 8 and any("hint: Where is the square?" in test["output"] for test in result["tests"])
        (root / "source" / "assignment" / "assignment.py").write_text("1 / 0")
        assert "not your mistake" in run(solution)["output"]


@pytest.mark.parametrize(("header", "words"), [
    ("# loses: nothing 3\n# hint: none", "there is no question nothing"), ("# hint: none", "must begin with lines as '# loses: "),
    ("# loses: softsign 2\n# loses: nonsense 99\n# hint: none", "there is no question nonsense"),
    ("# loses: softsign 2, rubbish, step_backward 2\n# hint: none", "this cannot be read: rubbish"),
    ("# loses: softsign 2\n# loses: softsign 2\n# hint: none", "each question once"),
    ("# loses: softsign two\n# hint: none", "softsign two"),
    ("# loses: softsign 2\n# hangs: nothing\n# hint: none", "there is no question nothing")])
def test_wrong_solutions_must_say_what_they_lose(made, tmp_path, capsys, header, words):
    for name in ("assignment.py", "solution.py"):
        (tmp_path / name).write_text((made / name).read_text())
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "a.py").write_text(f"{header}\n")
    assert main(["assignment", "test", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert words in said and str(tmp_path / "wrong" / "a.py") in said
    with pytest.raises(AssignmentError, match="cannot be read|No such file"):
        load_assignment(tmp_path / "nowhere")


def test_what_is_lost_may_stand_in_several_lines(made, tmp_path):
    copied(made, tmp_path)
    (tmp_path / "wrong" / "sign.py").write_text("# loses: softsign 2\n# loses: step_backward 2\n# hint: none\n")
    assert mistakes(load_assignment(tmp_path))[1].loses == {"softsign": 2, "step_backward": 2}


def test_a_wrong_solution_that_loses_more_than_it_says(made, tmp_path):
    """In another question that asks for the same function; and in one that shares nothing that is declared."""
    copied(made, tmp_path)
    with open(tmp_path / "assignment.py", "a", encoding="utf-8") as file:
        for name, thing in (("again", "step_backward"), ("other", "other")):
            file.write(f'question("{name}", points=3, function="{thing}", reference=step, inputs=[(2, 3), (2, 3), (2, 3)], '
                       'outputs=["h_new"], takes=["dh_new", "h", "x", "z"], parts=["dh", "dx", "dz"])\n')
    with open(tmp_path / "solution.py", "a", encoding="utf-8") as file:
        file.write("\ndef other(dh_new, h, x, z):\n    return step_backward(dh_new, h, x, z)\n")
    assignment, solution = load_assignment(tmp_path), (tmp_path / "solution.py").read_bytes()
    known = mistakes(assignment)
    found = {mistake.path.stem: _as_it_says(assignment, known, mistake, solution) for mistake in known
             if mistake.path.stem in ("sign", "slope")}
    assert found == {"sign": ["again loses 1, not 0: dz", "other loses 1, not 0: dz"], "slope": []}


def test_an_assignment_without_wrong_solutions(made, tmp_path):
    copied(made, tmp_path)
    for file in (tmp_path / "wrong").iterdir():
        file.unlink()
    said = []
    assert prove(tmp_path, said.append) == 0
    assert said[0].startswith("note: no wrong solution loses points in softsign, step_backward, so nothing proves")


STEP = 'question("step_backward", points=6, function="step_backward", reference=step, inputs=[(2, 3), (2, 3), (2, 3)],'


@pytest.mark.parametrize(("old", "new", "words"), [
    (STEP, STEP.replace("reference=step, ", ""), "question 'step_backward' needs reference="),
    (STEP, STEP.replace("inputs=[(2, 3), (2, 3), (2, 3)],", ""), "question 'step_backward' needs inputs="),
    (', parts=["dh", "dx", "dz"]', "", "'step_backward' needs parts="),
    (STEP, STEP.replace("(2, 3)],", "3],"), "asks for dz, and z is 3: no array of floating-point numbers, so it has no gradient"),
    ('outputs=["h_new"]', 'outputs=["h_new", "c_new"]', "the reference returns 1 arrays, and outputs= has 2 names"),
    ("return z * h", "return 1 / 0 + z * h", "the reference of question 'step_backward' fails: ZeroDivisionError"),
    ("points=4, op", "points=4 / 0, op", "assignment.py:5: ZeroDivisionError"),
])
def test_what_an_author_forgets(made, tmp_path, capsys, old, new, words):
    """It is said first and alone, not as points that solutions lose."""
    copied(made, tmp_path)
    replaced(tmp_path / "assignment.py", old, new)
    assert main(["assignment", "test", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert words in err and not out and "Traceback" not in err


def test_points_for_zeros_are_noted(made, tmp_path):
    copied(made, tmp_path)
    for new, earned in (("return z * h + (1 - z) * x", []), ("return z * h + (1 - z) * x * 0", ["dx"])):
        replaced(tmp_path / "assignment.py", "return z * h + (1 - z) * x", new)
        questions = load_assignment(tmp_path).questions
        assert [_earned_by_zeros(Example(question, "seed")) for question in questions] == [[], earned]


SAVED = """
def norm(x):
    mean = x.mean(axis=0)
    scale = ((x - mean) ** 2).mean(axis=0) ** 0.5
    return (x - mean) / scale, mean, scale

assignment("saved")
question("backward", points=1, function="backward", reference=norm, inputs=[(4, 3)], outputs=["y", "mean", "scale"],
         takes=["dy", "x", "mean", "scale"], parts=["dx"])
"""


def hidden_and_public(text, folder):
    """An assignment of one question, and an example with its judge for the grader's inputs and for those of students."""
    (folder / "assignment.py").write_text(text)
    (folder / "solution.py").write_text("import numpy as np\n")
    released(assignment := load_assignment(folder), folder / "release")
    (stored,) = load_public(folder / "release").stored.values()
    return assignment, ((Example(assignment.questions[0], "hidden"), judged), (stored[0], judged_stored))


def test_no_gradient_arrives_where_the_function_takes_none(tmp_path):
    """A backward pass that is given what the forward saved; the hint names one of several ways."""
    assignment, examples = hidden_and_public(SAVED, tmp_path)
    for sign, said in (
            ("-", ("", "")), ("+", ("what goes back has the wrong sign, somewhere on the way from scale to x", "12 of 12"))):
        content = ("def backward(dy, x, mean, scale):\n    y = (x - mean) / scale\n"
                   f"    return (dy - dy.mean(axis=0) {sign} y * (dy * y).mean(axis=0)) / scale")
        ask = Mistake(tmp_path / "mine.py", {}, "", content.encode()).local(assignment)
        for (example, judge), words in zip(examples, said):
            finding = judge(example, ask)["dx"]
            assert finding.ok == (not words) and words in finding.text, finding


def test_a_reference_that_does_not_work_on_tensors(made, tmp_path, capsys):
    copied(made, tmp_path)
    replaced(tmp_path / "assignment.py", "return z * h", "return np.asarray(z) * h")
    assert main(["assignment", "release", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert "the reference of question 'step_backward' must work on Tensors, as on arrays: " in err
    assert "Traceback" not in out + err


def test_each_command_says_what_it_does(capsys):
    for action, words in (("new", "Write a small assignment"), ("test", "each wrong solution loses just what"),
                          ("release", "public tests"), ("bundle", "Gradescope")):
        with pytest.raises(SystemExit):
            main(["assignment", action, "--help"])
        out = capsys.readouterr().out
        assert words in " ".join(out.split()) and ("--secret" in out) == (action == "bundle")


SEVERAL = """
def wrong(roots, square):
    if roots.shape != (2,):
        return "two numbers are asked for"
    if not np.allclose(roots ** 2, square):
        return "a square is wrong"
    return "" if roots[0] != roots[1] else "it is twice the same"

assignment("roots")
question("roots", points=2, function="roots", reference=lambda square: np.array([1, -1]) * np.sqrt(square), inputs=[()], low=1.0,
         outputs=["both"], takes=["square"], parts=["both"], fault=wrong)
"""


def test_several_answers_may_be_right(tmp_path):
    """The assignment says what is wrong with an answer, even if students have only the public tests."""
    assignment, examples = hidden_and_public(SEVERAL, tmp_path)
    for answer, words in (
            ("[1, -1]", ""), ("[-1, 1]", ""), ("[1, 1]", "it is twice the same"), ("[1, -2]", "a square is wrong"),
            ("[1, -1, 1]", "two numbers"), ("[np.nan, 1]", "a square is wrong"), ("7", "two numbers"), ("None", "is a return")):
        mine = f"def roots(square): return {answer} and np.array({answer}) * square ** 0.5"
        for example, judge in examples:
            finding = judge(example, Mistake(tmp_path / "mine.py", {}, "", mine.encode()).local(assignment))["both"]
            assert finding.ok == (not words) and words in finding.text, (answer, finding)


OF_A_TEST = """
assignment("verdicts")
question("is_right", points=4, tests="is_right", inputs=[(3,)], right={"sine": (np.sin, lambda x, g: g * np.cos(x))},
         planted={"sign": (np.sin, lambda x, g: -g * np.cos(x)), "half": (np.sin, lambda x, g: g * np.cos(x) / 2)})
"""


def test_a_test_earns_points_by_telling_right_from_wrong(tmp_path):
    """Accepting everything, or refusing everything, earns nothing; in public too, where the functions are others."""
    (tmp_path / "assignment.py").write_text(OF_A_TEST)
    (tmp_path / "solution.py").write_text("import numpy as np\n")
    released(assignment := load_assignment(tmp_path), tmp_path / "release")
    shown = load_public(tmp_path / "release")
    slope = "g @ (f(x + 1e-6) - f(x - 1e-6)) / 2e-6"
    for verdict, right in (("True", []), ("False", []), (f"abs(gradient(x, g).sum() - {slope}) < 1e-6", [0, 1, 2]),
                           (f"gradient(x, g).sum() * {slope} > 0", [0, 1])):  # only the sign is looked at
        content = f"def is_right(f, gradient, x):\n    g = x + 3\n    return {verdict}"
        mine = Mistake(tmp_path / "mine.py", {}, "", content.encode())
        for example, judge in (Example(assignment.questions[0], "hidden"), judged), (shown.stored["is_right"][0], judged_stored):
            found = judge(example, mine.local(assignment))
            assert [i for i, finding in enumerate(found.values()) if finding.ok] == right, (verdict, found)


def test_a_fault_that_cannot_judge_an_answer(tmp_path):
    (tmp_path / "assignment.py").write_text(SEVERAL.replace("if roots.shape", "if roots[7].shape"))
    (tmp_path / "solution.py").write_text("import numpy as np\ndef roots(square): return np.array([1, -1])\n")
    result = graded(load_assignment(tmp_path), (tmp_path / "solution.py").read_bytes())
    assert "it cannot be judged: IndexError" in _all_points(result)[0]
    (tmp_path / "assignment.py").write_text(SEVERAL.replace('parts=["both"]', 'parts=["both", "dsquare"]'))
    with pytest.raises(AssignmentError, match="fault= judges one part, and parts= has 2"):
        load_assignment(tmp_path)


def test_what_hangs_is_not_run_for_a_hint(tmp_path):
    """Only submissions that hang get the hint, and nobody else waits."""
    (tmp_path / "assignment.py").write_text(SEVERAL)
    (tmp_path / "solution.py").write_text("import numpy as np\n")
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "endless.py").write_text("# loses: roots 2\n# hangs: roots\n# hint: When does it stop?\n"
                                                   "def roots(square):\n    while True: pass\n")
    assignment = load_assignment(tmp_path)
    known = mistakes(assignment)
    for hangs, shown in (True, "When does it stop?"), (False, ""):
        example = Example(assignment.questions[0], "public 0")
        finding = Finding(False, "some words", ended=hangs, numbers=[] if hangs else [np.ones(2)], example=example)
        assert hint(assignment, known, "both", [finding, finding]) == shown


def test_the_questions_of_the_guide(tmp_path):
    """The example in teaching.md is an assignment: a right solution gets all points, and the sign costs what it says."""
    guide = (Path(__file__).parents[1] / "examples" / "guides" / "teaching.md").read_text(encoding="utf-8")
    code = guide.split("```py\n")[1].split("```")[0]
    folder = tmp_path / "loss"
    (folder / "wrong").mkdir(parents=True)
    (folder / "assignment.py").write_text(f'assignment("loss", seconds=20)\n{code}', encoding="utf-8")
    right = '''
def loss(scores, labels):
    return -_log_p(scores)[np.arange(len(labels)), labels].mean()
'''
    backward = '''
def loss_backward(dloss, scores, labels):
    p = np.exp(_log_p(scores))
    p[np.arange(len(labels)), labels] -= 1
    return dloss * p / len(labels)
'''
    log_p = '''import numpy as np

def _log_p(scores):
    scores = scores - scores.max(axis=1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
'''
    stub = '    ### END SOLUTION\n    ### STARTER raise NotImplementedError("not written yet")\n'
    marked = "".join(text.replace(":\n", ":\n    ### BEGIN SOLUTION\n", 1) + stub for text in (right, backward))
    (folder / "solution.py").write_text(log_p + marked, encoding="utf-8")
    (folder / "handout.md").write_text("# Loss\n", encoding="utf-8")
    (folder / "wrong" / "sign.py").write_text("# loses: loss_backward 4\n# hint: Which way is up?\n"
                                              + backward.replace("return dloss", "return -dloss"), encoding="utf-8")
    assert prove(folder) == 0
