"""The examples on vanishing gradients and long-term dependencies, in a small size: their exact numbers are exact."""

import math
import sys

import long_term_dependencies
import numpy as np
import pytest
import vanishing_gradients

from minigrad import Tensor
from minigrad.layers import LSTM, cross_entropy, mse_loss

VANISHING = ("--steps", "12", "--hidden", "6", "--seeds", "3")
LEARNING = ("--hidden", "8", "--batch", "8", "--steps", "30", "--seeds", "2", "--lengths", "5", "9")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_gradients_are_the_exact_powers(tmp_path, capsys):
    norms, exact = vanishing_gradients.main(list(VANISHING))
    k = np.arange(13)
    for gain in (0.5, 0.8, 1.0, 1.2, 1.5):
        np.testing.assert_array_equal(exact["linear RNN", gain], gain ** k.astype(float))
        np.testing.assert_allclose(norms["linear RNN", gain], np.tile(gain ** k.astype(float), (3, 1)), rtol=1e-10, atol=0)
        assert (norms["RNN", gain][:, 1:] < norms["linear RNN", gain][:, 1:]).all()  # tanh' is below 1
    for bias in (0.0, 1.0, 2.0, 5.0):
        forget = 1 / (1 + math.exp(-bias))
        np.testing.assert_allclose(norms["cell only", bias], np.tile(forget ** k.astype(float), (3, 1)), rtol=1e-10, atol=0)
    assert {path.name for path in tmp_path.iterdir()} == {"vanishing_gradients.png"}
    out = capsys.readouterr().out
    assert "k = 12" in out and "clipped to 1" in out


def test_the_numbers_at_a_hundred_steps(capsys):
    norms, exact = vanishing_gradients.main(["--steps", "100", "--hidden", "4", "--seeds", "1", "--gains", "0.5", "1", "1.5"])
    # computed apart, in 50 digits: (1 / (1 + exp(-bias)))^100 and gain^100
    for key, value in ((("cell only", 0.0), 7.888609052210118e-31), (("cell only", 1.0), 2.4843785557240077e-14),
                       (("cell only", 2.0), 3.0731695436807572e-06), (("cell only", 5.0), 0.5109237848561176),
                       (("linear RNN", 0.5), 7.888609052210118e-31), (("linear RNN", 1.0), 1.0),
                       (("linear RNN", 1.5), 4.065611775352152e17)):
        assert exact[key][100] == pytest.approx(value, rel=1e-12, abs=0)
        assert norms[key][:, 100] == pytest.approx(value, rel=1e-10, abs=0)
    assert " 2.5e-14 " in capsys.readouterr().out


def test_the_gradient_of_relu_comes_back_through_the_units_that_stay_above_0():
    units_lost = set()
    for seed in range(3):
        rng, again = np.random.default_rng(seed), np.random.default_rng(seed)
        cell, xs = vanishing_gradients.relu_cell(1.0, 6, rng), 0.3 * np.random.default_rng(9).normal(size=(12, 4))
        W_x = vanishing_gradients.relu_cell(1.0, 6, again).W.data[6:]
        norms = vanishing_gradients.gradient_norms(cell, xs, rng)
        h, u = again.normal(size=6) / math.sqrt(6), again.normal(size=6)
        above = []
        for x in xs:
            h = np.maximum(0, h + x @ W_x)
            above.append(h > 0)
        for k in range(13):
            on = np.all(above[len(xs) - k:], axis=0) if k else np.ones(6, bool)
            assert norms[k] == pytest.approx(np.linalg.norm(u[on]) / np.linalg.norm(u), rel=1e-12)
            units_lost.add(6 - on.sum())
    assert len(units_lost) > 2  # some units were lost on the way, and not all of them at once


def test_a_wrong_gradient_stops_the_program(monkeypatch):
    cell = vanishing_gradients.rnn_cell
    monkeypatch.setattr(vanishing_gradients, "rnn_cell", lambda kind, gain, *rest: cell(kind, gain * (1 + 1e-9), *rest))
    with pytest.raises(AssertionError, match="linear RNN"):
        vanishing_gradients.main(list(VANISHING))


def test_clipping_bounds_the_update():
    options = vanishing_gradients.parse([*VANISHING, "--steps", "60", "--gains", "2", "--clip", "0.5", "--lr", "0.1"])
    found = vanishing_gradients.clipping(options)
    free, clipped = found["not clipped"], found["clipped to 0.5"]
    np.testing.assert_array_equal(free[:, 0], clipped[:, 0])
    assert (free[:, 0] > 10).any()
    # the parameters are the same, so the updates compare as the gradients: g against max_norm g / (g + 1e-6)
    shrunk = np.minimum(free[:, 0], 0.5 * free[:, 0] / (free[:, 0] + 1e-6))
    np.testing.assert_allclose(clipped[:, 1] / free[:, 1], shrunk / free[:, 0], rtol=1e-8)


