"""Every operation: its gradient against finite differences, its forward against an independent reference.

The property test of one operation, here of tanh, in 12 cases and in 3,000:

    python -m pytest "tests/test_ops.py::test_gradient[tanh]"
    HYPOTHESIS_PROFILE=thorough python -m pytest "tests/test_ops.py::test_gradient[tanh]"
"""

import array
import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import Tensor, grad, registry
from minigrad.cases import CASES, COMPOSED
from minigrad.scan import repeated
from minigrad.testing import assert_gradients, calls

ALL = {**CASES, **COMPOSED}


def name(operation):
    return operation.__name__ if hasattr(operation, "__name__") else None


def test_every_operation_has_a_case():
    ours = {operation for key, operation in registry.items() if key.startswith("minigrad.")}
    assert ours - {repeated} == set(CASES)  # repeated takes a step and its plan: test_scan.py has its property test


def check_gradients(operation, data):
    """First and second order, from drawn shapes, layouts and static arguments, with a random cotangent."""
    call = data.draw(calls(operation, ALL[operation]))
    assert_gradients(call.f, *call.inputs, order=2)


@pytest.mark.parametrize("operation", ALL, ids=name)
@given(data=st.data())
def test_gradient(operation, data):
    check_gradients(operation, data)


@pytest.mark.parametrize("operation", [mg.add, mg.sub, mg.mul, mg.div, mg.matmul, mg.concat, mg.stack], ids=name)
def test_gradient_of_one_tensor_given_twice(operation):
    x = np.random.default_rng(0).uniform(0.5, 2, (3, 3))
    assert_gradients(lambda t: operation(t, t), x, order=2)


# -- forward ----------------------------------------------------------------------------------


def elementwise(f):
    """Applies f, a function of Python numbers, to arrays that broadcast."""
    def reference(*arrays, mask=None):
        arrays = np.broadcast_arrays(*arrays, *([] if mask is None else [mask]))
        out = np.empty(arrays[0].shape)
        for index in np.ndindex(out.shape):
            out[index] = f(*(a[index].item() for a in arrays))
        return out
    return reference


def reduction(f):
    """Applies f, a function of a list of Python numbers, over the given axes."""
    def reference(x, *, axis=None, keepdims=False):
        axes = set(range(x.ndim)) if axis is None else {a % x.ndim for a in np.atleast_1d(np.array(axis, int))}
        groups = {}
        for index in np.ndindex(x.shape):
            groups.setdefault(tuple(0 if i in axes else k for i, k in enumerate(index)), []).append(x[index].item())
        out = np.empty([1 if i in axes else n for i, n in enumerate(x.shape)])
        for index in np.ndindex(out.shape):
            out[index] = f(groups.get(index, []))
        return out if keepdims else out.reshape([n for i, n in enumerate(x.shape) if i not in axes])
    return reference


def along(f):
    """Applies f, from a list of Python numbers to another, along one axis."""
    return lambda x, *, axis: np.apply_along_axis(lambda row: np.array(f(row.tolist())), axis, x)


def softmax_reference(row):
    total = math.fsum(map(math.exp, row))
    return [math.exp(v) / total for v in row]


def moved(f):
    """An operation that moves elements, as a function from one array of element numbers to another."""
    def reference(x, **static):
        positions = f(np.arange(x.size).reshape(x.shape), **static)
        return np.array([x.reshape(-1)[i] for i in positions.reshape(-1)], float).reshape(positions.shape)
    return reference


def matmul_reference(a, b):
    y = np.einsum("...ij,...jk->...ik", a if a.ndim > 1 else a[None, :], b if b.ndim > 1 else b[:, None])
    y = y if a.ndim > 1 else y[..., 0, :]
    return y if b.ndim > 1 else y[..., 0]


def put_reference(x, *, index, shape):
    out, positions = np.zeros(shape), np.arange(math.prod(shape)).reshape(shape)[index]
    for position, value in zip(np.ravel(positions), np.ravel(x)):
        out.reshape(-1)[position] += value
    return out


def concat_reference(*xs, axis):
    rows = [row for x in xs for row in np.moveaxis(x, axis, 0)]
    return np.moveaxis(np.reshape(rows, (len(rows), *np.moveaxis(xs[0], axis, 0).shape[1:])), 0, axis)


