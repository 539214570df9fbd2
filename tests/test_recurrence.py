"""A step of the recurrence replaces a forward that cannot be traced."""

import sys

import numpy as np
import pytest
from test_by_hand import H0, RNN_INPUTS, WH, B, H, T, X, rnn_backward, rnn_forward, verdicts

from minigrad import gradcheck, tanh, with_cache
from minigrad.__main__ import main

rng = np.random.default_rng(8)
opaque_tanh = np.frompyfunc(lambda z: float(np.tanh(z)), 1, 1)  # as compiled code: it cannot be looked into


def opaque_forward(x, h0, Wx, Wh, b):
    hs, h = [h0], h0
    for x_t in x.swapaxes(0, 1):
        h = opaque_tanh(x_t @ Wx + h @ Wh + b).astype(float)
        hs.append(h)
    return np.stack(hs, axis=1), h


def opaque_backward(g, x, h0, Wx, Wh, b):
    dhs = g[0].swapaxes(0, 1).copy()
    dhs[-1] += g[1]
    dx, dh, *weights = rnn_backward(dhs[1:], x.swapaxes(0, 1), h0, Wx, Wh, b, carry=0.0)
    return dx.swapaxes(0, 1), dh + dhs[0], *weights


def rnn_step(x_t, h, Wx, Wh, b):
    h_new = np.tanh(x_t @ Wx + h @ Wh + b)
    return h_new


def rnn_step_with_cache(x_t, h, Wx, Wh, b):
    h_new = np.tanh(x_t @ Wx + h @ Wh + b)
    return h_new, (x_t, h)


BATCH_FIRST = (X.swapaxes(0, 1), *RNN_INPUTS[1:])


@pytest.mark.parametrize("step", [rnn_step, with_cache(rnn_step_with_cache, lambda dh, cache: None)])
def test_a_step_shows_what_a_forward_that_cannot_be_looked_into_does_not(step):
    """The batch is the first axis; forward returns all states from the initial one on, and the last one."""
    report = gradcheck(opaque_forward, *BATCH_FIRST, backward=opaque_backward, time_axis=1)
    assert "nothing flows back" not in str(report)
    said = gradcheck(opaque_forward, *BATCH_FIRST, backward=opaque_backward, step=step, time_axis=1)
    assert verdicts(said) == verdicts(report) == dict.fromkeys(("x", "h0", "Wx", "Wh", "b"), "WRONG")
    (words,) = {row.notes for row in said.rows}
    assert len(words) == 1 and words[0].startswith("the carry is lost: nothing flows back from step t+1 to step t through h_new;")
    assert ": h_new = np.tanh(x_t @ Wx + h @ Wh + b))" in words[0]
    its_name = "rnn_step, seed=0, time_axis=1)" if step is rnn_step else (
        "step, seed=0, time_axis=1), where step is your with_cache(rnn_step_with_cache, <lambda>)")
    assert said.again.endswith(f"backward=opaque_backward, step={its_name}")


def pair_step(x_t, h, C, W):
    h_new, C = np.zeros(C.shape), 0.5 * C + np.tanh(x_t + h @ W)
    h_new[:] = np.tanh(C)
    return h_new, C


def opaque_pair(x, h, C, W):
    hs = []
    for x_t in x:
        C = 0.5 * C + opaque_tanh(x_t + h @ W).astype(float)
        h = np.tanh(C)
        hs.append(h)
    return np.stack(hs), C


def opaque_pair_backward(g, x, h, C, W):
    steps, dx, dW, dh, dC = [], np.zeros_like(x), np.zeros_like(W), np.zeros_like(h), g[1]
    for x_t in x:
        before, u = h, np.tanh(x_t + h @ W)
        C = 0.5 * C + u
        h = np.tanh(C)
        steps.append((before, u, h))
    for t in reversed(range(len(x))):
        before, u, h = steps[t]
        dC = dC + (g[0][t] + dh) * (1 - h * h)
        dx[t] = dC * (1 + u * u)
        dh, dC, dW = dx[t] @ W.T, 0.5 * dC, dW + before.T @ dx[t]
    return dx, dh, dC, dW