@pytest.mark.parametrize("task", ["adding", "first"])
def test_baselines(task):
    """1/6 and log 8 are the losses of answers that ignore the sequence."""
    rng = np.random.default_rng(0)
    x, target = long_term_dependencies.TASKS[task].sequences(rng, 7, 200_000)
    baseline = long_term_dependencies.TASKS[task].baseline
    if task == "adding":
        numbers, markers = x[..., 0], x[..., 1]
        assert ((numbers >= 0) & (numbers <= 1)).all() and (markers.sum(axis=0) == 2).all()
        assert (markers[:3].sum(axis=0) == 1).all()
        np.testing.assert_allclose((numbers * markers).sum(axis=0)[:, None], target, rtol=1e-6)
        errors = (target.astype(float) - 1) ** 2
        assert baseline == 1 / 6
        assert mse_loss(Tensor(np.ones_like(target)), target).item() == pytest.approx(errors.mean(), rel=1e-5)
        assert abs(errors.mean() - baseline) < 5 * errors.std() / math.sqrt(errors.size)
    else:
        symbols = x[..., :8].argmax(axis=-1)
        assert (x[..., :8].sum(axis=-1) == 1).all() and (symbols[0] == target).all()
        assert (x[0, :, 8] == 1).all() and (x[1:, :, 8] == 0).all()
        counts = np.bincount(target, minlength=8)
        assert len(counts) == 8 and abs(counts / len(target) - 1 / 8).max() < 0.005
        assert baseline == math.log(8)
        assert cross_entropy(Tensor(np.zeros((len(target), 8))), target).item() == pytest.approx(baseline, rel=1e-12)


def test_learns_and_leaves_a_plot(tmp_path, capsys):
    runs = long_term_dependencies.main(list(LEARNING))
    assert set(runs) == {(task, length, model) for task in ("adding", "first") for length in (5, 9)
                         for model in ("rnn", "lstm", "gru")}
    assert all(len(of_seeds) == 2 and len(run.losses) == 30 for of_seeds in runs.values() for run in of_seeds)
    out = capsys.readouterr().out
    assert "baseline 0.1667" in out and "baseline 2.0794" in out and "0 of  2" in out
    assert {path.name for path in tmp_path.iterdir()} == {"long_term_dependencies.png"}


def test_an_lstm_solves_a_short_sequence_and_stops():
    run, = long_term_dependencies.main(["--task", "first", "--models", "lstm", "--lengths", "5", "--seeds", "1",
                                        "--hidden", "16", "--lr", "0.02", "--forget-bias", "2"])["first", 5, "lstm"]
    assert run.solved(long_term_dependencies.TASKS["first"]) and len(run.losses) < 1000
    assert run.losses[0] == pytest.approx(math.log(8), abs=0.5)


def test_equal_seeds_give_equal_runs_and_equal_sequences():
    arguments = ["--task", "adding", "--lengths", "5", "--steps", "3", "--hidden", "4", "--seeds"]
    both, second = (long_term_dependencies.main([*arguments, *more]) for more in (["2"], ["1", "--seed", "1"]))
    for key, of_seeds in both.items():
        assert of_seeds[1] == second[key][0]
        assert of_seeds[0] != of_seeds[1]


def test_forget_bias_of_lstm_and_gru():
    options = long_term_dependencies.parse(["--forget-bias", "4"])
    task = long_term_dependencies.TASKS["adding"]
    lstm, gru = (long_term_dependencies.Answer(model, task, options, np.random.default_rng(0)) for model in ("lstm", "gru"))
    assert isinstance(lstm.recurrent, LSTM)
    assert (lstm.recurrent.cells[0].b_f.numpy() == 4).all() and (gru.recurrent.cells[0].b_z.numpy() == -4).all()


@pytest.mark.parametrize(("program", "arguments"), [
    (vanishing_gradients, VANISHING), (long_term_dependencies, (*LEARNING, "--task", "first"))])
def test_without_matplotlib_there_is_no_plot(tmp_path, capsys, monkeypatch, program, arguments):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    program.main(list(arguments))
    assert "matplotlib is not installed" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("program", "arguments", "message"), [
    (vanishing_gradients, ("--steps", "0"), "--steps must be a number above 0"),
    (vanishing_gradients, ("--seeds", "-1"), "--seeds must be a number above 0"),
    (vanishing_gradients, ("--lr", "nan"), "--lr must be a number above 0"),
    (vanishing_gradients, ("--seed", "-1"), "--seed must be 0 or more"),
    (vanishing_gradients, ("--input-scale", "inf"), "--input-scale must be within"),
    (vanishing_gradients, ("--gains", "0"), "--gains must be above 0"),
    (vanishing_gradients, ("--gains", "1", "nan"), "--gains must be above 0"),
    (vanishing_gradients, ("--gains", "1.5", "--steps", "1000"), "not 1.5 over 1000 steps"),
    (vanishing_gradients, ("--forget-biases", "-800"), "--forget-biases must be at most 300"),
    (vanishing_gradients, ("--plot", "nowhere/x.png"), "no folder nowhere"),
    (long_term_dependencies, ("--steps", "0"), "--steps must be a number above 0"),
    (long_term_dependencies, ("--lr", "nan"), "--lr must be a number above 0"),
    (long_term_dependencies, ("--lengths", "1"), "--lengths must be 2 or more"),
    (long_term_dependencies, ("--seed", "-1"), "--seed must be 0 or more"),
    (long_term_dependencies, ("--forget-bias", "nan"), "--forget-bias must be a number"),
    (long_term_dependencies, ("--models", "cnn"), "invalid choice"),
    (long_term_dependencies, ("--task", "copy"), "invalid choice"),
    (long_term_dependencies, ("--plot", "nowhere/x.png"), "no folder nowhere"),
])
def test_bad_arguments_end_in_one_clear_error(tmp_path, capsys, program, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        program.main(list(arguments))
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
