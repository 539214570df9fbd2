"""minigrad check FILE: allowed files and contents, the inputs that a file gives, and messages about formulas that fail."""

import json
import os
import re
import shlex
import tempfile
from pathlib import Path

import pytest
from check_command import check, check_in, minigrad

from minigrad.__main__ import main
from minigrad.student_file import CannotCheckError, check_readable


# -- what a file may be ---------------------------------------------------------------------------------


@pytest.mark.meanwhile
@pytest.mark.parametrize(("content", "parts"), [
    (b"x = 1\ny = \0\n", ["student.py:2: the byte 0x00 is not UTF-8 text"]),
    ("x = 1".encode("utf-16"), ["student.py:1: the byte 0x00", "save the file as UTF-8"]),
    (b"x = 1\n\n\n# \xe4\n", ["student.py:4: the byte 0xe4"]),
    (b"# \xe4\n", ["student.py", "UTF-8"]),
    (b"# -*- coding: nonsense -*-\n", ["unknown encoding: nonsense: save it as UTF-8"]),
    (b"if 1:\n\tx = 1\n        y = 2\n", ["student.py:3: y = 2", "tabs and spaces"]),
])
def test_files_that_are_no_text(content, parts):
    code, out, err = check(content)
    assert code == 2 and not out and all(part in err for part in parts) and "Traceback" not in err


@pytest.mark.meanwhile
def test_a_byte_order_mark_and_a_declared_encoding_are_fine():
    text = "from minigrad import op\n@op(lambda g: 2 * g)\ndef f(x):\n    'ä'\n    return 2 * x\n"
    assert check(b"\xef\xbb\xbf" + text.encode())[0] == 0
    assert check(b"# -*- coding: latin-1 -*-\n" + text.encode("latin-1"))[0] == 0


def test_what_is_no_file(tmp_path, capfd, monkeypatch):
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    for name, words in [("folder.py", "it is a folder"), ("pipe.py", "it is not an ordinary file"),
                        ("a:b.py", f"cannot read {tmp_path}/a:b.py: it does not exist"),
                        ("none.py:f", f"cannot read {tmp_path}/none.py: it does not exist")]:
        assert main(["check", f"{tmp_path}/{name}"]) == 2
        assert words in capfd.readouterr().err

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "secret.py").write_text("")
    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read everything
    with pytest.raises(CannotCheckError, match="secret.py cannot be read: Permission denied"):
        check_readable(tmp_path / "secret.py")


# -- forks ----------------------------------------------------------------------------------------------

FORKS = """
import os
from minigrad import op
def leave_a_trace():
    open(__file__ + ".trace", "a").write("here")
{}
@op(lambda g: {} 3 * g)
def f(x):
    {}
    return 3 * x
"""


@pytest.mark.meanwhile
@pytest.mark.parametrize(("places", "line"), [
    (("os.fork(); leave_a_trace()", "", ""), "student.py:6: os.fork()"),
    (("", "", "os.fork(); leave_a_trace()"), "student.py:9: os.fork()"),
    (("", "os.fork() +", ""), "student.py:7: @op(lambda g: os.fork() + 3 * g)")])
def test_a_file_that_forks(places, line):
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    with tempfile.TemporaryDirectory() as folder:
        code, out, err = check_in(folder, FORKS.format(*places))
        assert not Path(folder, "student.py.trace").exists()  # no process got beyond the fork, so none is left over
    assert code == 2 and line in err and "a copy of it would check everything a second time" in err
    assert err.count("cannot check") == 1 and out.count("1 inconclusive") == (0 if places[0] else 1) and "WRONG" not in out


# -- wrong, not unknown ---------------------------------------------------------------------------------

FORMULAS = """
import numpy as np
from minigrad import op

@op(lambda g, a, b: g @ b,
    lambda g, a: a @ g)
def product(a, b):
    return a @ b

@op(lambda g, x: g / missing)
def broken(x):
    return x + 0.0

def composed(x):
    return broken(2 * x)

@op(lambda g, xs: g)
def variadic(*xs):
    return xs[0] + xs[1]

@op(lambda g, x: g * np.cos(x))
def only_once(x):
    return np.sin(x)

def cannot_be_called(x):
    return missing
"""


@pytest.mark.meanwhile
@pytest.mark.parametrize(("name", "arguments", "line", "words"), [
    ("product", ["--shape", "2,3", "--shape", "3,4"], "student.py:5: @op(lambda g, a, b: g @ b,", "formula for argument 'a'"),
    ("product", ["--shape", "4,3", "--shape", "3,3"], "student.py:6: lambda g, a: a @ g)", "formula for argument 'b'"),
    ("broken", [], "student.py:10: @op(lambda g, x: g / missing)", "NameError"),
    ("composed", [], "student.py:10: @op(lambda g, x: g / missing)", "NameError"),
    ("broken", ["--order", "2"], "student.py:10: @op(lambda g, x: g / missing)", "NameError"),
    ("variadic", [], "student.py:17: @op(lambda g, xs: g)", "must return a list of 2 gradients"),
])
def test_a_formula_that_fails_is_wrong(name, arguments, line, words):
    code, out, err = check(FORMULAS, *arguments, name=f":{name}")
    assert code == 1 and f"{name}\ngradient: WRONG" in out and line in out and words in out and "again: python" in out and not err


