"""The channel between the process that judges and the process that runs a student's code: every message is checked."""

import io
import json
import os

import numpy as np
import pytest

from minigrad.__main__ import main
from minigrad.course.client import _remove, clean, one_line
from minigrad.course.worker.channel import BrokenMessageError, packed, read, unpacked, write


def framed(text, numbers=b""):
    return io.BytesIO(len(text).to_bytes(8, "big") + text + numbers)


def test_what_is_written_is_read():
    stream, arrays = io.BytesIO(), []
    value = (np.arange(6.0).reshape(2, 3), [1, 2.5, "x"], (np.array([1, 2]), np.array(3.0), None))
    form = packed(value, arrays)
    write(stream, {"id": 1, "value": form}, [*arrays, np.float32([1.5])])
    stream.seek(0)
    message, found = read(stream)
    again = unpacked(message["value"], found)
    assert message["id"] == 1 and again[1] == [1, 2.5, "x"] and again[2][2] is None and found[-1].dtype == np.float32
    assert np.array_equal(again[0], value[0]) and np.array_equal(again[2][0], [1, 2]) and again[2][1].shape == ()


@pytest.mark.parametrize("stream", [
    io.BytesIO((1 << 40).to_bytes(8, "big")), framed(b"no json"), framed(b"[" * 100_000), framed(b"[1]"), framed(b"{}"),
    framed(b'{"arrays": [["O", [1]]]}'), framed(b'{"arrays": [["f", [-1]]]}'), framed(b'{"arrays": [["f", [true]]]}'),
    framed(b'{"arrays": [["f", [1000000, 1000000]]]}'), framed(b'{"arrays": [[["f"], 1]]}'), framed(b"\xff\xff"),
    framed(json.dumps({"arrays": [["f", [1] * 40]]}).encode())])
def test_what_is_no_message(stream):
    with pytest.raises(BrokenMessageError):
        read(stream)


def test_an_end_in_the_middle():
    for stream in (io.BytesIO(b"\0"), framed(b'{"arrays": [["f", [2]]]}', b"\0" * 8)):
        with pytest.raises(EOFError):
            read(stream)


def test_codes_for_a_terminal_are_not_passed_on():
    assert one_line("anna\n\x1b ben: 10 of 10\t") == "anna ? ben: 10 of 10"
    assert clean("a\x1b[31mb\x07\r\u202ec") == "a?[31mb???c" and clean("äß∂\n") == "äß∂\n"


def test_folders_in_folders_without_end_are_removed(tmp_path):
    """A submission may nest them deeper than Python's own recursion."""
    place = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=place)
        inner = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)
    _remove(str(tmp_path))
    assert not tmp_path.exists()


WRONG = """
import builtins, os, struct, sys
import numpy as np
import minigrad, minigrad.check, minigrad.check.compare, minigrad.check.gradcheck, minigrad.check.verdict
from minigrad import op

@op(lambda g, x: g * np.sin(x))
def cosine(x):
    return np.cos(x)

{}
"""
TRICKS = ["""
def right(*args, **kwargs): return True
minigrad.gradcheck = minigrad.check.gradcheck.gradcheck = minigrad.check.gradcheck.judge = right
minigrad.check.compare.Check = minigrad.check.verdict.judged = right
np.testing.assert_allclose = np.testing.assert_array_equal = right""",
          "builtins.abs = np.abs = np.absolute = lambda x: 0 * x",
          """
for module in list(sys.modules.values()):
    for name in ("ok", "OK", "WRONG"):
        if hasattr(module, name): setattr(module, name, "ok")""",
          """
import atexit
atexit.register(lambda: os._exit(0))
class Right:
    verdict = "ok"
    def __reduce__(self): return (print, ("unpickled",))
channel = sys.modules["minigrad.course.worker.channel"]
main = sys.modules["minigrad.course.worker.main"]
old = main.write
main.write = lambda stream, message, arrays=(): old(stream, {**message, "verdict": "ok", "rows": []}, arrays)"""]
FORGERIES = ["os.write(fd, struct.pack('>Q', 1 << 50))", "os.write(fd, b'x' * 100)",
             "os.write(fd, struct.pack('>Q', 12) + b'[' * 12)", "os.close(fd)"]


@pytest.mark.parametrize("trick", TRICKS)
def test_no_trick_makes_a_wrong_formula_right(tmp_path, capfd, trick):
    (tmp_path / "student.py").write_text(WRONG.format(trick), encoding="utf-8")
    code = main(["check", f"{tmp_path}/student.py"])
    out, err = capfd.readouterr()
    assert code in (1, 2) and "1 of 1 ok" not in out and "unpickled" not in out + err


def test_no_name_looks_like_a_verdict(tmp_path, capfd):
    trick = """
main = sys.modules["minigrad.course.worker.main"]
old = main.write
main.write = lambda stream, message, arrays=(): old(stream, {**message, "names": ["cosine\\n1 of 1 ok"]}, arrays)"""
    (tmp_path / "student.py").write_text(WRONG.format(trick), encoding="utf-8")
    assert main(["check", f"{tmp_path}/student.py"]) == 2
    out, err = capfd.readouterr()
    assert "\n1 of 1 ok" not in out + err.partition("KeyError")[0] and "cosine 1 of 1 ok" in out + err


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_answers_end_a_check(tmp_path, capfd, forgery):
    trick = f"for fd in range(3, 12):\n    try: {forgery}\n    except OSError: pass"
    (tmp_path / "student.py").write_text(WRONG.format(trick), encoding="utf-8")
    assert main(["check", f"{tmp_path}/student.py", "--timeout", "3"]) == 2
    assert "cannot check" in capfd.readouterr().err


def test_what_is_not_written_yet_is_said_where_it_is_needed(tmp_path, capfd):
    (tmp_path / "student.py").write_text("""
from minigrad import op
from minigrad.course import todo

@op(todo)
def first(x):
    return 2 * x

@op(lambda g: 2 * g)
def second(x):
    return todo()

@op(lambda g: 2 * g)
def third(x):
    return 2 * x
""", encoding="utf-8")
    assert main(["check", f"{tmp_path}/student.py"]) == 2
    out, err = capfd.readouterr()
    assert "1 of 3 ok, 0 wrong, 2 inconclusive" in out and err.count("not written yet") == 2 and "were tried" not in err


def test_endless_output_is_cut(tmp_path, capfd):
    (tmp_path / "student.py").write_text("while True:\n    print('x' * 1000)\n", encoding="utf-8")
    assert main(["check", f"{tmp_path}/student.py", "--timeout", "0.3"]) == 2
    assert len(capfd.readouterr().err) < 100_000
