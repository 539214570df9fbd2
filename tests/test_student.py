"""minigrad check FILE checks the definitions of a student's file, or says why it cannot check them."""

import json
import re

import pytest
from check_command import check

from minigrad.__main__ import NOT_SEEN, _summary
from minigrad.check.report import INCONCLUSIVE, OK, UNSEEN, WRONG

FILE = '''
import numpy as np
from minigrad import Tensor, op, sigmoid, tanh
from minigrad.layers import LSTMCell, Module

print("imported")

@op(lambda g, x: g * sigmoid(x))
def softplus(x):
    return np.logaddexp(0, x)

@op(lambda g, y: g * y * (1 - y))
def wrong_tanh(x):
    return np.tanh(x)

@op(lambda g, b: g @ b.swapaxes(0, 1), lambda g, a: a.swapaxes(0, 1) @ g)
def product(a, b):
    return a @ b

def composed(x, y):
    return tanh(x) * y

class Scale(Module):
    def __init__(self):
        self.gain = Tensor([2.0], requires_grad=True)

    def forward(self, x):
        return self.gain * x

scale = Scale()
number = 3

@op(lambda g, x: g / x)
def logarithm(x):
    return np.log(x)

@op(lambda g, x: g + missing)
def broken(x):
    return x + 0.0

def endless(x):
    while True:
        pass

def endless_and_deaf(x):
    while True:
        try:
            pass
        except BaseException:
            pass

def endless_outside_python(x):
    return sum(1 for _ in iter(int, 1)) + sum(iter(int, 1))

def leaves(x):
    import os
    os._exit(3)

def asks(x):
    return x * float(input("factor? "))

def divides(x):
    return 1 // 0
'''


def check_file(name, *arguments):
    return check(FILE, *arguments, name=name and f":{name}")


@pytest.mark.meanwhile
def test_right_and_wrong_operations():
    code, out, _ = check_file("softplus", "--order", "2")
    assert code == 0 and "second-order gradient: ok" in out and "1 of 1 ok" in out
    code, out, _ = check_file("wrong_tanh")
    assert code == 1 and "WRONG" in out and "y (1 - y), as for sigmoid" in out


@pytest.mark.meanwhile
def test_functions_and_modules():
    assert check_file("composed")[0] == 0
    code, out, _ = check_file("scale", "--shape", "5")
    assert code == 0 and "gain" in out


@pytest.mark.meanwhile
def test_shapes_and_domain():
    assert check_file("product", "--shape", "3,4", "--shape", "4,5")[0] == 0
    code, _, err = check_file("product")
    assert code == 2 and "(3, 4)" in err and "--shape 3,4 --shape 4,5" in err
    assert check_file("logarithm", "--positive")[0] == 0
    assert check_file("logarithm", "--low", "1", "--high", "3")[0] == 0


@pytest.mark.meanwhile
def test_json():
    code, out, err = check_file("wrong_tanh", "--json")
    report = json.loads(out.strip())
    assert code == 1 and report["name"] == "wrong_tanh" and report["verdict"] == "WRONG"
    assert "imported" in err


@pytest.mark.meanwhile
@pytest.mark.parametrize(("name", "arguments", "parts"), [
    ("nothing", (), ["no 'nothing'", "softplus"]),
    ("number", (), ["number is 3"]),
    ("Scale", (), ["Scale is a class", "scale = Scale(...)", "check_inputs = {\"scale\": (x, (h, c))}", "student.py:scale"]),
    ("divides", (), ["return 1 // 0", "ZeroDivisionError"]),
    ("leaves", (), ["ended without a word, with exit code 3"]),
    ("asks", (), ['float(input("factor? "))', "EOFError"]),
])
def test_what_cannot_be_checked(name, arguments, parts):
    code, _, err = check_file(name, *arguments)
    assert code == 2
    for part in parts:
        assert part in err
    assert "minigrad/check" not in err  # their own lines, not ours


@pytest.mark.meanwhile
@pytest.mark.parametrize(("content", "parts"), [
    ("def f(:", ["student.py:1: def f(:"]), ("import nowhere", ["student.py:1: import nowhere", "nowhere"]),
    ("x = 1", ["declares no operation"]), ("raise SystemExit(0)", ["student.py:1", "SystemExit"])])
def test_files_that_cannot_be_read(content, parts):
    code, _, err = check(content)
    assert code == 2
    for part in parts:
        assert part in err


@pytest.mark.meanwhile
def test_what_brings_its_process_down_does_not_hide_the_rest():
    code, out, err = check("""
import os
from minigrad import op

@op(lambda g: g)
def first(x):
    return x + 0.0

@op(lambda g: os._exit(7))
def second(x):
    return x + 0.0

@op(lambda g: 2 * g)
def third(x):
    return x + 0.0
""")
    assert code == 1
    assert "1 of 3 ok, 1 wrong, 1 inconclusive" in out and out.count("first") == 1
    assert "cannot check second:\nthe process ended without a word, with exit code 7" in err


@pytest.mark.meanwhile
@pytest.mark.parametrize(("file", "name", "parts"), [
    (FILE, ":endless", ["stopped after 1 seconds", "student.py:4"]),
    (FILE, ":endless_and_deaf", ["stopped after 1 seconds", "student.py:"]),
    (FILE, ":endless_outside_python", ["stopped after 1 seconds", "sum(iter(int, 1))"]),
    ("while True:\n    pass\n", "", ["student.py:"])], ids=["endless", "deaf", "outside Python", "the file"])
