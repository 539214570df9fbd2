"""The assignments' notebooks: a release makes them; their checks name unwritten parts, and accept the solution. Jupyter runs
one of them, with HYPOTHESIS_PROFILE=thorough all; the other tests run the cells in this process."""

import ast
import contextlib
import io
import json
import re
import sys
from pathlib import Path

import pytest
from in_jupyter import in_jupyter
from thorough import THOROUGH

from minigrad.course import check, milestone
from minigrad.course.assignment import AssignmentError, load_assignment
from minigrad.course.grading import Rules, grade
from minigrad.course.hints import mistakes
from minigrad.course.release import released

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[1] / "examples" / "assignments").glob("*/assignment.py"))


@pytest.fixture(scope="module", params=FOLDERS, ids=lambda folder: folder.name)
def release(request, tmp_path_factory):
    """The assignment and its release."""
    place = tmp_path_factory.mktemp(request.param.name)
    released(load_assignment(request.param), place)
    return load_assignment(request.param, student=""), place


@pytest.fixture
def place(release, monkeypatch, clean_registry):
    monkeypatch.chdir(release[1])
    return release[1]


def notebook_of(assignment, place, solved=False):
    """The released notebook, or one with the solution's definitions in place of unwritten ones."""
    path = (place / assignment.file).with_suffix(".ipynb")
    found = json.loads(path.read_text(encoding="utf-8"))
    solution = (assignment.folder / "solution.py").read_text(encoding="utf-8")
    lines, written = solution.split("\n"), {}
    for node in ast.parse(solution).body:
        if hasattr(node, "name"):
            start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            written[node.name] = "\n".join(lines[start - 1:node.end_lineno])
    cells = [cell for cell in found["cells"] if cell["cell_type"] == "code"]
    names = [node.name for cell in cells for node in ast.parse("".join(cell["source"])).body if hasattr(node, "name")]
    for cell in cells if solved else ():
        text = "".join(cell["source"])
        if re.search(r"^    .*(not written yet|todo\(\))", text, re.MULTILINE):
            mine = [written.pop(name) for name in set(written) - set(names)]  # the solution's helpers, into the first cell
            (node,) = ast.parse(text).body
            cell["source"] = "\n\n".join([*mine, written[node.name]])
    return found


def run(notebook):
    """The output of each code cell. Milestones have their own tests; training takes long."""
    namespace, printed = {"__name__": "notebook"}, []
    for cell in notebook["cells"]:
        code = "".join(cell["source"])
        if cell["cell_type"] == "code" and code != "milestone()" and (THOROUGH or code != 'check("train")'):
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(code, "cell", "exec"), namespace)
            printed.append(out.getvalue())
    return "".join(printed), namespace


def points_of(place, without=() if THOROUGH else ("trains",)):
    entries = json.loads((place / "public.json").read_text(encoding="utf-8"))["questions"]
    return {entry["name"]: entry["points"] for entry in entries if entry["sets"] and entry["kind"] not in without}


def test_nothing_written(release, place):
    printed, _ = run(notebook_of(release[0], place))
    names = points_of(place)
    for name, points in names.items():
        assert re.search(rf"^{name}( \(\w+\))?: 0 of {points:g} points", printed, re.MULTILINE)
        assert re.search(rf"^{name}, .*: not written yet$", printed, re.MULTILINE)
    assert ": right" not in printed and "complete" not in printed
    assert printed.count("points at the public inputs") == len(names) >= 4


def test_the_solution_written(release, place):
    printed, _ = run(notebook_of(release[0], place, solved=True))
    for name, points in points_of(place).items():
        assert re.search(rf"^{name}( \(\w+\))?: complete, {points:g} of {points:g} points", printed, re.MULTILINE), printed
    texts = "".join("".join(cell["source"]) for cell in notebook_of(release[0], place)["cells"])
    for question in release[0].questions:
        assert f'check("{question.name}"' in texts and question.name in points_of(place, without=())
    assert "has no public tests" not in texts
    handout = (place / "handout.md").read_text(encoding="utf-8")
    cells = ["".join(cell["source"]) for cell in notebook_of(release[0], place)["cells"] if cell["cell_type"] == "markdown"]
    assert sorted(handout.split()) == sorted(
        word for cell in cells if not re.match("## Write here|`.*` has no public", cell) for word in cell.split())


