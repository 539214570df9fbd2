"""Random programs: operations, views, values used again, writes in between, no_grad, detach, several backwards.

For every program, finite differences of its computation confirm the gradient.
HYPOTHESIS_PROFILE=thorough runs thousands.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import Tensor, grad, no_grad
from minigrad.check.numeric import derivatives
from minigrad.testing import program_steps, run

def constant(a):
    """The values without their history; the numeric derivative must not see through it either, so they are fixed."""
    return Tensor(np.round(np.tanh(a.numpy())) * 0.5)


shapes = st.lists(st.sampled_from([(2, 2), (1, 2), (2, 1), ()]), min_size=1, max_size=3)


def run_with_constants(steps, leaves, constants=None):
    """The values that a program computes, and the values that it used as constants."""
    taken = []

    def take(a):
        taken.append(constant(a) if constants is None else constants[len(taken)])
        return taken[-1]

    return run(steps, leaves, {"constant": take}), taken


def total(values):
    """All results in one vector, so that every value is used at least once more."""
    return mg.concat(*(v.reshape(-1) for v in values))


@given(program=program_steps("constant"), shapes=shapes, seed=st.integers(0, 1000),
       mischief=st.lists(st.integers(0, 5), max_size=3),
       way=st.sampled_from(["backward", "backward twice", "grad", "create_graph", "two halves"]))
def test_every_program_has_the_gradient_of_what_it_computed(program, shapes, seed, mischief, way):
    rng = np.random.default_rng(seed)
    starts = [rng.normal(size=shape) for shape in shapes]
    leaves = [Tensor(start, requires_grad=True) for start in starts]
    views = [leaf.data[...] for leaf in leaves]
    values, constants = run_with_constants(program, leaves)
    y = total(values)
    v = rng.normal(size=y.shape)

    for kind in mischief:
        attempt(kind, leaves, values, views, y)

    if y.requires_grad:
        if way == "grad":
            found = grad(y, leaves, v, allow_unused=True)
        elif way == "create_graph":
            found = [None if g is None else g.numpy() for g in grad(y, leaves, v, create_graph=True, allow_unused=True)]
        else:
            if way == "two halves":
                y.backward(v * 0.25, retain_graph=True)
                y.backward(v * 0.75)
            else:
                y.backward(v, retain_graph=way == "backward twice")
            if way == "backward twice":
                y.backward(v)
            found = [leaf.grad for leaf in leaves]
    else:
        found = [None] * len(leaves)

    factor = 2 if way == "backward twice" else 1
    for i, start in enumerate(starts):
        def f(x, i=i):
            with no_grad():
                inputs = [Tensor(x if k == i else s) for k, s in enumerate(starts)]
                return total(run_with_constants(program, inputs, constants)[0]).numpy()

        numeric = derivatives(f, start, v)
        numeric, bound = numeric.value, numeric.bound
        analytic = np.zeros(start.shape) if found[i] is None else found[i]
        assert np.isfinite(bound).all()
        assert (np.abs(analytic - factor * numeric) <= factor * bound + 1e-12).all(), (program, analytic, numeric, bound)


def attempt(kind, leaves, values, views, y):
    """Writes that must fail, or leave the record unchanged."""
    if kind == 0:
        for value in values:
            if not value.is_leaf:
                with pytest.raises(ValueError, match="read-only"):
                    value.data[...] = 7
    elif kind == 1:
        for leaf in leaves:
            leaf.data -= 3.0
    elif kind == 2:
        for view in views:
            if view.flags.writeable:
                view[...] = 11
    elif kind == 3:
        for leaf in leaves:
            leaf.data = np.full(leaf.shape, 5.0)
    elif kind == 4 and y.requires_grad:
        for g in grad(y, leaves, np.ones(y.shape), allow_unused=True):
            if g is not None:
                g[...] = 13
    elif kind == 5:
        with no_grad():
            total(values) * 2
        for leaf in leaves:
            leaf.requires_grad = False
            leaf.requires_grad = True
