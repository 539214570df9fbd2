"""examples/addition.py and examples/gates.py: their data, baselines and equations are right; they run in a small size."""

import addition
import char_lstm
import gates
import numpy as np
import pytest

TEXT = "`The quick Brown fox,' said Tom's dog. It jumps over\nthe lazy dog. " * 30


@pytest.fixture
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


def add(*arguments):
    return addition.main(["--digits", "1", "--examples", "60", "--epochs", "3", "--hidden", "8", "--batch", "16", *arguments])


def look(*arguments):
    return gates.main(["--text", "text.txt", "--steps", "3", "--hidden", "6", "--start", "20", "--length", "30", *arguments])


def test_questions_are_reversed_and_answers_are_not():
    questions = addition.ask(np.array([47, 3]), np.array([85, 4]), digits=2)
    assert addition.decode(questions.x) == ["58+74", "  4+3"]
    assert addition.decode(questions.y) == ["132", "7  "]
    assert addition.decode(addition.ask(np.array([3]), np.array([4]), digits=2, forwards=True).x) == ["3+4  "]


@pytest.mark.parametrize(("digits", "examples", "unseen"), [(1, 60, 40), (2, 5000, 5000), (2, 7000, 3000), (4, 100, 5000)])
def test_no_question_that_was_learnt_is_asked_again(digits, examples, unseen):
    learnt, others, either_way = addition.draw(np.random.default_rng(0), digits, examples, forwards=False)
    assert (len(learnt.a), len(others.a)) == (examples, unseen)
    seen = set(zip(learnt.a.tolist(), learnt.b.tolist()))
    asked = list(zip(others.a.tolist(), others.b.tolist()))
    assert len(seen) == examples and len(set(asked)) == unseen and not seen & set(asked)
    assert either_way.tolist() == [(b, a) not in seen for a, b in asked]
    assert max(learnt.a.max(), learnt.b.max()) < 10**digits


def test_baseline_of_all_two_digit_questions():
    a, b = np.divmod(np.arange(10_000), 100)
    by_character, whole = addition.baseline(addition.ask(a, b, digits=2).y)
    # s <= 99 has s + 1 questions and s > 99 has 199 - s. First a 1: from 1, 10 .. 19 and 100 .. 198
    first = 2 + sum(s + 1 for s in range(10, 20)) + 4950
    # second: the digit that most sums have there, nothing for 0 .. 9; third: a space for all up to 99
    questions = {s: s + 1 if s < 100 else 199 - s for s in range(199)}
    second = max(sum(n for s, n in questions.items() if str(s)[1:2] == digit) for digit in ["", *"0123456789"])
    assert by_character == pytest.approx((first + second + 5050) / 30_000, abs=1e-12)
    assert whole == 100 / 10_000  # 99, from 0+99 .. 99+0


def test_accuracy_counts_characters_and_whole_answers():
    right = addition.encode(["132", "7", "20", "5"], 3)
    answered = addition.encode(["132", "7", "21", "60"], 3)
    assert addition.accuracy(answered, right) == (9 / 12, 2 / 4)


def test_the_decoder_gets_the_last_h_at_every_step():
    model = addition.Adder(digits=2, hidden=4, rng=np.random.default_rng(0))
    x = addition.ask(np.array([47, 3]), np.array([85, 99]), digits=2).x
    _, (h, _) = model.encoder(model.one_hot[x])
    state, expected = None, []
    for _ in range(3):
        state = model.decoder.cells[0](h[0], state)
        expected.append(model.output(state[0]).numpy())
    np.testing.assert_allclose(model(x).numpy(), expected, atol=1e-6)


def test_addition_learns_and_leaves_a_plot(in_empty_folder, capsys):
    runs = add("--examples", "80", "--epochs", "100", "--hidden", "24", "--lr", "0.02", "--seed", "3", "--seeds", "2",
               "--plot", "sum.png")
    out = capsys.readouterr().out
    assert list(runs) == [3, 4]
    for measured in runs.values():
        assert [m.epoch for m in measured] == list(range(1, 101))
        assert min(measured[-1].learnt) > 0.9 and measured[0].learnt[1] < 0.5
    assert "unseen either way" in out and "right" in out and "WRONG" in out
    assert "Keras:" not in out  # whose figure is for two digits
    assert (in_empty_folder / "sum.png").stat().st_size > 10_000


def test_two_digits_stand_beside_keras(in_empty_folder, capsys):
    measured = add("--digits", "2", "--epochs", "1")[0][-1]
    out = capsys.readouterr().out
    assert "99 %" in out and "addition_rnn.py" in out
    assert f"{100 * measured.unseen[0]:.2f} %" in out and "not reached" in out


def test_addition_is_the_same_again(in_empty_folder):
    assert add("--seeds", "2") == add("--seeds", "2")


def test_gates_are_what_the_layer_computes():
    options = char_lstm.argparse.Namespace(model="lstm", hidden=6, layers=1, batch=4, time_steps=10, dropout=0.4, lr=0.01,
                                           clip=1.0, seed=0)
    training = char_lstm.Training(options, TEXT)
    columns = char_lstm.streams(training.held_out, 3)
    found = gates.gates(training.model.recurrent.cells[0], training.model.one_hot[columns])
    difference, allowed = gates.difference_to_layer(training.model, found, columns)
    assert difference <= allowed < 1e-5
    np.testing.assert_allclose(found.h, found.o * np.tanh(found.C), atol=1e-6)
    for gate in found[:3]:
        assert gate.shape == (columns.size, 6) and 0 < gate.min() and gate.max() < 1

    training.model.recurrent.cells[0].b_f.data[:] += 0.1  # other equations than those that `found` is from
    assert gates.difference_to_layer(training.model, found, columns)[0] > 100 * allowed