REFERENCES = {
    mg.add: elementwise(lambda a, b: a + b),
    mg.sub: elementwise(lambda a, b: a - b),
    mg.mul: elementwise(lambda a, b: a * b),
    mg.div: elementwise(lambda a, b: a / b),
    mg.pow: elementwise(lambda a, b: a ** b),
    mg.maximum: elementwise(lambda a, b: a if a > b else b),
    mg.minimum: elementwise(lambda a, b: a if a < b else b),
    mg.where: elementwise(lambda a, b, mask: a if mask else b),
    mg.neg: elementwise(lambda x: -x),
    mg.exp: elementwise(math.exp),
    mg.log: elementwise(math.log),
    mg.sqrt: elementwise(math.sqrt),
    mg.abs: elementwise(lambda x: x if x > 0 else -x),
    mg.sigmoid: elementwise(lambda x: 1 / (1 + math.exp(-x))),
    mg.tanh: elementwise(math.tanh),
    mg.relu: elementwise(lambda x: x if x > 0 else 0.0),
    mg.astype: lambda x, dtype: x,
    mg.sum: reduction(math.fsum),
    mg.max: reduction(max),
    mg.min: reduction(min),
    mg.logsumexp: reduction(lambda values: math.log(math.fsum(map(math.exp, values)))),
    mg.mean: reduction(lambda values: math.fsum(values) / len(values)),
    mg.softmax: along(softmax_reference),
    mg.log_softmax: along(lambda row: [math.log(p) for p in softmax_reference(row)]),
    mg.reshape: moved(lambda i, shape: i.ravel().reshape(shape)),
    mg.transpose: moved(lambda i, axes: np.einsum(i, list(range(i.ndim)), list(range(i.ndim))[::-1] if axes is None
                                                  else [a % i.ndim for a in axes])),
    mg.swapaxes: moved(lambda i, axis1, axis2: i.swapaxes(axis1, axis2)),
    mg.broadcast_to: moved(lambda i, shape: i + np.zeros(shape, int)),
    mg.getitem: moved(lambda i, index: i[index]),
    mg.put: put_reference,
    mg.concat: concat_reference,
    mg.stack: lambda *xs, axis: np.moveaxis(np.array(xs), 0, axis),
    mg.matmul: matmul_reference,
    mg.split: lambda x, sections, axis=0: np.split(x, sections, axis=axis),
}


def test_every_operation_has_a_reference():
    assert set(REFERENCES) == set(ALL)


@pytest.mark.parametrize("operation", ALL, ids=name)
@given(data=st.data())
def test_forward(operation, data):
    inputs, static = ALL[operation].draw(lambda options: data.draw(st.sampled_from(list(options))))
    expected = REFERENCES[operation](*inputs, **static)
    actual = operation(*(Tensor(x) for x in inputs), **static)
    pairs = zip(actual, expected) if isinstance(actual, list) else [(actual, expected)]
    for a, e in pairs:
        assert a.shape == np.shape(e)
        # 16 ulp: sums of up to 64 terms of similar size, in another order than the reference's
        np.testing.assert_allclose(a.numpy(), e, rtol=16 * 2.3e-16, atol=1e-14)


@pytest.mark.parametrize("operation", ALL, ids=name)
@given(data=st.data())
def test_float32_stays_float32(operation, data):
    inputs, static = ALL[operation].draw(lambda options: data.draw(st.sampled_from(list(options))))
    if operation is mg.astype:
        static = {"dtype": np.float32}
    leaves = [Tensor(x.astype(np.float32), requires_grad=True) for x in inputs]
    y = operation(*leaves, **static)
    for part in y if isinstance(y, list) else [y]:
        assert part.dtype == np.float32
        gradients = grad(part, leaves, np.ones(part.shape))
        again = grad(part, leaves, np.ones(part.shape), create_graph=True)
        for leaf, gradient, tensor in zip(leaves, gradients, again):
            assert gradient.dtype == tensor.dtype == np.float32 and gradient.shape == tensor.shape == leaf.shape


def test_numbers_do_not_change_float32():
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    for y in (x * 2, 2.0 * x, x / 3, x / np.sqrt(2.0), x * np.float64(3), 1 - x, x ** 2, x ** 0.5, x + 1,
              mg.maximum(x, 1.5), mg.where(x, 0.0, mask=[True, False])):
        assert y.dtype == np.float32 and grad(y, x, np.ones(2)).dtype == np.float32


# -- extreme values: warnings are errors, see setup.cfg --------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("operation", "low", "high"), [(mg.sigmoid, 0, 1), (mg.tanh, -1, 1), (mg.relu, 0, 1e4)])
@pytest.mark.parametrize("size", [1e3, 1e4])
def test_saturated(operation, low, high, size, dtype):
    x = Tensor(np.array([-size, size], dtype), requires_grad=True)
    y = operation(x)
    np.testing.assert_array_equal(y.data, np.array([low, min(high, size)], dtype))
    gradient = grad(y, x, np.ones(2))
    np.testing.assert_array_equal(gradient, [0, 1] if operation is mg.relu else [0, 0])


