"""python -m minigrad grade: only right numbers earn points, whatever a submission does; a result exists at any time."""

import csv
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from check_command import ROOT, WITH_CHECKOUT
from hostile import RIGHT, TABLE, WRONG
from hostile_tricks import TRICKS
from thorough import THOROUGH

from minigrad.__main__ import main
from minigrad.course.assignment import Assignment, AssignmentError, load_assignment
from minigrad.course.classroom import file_name, grade_class, grade_one, submissions
from minigrad.course.client import PROTECTION
from minigrad.course.example import Example
from minigrad.course.grading import Rules, _open_to_all
from minigrad.course.results import gradescope, table, text

ASSIGNMENT = '''
def rnn(xs, h0):  # REFERENCE
    hs, h = [], h0
    for x in xs:
        h = x + 0.5 * h
        hs.append(h)
    return stack(hs)

from minigrad import stack
assignment("demo", file="demo.py")
question("tanh", points=4, op=np.tanh, inputs=[(2, 3)], withhold=["tanh"])
question("rnn", points=6, function="rnn", reference=rnn, inputs=[(3, 2), (2,)], outputs=["hs"],
         takes=["xs", "h0", "dhs"], parts=["hs", "dxs", "dh0"], withhold=["tanh"])
'''


def assignment_in(folder):
    (folder / "assignment.py").write_text(ASSIGNMENT, encoding="utf-8")
    (folder / "solution.py").write_text(RIGHT, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return assignment_in(tmp_path_factory.mktemp("assignment"))


PUBLIC = {"secret": None}  # half the work, where nothing depends on hidden inputs


def graded(demo, tmp_path, content, name="demo.py", **rules):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return grade_one(demo, path, "anna", Rules(**{"secret": b"s3cret", **rules}), tmp_path / "results.json",
                     "gradescope")


# The others take their time: they run with HYPOTHESIS_PROFILE=thorough.
EVERY_TIME = [
    "right", "crash after it", "os._exit at import", "empty", "no Python", "not UTF-8", "50 MB",
    "deep nesting", "another thing by that name", "a hang at call", "100 GB", "None", "wrong shapes",
    "a part is missing", "equal to everything", "other numbers each time", "writes results.json", "patches the checks",
    "forges answers", "closes descriptors", "kills its parent", "forks", "takes back what was withheld",
    "the wrong name for an exception", "a line that tells", "asks and never reads"]
ALL = {**TABLE, **TRICKS}
# These meet hidden inputs, too, with HYPOTHESIS_PROFILE=thorough alone: nothing in them depends on the inputs.
AT_PUBLIC_INPUTS = () if THOROUGH else (
    "empty", "no Python", "not UTF-8", "50 MB", "deep nesting", "another thing by that name", "equal to everything",
    "patches the checks", "closes descriptors", "forks")


NAMES = list(ALL) if THOROUGH else EVERY_TIME


@functools.cache
def all_graded():
    """A process that prints for each name its result, the file results.json, and the seconds."""
    return subprocess.run([sys.executable, __file__], cwd=ROOT, capture_output=True, env=WITH_CHECKOUT, timeout=600)


@pytest.mark.meanwhile
@pytest.mark.parametrize("name", NAMES)
def test_each_ends_in_a_score_by_the_rules_and_a_sentence(name):
    _, points, words = ALL[name]
    process = all_graded()
    assert process.returncode == 0, process.stderr.decode()
    result, shown, seconds = json.loads(process.stdout)[name]
    written = json.loads(shown)
    assert points is None or result["points"] == points, text(result)
    assert written["score"] == round(result["points"], 2) and words in text(result)
    assert seconds < 60 and "error" not in result
    hidden = [test["output"] for test in written["tests"] if "hidden" in test["name"]]
    assert "7777777" not in "".join(hidden), "a number of its own choice could tell hidden inputs"
    assert "FOUND" not in shown and "REFERENCE" not in shown and "s3cret" not in shown and "LEAK" not in "".join(hidden)
    assert result["protection"] in PROTECTION.values() or not result["submission"]


def test_a_mistake_costs_once(demo, tmp_path):
    """A wrong forward costs the forward, a wrong formula its gradient, in every order."""
    for right, wrong, points in (("return np.tanh(x)", "return 2 * np.tanh(x)", 8), ("g * (1 - y * y)", "g * (1 + y * y)", 8),
                                 ("hs.append(h)", "hs.append(2 * h)", 8), ("dh = 0.5 * dh", "dh = 0 * dh", 6)):
        assert graded(demo, tmp_path, RIGHT.replace(right, wrong), **PUBLIC)["points"] == points


@pytest.mark.skipif(os.name != "posix", reason="umask")
def test_a_grader_whose_new_files_are_for_itself_alone(demo, tmp_path):
    before = os.umask(0o077)
    try:
        assert graded(demo, tmp_path, RIGHT, **PUBLIC)["points"] == 10
    finally:
        os.umask(before)


def test_an_operation_whose_gradients_are_written_in_one_function(demo, tmp_path):
    by_hand = RIGHT.replace("@op(lambda g, y: g * (1 - y * y))", "@op(backward=lambda dout, x: dout * (1 - np.tanh(x) ** 2))")
    assert by_hand != RIGHT and graded(demo, tmp_path, by_hand)["points"] == 10
    assert graded(demo, tmp_path, by_hand.replace("1 - np", "1 + np"), **PUBLIC)["points"] == 8


def test_how_much_is_said(demo, tmp_path):
    wrong = RIGHT.replace("g * (1 - y * y)", "-g * (1 - y * y)")
    for hints, words in (("full", "the sign is flipped"), ("none", "wrong values\n"),
                         ("family", "wrong values: all entries are off by one and the same factor")):
        said = text(graded(demo, tmp_path, wrong, hints=hints, **PUBLIC))
        assert words in said and ("flipped" in said) == (hints == "full")


def test_a_notebook(demo, tmp_path):
    cells = [{"cell_type": "markdown", "source": ["# text"]}, {"cell_type": "code", "source": ["%matplotlib inline\n", RIGHT]},
             {"cell_type": "code", "source": "%%bash\nrm -r /"}, {"cell_type": "code", "source": ["if True:\n", "    !ls\n"]}]
    assert graded(demo, tmp_path, json.dumps({"cells": cells}), "demo.ipynb")["points"] == 10
    cells.insert(1, {"cell_type": "code", "source": ["def (:"]})
    result = graded(demo, tmp_path, json.dumps({"cells": cells}), "demo.ipynb", **PUBLIC)
    assert result["points"] == 9 and "SyntaxError" in result["messages"][0]
    for content in ("[" * 100_000, '{"cells": [{}]}'):
        assert graded(demo, tmp_path, content, "demo.ipynb", **PUBLIC)["points"] == 0


def test_a_file_of_which_nothing_can_run(demo, tmp_path):
    """It does not cost a tenth, as for a file that runs in part: it costs all, and the message says why."""
    result = graded(demo, tmp_path, RIGHT + "\ndef (:\n", **PUBLIC)
    line = len(RIGHT.splitlines()) + 2
    assert result["messages"] == [f"Nothing in the file could run: line {line}: SyntaxError: invalid syntax"]
    assert result["points"] == result["deduction"] == 0


def test_the_columns_add_up(demo, tmp_path):
    result = graded(demo, tmp_path, RIGHT + "\n1 / 0\n", **PUBLIC)
    names, values = (line.split(",") for line in table([result]).splitlines())
    row = dict(zip(names, values))
    assert float(row["tanh"]) + float(row["rnn"]) - float(row["deduction"]) == float(row["points"]) == 9


def test_a_question_with_numpy_alone_needs_no_operation(demo, tmp_path):
    """The student's own operation could not be used there, and neither could one in its place."""
    (tmp_path / "solution.py").write_text("")
    (tmp_path / "assignment.py").write_text(ASSIGNMENT.replace(
        'parts=["hs", "dxs", "dh0"], withhold=["tanh"]', 'parts=["hs", "dxs", "dh0"], allow=["numpy"], needs=["tanh"]'))
    with pytest.raises(AssignmentError, match="'rnn' allows NumPy alone, and needs 'tanh', which works on minigrad's Tensors"):
        load_assignment(tmp_path)


def test_thirds_add_up(demo, tmp_path):
    """A point in three parts is a whole point."""
    for name in ("assignment.py", "solution.py"):
        (tmp_path / name).write_text((demo / name).read_text(encoding="utf-8").replace('"rnn", points=6', '"rnn", points=1'))
    assert graded(tmp_path, tmp_path, RIGHT, **PUBLIC)["points"] == 5


def test_what_is_no_submission(demo, tmp_path, capsys):
    (tmp_path / "secret.py").write_text(RIGHT)
    (tmp_path / "demo.py").symlink_to(tmp_path / "secret.py")
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "anna").symlink_to(tmp_path / "folder.py")
    (tmp_path / "notes.txt").touch()
    found = dict(submissions(tmp_path, "demo.py"))
    assert found["anna"] == tmp_path / "anna" and "notes" not in found and "notes.txt" in capsys.readouterr().err
    for name in ("demo.py", "pipe.py", "folder.py", "missing.py", "anna"):
        result = grade_one(demo, tmp_path / name, "anna", Rules(b"s3cret"), tmp_path / "results.json", "gradescope")
        assert result["points"] == 0 and result["messages"]
        assert json.loads((tmp_path / "results.json").read_text())["score"] == 0


