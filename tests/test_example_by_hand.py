"""The example on gradients written by hand runs and names each mistake. test_readme.py tests its guide."""

import by_hand
import pytest


REPORTS = {}  # by mistake


@pytest.fixture
def one_check_of_each(monkeypatch):
    """Every run checks the right one first: once is enough."""
    check = by_hand.check
    monkeypatch.setattr(by_hand, "check", lambda rng: REPORTS.get(by_hand.mistake) or
                        REPORTS.setdefault(by_hand.mistake, check(rng)))


@pytest.fixture
def small(tmp_path, monkeypatch, one_check_of_each):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: by_hand.main(["--steps", "60", "--hidden", "6", *arguments])


@pytest.mark.parametrize(("mistake", "named"), [
    ("no_carry", "the carry is lost"), ("new_h", "hs[t] stands where hs[t - 1] is right"),
    ("no_slope", "the gradient of hs[t] is used where that of Whh @ hs[t - 1] is right"),
    ("overwritten", "is it overwritten instead of added up, or are the others lost?"),
])
def test_each_mistake_is_named(small, tmp_path, capsys, mistake, named):
    losses = small("--mistake", mistake)
    right, wrong = capsys.readouterr().out.split(f"{mistake}: {by_hand.MISTAKES[mistake]}")
    assert "gradient: ok" in right and "gradient: WRONG" in wrong and named in wrong.replace("\n  ", " ")
    assert set(losses) == {"", mistake} and (losses[""] != losses[mistake]).any()
    assert {path.name for path in tmp_path.iterdir()} == {"by_hand.png"}


def test_the_right_gradient_remembers_and_the_wrong_one_does_not(tmp_path, one_check_of_each):
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
