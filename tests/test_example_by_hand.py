"""The example and the guide on gradients written by hand: they run, and they print what they say."""

import linecache
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import by_hand
import pytest
from test_readme import stable

GUIDE = Path(by_hand.__file__).parent / "guides" / "by_hand.md"


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: by_hand.main(["--steps", "60", "--hidden", "6", *arguments])


@pytest.mark.parametrize(("mistake", "named"), [
    ("no_carry", "the carry is lost"), ("new_h", "hs[t] stands where hs[t - 1] is right"),
    ("no_slope", "the gradient of hs[t] is used where that of Whh @ hs[t - 1] is right"),
    ("overwritten", "is it overwritten instead of added up?"),
])
def test_each_mistake_is_named(small, tmp_path, capsys, mistake, named):
    losses = small("--mistake", mistake)
    right, wrong = capsys.readouterr().out.split(f"{mistake}: {by_hand.MISTAKES[mistake]}")
    assert "gradient: ok" in right and "gradient: WRONG" in wrong and named in wrong.replace("\n  ", " ")
    assert set(losses) == {"", mistake} and (losses[""] != losses[mistake]).any()
    assert {path.name for path in tmp_path.iterdir()} == {"by_hand.png"}


def test_the_right_gradient_remembers_and_the_wrong_one_does_not(tmp_path):
    losses = by_hand.main(["--plot", str(tmp_path / "x.png"), "--steps", "1000"])
    with_memory, without = 0.5, 1.0  # bits per character
    assert by_hand.averaged(losses[""])[-1] < 0.6
    assert by_hand.averaged(losses["no_carry"])[-1] > 0.85 > with_memory + without / 4


def test_without_matplotlib_there_is_no_plot(small, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    small()
    assert "matplotlib is not installed" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("arguments", "message"), [
    (("--steps", "0"), "--steps must be a number above 0"), (("--seed", "-1"), "--seed must be 0 or more"),
    (("--mistake", "none"), "invalid choice"), (("--plot", "nowhere/x.png"), "no folder nowhere"),
])
def test_bad_options_end_in_one_clear_error(small, capsys, arguments, message):
    with pytest.raises(SystemExit):
        small(*arguments)
    assert message in capsys.readouterr().err


def blocks_of_guide():
    """What the guide's blocks print, and what stands there. Lines of the program can be quoted, as from a file."""
    namespace, printed, written = {"__name__": "guide"}, [], []
    for number, (language, block) in enumerate(re.findall(r"^```(\w+)\n(.*?)^```", GUIDE.read_text(encoding="utf-8"),
                                                           re.MULTILINE | re.DOTALL)):
        if language == "python":
            name = f"<by_hand.md, block {number}>"
            linecache.cache[name] = len(block), None, block.splitlines(keepends=True), name
            out = StringIO()
            with redirect_stdout(out):
                exec(compile(block, name, "exec"), namespace)
            printed += [out.getvalue()] if out.getvalue() else []
        else:
            written.append(block)
    return printed, written


def test_the_guide_prints_what_it_says():
    printed, written = blocks_of_guide()
    assert len(printed) == len(written) == 3
    for report, block in zip(printed, written):
        assert stable(report) == stable(block)
        assert max(map(len, report.splitlines())) <= 100