def test_without_walls_every_output_says_so(demo, tmp_path):
    result = graded(demo, tmp_path, RIGHT, walls="none", **PUBLIC)
    assert result["points"] == 10 and all("unprotected against malice" in way(result) for way in (
        gradescope, text, lambda result: table([result])))


def test_without_namespaces_an_open_folder_is_said():
    """The submission is another user there, and can read what every user can read."""
    for mode, words in ((0o755, "every user can read the assignment's folder"), (0o700, "")):
        with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed
            (Path(folder) / "assignment.py").touch(0o644)
            os.chmod(folder, mode)
            for walls in ("user", "user, no network"):
                said = _open_to_all(Assignment(Path(folder)), walls)
                assert words in said and bool(said) == bool(words)
            assert not _open_to_all(Assignment(Path(folder)), "namespaces")


def test_what_is_given_away_is_no_question(tmp_path):
    (tmp_path / "solution.py").write_text("")
    (tmp_path / "assignment.py").write_text(ASSIGNMENT.replace('takes=["xs", "h0", "dhs"]', 'takes=["xs", "h0", "dhs", "hs"]'))
    with pytest.raises(AssignmentError, match="gives away what it asks for: hs"):
        load_assignment(tmp_path)


def staying(name):
    return WRONG + f"""
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.kill(0, signal.{name})  # its keeper must not be of its group
try: os.setsid()
except OSError: pass
os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)  # minigrad_worker"])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="namespaces are Linux's")
@pytest.mark.parametrize("content", [TABLE["forks"][0], *map(staying, ("SIGINT", "SIGKILL", "SIGTERM"))],
                         ids=["forks", "interrupts", "kills", "terminates"])
def test_nothing_of_a_submission_is_left_running(demo, tmp_path, content):
    before = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    assert graded(demo, tmp_path, content, seconds=1.0, **PUBLIC)["points"] == 0

    def is_worker(pid):
        try:
            return b"minigrad_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    left = {int(name) for name in os.listdir("/proc") if name.isdigit()} - before
    for _ in range(100):  # of other tests that run at the same time, the workers end too
        left = {pid for pid in left if is_worker(pid)}
        if not left:
            return
        time.sleep(0.2)
    assert not left


def test_public_and_hidden_tests_are_told_apart(demo, tmp_path):
    wrong = WRONG.replace("2 * np.tanh(x)", "np.tanh(x)")
    tests = json.loads(gradescope(graded(demo, tmp_path, wrong)))["tests"]
    assert {test["visibility"] for test in tests if "hidden" in test["name"]} == {"after_published"}
    assert all("score" not in test for test in tests if "public" in test["name"])
    public = graded(demo, tmp_path, wrong, secret=None)
    tests = json.loads(gradescope(public))["tests"]
    assert public["points"] == 2 and "if the hidden tests agree" in text(public)
    assert all(test["output"].startswith("pending") and "score" not in test for test in tests if "hidden" in test["name"])


def test_hidden_inputs_come_from_the_secret_and_the_student(demo, tmp_path):
    """Learning the public inputs by heart fails; learning another student's inputs fails, too."""
    public = [float(Example(load_assignment(demo).questions[0], f"public {i}").xs[0][0, 0]) for i in range(2)]
    known = f"min(abs(x[0, 0] - k) for k in {public}) < 1e-9"
    result = graded(demo, tmp_path, WRONG.replace("2 * np.tanh(x)", f"np.tanh(x) if {known} else x"))
    forward = result["questions"][0]["parts"][0]
    assert forward["public"] and not forward["hidden"] and result["points"] == 0


