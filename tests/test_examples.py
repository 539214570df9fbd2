"""The examples run, in a small size; their output is right; wrong options end in one clear error."""

import argparse
import math
import re
import subprocess
import sys
from pathlib import Path

import char_lstm
import numpy as np
import pytest
import to_pytorch

from minigrad import Tensor

EXAMPLES = Path(char_lstm.__file__).parent
PROGRAMS = [path for path in sorted(EXAMPLES.glob("*.py")) if '__name__ == "__main__"' in path.read_text(encoding="utf-8")]

TEXT = "the quick brown fox jumps over the lazy dog. " * 30


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Runs char_lstm.main in a small size, in an empty folder that holds a text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")

    def run(*arguments, steps=6):
        return char_lstm.main(["--text", "text.txt", "--steps", str(steps), "--hidden", "8", "--batch", "4",
                               "--time-steps", "10", *arguments])
    return run


@pytest.mark.parametrize("model", ["lstm", "rnn", "gru"])
def test_learns_and_leaves_checkpoint_and_plot(small, tmp_path, capsys, model):
    small("--model", model, "--lr", "0.02", steps=150)
    out = capsys.readouterr().out
    assert "held-out text" in out and "order 2" in out
    assert {path.name for path in tmp_path.iterdir()} == {"text.txt", f"char_{model}.npz", f"char_{model}.png"}
    with np.load(f"char_{model}.npz", allow_pickle=False) as file:
        losses = file["losses"]
    assert len(losses) == 150 and losses[0] == pytest.approx(math.log2(len(set(TEXT))), abs=0.5)
    assert losses[-20:].mean() < char_lstm.entropy(TEXT, 0) - 0.5


@pytest.mark.parametrize("options", [("--model", "lstm"), ("--model", "rnn"), ("--layers", "2")])
def test_resuming_equals_an_uninterrupted_run(small, options):
    whole = small(*options, "--checkpoint", "whole.npz", steps=40)
    small(*options, "--checkpoint", "parts.npz", steps=15)
    resumed = small(*options, "--checkpoint", "parts.npz", "--resume", steps=40)
    with np.load("whole.npz") as one, np.load("parts.npz") as other:
        for name in one.files:
            if name.startswith("model.") or name == "losses":
                np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    assert whole == resumed


def test_the_network_is_whole_when_it_is_measured_and_when_it_writes():
    """Dropout is for learning; the learning rate falls by half every HALF steps."""
    options = argparse.Namespace(model="lstm", hidden=8, layers=1, batch=4, time_steps=10, dropout=0.5, lr=0.01, clip=1.0, seed=0)
    training = char_lstm.Training(options, TEXT)
    model, piece = training.model, training.columns[:11]
    assert char_lstm.held_out_bits(model, training.held_out) == char_lstm.held_out_bits(model, training.held_out)
    before = training.rng.bit_generator.state
    char_lstm.sample(model, training.vocabulary, "t", 5, 1.0, np.random.default_rng(0))
    assert training.rng.bit_generator.state == before  # nothing was dropped, so nothing was drawn
    assert (model(piece)[0].data != model(piece)[0].data).any()
    for steps, lr in ((0, 0.01), (char_lstm.HALF, 0.005), (2 * char_lstm.HALF, 0.0025)):
        training.optimizer.steps = steps
        assert training.optimizer.current_lr() == pytest.approx(lr, rel=1e-12)


class Constant(char_lstm.Module):
    """A network that gives the same scores for ever."""

    def forward(self, characters, state):
        return Tensor(np.log([[[0.5, 0.3, 0.2]]])), state


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_what_is_written_has_the_probabilities_of_its_temperature(temperature):
    written = char_lstm.sample(Constant(), "abc", "a", 4000, temperature, np.random.default_rng(0))
    p = np.array([0.5, 0.3, 0.2]) ** (1 / temperature)
    p /= p.sum()
    counts = np.array([written.count(character) for character in "abc"])
    # by chance 5 standard deviations are passed once in a million times
    assert (abs(counts - 4000 * p) < 5 * np.sqrt(4000 * p * (1 - p))).all()


