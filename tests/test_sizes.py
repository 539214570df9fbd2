"""Gradients that are right at the given sizes and wrong at other sizes."""

import numpy as np
import pytest

from minigrad import gradcheck
from minigrad.__main__ import main

rng = np.random.default_rng(9)
TARGETS = np.array([0, 2, 1, 1])
ONLY_HERE = ("at other sizes it is wrong: with {} the gradient of {} is WRONG. Does one length stand where an equal one is "
             "right?")


def cross_entropy(z, y):
    z = z - z.max(axis=1, keepdims=True)
    return (np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), y]).mean()


def divided_by(length):
    def backward(g, z, y):
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(len(z)), y] -= 1
        return g * p / length(z), None

    return backward


@pytest.mark.parametrize(("length", "classes", "said"), [
    (lambda z: z.shape[1], 4, [ONLY_HERE.format("z of shape (4, 3)", "z")]), (len, 4, []), (lambda z: 4, 4, []), (len, 3, []),
    (lambda z: z.size // 5, 5, [])])  # nothing is tried where all lengths differ
def test_a_length_that_is_right_by_chance(length, classes, said):
    """The loss is a mean over four rows."""
    report = gradcheck(cross_entropy, rng.normal(size=(4, classes)), TARGETS, backward=divided_by(length))
    assert report and [text for _, text in report.notes] == said


def test_a_shape_that_is_right_by_chance():
    """W's gradient has the shape of x."""
    report = gradcheck(lambda x, W: x * W.mean(), *(rng.normal(size=(3, 3)) for _ in range(2)),
                       backward=lambda g, x, W: (g * W.mean(), np.full(x.shape, (g * x).mean())))
    assert report and [text for _, text in report.notes] == [ONLY_HERE.format("x of shape (2, 3)", "W")]


def test_what_is_wrong_anyhow_is_not_tried_again():
    report = gradcheck(cross_entropy, rng.normal(size=(4, 4)), TARGETS, backward=divided_by(lambda z: 2 * z.shape[1]))
    assert not report and not report.notes


def test_on_the_command_line(tmp_path, capfd):
    """The file's own process tries other sizes, so what it says is a hint."""
    (tmp_path / "student.py").write_text("""
def forward(x, W): return x * W.mean()
def backward(g, x, W): return g * W.mean(), 0 * W + (g * x).sum() / W.size
def sloppy(g, x, W): return g * W.mean(), 0 * x + (g * x).mean()
""")
    for backward, said in (("backward", 0), ("sloppy", 1)):
        assert main(["check", f"{tmp_path}/student.py:forward", f"--backward={backward}", "--shape=3,3", "--shape=3,3"]) == 0
        assert " ".join(capfd.readouterr().out.split()).count("hint: " + ONLY_HERE.format("x of shape (2, 3)", "W")) == said