def test_properties_of_a_known_text():
    text = "`I can't,' he\nsaid. B"
    assert gates.in_quotation(text).tolist() == [1] * 9 + [0] * 12
    assert gates.in_quotation('a "b" c').tolist() == [0, 0, 1, 1, 0, 0, 0]
    assert gates.place_in_word("ab, cde").tolist() == [0, 1, 0, 0, 1, 2, 3]
    assert gates.since("ab\ncd\n", "\n").tolist() == [0, 1, 0, 1, 2, 0]
    assert gates.since("abc", "\n").tolist() == [0, 0, 0]
    assert gates.in_word("a b-C").tolist() == [1, 0, 1, 0, 1]


def test_correlations_are_those_of_numpy():
    rng = np.random.default_rng(0)
    values, cells = rng.normal(size=50), rng.normal(size=(50, 3))
    cells[:, 2] = 5
    r = gates.correlations(values, cells)
    assert r[:2] == pytest.approx([np.corrcoef(values, cells[:, n])[0, 1] for n in range(2)])
    assert r[2] == 0


def test_a_planted_unit_is_found_and_noise_is_not_called_learnt():
    rng = np.random.default_rng(0)
    text = char_lstm.read_text(gates.Path(gates.__file__).parent / "data" / "alice.txt")[-5000:]
    noise, planted = rng.normal(size=(2, len(text), 5))
    planted[:, 3] = -2 * gates.in_quotation(text) + 0.1 * rng.normal(size=len(text))
    empty = np.zeros((len(text), 5))
    before, after = (gates.Gates(empty, empty, empty, cells, empty) for cells in (noise, planted))
    first = gates.choose(text, after, before, 5, rng)[0]
    assert (first.number, first.why) == (3, "in a quotation") and first.r < -0.9 and first.learnt()
    units = gates.choose(text, before, before, 5, rng)
    assert len({unit.number for unit in units}) == 5 and not any(unit.learnt() for unit in units)


def test_gates_leaves_a_plot(in_empty_folder, capsys):
    units = look("--units", "5", "--plot", "seen.png")
    out = capsys.readouterr().out
    assert len({unit.number for unit in units}) == 5
    assert repr(TEXT[-int(len(TEXT) * char_lstm.HELD_OUT):][20:50]) in out
    assert "after 3 steps" in out and (in_empty_folder / "seen.png").stat().st_size > 10_000
    assert look("--units", "5", "--plot", "seen.png") == units


def test_gates_of_a_checkpoint(in_empty_folder, capsys):
    char_lstm.main(["--text", "text.txt", "--steps", "7", "--hidden", "5", "--batch", "4", "--time-steps", "10"])
    capsys.readouterr()
    units = look("--checkpoint", "char_lstm.npz", "--units", "9")
    assert "LSTM with 5 units after 7 steps" in capsys.readouterr().out
    assert len(units) == 5  # no more than there are


@pytest.mark.parametrize("run", [add, look])
def test_without_matplotlib_there_is_no_plot(in_empty_folder, capsys, monkeypatch, run):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    run()
    assert "matplotlib is not installed" in capsys.readouterr().out
    assert not list(in_empty_folder.glob("*.png"))


@pytest.mark.parametrize(("run", "arguments", "message"), [
    (add, ("--epochs", "0"), "--epochs must be a number above 0"),
    (add, ("--lr", "nan"), "--lr must be a number above 0"),
    (add, ("--digits", "0"), "--digits must be 1 to 9"),
    (add, ("--digits", "10"), "--digits must be 1 to 9"),
    (add, ("--examples", "100"), "--examples must be below 100"),
    (add, ("--seed", "-1"), "--seed must be 0 or more"),
    (add, ("--plot", "nowhere/x.png"), "no folder nowhere"),
    (add, ("--hidden", "many"), "invalid int value"),
    (look, ("--hidden", "0"), "--hidden must be a number above 0"),
    (look, ("--steps", "-1"), "--steps must be 0 or more"),
    (look, ("--plot", "nowhere/x.png"), "no folder nowhere"),
    (look, ("--text", "nothing.txt"), "cannot read the text"),
    (look, ("--start", "1000"), "too short"),
    (look, ("--checkpoint", "nothing.npz"), "there is no checkpoint nothing.npz"),
    (look, ("--checkpoint", "text.txt"), "text.txt is no checkpoint"),
])
def test_bad_arguments_end_in_one_clear_error(in_empty_folder, capsys, run, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(in_empty_folder.glob("*.png"))


@pytest.mark.parametrize(("arguments", "message"), [
    (("--model", "gru"), "looks into one layer of lstm"), (("--layers", "2"), "looks into one layer of lstm")])
def test_gates_of_another_model_are_refused(in_empty_folder, capsys, arguments, message):
    char_lstm.main(["--text", "text.txt", "--steps", "1", "--hidden", "4", "--batch", "4", "--time-steps", "10",
                    "--checkpoint", "other.npz", *arguments])
    with pytest.raises(SystemExit):
        look("--checkpoint", "other.npz")
    assert message in capsys.readouterr().err