def test_sigmoid_keeps_its_accuracy_in_the_tail():
    x = Tensor([-40.0, -700.0], requires_grad=True)
    y = mg.sigmoid(x)
    np.testing.assert_allclose(y.data, [math.exp(-40), math.exp(-700)], rtol=1e-14)  # 1 + e^-40 rounds to 1
    np.testing.assert_allclose(grad(y, x, np.ones(2)), [math.exp(-40), math.exp(-700)], rtol=1e-14)
    assert mg.sigmoid(np.float32(-40)) == pytest.approx(math.exp(-40), rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_family_of_large_numbers(dtype):
    x = Tensor(np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4]], dtype), requires_grad=True)
    np.testing.assert_allclose(mg.softmax(x).data, [[1, 0, 0], [1 / 3] * 3], rtol=1e-3 if dtype == np.float32 else 1e-11)
    np.testing.assert_allclose(mg.logsumexp(x, axis=1).data, [1e4, math.log(3) - 1e4], rtol=1e-6)
    assert np.isfinite(mg.log_softmax(x).data).all()
    assert np.isfinite(grad(mg.log_softmax(x), x, np.ones((2, 3)))).all()
    assert np.isfinite(grad(mg.softmax(x), x, np.ones((2, 3)))).all()


def test_logsumexp_of_minus_infinity_is_the_log_of_zero():
    assert mg.logsumexp(np.array([-np.inf, -np.inf])) == -np.inf
    assert mg.logsumexp(np.array([0.0, -np.inf])) == 0


# -- conventions at kinks, as documented --------------------------------------------------------------


def test_gradients_at_kinks():
    zero = Tensor([0.0], requires_grad=True)
    assert grad(mg.relu(zero), zero) == 0 and grad(mg.abs(zero), zero) == 0
    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([1.0, 1.0], requires_grad=True)
    for operation, of_a in ((mg.maximum, [0.5, 1]), (mg.minimum, [0.5, 0])):
        ga, gb = grad(operation(a, b), (a, b), np.ones(2))
        np.testing.assert_array_equal(ga, of_a)
        np.testing.assert_array_equal(gb, 1 - np.array(of_a))
    ties = Tensor([[3.0, 3.0, 1.0], [0.0, 5.0, 5.0]], requires_grad=True)
    np.testing.assert_array_equal(grad(ties.max(axis=1), ties, np.ones(2)), [[0.5, 0.5, 0], [0, 0.5, 0.5]])
    np.testing.assert_array_equal(grad((-ties).min(), ties), [[0, 0, 0], [0, -0.5, -0.5]])


def test_pow_at_base_zero():
    x = Tensor([0.0], requires_grad=True)
    for exponent, expected in ((2, 0), (1, 1), (0, 0), (np.array([0.0]), 0), (np.array([3.0]), 0)):
        assert grad(x ** exponent, x) == expected
    second = grad(grad(x ** 2, x, create_graph=True), x)
    assert second == 2
    exponent = Tensor([2.0], requires_grad=True)
    assert grad(x ** exponent, exponent) == 0


def test_extremes_that_are_nan_or_masked():
    x = Tensor([[1.0, np.nan, 3.0], [1.0, 3.0, 3.0]], requires_grad=True)
    np.testing.assert_array_equal(grad(x.max(axis=1), x, np.ones(2)), [[0, 1, 0], [0, 0.5, 0.5]])
    masked = Tensor([[0.0, -np.inf], [-np.inf, -np.inf]], requires_grad=True)
    y = mg.logsumexp(masked, axis=1)
    np.testing.assert_array_equal(y.data, [0, -np.inf])
    np.testing.assert_array_equal(grad(y, masked, np.ones(2)), [[1, 0], [0, 0]])


def test_indices_of_every_spelling_count_duplicates():
    x = np.arange(4.0).reshape(2, 2)
    for index in (((0, 0), (1, 1)), (0, (1, 1)), (slice(None), (1, 1)), ((0, 0),), array.array("l", [0, 0]), [0, 0],
                  np.array([1, 1])):
        assert_gradients(lambda t, index=index: t[index], x, order=2)


def test_sigmoid_of_integers():
    for dtype in (np.uint8, np.int8, bool, int):
        assert mg.sigmoid(np.array([1], dtype)) == pytest.approx(1 / (1 + math.exp(-1)), rel=1e-15)


def test_where_does_not_leak_nan_from_the_other_branch():
    x = Tensor([4.0, -1.0], requires_grad=True)
    positive = x > 0
    y = mg.where(mg.sqrt(mg.where(x, 1.0, mask=positive)), 0.0, mask=positive)
    np.testing.assert_array_equal(grad(y.sum(), x), [0.25, 0])
    np.testing.assert_array_equal(grad(mg.where(x, 0.0, mask=positive), x, np.array([1.0, np.inf])), [1, 0])


def test_matmul_has_all_shapes_of_numpy():
    shapes = [(3,), (3, 3), (2, 3, 3), (4, 1, 3, 3)]
    for a, b in product(shapes, shapes):
        x, w = np.random.default_rng(0).normal(size=a), np.random.default_rng(1).normal(size=b)
        assert mg.matmul(Tensor(x), w).shape == np.matmul(x, w).shape
        assert_gradients(mg.matmul, x, w, order=2)
