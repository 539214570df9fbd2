"""The picture of a record has the record's nodes, arrows, names and groups; if it cannot be drawn, an error says so."""

import re
import shutil
import sys
from collections import Counter

import numpy as np
import pytest

from minigrad import Tensor, concat, no_grad, op, sigmoid, sqrt, stack, tanh
from minigrad.graph import STYLE, graph
from minigrad.layers import LSTM, LSTMCell, mse_loss


def leaf(*shape, dtype=np.float64):
    return Tensor(np.ones(shape, dtype), requires_grad=True)


def body(picture):
    """The lines that differ from graph to graph."""
    assert picture.dot.startswith(f"digraph {{\n{STYLE}\n") and picture.dot.endswith("\n}\n")
    return [line.strip() for line in picture.dot.removeprefix(f"digraph {{\n{STYLE}\n").removesuffix("\n}\n").splitlines()]


def labels(picture):
    return re.findall(r'^ *n\d+ \[label="(.*?)"', picture.dot, re.MULTILINE)


def operations(picture):
    """How often each operation is drawn."""
    return Counter(line.split("\\n")[0].split(" = ")[-1] for line in labels(picture))


def frames(picture):
    """The numbers of the nodes in each group, by its label."""
    found = re.findall(r'subgraph cluster_\d+ \{ label="(.*?)" ?(.*?) \}', picture.dot)
    return {label: [int(node[1:]) for node in nodes.split()] for label, nodes in found}


def test_the_text_of_a_small_graph():
    x, W = leaf(2, 3), leaf(3, 4)
    y = tanh(x @ W)
    assert body(graph(y, {"x": x, "W": W, "y": y}, {"layer": y})) == [
        'n0 [label="x\\n(2, 3)", shape=box, style=filled, fillcolor=lightyellow]',
        'n1 [label="W\\n(3, 4)", shape=box, style=filled, fillcolor=lightyellow]',
        'n2 [label="matmul\\n(2, 4)"]',
        'n3 [label="y = tanh\\n(2, 4)", penwidth=2.5]',
        'subgraph cluster_0 { label="layer" n2 n3 }',
        "n0 -> n2", "n1 -> n2", "n2 -> n3"]


def test_a_leaf_alone_and_one_used_twice():
    x = leaf()
    assert body(graph(x)) == ['n0 [label="leaf\\n()", shape=box, style=filled, fillcolor=lightyellow, penwidth=2.5]']
    assert body(graph(x * x))[2:] == ["n0 -> n1", "n0 -> n1"]


def test_static_arguments_and_dtypes():
    x = leaf(3, 4, dtype=np.float32)
    assert labels(graph(x.sum(axis=1)))[1] == "sum\\naxis=1\\n(3,) float32"
    assert labels(graph(x.astype(float)))[1] == "astype\\ndtype=float64\\n(3, 4)"
    assert labels(graph(x[1:, ::2]))[1] == "getitem\\n[1:, ::2]\\n(2, 2) float32"
    assert labels(graph(x[..., None, 0]))[1] == "getitem\\n[..., None, 0]\\n(3, 1) float32"
    assert labels(graph(x[np.array([0, 2])]))[1] == "getitem\\n[array (2,)]\\n(2, 4) float32"


def test_constants_are_not_drawn_but_said():
    x = leaf(2, 3)
    assert labels(graph(2 - x)) == ["leaf\\n(2, 3)", "sub\\n(2, 3)\\nconstant: a"]
    assert labels(graph(concat(x, np.ones((1, 3)))))[1] == "concat\\naxis=0\\n(3, 3)\\nconstant: xs[1]"
    assert labels(graph(x, {"x": x, "not in it": leaf(2), "a constant": Tensor(1.0)})) == ["x\\n(2, 3)"]


def test_names_are_quoted():
    x = leaf()
    line = body(graph(x, {'a "b" \\n': x}))[0]
    assert line.startswith('n0 [label="a \\"b\\" \\\\n\\n()"')


def test_one_step_of_an_lstm():
    cell, x, h, c = LSTMCell(3, 4, rng=np.random.default_rng(0)), leaf(1, 3), leaf(1, 4), leaf(1, 4)
    h_1, c_1 = cell(x, (h, c))
    picture = graph(h_1, {**dict(cell.named_parameters()), "x": x, "h": h, "c": c, "h_1": h_1, "C_1": c_1})
    assert operations(picture) == Counter(
        {"concat": 1, "matmul": 4, "add": 5, "sigmoid": 3, "tanh": 2, "mul": 3}
        | {name: 1 for name, _ in cell.named_parameters()} | {"x": 1, "h": 1, "c": 1})
    assert "h_1 = mul\\n(1, 4)" in labels(picture) and "C_1 = add\\n(1, 4)" in labels(picture)
    lstm = LSTM(3, 4, rng=np.random.default_rng(0))
    assert "cells.0.W_f\\n(7, 4)" in labels(graph(lstm(np.ones((1, 1, 3)))[0], lstm))


