"""The examples run, in a small size; what they print is right; what is asked wrongly ends in one clear error."""

import math

import char_lstm
import numpy as np
import pytest
import to_pytorch

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
    (TEXT.encode(), ("--steps", "0"), "--steps must be above 0"),
    (TEXT.encode(), ("--lr", "nan"), "--lr must be above 0"),
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
    path, arguments, message = tmp_path / "char_lstm.npz", [], "no checkpoint of this program"
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