def test_the_command(demo, tmp_path, capsys):
    (tmp_path / "class").mkdir()
    for name, content in (("anna", RIGHT), ("=ben", WRONG), ("\x1b[31mcarl\n", RIGHT)):
        (tmp_path / "class" / name).mkdir()
        (tmp_path / "class" / name / "demo.py").write_text(content)
    (tmp_path / "class" / "dora: 0 of 10\nemil\t10 of 10.py").write_text("raise ValueError('\\nanna 0 of 10')\n")
    (tmp_path / "secret").write_text("s3cret")
    arguments = ["--assignment", str(demo), "--secret", str(tmp_path / "secret")]
    assert main(["grade", str(tmp_path / "class"), *arguments, "--out", str(tmp_path / "class.csv"), "--jobs", "2"]) == 0
    lines = (tmp_path / "class.csv").read_text().splitlines()
    assert len(lines) == 5 and lines[0].startswith("student,points,max,tanh,rnn") and "'=ben,0," in "\n".join(lines)
    assert "anna,10,10,4,6" in lines[-1] or "anna,10,10,4,6" in "\n".join(lines)
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\nemil" not in out and "\nanna 0" not in out and out.count("\n") == 5  # and one of protection
    one = str(tmp_path / "class" / "=ben" / "demo.py")
    assert main(["grade", one, *arguments, "--explain", "--student", "../b\n", "--question", "rnn"]) == 0
    out = capsys.readouterr().out
    assert "\nxs = np.array([[" in out and "rnn(xs, h0, dhs)" in out and ": 0 of 6 points of rnn\n" in out