def test_groups_by_time_step_part_the_operations():
    cell, x = LSTMCell(3, 4, rng=np.random.default_rng(0)), np.ones((1, 3))
    first = cell(x)
    second = cell(x, first)
    picture = graph(second, cell, {"t = 1": first, "t = 2": second})
    parts, drawn = frames(picture), labels(picture)
    assert list(parts) == ["t = 1", "t = 2"]
    assert sorted(parts["t = 1"] + parts["t = 2"]) == list(range(8, len(drawn)))  # all but the 8 parameters
    assert (len(parts["t = 1"]), len(parts["t = 2"])) == (17, 18)  # 16 equations; the first state is constant, with no concat
    assert max(parts["t = 1"]) < min(parts["t = 2"])


def test_groups_may_leave_operations_outside_and_be_nested_in_order():
    x = leaf(2)
    a = sigmoid(x)
    b = tanh(a)
    picture = graph(sqrt(b), groups={"first": a, "second": b})
    assert frames(picture) == {"first": [1], "second": [2]}
    with pytest.raises(ValueError, match="does not depend on the result of the group 'other'"):
        graph(b, groups={"other": sigmoid(x)})


def test_long_records_are_refused_and_never_recursed_into():
    x = y = leaf()
    for _ in range(10_000):
        y = y * 1.0
    with pytest.raises(ValueError, match="the record has 10,001 nodes, more than the limit of 300: .* limit=10001"):
        graph(y, {"x": x})
    assert len(labels(graph(y, {"x": x}, {"all": y}, limit=10_001))) == 10_001


@pytest.mark.parametrize("call", [lambda x, y: graph(y), lambda x, y: graph(sqrt(y)), lambda x, y: graph([x, y])])
def test_a_freed_record_is_an_error(call):
    x = leaf()
    y = sigmoid(tanh(x))
    y.backward(retain_graph=True)
    assert len(labels(graph(y))) == 3
    y.backward()
    with pytest.raises(RuntimeError, match=r"freed the record behind a result of sigmoid, .*retain_graph=True"):
        call(x, y)


def test_what_is_no_record_or_no_tensor_is_an_error():
    x = leaf()
    with no_grad():
        y = x * 2
    for constant in (y, Tensor(1.0)):
        with pytest.raises(RuntimeError, match="has no record"):
            graph(constant)
    with pytest.raises(TypeError, match="y must be a Tensor or a sequence of Tensors, not float"):
        graph(1.0)
    for names in (["x"], {"x": 1.0}):
        with pytest.raises(TypeError, match="a Module or a mapping"):
            graph(x, names)


def test_a_second_derivative_and_a_students_operation_are_drawn(clean_registry):
    from minigrad import grad

    @op(lambda g, x: 2 * g * x)
    def square(x):
        return x * x

    x = leaf()
    slope = grad(square(x), x, create_graph=True)
    assert operations(graph([slope, square(x)]))["square"] == 1
    assert "mul" in operations(graph(slope))


def test_without_graphviz_one_error_says_what_to_install(tmp_path, monkeypatch):
    picture = graph(tanh(leaf()))
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(RuntimeError, match="pip install graphviz.*apt install graphviz"):
        picture.render(tmp_path / "graph.svg")
    assert not list(tmp_path.iterdir())
    shown = picture._repr_mimebundle_()
    assert list(shown) == ["text/plain"] and "pip install graphviz" in shown["text/plain"] and picture.dot in shown["text/plain"]
    with pytest.raises(ValueError, match="as .svg or .png, not as 'graph.pdf'"):
        picture.render(tmp_path / "graph.pdf")


def test_without_the_program_dot_the_error_is_the_same(tmp_path, monkeypatch):
    pytest.importorskip("graphviz")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="the program dot"):
        graph(tanh(leaf())).render(tmp_path / "graph.svg")


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz' program dot is not installed")
def test_pictures(tmp_path):
    pytest.importorskip("graphviz")
    y = mse_loss(stack(tanh(leaf(2)), leaf(2)), np.zeros((2, 2)))
    picture = graph(y, groups={'the "loss"': y})
    picture.render(tmp_path / "graph.svg")
    picture.render(str(tmp_path / "graph.PNG"))
    assert "<svg" in (tmp_path / "graph.svg").read_text(encoding="utf-8")
    assert (tmp_path / "graph.PNG").read_bytes().startswith(b"\x89PNG")
    shown = picture._repr_mimebundle_()
    assert "<svg" in shown["image/svg+xml"] and "DOT" in shown["text/plain"]