def test_a_step_may_write_into_its_arguments():
    def step(x_t, h, Wx, Wh, b):
        h[:] = np.tanh(x_t @ Wx + h @ Wh + b)
        x_t *= 0
        return h

    report = gradcheck(opaque_forward, *BATCH_FIRST, backward=opaque_backward, step=step, time_axis=1)
    assert all("nothing flows back from step t+1 to step t through h[:]" in row.notes[0] for row in report.rows), report


def test_a_step_with_two_states():
    inputs = (rng.normal(size=(T, B, H)), H0, H0[::-1], WH)
    report = gradcheck(opaque_pair, *inputs, backward=opaque_pair_backward, step=pair_step)
    assert all("1 + y^2 stands where 1 - y^2, tanh's derivative, is right" in row.notes[0] for row in report.rows), report


@pytest.mark.parametrize(("step", "said"), [
    (lambda x_t, h, Wx, Wh, b: np.tanh(x_t @ Wx + h @ Wh), "in a loop it does not give output 0, of shape (4, 2, 5)"),
    (lambda x_t, h: h, "takes 2 positional arguments but 5 were given"), (lambda *xs: 1 / 0, "ZeroDivisionError"),
    (lambda *xs: sys.exit(3), "SystemExit: 3")])
def test_a_step_that_is_another_function_is_not_used(step, said):
    wrong = gradcheck(rnn_forward, *RNN_INPUTS, backward=lambda g, *xs: rnn_backward(g, *xs, carry=0.0), step=step)
    (note,) = [text for _, text in wrong.notes]
    assert note.startswith("step is not used: ") and said in note
    assert "through h; only" in str(wrong).replace("\n  ", " ")  # forward itself is looked into
    right = gradcheck(rnn_forward, *RNN_INPUTS, backward=rnn_backward, step=step)
    assert right and said in str(right).replace("\n  ", " ")


def test_from_a_shell(tmp_path, capsys):
    (tmp_path / "student.py").write_text("""
import numpy as np

opaque_tanh = np.frompyfunc(lambda z: float(np.tanh(z)), 1, 1)

def forward(x, h, W):
    for t in range(x.shape[1]):
        h = opaque_tanh(x[:, t] + h @ W).astype(float)
    return h

def backward(g, x, h, W):
    hs, dx, dW = [h], np.zeros_like(x), np.zeros_like(W)
    for t in range(x.shape[1]):
        hs.append(forward(x[:, t:t + 1], hs[-1], W))
    for t in reversed(range(x.shape[1])):
        dx[:, t] = g * (1 - hs[t + 1] ** 2)
        g, dW = dx[:, t] @ W, dW + hs[t].T @ dx[:, t]
    return dx, g, dW

def step(x_t, h, W):
    return np.tanh(x_t + h @ W)
""", encoding="utf-8")
    command = ["check", f"{tmp_path}/student.py:forward", "--backward", "backward", "--shape=2,4,3", "--shape=2,3", "--shape=3,3",
               "--step", "step", "--time-axis", "1"]
    assert main(command) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "x, h, W: hint: W is not transposed, or once too often, in what goes back to h in h @ W (line 21: " in out
    assert out.count("--backward=backward --step=step --time-axis=1") == 1
    assert main([*command[:-1], "3"]) == 2
    assert "time_axis must be 0 or more and below 3, because the first input has shape (2, 4, 3)" in capsys.readouterr().err
    for options in (["--step", "step"], ["--backward", "backward", "--time-axis=-1"]):
        with pytest.raises(SystemExit):
            main([*command[:2], *options])


def test_a_step_belongs_to_a_backward():
    with pytest.raises(ValueError, match="step= is for gradients written by hand"):
        gradcheck(tanh, X, step=rnn_step)
