"""Random programs: operations, views, values used again, writes in between, no_grad, detach, several backwards.

Whatever a program does, its gradient is that of what it computed, which finite differences know.
HYPOTHESIS_PROFILE=thorough runs thousands.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import Tensor, grad, no_grad
from minigrad.check.numeric import derivatives

# Every value has shape (2, 2), (1, 2), (2, 1) or (), and stays of moderate size.
UNARY = {
    "tanh": mg.tanh,
    "sigmoid": mg.sigmoid,
    "neg": lambda a: -a,
    "exp": lambda a: mg.exp(mg.tanh(a)),
    "log": lambda a: mg.log(a * a + 1),
    "square": lambda a: mg.tanh(a) ** 2,
    "softmax": lambda a: mg.softmax(a, axis=-1) if a.ndim else a,
    "transpose": lambda a: a.T,
    "reverse": lambda a: a[::-1] if a.ndim else a,
    "repeat an index": lambda a: a[[0, 0], :] if a.shape == (2, 2) else a,
    "row": lambda a: a[:1] if a.ndim else a,
    "column": lambda a: a[:, -1:] if a.ndim else a,
    "sum": lambda a: a.sum(axis=0, keepdims=True) if a.ndim else a,
    "mean": lambda a: a.mean(),
    "reshape": lambda a: a.reshape(-1).reshape(a.shape),
    "where": lambda a: mg.where(a, 0.5, mask=np.eye(2) > 0),
    "constant array": lambda a: a * np.array([[1.0, -0.5], [0.25, 2.0]]),
    "split": lambda a: mg.concat(*mg.split(a, 2, axis=-1)[::-1], axis=-1) if a.ndim and a.shape[-1] == 2 else a,
}
BINARY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: mg.tanh(a) * b,
    "div": lambda a, b: a / (mg.exp(mg.tanh(b)) + 1),
    "matmul": lambda a, b: mg.broadcast_to(a, shape=(2, 2)) @ mg.tanh(mg.broadcast_to(b, shape=(2, 2))),
    "concat": lambda a, b: mg.concat(mg.broadcast_to(a, shape=(2, 2))[:1], mg.broadcast_to(b, shape=(2, 2))[1:], axis=0),
    "stack": lambda a, b: mg.stack(*(mg.broadcast_to(t, shape=(2, 2)) for t in (a, b))).sum(axis=0) * 0.5,
}


def constant(a):
    """The values without their history; the numeric derivative must not see through it either, so they are fixed."""
    return Tensor(np.round(np.tanh(a.numpy())) * 0.5)


number = st.integers(0, 10)
steps = st.lists(st.one_of(
    st.tuples(st.sampled_from(sorted(UNARY)), number, st.none()),
    st.tuples(st.sampled_from(sorted(BINARY)), number, number),
    st.tuples(st.just("constant"), number, st.none()),
), min_size=1, max_size=12)
shapes = st.lists(st.sampled_from([(2, 2), (1, 2), (2, 1), ()]), min_size=1, max_size=3)


def run(program, leaves, constants=None):
    """The values that a program computes, and those it took for constants."""
    values, taken = list(leaves), []
    for name, i, j in program:
        a = values[i % len(values)]
        if name == "constant":
            y = constant(a) if constants is None else constants[len(taken)]
            taken.append(y)
        elif j is None:
            y = UNARY[name](a)
        else:
            y = BINARY[name](a, values[j % len(values)])
        values.append(y)
    return values[len(leaves):], taken


def total(values):
    """All results in one vector, so that every value is used at least once more."""
    return mg.concat(*(v.reshape(-1) for v in values))


@given(program=steps, shapes=shapes, seed=st.integers(0, 1000), mischief=st.lists(st.integers(0, 5), max_size=3),
       way=st.sampled_from(["backward", "backward twice", "grad", "create_graph", "two halves"]))
def test_every_program_has_the_gradient_of_what_it_computed(program, shapes, seed, mischief, way):
    rng = np.random.default_rng(seed)
    starts = [rng.normal(size=shape) for shape in shapes]
    leaves = [Tensor(start, requires_grad=True) for start in starts]
    views = [leaf.data[...] for leaf in leaves]
    values, constants = run(program, leaves)
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
                return total(run(program, inputs, constants)[0]).numpy()

        numeric = derivatives(f, start, v)
        numeric, bound = numeric.value, numeric.bound
        analytic = np.zeros(start.shape) if found[i] is None else found[i]
        assert np.isfinite(bound).all()
        assert (np.abs(analytic - factor * numeric) <= factor * bound + 1e-12).all(), (program, analytic, numeric, bound)


def attempt(kind, leaves, values, views, y):
    """Writes that must fail or change nothing that was recorded."""
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