def test_hints_are_released_without_solutions(release, place, capsys):
    _, namespace = run(notebook_of(release[0], place, solved=True))
    names = points_of(place, without=("trains", "tests"))  # trainings have no hints; tests that are wrong may pass in public
    shown, asked = 0, [m for m in mistakes(release[0]) if m.loses.keys() & names.keys() and not m.hangs]
    asked = asked if THOROUGH else asked[::4]
    for mistake in asked:
        before = dict(namespace)
        exec(mistake.text, namespace)
        exec(f"check({next(name for name in mistake.loses if name in names)!r})", namespace)
        shown += f"hint: {mistake.hint}" in capsys.readouterr().out
        namespace.clear()
        namespace.update(before)
    assert shown >= 0.7 * len(asked)  # the others are of variants that this student has not


@pytest.mark.parametrize("name", [folder.name for folder in FOLDERS] if THOROUGH else ["rnn"])
def test_in_jupyter(name, tmp_path):
    """As a self-learner opens it: unwritten parts stop nothing."""
    assignment = load_assignment(FOLDERS[0].parent / name)
    released(assignment, tmp_path)
    (tmp_path / "milestone.py").write_text(f"import {Path(assignment.file).stem} as mine\nprint('the milestone of', mine.check)")
    for solved, words in (True, "complete, "), (False, "not written yet"):
        cells = in_jupyter(notebook_of(assignment, tmp_path, solved), tmp_path)
        printed = "".join("".join(output["text"]) for cell in cells for output in cell.get("outputs", []))
        assert printed.count(words) >= len(points_of(tmp_path)) and ("complete" in printed) == solved
        assert ("the milestone of <function check" in printed) == (assignment.folder / "milestone.py").is_file()


def test_a_notebook_that_is_handed_in(tmp_path):
    """During grading its checks do nothing, and cost nothing."""
    assignment = load_assignment(FOLDERS[0].parent / "rnn")
    released(assignment, tmp_path)
    path = tmp_path / "rnn.ipynb"
    path.write_text(json.dumps(notebook_of(assignment, tmp_path, solved=True)), encoding="utf-8")
    result = grade(assignment, path, "anna", Rules(b"secret", only=("step", "rnn_forward")))
    assert result["points"] == 8 and not result["messages"]


def test_complete_is_said_of_what_is_right_alone(tmp_path, capsys):
    """For every word in the message."""
    released(load_assignment(FOLDERS[0].parent / "rnn"), tmp_path)
    exec("check('step', folder)", dict(check=check, step=lambda x, **given: x, folder=tmp_path))
    out = capsys.readouterr().out
    assert "the shapes are not right" in out and "step: 0 of 4 points" in out and "complete" not in out


def test_a_check_that_ran_no_test_is_an_error(tmp_path, monkeypatch):
    assignment = load_assignment(FOLDERS[0].parent / "rnn")
    released(assignment, tmp_path)
    monkeypatch.chdir(tmp_path)
    public = json.loads((tmp_path / "public.json").read_text(encoding="utf-8"))
    for entry in public["questions"]:
        entry.update(sets=[], hints=[])
    (tmp_path / "public.json").write_text(json.dumps(public), encoding="utf-8")
    with pytest.raises(AssignmentError, match="nothing was checked: 'step' has no public tests"):
        check("step")


def test_a_check_can_be_interrupted(tmp_path, monkeypatch):
    released(load_assignment(FOLDERS[0].parent / "rnn"), tmp_path)

    def step(**given):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exec("check('step', folder)", dict(check=check, step=step, folder=tmp_path))


def test_the_milestone_runs_what_the_notebook_defines(tmp_path, capsys, monkeypatch):
    released(load_assignment(FOLDERS[0].parent / "rnn"), tmp_path)
    (tmp_path / "milestone.py").write_text("import sys\nimport rnn\nprint(rnn.step(len(sys.argv)), __name__)")
    before = sys.argv, set(sys.modules)
    exec("milestone(folder)", dict(milestone=milestone, step=lambda n: 41 + n, folder=tmp_path))
    assert capsys.readouterr().out == "42 __main__\n" and (sys.argv, "rnn" in sys.modules) == (before[0], "rnn" in before[1])
    namespace = dict(milestone=milestone, folder=tmp_path)
    exec("def step(n): raise NotImplementedError('not written yet')\nmilestone(folder)", namespace)
    assert capsys.readouterr().out == "not written yet\n"