@pytest.mark.meanwhile
def test_a_formula_that_fails_is_wrong_as_json():
    code, out, _ = check(FORMULAS, "--json", name=":broken")
    report = json.loads(out)
    assert code == 1 and report["verdict"] == "WRONG" and "NameError" in report["notes"][0]


@pytest.mark.meanwhile
def test_what_is_right_but_cannot_be_differentiated_again_is_not_wrong():
    assert check(FORMULAS, name=":only_once")[0] == 0
    code, _, err = check(FORMULAS, "--order", "2", name=":only_once")
    assert code == 2 and "the gradient itself is right, but it cannot be differentiated again" in err
    code, _, err = check(FORMULAS, name=":cannot_be_called")
    assert code == 2 and "student.py:26: return missing" in err


# -- the inputs -----------------------------------------------------------------------------------------

INPUTS = """
import numpy as np
from minigrad import log, op, tanh
from minigrad.layers import LSTMCell, cross_entropy

rng = np.random.default_rng(0)
x, h, c = rng.normal(size=(1, 2)), rng.normal(size=(1, 3)), rng.normal(size=(1, 3))
cell = LSTMCell(2, 3, rng=rng)

def loss(x, y):
    return cross_entropy(x, y)

class Own:
    @op(lambda g: 2 * g)
    def twice(x):
        return 3 * x

def pick(x):
    return tanh(x)

def slow(x, n):
    return log(x) if n == 2 else x

def made(scale):
    @op(lambda g: g)
    def scaled(x):
        return scale * x
    return scaled

scaled = made(3)
check_inputs = {"cell": (x, (h, c)), "loss": lambda rng: (rng.normal(size=(2, 3)), np.array([0, 2])), "slow": (-x, 2),
                "Own.twice": (np.ones(2),), "pick": (np.zeros(5),)}
"""


@pytest.mark.meanwhile
def test_inputs_that_stand_in_the_file():
    code, out, err = check(INPUTS, name=":cell")
    assert code == 0 and "state[1]  (1, 3)" in out and "W_f" in out and not err
    assert check(INPUTS, name=":loss")[0] == 0
    code, out, err = check(INPUTS)
    assert code == 1 and "3 of 6 ok, 2 wrong, 1 inconclusive, 0 unseen" in out and "cell\n" in out
    assert "(5,)" in check(INPUTS, name=":pick")[1]
    assert "(2, 2)" in check(INPUTS, "--shape", "2,2", name=":pick")[1]  # what is typed counts more
    code, out, _ = check(INPUTS, name=":slow")
    assert code == 2 and "slow is NaN or infinite for the inputs in check_inputs" in " ".join(out.split())


@pytest.mark.meanwhile
@pytest.mark.parametrize(("inputs", "name", "words"), [
    ("[1]", "", "check_inputs must be a dict"), ("{'g': (1.0,)}", ":f", "check_inputs has inputs for 'g'"),
    ("{f: (1.0,)}", "", "but the file defines nothing of that name"),
    ("{'f': 1.0}", ":f", "check_inputs['f'] must be a tuple of the inputs, as in (x, (h, c)) or (x,)"),
    ("{'f': lambda rng: rng.normal()}", ":f", "not float"), ("{'f': lambda rng: 1 / 0}", ":f", "ZeroDivisionError"),
    ("{'f': (1.0, 2.0)}", ":f", "TypeError"), ("{'C': (1.0,)}", "", "C is a class"), ("{}", "", "has no check_inputs"),
    ("{}", ":", "there is no name behind the colon"), ("{}", ":f.g.h", "the file has no 'f.g.h'"),
])
def test_inputs_that_do_not_fit(inputs, name, words):
    code, _, err = check(f"def f(x):\n    return x * 2\nclass C: pass\ncheck_inputs = {inputs}\n", name=name)
    assert code == 2 and words in err and "Traceback" not in err and "--shape" not in err


@pytest.mark.meanwhile
def test_a_hint_where_the_values_are_not_finite():
    file = "from minigrad import log, sqrt\ndef f(x):\n    return log(x)\ndef g(x):\n    return x ** 2\n"
    code, out, _ = check(file, name=":f")
    assert code == 2 and "from -2 to 2: if it is defined for other numbers only, try --positive, or --low and --high" in " ".join(
        out.split())
    code, out, _ = check(file, "--positive", name=":f")
    assert code == 0 and "--positive" not in out
    assert "--positive" not in check(file, name=":g")[1]


@pytest.mark.meanwhile
@pytest.mark.parametrize(("name", "arguments"), [
    (":Own.twice", []), (":Own.twice", ["--shape", "", "--seed", "3"]), (":scaled", ["--low=-1e-05", "--high=0.12345678"]),
    (":twice", ["--shape", "2", "--timeout", "50"]), ("", [])])
def test_again_is_a_command_that_gives_the_same(name, arguments):
    with tempfile.TemporaryDirectory() as folder:
        code, out, _ = check_in(folder, INPUTS, *arguments, name=name, file="the file: it's mine.py")
        assert code == 1
        for command in re.findall("again: (.*)", out):
            program, module, package, *words = shlex.split(command)
            assert [program, module, package] == ["python", "-m", "minigrad"]
            assert all(word in words for word in arguments if word.startswith("--low=") or "=0.1" in word)
            code, printed, _ = minigrad(*words)
            table = printed.rsplit("\n\n", 1)[0].strip()
            assert code in (1, 2) and table.splitlines()[1] in out and table in out.replace("\n\n", "\n")