def test_near_0_only_the_likeliest_is_written():
    for temperature in (1e-3, 1e-300):
        assert char_lstm.sample(Constant(), "abc", "c", 50, temperature, np.random.default_rng(0)) == 50 * "a"


def test_a_checkpoint_writes(small, tmp_path, capsys):
    small()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    capsys.readouterr()
    written = small("--sample", "70", "--temperature", "0.7")
    head, text = capsys.readouterr().out.split("\n\n", 1)
    assert text == written + "\n" and len(written) == 70 and set(written) <= set(TEXT)
    assert head == "char_lstm.npz: LSTM, 8 hidden units, after 6 steps; temperature 0.7"
    assert small("--sample", "70", "--temperature", "0.7") == written != small("--sample", "70", "--seed", "1")
    training = char_lstm.Training(char_lstm.parse(["--hidden", "8", "--batch", "4", "--time-steps", "10"])[0], TEXT)
    char_lstm.checkpoint.resume(tmp_path / "char_lstm.npz", training)
    assert written == char_lstm.sample(training.model, training.vocabulary, ".", 70, 0.7, np.random.default_rng(0))
    # sizes that are not asked for are the checkpoint's
    (tmp_path / "other.npz").write_bytes(before["char_lstm.npz"])
    assert char_lstm.main(["--sample", "70", "--temperature", "0.7", "--checkpoint", "other.npz"]) == written
    (tmp_path / "other.npz").unlink()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("arguments", "message"), [
    ((), "there is no checkpoint char_lstm.npz; char_lstm.py writes one"),
    (("--checkpoint", "nowhere/x.npz"), "there is no checkpoint nowhere/x.npz"),
    (("--checkpoint", "text.txt"), "text.txt is no checkpoint of char_lstm.py"),
    (("--checkpoint", "made.npz", "--model", "gru"), "model is 'lstm' there and 'gru' here"),
    (("--checkpoint", "made.npz", "--layers", "2"), "layers is 1 there and 2 here"),
    (("--checkpoint", "weights.npz"), "recurrent.cells.0.W_f"),
    (("--temperature", "0"), "--temperature must be a number above 0, not 0.0"),
    (("--temperature", "-1"), "--temperature must be a number above 0"),
    (("--temperature", "nan"), "--temperature must be a number above 0"),
    (("--sample", "0"), "--sample must be a number above 0"),
    (("--resume",), "not allowed with argument"),
])
def test_what_cannot_be_written_ends_in_one_clear_error(small, tmp_path, capsys, arguments, message):
    if "made.npz" in arguments or "weights.npz" in arguments:
        small("--checkpoint", "made.npz")
        arrays = char_lstm.checkpoint.load_arrays("made.npz")
        char_lstm.checkpoint.save_arrays("weights.npz", arrays | {"model.recurrent.cells.0.W_f": np.ones((2, 2))})
    with pytest.raises(SystemExit) as stopped:
        small("--sample", "9", *arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_entropies_of_known_texts():
    assert char_lstm.entropy("abcd" * 100, 0) == 2
    assert char_lstm.entropy("abcd" * 100, 1) == 0
    # after a: a, b, b, a; after b: a, b, a (an a and a b alternate with what is left)
    assert char_lstm.entropy("aabbabaa", 1) == pytest.approx(
        4 / 7 * 1 + 3 / 7 * -(1 / 3 * math.log2(1 / 3) + 2 / 3 * math.log2(2 / 3)))
    random = "".join(np.random.default_rng(0).choice(list("abcdefgh"), 20_000))
    assert char_lstm.entropy(random, 1) == pytest.approx(3, abs=0.01)


def test_the_text_that_comes_along():
    text = char_lstm.read_text(char_lstm.Path(char_lstm.__file__).parent / "data" / "alice.txt")
    assert len(text.encode()) > 20_000
    first, second, third = (char_lstm.entropy(text, order) for order in range(3))
    assert first > second > third > 1


def test_without_matplotlib_there_is_no_plot(small, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    small()
    assert "matplotlib is not installed" in capsys.readouterr().out
    assert not (tmp_path / "char_lstm.png").exists()


def test_without_pytorch_the_way_there_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(SystemExit, match="pip install torch"):
        to_pytorch.main([])


def test_an_interrupted_write_leaves_the_old_checkpoint(small, tmp_path, monkeypatch):
    small()
    before = (tmp_path / "char_lstm.npz").read_bytes()

    def fails(file, array, allow_pickle):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np.lib.format, "write_array", fails)
    with pytest.raises(KeyboardInterrupt):
        small()
    assert (tmp_path / "char_lstm.npz").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"text.txt", "char_lstm.npz", "char_lstm.png"}


