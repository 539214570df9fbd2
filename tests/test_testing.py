"""minigrad.testing, the tools for students to test their own operations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import Tensor, no_grad, op
from minigrad.testing import (
    assert_gradients, away_from, broadcastable_shapes, check_op, concat_shapes, graphs, matmul_shapes, shapes, tensors,
)

pytestmark = pytest.mark.usefixtures("clean_registry")


def test_check_op_passes_what_is_right_and_finds_what_is_wrong():
    @op(lambda g, a, y: g * a / y, lambda g, b, y: g * b / y)
    def hypotenuse(a, b):
        return np.sqrt(a * a + b * b)

    check_op(hypotenuse, low=0.5, high=2, max_examples=15)

    @op(lambda g, a, y: g * a / y, lambda g, b, y: g * b / y * 1.001)
    def almost(a, b):
        return np.sqrt(a * a + b * b)

    with pytest.raises(AssertionError, match=r"WRONG(.|\n)*the operation almost has a wrong gradient for b"):
        check_op(almost, low=0.5, high=2)

    @op(lambda g, x, power: g * power * x ** (power - 1))
    def raised(x, *, power):
        return x ** power

    check_op(raised, power=3, max_examples=15)


def test_assert_gradients_raises_with_the_report():
    assert_gradients(mg.tanh, np.ones(2), order=2)
    with pytest.raises(AssertionError, match="nothing flows back from b in add"):
        assert_gradients(lambda x, y: x + y.detach(), np.ones(2), np.ones(2))


@given(shapes(), broadcastable_shapes(3), matmul_shapes(), concat_shapes())
def test_shapes_are_what_they_say(shape, three, pair, joined):
    assert np.zeros(shape).ndim <= 3
    np.broadcast_shapes(*three)
    np.matmul(*(np.zeros(s) for s in pair))
    np.concatenate([np.zeros(s) for s in joined[0]], axis=joined[1])


@given(tensors(), tensors(shape=(2, 3), dtype=np.float32, elements=away_from([0.0], gap=0.5), requires_grad=False),
       tensors(shape=st.sampled_from([(1,), (2, 2)])))
def test_tensors(t, u, w):
    assert t.requires_grad and t.dtype == np.float64
    assert not u.requires_grad and u.dtype == np.float32 and u.shape == (2, 3) and (np.abs(u.data) >= 0.5).all()
    assert w.shape in ((1,), (2, 2))


def test_every_kind_of_shape_turns_up():
    found = set()

    @settings(max_examples=60)  # so that none of the rarer ones is missing
    @given(shapes())
    def collect(shape):
        found.add(shape)

    collect()
    assert () in found and any(0 in shape for shape in found) and any(1 in shape for shape in found)
    assert (2, 2) in found and any(len(shape) == 3 and len(set(shape)) == 1 for shape in found)


@given(graphs())
def test_graphs_are_programs_that_can_be_checked(graph):
    with no_grad():
        outputs = graph.f(*map(Tensor, graph.inputs))
    assert outputs and all(np.isfinite(y.data).all() for y in outputs)