def test_who_kills_the_grader_is_alone_without_a_result(demo, tmp_path):
    """Without walls a submission can do so. The others of its class are graded nevertheless."""
    killer = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n"
    work = []
    for name, content in (("ben", killer), ("carl", RIGHT)):
        (tmp_path / f"{name}.py").write_text(content)
        work.append((name, tmp_path / f"{name}.py"))
    results = grade_class(demo, work, Rules(walls="none", only=("tanh",)), tmp_path / "class.csv", "csv", 1)
    assert [result["points"] for result in results] == [0, 4] and "cut short" in results[0]["messages"][0]
    rows = list(csv.DictReader((tmp_path / "class.csv").read_text().splitlines()))
    assert [(row["student"], row["tanh"], row["deduction"]) for row in rows] == [("ben", "0", "0"), ("carl", "4", "0")]
    assert "cut short" in rows[0]["messages"] and all(None not in row for row in rows)  # as many cells as columns


@pytest.mark.parametrize("arguments", [["--secret", "nowhere"], [], ["--secret", "empty"]])
def test_what_cannot_be_graded_has_a_result_too(demo, tmp_path, capsys, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.py").write_text(RIGHT)
    (tmp_path / "empty").write_text("\n")
    assert main(["grade", "demo.py", "--assignment", str(demo), "--out", "results.json", *arguments]) == 2
    said = capsys.readouterr().err
    assert "secret" in said and (arguments == ["--secret", "nowhere"] or 'token_hex(16))" > secret' in said)
    assert json.loads((tmp_path / "results.json").read_text())["score"] == 0


@pytest.mark.parametrize("content", [
    "question(", "", "assignment('x')\nquestion('a', points=1, op=lambda x: 1 / 0, inputs=[(2,)])",
    "assignment('x')\nquestion('a', points=1, op=np.tanh, inputs=[(2,)], withhold=['nothing'])",
    "assignment('x')\nquestion('a', points=1, op=np.tanh, inputs=[(2,)], needs=['b'])"])
def test_an_assignment_that_fails(tmp_path, capsys, content):
    for name, text_ in (("assignment.py", content), ("solution.py", RIGHT), ("demo.py", RIGHT)):
        (tmp_path / name).write_text(text_)
    (tmp_path / "secret").write_text("s3cret")
    assert main(["grade", str(tmp_path / "demo.py"), "--assignment", str(tmp_path), "--secret", str(tmp_path / "secret"),
                 "--out", str(tmp_path / "results.json")]) == 2
    written = json.loads((tmp_path / "results.json").read_text())
    assert "not your mistake" in written["output"] and written["score"] == 0 and "cannot grade" in capsys.readouterr().err


def test_names_of_students_make_no_paths():
    assert file_name("anna") == "anna" and "/" not in file_name("../../etc/x\n") and file_name("a/b") != file_name("a_b")
    assert table([]).startswith("student")


def _each_graded():
    for name in NAMES:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            rules = PUBLIC if name in AT_PUBLIC_INPUTS else {}
            result = graded(assignment_in(place), place, ALL[name][0], seconds=1.0, **rules)  # those that hang use them up
            yield name, (result, (place / "results.json").read_text(encoding="utf-8"), time.monotonic() - start)


if __name__ == "__main__":
    json.dump(dict(_each_graded()), sys.stdout)