@pytest.mark.parametrize(("content", "arguments", "message"), [
    (None, (), "cannot read the text"),
    (b"", (), "has 0 characters"),
    (b"a", (), "has 1 characters, 1 of them different"),
    (b"aaaa", (), "1 of them different"),
    (b"\xff\xfe\x00", (), "cannot read the text"),
    (b"abcabcabc", (), "too short: 9 characters"),
    (TEXT.encode(), ("--steps", "0"), "--steps must be a number above 0"),
    (TEXT.encode(), ("--lr", "nan"), "--lr must be a number above 0"),
    (TEXT.encode(), ("--resume",), "char_lstm.npz"),
    (TEXT.encode(), ("--checkpoint", "nowhere/x.npz"), "no folder nowhere"),
    (TEXT.encode(), ("--model", "cnn"), "invalid choice"),
])
def test_bad_input_ends_in_one_clear_error(small, tmp_path, capsys, content, arguments, message):
    (tmp_path / "text.txt").unlink()
    if content is not None:
        (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(SystemExit) as stopped:
        small(*arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("*.npz*"))


@pytest.mark.parametrize("damage", ["other architecture", "other text", "truncated", "not ours", "pickled"])
def test_bad_checkpoints_are_refused(small, tmp_path, capsys, damage):
    small()
    path, arguments, message = tmp_path / "char_lstm.npz", [], "no checkpoint of char_lstm.py"
    if damage == "other architecture":
        arguments, message = ["--layers", "2"], "layers is 1 there and 2 here"
    elif damage == "other text":
        (tmp_path / "text.txt").write_text("abcd" * 300)
        message = "vocabulary is"
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "not ours":
        np.savez(path, weights=np.ones(3))
    else:
        np.savez(path, architecture=np.array([{}], dtype=object))
    before = path.read_bytes()
    with pytest.raises(SystemExit):
        small("--resume", *arguments)
    assert message in capsys.readouterr().err
    assert path.read_bytes() == before


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_opens_with_its_idea(path):
    """At most 40 lines of model and training stand first; and the page of examples has its command."""
    idea, *around = re.split("^# -- around the idea: .*\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(around) == (path.stem != "wrong_gradients")  # which has nothing around
    first = re.search("^(@|class |def )", idea, re.MULTILINE).start()
    lines = [line for line in idea[first:].splitlines() if line.strip()]
    assert len(lines) <= 40 or path.stem == "wrong_gradients", len(lines)
    assert f"`python examples/{path.name}" in (EXAMPLES / "README.md").read_text(encoding="utf-8")


def test_a_program_runs_by_its_path_from_any_folder(tmp_path):
    """gates.py imports every file that the programs share."""
    result = subprocess.run([sys.executable, EXAMPLES / "gates.py", "--checkpoint", "nothing.npz"], cwd=tmp_path, text=True,
                            capture_output=True, timeout=60, env={"PYTHONPATH": str(EXAMPLES.parent)})
    assert "there is no checkpoint nothing.npz" in result.stderr, result.stderr
