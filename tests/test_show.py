"""Reports, models and Tensors as notebooks show them, and print(model)."""

from html.parser import HTMLParser

import numpy as np

import minigrad as mg
from minigrad import Tensor, gradcheck, op, tanh
from minigrad.layers import Dropout, Embedding, Linear, Module, Sequential

NASTY = "<script>&\"'"


class Reader(HTMLParser):
    """The text of each table cell, and all text; unclosed and unknown elements fail."""

    def __init__(self, html):
        super().__init__()
        self.open, self.cells, self.text = [], [], ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert tag in ("div", "table", "tr", "th", "td", "b", "pre")
        self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.cells[-1] += data


class Writer(Module):
    def __init__(self, name, rng):
        self.letters = Embedding(5, 4, rng=rng)
        self.layers = {name: Sequential(Linear(4, 3, rng=rng, dtype=np.float32), tanh, Dropout(0.5, rng=rng))}
        self.letters_again = self.letters
        self.mask = Tensor(np.ones(3))


def writer(name):
    model = Writer(name, np.random.default_rng(0))
    model.letters.W.requires_grad = False
    return model


def test_print_model():
    assert str(writer("name")) == """\
Writer                     35  parameters
  letters: Embedding       20
    W (5, 4)               20  frozen
  layers.name: Sequential  15
    0: Linear              15
      W (4, 3) float32     12
      b (3,) float32        3
    2: Dropout              0
  mask (3,)                    not a parameter"""
    assert repr(Linear(2, 1, rng=np.random.default_rng(0), bias=False)) == "Linear(W: (2, 1))"


def test_print_model_without_parameters_and_with_a_loop():
    one = Module()
    one.W = Tensor(1.0, requires_grad=True)
    one.itself = one
    assert str(one) == "Module  1  parameter\n  W ()  1"
    assert str(Module()) == "Module  0  parameters"


def test_model_in_a_notebook():
    cells = Reader(writer(NASTY)._repr_html_()).cells
    assert cells[:6] == ["Writer", "35", "parameters", "  letters: Embedding", "20", ""]
    assert f"  layers.{NASTY}: Sequential" in cells


def test_report_in_a_notebook(clean_registry):
    def f(x, b):
        return tanh(x) + 0 * b
    right = gradcheck(f, np.ones((2, 1)), np.ones(1))
    read = Reader(right._repr_html_())
    assert read.cells[:8] == ["input", "shape", "failing", "worst at", "analytic", "numeric", "+-", "verdict"]
    assert read.cells[8:11] == ["x", "(2, 1)", "0 of 2"] and read.cells[15] == "ok"
    assert "#1a7f37" in right._repr_html_() and "#cf222e" not in right._repr_html_()

    @op(lambda g, x: -g)
    def wrong(x):
        return x * 1
    wrong.__qualname__ = NASTY
    report = gradcheck(wrong, np.ones(2))
    read = Reader(report._repr_html_())
    assert read.text.startswith("gradient: WRONG") and "#cf222e" in report._repr_html_()
    assert [" ".join(line.split()) for line in str(report).splitlines()[3:]] == read.text[read.text.index("x: "):].splitlines()
    assert "<script>" not in report._repr_html_()


def test_tensor_in_a_notebook():
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    for t, origin in ((x, "leaf, requires grad"), (mg.exp(x), "result of exp"), (x.detach(), "constant")):
        text = Reader(t._repr_html_()).text
        assert text.startswith(f"Tensor (2, 3) float64, {origin}\n[[") and repr(t).startswith("Tensor([[")
    assert len(Tensor(np.zeros((1000, 1000)))._repr_html_()) < 1000