def test_what_never_ends_is_stopped(file, name, parts):
    code, _, err = check(file, "--timeout", "1", name=name)
    assert code == 2 and "minigrad/check" not in err
    for part in parts:
        assert part in err


@pytest.mark.meanwhile
def test_a_whole_file():
    code, out, err = check_file("")
    assert code == 1  # one is wrong, which counts more than what could not be checked
    assert "1 of 5 ok, 2 wrong, 2 inconclusive, 0 unseen" in out  # log of negative numbers is one
    assert "cannot check product" in err and "broken\ngradient: WRONG" in out and "softplus\ngradient: ok" in out
    code, _, err = check_file("", "another.py")
    assert code == 2 and "one file at a time" in err


@pytest.mark.meanwhile
def test_the_summary_says_what_no_gradient_check_sees():
    code, out, _ = check_file("softplus")
    assert code == 0 and out.endswith(f"1 of 1 ok, 0 wrong, 0 inconclusive, 0 unseen\n{NOT_SEEN}\n")
    assert "assert_same" not in check_file("softplus", "--json")[1]


def test_the_summary_counts_each_verdict(capsys):
    assert [_summary(verdicts) for verdicts in ([OK, UNSEEN], [UNSEEN, INCONCLUSIVE], [UNSEEN, WRONG], [OK])] == [2, 2, 1, 0]
    assert "1 of 2 ok, 0 wrong, 0 inconclusive, 1 unseen" in capsys.readouterr().out


@pytest.mark.meanwhile
@pytest.mark.parametrize(("forward", "backward"), [
    ("forward", "backward"), ("rnn_forward", "rnn_backward"), ("step", "step_backward")])
def test_a_backward_pass_that_was_not_checked_is_named(forward, backward):
    """Without --backward the engine's own gradient is checked, and that is right."""
    file = f"import numpy as np\ndef {forward}(x): return np.tanh(x)\ndef {backward}(g, x): return 3 * g\n"
    code, out, _ = check(file, name=f":{forward}")
    assert code == 0
    assert f"{backward} was not checked: if it gives the gradients of {forward}, add --backward {backward}" in out
    assert check(file, "--backward", backward, name=f":{forward}")[0] == 1


RNN = """
import numpy as np

def rnn(x, h, W):
    hs = []
    for t in range(len(x)):
        h = np.tanh(x[t] + h @ W)
        hs.append(h)
    return np.stack(hs)

def rnn_backward(g, x, h, W):
    dx, dW, hs = np.zeros_like(x), np.zeros_like(W), [h, *rnn(x, h, W)]
    for t in reversed(range(len(x))):
        dx[t] = g[t] * (1 - hs[t + 1] ** 2)
        dh, dW = dx[t] @ W.T, dW + hs[t].T @ dx[t]
    return dx, dh, dW
"""


@pytest.mark.meanwhile
def test_hints_come_from_a_process_that_sees_the_program():
    def hints(*arguments):
        code, out, _ = check(RNN, "--backward", "rnn_backward", "--shape=3,1,2", "--shape=1,2", "--shape=2,2", *arguments,
                             name=":rnn")
        assert code == 1
        return " ".join(out.split())

    out = hints()
    assert "x, h, W: hint: the carry is lost: nothing flows back from step t+1 to step t through h;" in out
    assert "(line 7: h = np.tanh(x[t] + h @ W))" in out
    assert "x, h, W: hint: what flows back from one time step to the one before" in hints("--hints", "family")
    assert "hint:" not in hints("--hints", "none")


FORGERIES = [
    (r"return {'words': [['x', [f'{i}\x1b[2J\u202e\ngradient: ok\n' * 99 for i in range(99)]]]}, []", "?[2J"),
    ("return {'words': 3}, []", "there is no hint: it sent an answer of another form"),
    ("return {'words': [['x', [{'y': 1}]]]}, []", "there is no hint: it sent an answer of another form"),
    ("return {'verdict': 'ok', 'rows': []}, []", "there is no hint: it sent an answer of another form"),
    ("1 / 0", "there is no hint: "), ("os._exit(0)", "there is no hint: its process ended"),
    ("while True: pass", "there is no hint: it took too long")]
FORGER = """
import os
from minigrad import op
from minigrad.course.worker.checking import Answers

right, forgeries = Answers._words, {{}}
Answers._words = lambda self, message, arrays: forgeries.get(self.thing.__name__, right)(self, message, arrays)
{}
@op(lambda g, y: g * (1 - y))
def after(x):
    return x * 3
"""
FORGED = """
def words(self, message, arrays):
    {body}
forgeries["forged_{i}"] = words

@op(lambda g: 2 * g)
def forged_{i}(x):
    return x + 0.0
"""


@pytest.mark.meanwhile
def test_a_forged_hint_changes_no_verdict():
    """All in one file, so a forgery does not spoil what is checked after it either."""
    forged = "".join(FORGED.format(i=i, body=body) for i, (body, _) in enumerate(FORGERIES))
    code, out, _ = check(FORGER.format(forged), "--timeout", "2")
    assert code == 1 and out.count("gradient: WRONG") == 8 and "0 of 8 ok, 8 wrong" in out and not set(out) & set("\x1b\u202e")
    reports = re.split(r"^(?:forged_\d|after)\n", out, flags=re.MULTILINE)[1:]
    for report, (_, said) in zip(reports, [*FORGERIES, ("", "hint: ")]):
        assert said in " ".join(report.split()) and len(report) < 12_000 and "\ngradient: ok" not in report
    assert len(reports) == 8
