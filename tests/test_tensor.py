"""Tensor for its user: construction, NumPy's functions, and the message of each mistake."""

import array
import pydoc
import re
import threading

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, grad, no_grad, op, registry


def leaf(*shape):
    return Tensor(np.random.default_rng(0).uniform(0.5, 2, shape), requires_grad=True)


# -- construction ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "dtype"), [
    (1, float), (1.5, float), ([1, 2], float), ([[1, 2.5]], float), (np.float32(1), np.float32), ([], float),
    (np.arange(3), np.arange(3).dtype), (np.zeros(2, np.float32), np.float32), ([True, False], bool),
])
def test_dtypes_follow_numpy_with_numbers_as_float64(data, dtype):
    assert Tensor(data).dtype == dtype


def test_data_are_copied():
    array = np.ones(3)
    t = Tensor(array)
    array[0] = 5
    assert t.data[0] == 1
    n = t.numpy()
    n[0] = 7
    assert t.data[0] == 1


@pytest.mark.parametrize("data", [np.arange(3), np.array([True]), [True, False]])
def test_only_floating_point_requires_grad(data):
    with pytest.raises(TypeError, match=r"cannot require grad.*astype\(float\)"):
        Tensor(data, requires_grad=True)
    with pytest.raises(TypeError, match="cannot require grad"):
        Tensor(data).requires_grad = True


@pytest.mark.parametrize("data", [None, "abc", [[1, 2], [3]], [object()], 1j, {"a": 1}])
def test_data_must_be_numbers(data):
    with pytest.raises(TypeError, match="Tensor data must be"):
        Tensor(data)


def test_attributes_are_checked():
    with pytest.raises(AttributeError):
        leaf(2).gard = 1
    with pytest.raises(RuntimeError, match="keeps no .grad"):
        _ = (leaf(2) * 2).grad
    with pytest.raises(RuntimeError, match="detach"):
        (leaf(2) * 2).requires_grad = False
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        leaf(2).data = np.ones(3)
    with pytest.raises(RuntimeError, match="cannot replace"):
        (leaf(2) * 2).data = np.ones(2)
    with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        leaf(2).grad = np.ones(3)
    with pytest.raises(TypeError, match=r"detach\(\)"):
        Tensor(leaf(2))


def test_repr():
    assert repr(Tensor([1.0, 2.0])) == "Tensor([1., 2.])"
    assert repr(Tensor(np.float32([1]), requires_grad=True)) == "Tensor([1.], dtype=float32, requires_grad=True)"
    assert repr(mg.tanh(Tensor(0.0, requires_grad=True))) == "Tensor(0., op=tanh)"


def test_len_iter_and_hash():
    t = leaf(3, 2)
    assert len(t) == 3 and [row.shape for row in t] == [(2,)] * 3
    assert len({t, t}) == 1 and {t: 1}[t] == 1
    with pytest.raises(TypeError):
        len(Tensor(1.0))


def test_detach_cuts_and_keeps_its_values():
    t = leaf(2)
    before = t.numpy()
    d = t.detach()
    t.data[0] = 99
    assert not d.requires_grad
    np.testing.assert_array_equal(d.data, before)


# -- operators and methods ------------------------------------------------------------------------


@pytest.mark.parametrize("f", [
    lambda t, u: t + u, lambda t, u: t - u, lambda t, u: t * u, lambda t, u: t / u, lambda t, u: t ** u, lambda t, u: t @ u,
])
@pytest.mark.parametrize("other", ["tensor", "array", "list", "reflected array", "reflected list"])
def test_operators_take_tensors_arrays_and_lists_on_both_sides(f, other):
    t, u = leaf(2, 2), leaf(2, 2)
    expected = f(t.numpy(), u.numpy())
    right = {"tensor": u, "array": u.numpy(), "list": u.numpy().tolist()}.get(other)
    if right is None:
        left = t.numpy() if other == "reflected array" else t.numpy().tolist()
        y, x = f(left, u), u
    else:
        y, x = f(t, right), t
    assert isinstance(y, Tensor)
    np.testing.assert_array_equal(y.data, expected)
    assert grad(y, x, np.ones((2, 2))).shape == (2, 2)


def test_operators_take_numbers_on_both_sides():
    t = leaf(3)
    a = t.numpy()
    for y, expected in ((t + 1, a + 1), (1 + t, 1 + a), (t - 1, a - 1), (1 - t, 1 - a), (t * 2, a * 2), (2 * t, 2 * a),
                        (t / 2, a / 2), (2 / t, 2 / a), (t ** 2, a ** 2), (2 ** t, 2 ** a), (-t, -a), (+t, a), (abs(-t), a)):
        np.testing.assert_array_equal(y.data, expected)
        assert y.requires_grad


def test_methods_have_the_signatures_of_ndarray():
    t = leaf(2, 3, 4)
    a = t.numpy()
    for y, expected in ((t.sum(), a.sum()), (t.sum(0), a.sum(0)), (t.sum((0, 2), keepdims=True), a.sum((0, 2), keepdims=True)),
                        (t.mean(-1), a.mean(-1)), (t.max(1), a.max(1)), (t.min(), a.min()), (t.T, a.T),
                        (t.reshape(6, 4), a.reshape(6, 4)), (t.reshape((4, -1)), a.reshape((4, -1))), (t.reshape(-1), a.ravel()),
                        (t.transpose(), a.T), (t.transpose(1, 0, 2), a.transpose(1, 0, 2)),
                        (t.transpose((2, 0, 1)), a.transpose((2, 0, 1))), (t.swapaxes(0, 2), a.swapaxes(0, 2)),
                        (t.astype(np.float32), a.astype(np.float32)), (t[1, ..., ::2], a[1, ..., ::2]),
                        (t[:, [0, 0]], a[:, [0, 0]]),
                        (t[t > 1], a[a > 1]), (t[Tensor(np.array([1, 0]))], a[[1, 0]])):
        assert y.shape == expected.shape and y.requires_grad
        np.testing.assert_allclose(y.data, expected, rtol=1e-15)


def test_comparisons_give_plain_arrays():
    t = leaf(3)
    for result in (t > 1, t >= t, 1 < t, np.ones(3) <= t, t == t, t != 1, np.float64(1) < t, np.greater(t, 1)):
        assert type(result) is np.ndarray and result.dtype == bool


def test_item_assignment_is_refused():
    with pytest.raises(TypeError, match=r"item assignment.*where"):
        leaf(3)[0] = 1


def test_in_place_operators_rebind_results_and_refuse_parameters():
    t = leaf(2)
    u = v = t * 1
    u *= 2
    assert u is not v
    np.testing.assert_array_equal(grad(u.sum(), t), [2, 2])
    total = Tensor(0.0)
    total += t.sum()
    np.testing.assert_array_equal(grad(total, t), [1, 1])
    for update in (lambda p: p.__iadd__(1), lambda p: p.__isub__(1), lambda p: p.__imul__(2)):
        with pytest.raises(TypeError, match="p.data -="), no_grad():
            update(t)


def test_concat_and_stack_take_lists_too():
    t, u = leaf(2, 1), leaf(2, 1)
    np.testing.assert_array_equal(mg.concat([t, u], axis=1).data, mg.concat(t, u, axis=1).data)
    np.testing.assert_array_equal(mg.stack([t, u]).data, mg.stack(t, u).data)


# -- NumPy's functions --------------------------------------------------------------------------------


NUMPY_CALLS = {
    "matmul with @": lambda np_, t, a: a @ t,
    "array + tensor": lambda np_, t, a: a + t,
    "array * tensor": lambda np_, t, a: a * t,
    "tanh": lambda np_, t, a: np_.tanh(t),
    "exp": lambda np_, t, a: np_.exp(t),
    "log": lambda np_, t, a: np_.log(t),
    "maximum": lambda np_, t, a: np_.maximum(a, t),
    "power": lambda np_, t, a: np_.power(t, 2),
    "concatenate": lambda np_, t, a: np_.concatenate([t, a], axis=1),
    "stack": lambda np_, t, a: np_.stack([a, t], axis=1),
    "sum": lambda np_, t, a: np_.sum(t, axis=0),
    "mean": lambda np_, t, a: np_.mean(t, 1, keepdims=True),
    "max": lambda np_, t, a: np_.max(t, axis=1),
    "min": lambda np_, t, a: np_.min(t),
    "where": lambda np_, t, a: np_.where(a > 1, t, 0),
    "reshape": lambda np_, t, a: np_.reshape(t, (4,)),
    "transpose": lambda np_, t, a: np_.transpose(t),
    "swapaxes": lambda np_, t, a: np_.swapaxes(t, 0, 1),
    "broadcast_to": lambda np_, t, a: np_.broadcast_to(t, (3, 2, 2)),
    "split": lambda np_, t, a: np_.split(t, 2)[1],
    "absolute": lambda np_, t, a: np_.abs(t),
}


@pytest.mark.parametrize("f", NUMPY_CALLS.values(), ids=NUMPY_CALLS)
def test_numpy_functions_differentiate(f):
    t, a = leaf(2, 2), np.array([[0.5, 1.5], [2.5, 0.1]])
    y = f(np, t, a)
    assert isinstance(y, Tensor) and y.requires_grad
    np.testing.assert_array_equal(y.data, f(np, t.numpy(), a))
    assert mg.gradcheck(lambda t: f(np, t, a), t)


@pytest.mark.parametrize("f", [
    lambda t: np.sin(t), lambda t: np.cumsum(t), lambda t: np.add.reduce(t), lambda t: np.linalg.norm(t), lambda t: np.floor(t),
    lambda t: np.asarray(t), lambda t: np.array([t, t]), lambda t: np.add(t, t, out=np.zeros((2, 2))),
    lambda t: np.sum(t, dtype=float), lambda t: np.clip(t, 0, 1), lambda t: float(t), lambda t: bool(t), lambda t: np.float64(t),
    lambda t: np.full_like(t, t), lambda t: np.full_like(np.zeros((2, 2)), t), lambda t: np.allclose([t, t], 1),
    lambda t: np.argmax(t, out=np.array(0)), lambda t: np.less.outer(t, t), lambda t: np.ravel(t, order="F"),
])
def test_what_would_cut_the_graph_raises(f):
    with pytest.raises(TypeError):
        f(leaf(2, 2))


SHAPES = [(), (1,), (3,), (2, 3), (1, 3, 1), (2, 1, 3)]
REDUCED = [f"np_.{name}(t, {options})" for name in ("max", "min", "amax", "amin")
           for options in ("", "axis=-1", "axis=0, keepdims=True", "axis=(0, -1)", "keepdims=True")]
MOVED = ["np_.ravel(t)", "np_.squeeze(t)", "np_.squeeze(t, 0)", "np_.squeeze(t, axis=(0, -1))", "np_.squeeze(t, 1)",
         "np_.expand_dims(t, 0)", "np_.expand_dims(t, -1)", "np_.expand_dims(t, (0, 2))",
         "np_.flip(t)", "np_.flip(t, 0)", "np_.flip(t, axis=-1)", "np_.flip(t, (0, 1))"]
JOINED = [f"np_.{name}({arrays})" for name in ("vstack", "hstack") for arrays in ("[t, u]", "(u, t, t)", "[t]", "[t, 2.0]", "t")]
MULTIPLIED = ["np_.square(t)", "np_.dot(t, 2.0)", "np_.dot(3.0, t)", "np_.dot(t, t)",
              "np_.dot(t, u)", "np_.dot(u, t)", "np_.dot(t, u.T)", "np_.dot(u, t.T)"]


@pytest.mark.parametrize("call", [*REDUCED, *MOVED, *JOINED, *MULTIPLIED])
def test_numpy_functions_of_all_shapes(call):
    """Values are NumPy's own, gradients those of NumPy's own function, and what NumPy refuses is refused."""
    rng, passed = np.random.default_rng(0), 0
    for shape in SHAPES:
        for other in SHAPES if "u" in re.findall(r"\b[tu]\b", call) else [()]:
            t, u = rng.uniform(-2, 2, shape), rng.uniform(-2, 2, other)
            if "dot" in call and max(len(shape), len(other)) > 2:
                continue  # see the next test

            def f(t, call=call, u=u):
                return eval(call, {"np_": np, "t": t, "u": u})

            try:
                expected = f(t)
            except (ValueError, TypeError):
                with pytest.raises((ValueError, TypeError)):
                    f(Tensor(t, requires_grad=True))
                continue
            y = f(Tensor(t, requires_grad=True))
            assert type(y) is Tensor and y.shape == expected.shape and y.requires_grad
            np.testing.assert_array_equal(y.data, expected)
            assert mg.gradcheck(f, t)
            passed += 1
    assert passed


@pytest.mark.parametrize("call", [
    "np.max(t, axis=7)", "np.amin(t, axis=7)", "np.squeeze(t, 1)", "np.expand_dims(t, 9)", "np.flip(t, 5)",
    "np.hstack([t, np.ones(3)])", "np.vstack([t, np.ones(7)])", "np.dot(t, np.ones(7))"])
def test_numpy_functions_that_do_not_fit(call):
    with pytest.raises(ValueError):
        eval(call, {"np": np, "t": leaf(2, 3)})


def test_dot_of_more_than_two_axes_is_not_matmul():
    for shapes in (((2, 3, 3), (3, 3)), ((3,), (2, 3, 3))):
        with pytest.raises(TypeError, match=r"np.dot of shapes .*\(2, 3, 3\).*matmul.*a @ b"):
            np.dot(*[leaf(*shape) for shape in shapes])


WITHOUT_GRADIENT = ["np.isnan(t)", "np.isinf(t)", "np.isfinite(t)", "np.sign(t)", "np.signbit(t)",
                    "np.argmax(t)", "np.argmin(t, 0)", "np.argmax(t, axis=1, keepdims=True)", "np.argsort(t, axis=0)",
                    "np.allclose(t, t)", "np.allclose(t, b=t + 1)",
                    "np.isclose(u, t, equal_nan=True)", "np.array_equal(t, u)", "np.array_equal(u, t, equal_nan=True)",
                    "np.zeros_like(t)", "np.ones_like(t, dtype=int)", "np.full_like(t, 7)", "np.full_like(t, 7, shape=(2,))",
                    "np.empty_like(t).shape", "np.less(t, u)", "np.not_equal(u, t)",
                    "t.argmax()", "t.argmin(axis=-1)", "t.argmax(0, keepdims=True)", "t.argmin()"]


@pytest.mark.parametrize("call", WITHOUT_GRADIENT)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functions_without_a_gradient_to_lose_give_plain_arrays(call, dtype):
    t, u = np.array([[1.0, np.nan, -np.inf], [-2.0, 0.0, 1.0]], dtype), np.ones((2, 3))
    expected = eval(call, {"np": np, "t": t, "u": u})
    for requires_grad in (False, True):
        found = eval(call, {"np": np, "t": Tensor(t, requires_grad), "u": u})
        assert type(found) is type(expected)
        np.testing.assert_array_equal(found, expected, strict=isinstance(found, np.ndarray))


@pytest.mark.parametrize(("name", "place"), [
    ("tanh", "minigrad.tanh(t)"), ("sigmoid", "minigrad.sigmoid(t)"), ("exp", "minigrad.exp(t)"), ("log", "minigrad.log(t)"),
    ("relu", "minigrad.relu(t)"), ("softmax", "minigrad.softmax(t)"), ("sqrt", "minigrad.sqrt(t)"), ("abs", "minigrad.abs(t)"),
    ("maximum", "minigrad.maximum(t, ...)"), ("ravel", "np.ravel(t)"), ("dot", "np.dot(t, ...)"),
])
def test_a_function_that_is_no_method_is_named(name, place):
    for thing in (leaf(2), leaf(2) * 2, Tensor([1.0]), Tensor):
        with pytest.raises(AttributeError, match=re.escape(f"no method {name}, write {place}")):
            getattr(thing, name)
        assert not hasattr(thing, name) and getattr(thing, name, None) is None
    with pytest.raises(AttributeError):
        setattr(leaf(2), name, 1)


def test_methods_and_functions_of_one_name():
    """A method stays a method even if the table of functions has its name; dir() and help() work."""
    t = leaf(2, 3)
    for name in ("sum", "mean", "max", "min", "reshape", "transpose", "swapaxes", "astype", "shape", "ndim", "size"):
        assert hasattr(t, name)
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'tahn'"):
        _ = t.tahn
    assert "argmax" in pydoc.render_doc(Tensor, renderer=pydoc.plaintext)
    assert Tensor.__getattribute__ is object.__getattribute__ and not hasattr(Tensor, "__getattr__")  # they cost on every access


def test_adding_a_tensor_into_an_array_raises():
    a = np.zeros(2)
    with pytest.raises(TypeError, match="a = a [+] t"):
        a += leaf(2)
    with pytest.raises(TypeError):
        a[:] = leaf(2)


def test_a_tensor_without_gradient_is_an_array_to_numpy():
    np.testing.assert_array_equal(np.asarray(Tensor([1, 2])), [1, 2])
    assert float(Tensor(2)) == 2


# -- errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("f", "kind", "parts"), [
    (lambda t: t + np.ones(4), ValueError, ["add(a: (2, 3), b: (4,))", "broadcast"]),
    (lambda t: t @ np.ones((2, 3)), ValueError, ["matmul(a: (2, 3), b: (2, 3))", "(..., k, m)"]),
    (lambda t: mg.concat(t, np.ones((3, 3)), axis=1), ValueError, ["concat(xs: (2, 3), xs: (3, 3))", "axis"]),
    (lambda t: mg.stack(t, np.ones(3)), ValueError, ["stack(xs: (2, 3), xs: (3,))", "shapes"]),
    (lambda t: t.reshape(4), ValueError, ["reshape(x: (2, 3))", "size 6"]),
    (lambda t: t.sum(axis=2), ValueError, ["sum(x: (2, 3))", "axis 2"]),
    (lambda t: t[5], IndexError, ["getitem(x: (2, 3))", "index 5"]),
    (lambda t: t[0.5], IndexError, ["getitem(x: (2, 3))"]),
    (lambda t: mg.sum(t, 0), TypeError, ["sum(x, *, axis=None, keepdims=False)"]),
    (lambda t: mg.where(t > 0, t, 0), TypeError, ["where(a, b, *, mask)", "minigrad.where(a, b, mask=mask) is np.where(mask, "]),
    (lambda t: mg.where(t, 0), TypeError, ["'mask'", "minigrad.where(a, b, mask=mask) is np.where(mask, a, b)"]),
    (lambda t: mg.tanh(t, axis=0), TypeError, ["tanh", "axis"]),
    (lambda t: t + None, TypeError, ["add: argument 'b'", "None"]),
    (lambda t: t * "x", TypeError, ["mul: argument 'b'", "'x'"]),
    (lambda t: t * [t, t], TypeError, ["mul: argument 'b'", "stack"]),
    (lambda t: mg.where(t, t, mask=t), TypeError, ["static argument"]),
    (lambda t: mg.put(t, index=0, shape=(2, 2)), ValueError, ["put(x: (2, 3))", "(2,)"]),
    (lambda t: mg.split(t, 2, axis=1), ValueError, ["split", "(2, 3)", "2 equal"]),
    (lambda t: t[:0].mean(), ValueError, ["mean of nothing", "(0, 3)"]),
    (lambda t: mg.mul(t, b=t), TypeError, ["mul takes 2 positional argument(s), not 1"]),
    (lambda t: mg.concat(t, t, axis=None), ValueError, ["concat", "axis must be a number"]),
    (lambda t: mg.split(t, 2, axis=3), ValueError, ["split", "axis 3", "(2, 3)"]),
    (lambda t: np.where(t), TypeError, ["np.where", "missing", "(condition, x, y)", "minigrad.where(a, b, mask=mask)"]),
    (lambda t: np.sum(t, initial=1), TypeError, ["np.sum", "initial", "(a, axis=None, *, keepdims=False)"]),
    (lambda t: t.sum().backward(False), TypeError, ["retain_graph=False"]),
    (lambda t: t.astype(int), TypeError, ["astype", "int64", "detach"]),
    (lambda t: t.backward(), ValueError, ["(2, 3)", ".sum()", ".mean()", "pass g"]),
    (lambda t: t.backward(np.ones(3)), ValueError, ["g has shape (3,)", "y has shape (2, 3)"]),
    (lambda t: t.detach().backward(), RuntimeError, ["requires_grad=True"]),
    (lambda t: grad(t.sum(), leaf(2)), RuntimeError, ["xs[0]", "(2,)", "allow_unused"]),
    (lambda t: grad(t.sum(), np.ones(3)), TypeError, ["Tensor"]),
    (lambda t: grad(3.0, t), TypeError, ["float"]),
])
def test_errors_name_what_happened_and_what_to_do(f, kind, parts):
    with pytest.raises(kind) as caught:
        f(leaf(2, 3))
    for part in parts:
        assert part in str(caught.value)


def test_format():
    assert f"{Tensor(1.234):.2f}" == "1.23" and f"{Tensor([1.5])}" == "Tensor([1.5])"


def test_switching_requires_grad_off_and_on_keeps_the_record():
    t = leaf(2)
    y = (t * t).sum()
    t.requires_grad = False
    assert not (t * 2).requires_grad
    t.requires_grad = True
    y.backward()
    np.testing.assert_array_equal(t.grad, 2 * t.data)


def test_a_cotangent_takes_the_dtype_of_the_output():
    t = Tensor(np.float32([1, 2]), requires_grad=True)
    for g in (Tensor([1.0, 1.0]), Tensor(np.array([1, 1])), np.ones(2)):
        assert grad(t * 1, t, g).dtype == np.float32
        t.grad = None
        t.backward(g)
        assert t.grad.dtype == np.float32


def test_grad_of_a_number_stays_an_array():
    t = Tensor(1.0, requires_grad=True)
    for _ in range(3):
        (t * 2).backward()
    assert type(t.grad) is np.ndarray and t.grad == 6


def test_constants_of_other_array_types():
    t = leaf(2, 2)
    matrix = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(grad(t * matrix.view(np.matrix), t, np.ones((2, 2))), matrix)
    buffer = array.array("d", [1, 1])
    y = t * buffer
    buffer[0] = 99
    np.testing.assert_array_equal(grad(y, t, np.ones((2, 2))), 1)
    with pytest.raises(TypeError, match="mask"):
        t * np.ma.array(matrix, mask=matrix > 2)


def test_grad_of_unused_is_none_on_request():
    t, u = leaf(2), leaf(3)
    first, second = grad(t.sum(), [t, u], allow_unused=True)
    assert second is None and first.shape == (2,)


def test_constants_under_an_integer_tensor():
    indices = Tensor(np.array([1, 2]))
    assert (indices * 2).dtype.kind == "i" and not (indices * 2).requires_grad


# -- declaring operations -----------------------------------------------------------------------------


def test_a_students_operation(clean_registry):
    @op(lambda g, x, y: g * y * (1 - x * y))
    def arcsinh_like(x):
        return 1 / np.sqrt(1 + x * x)

    assert not mg.gradcheck(arcsinh_like, np.array([0.5, 1.0]))

    @op(lambda g, x, y: -g * x * y ** 3)
    def arcsinh_like(x):
        return 1 / np.sqrt(1 + x * x)

    assert mg.gradcheck(arcsinh_like, np.array([0.5, 1.0]), order=2)
    assert registry[f"{__name__}.arcsinh_like"] is arcsinh_like
    assert type(arcsinh_like(np.ones(2))) is np.ndarray


@pytest.mark.parametrize(("formulas", "function", "message"), [
    ((), lambda x: x, "0 formulas for 1 arguments"),
    ((lambda g: g,), lambda a, b: a, "1 formulas for 2 arguments"),
    ((lambda g, z: g,), lambda x: x, "asks for 'z'"),
    ((lambda x: x,), lambda x: x, r"first parameter.*@op\("),
    ((lambda g: g,), lambda g: g, "g and y mean"),
    ((lambda g: g,), lambda x, *, x_shape: x, "arguments' shapes"),
    ((lambda g: g,), lambda x=1: x, "put it behind a"),
    ((lambda g: g,), lambda x, **rest: x, "named one by one"),
    ((lambda g: g, lambda g: g), lambda x, *rest: x, "no other positional"),
    ((), lambda *, axis: axis, "at least one positional"),
])
def test_wrong_declarations_fail_at_once(formulas, function, message):
    with pytest.raises(ValueError, match=message):
        op(*formulas)(function)


@pytest.mark.parametrize(("formula", "message"), [
    (lambda g: g[:1], r"'broken'.*'x'.*\(1,\).*\(3,\)"),
    (lambda g: g.reshape(3, 1) * np.ones(2), r"\(3, 2\).*\(3,\)"),
    (lambda g: g.reshape(3, 1) * np.ones(3), r"\(3, 3\).*\(3,\)"),  # not broadcasting: the output has shape (3,)
    (lambda g: g.reshape(1, 3), r"\(1, 3\).*\(3,\)"),
    (lambda g: None, "returned None, but that argument"),
    (lambda g: g > 0, "dtype bool"),
])
def test_a_formula_that_returns_nonsense_is_named(clean_registry, formula, message):
    @op(formula)
    def broken(x):
        return x + 0.0

    with pytest.raises(TypeError, match=message):
        broken(leaf(3)).sum().backward()


def test_op_without_formulas():
    with pytest.raises(ValueError, match="must be g"):
        @op
        def student(x):
            return x


def test_a_variadic_formula_must_return_as_many_gradients(clean_registry):
    for formula in (lambda g: [g], lambda g: g, lambda g: [g, g, g]):
        @op(formula)
        def total(*xs):
            return sum(xs)

        with pytest.raises(TypeError, match=r"total.*list of 2 gradients"):
            total(leaf(2), leaf(2)).sum().backward()


def test_a_formula_cannot_change_the_gradient_in_place(clean_registry):
    def formula(g):
        g *= 2
        return g

    @op(formula)
    def broken(x):
        return x + 0.0

    with pytest.raises(RuntimeError, match="'broken'.*read-only"):
        broken(leaf(3)).sum().backward()


def test_a_formula_off_the_graph_is_named_at_second_order(clean_registry):
    @op(lambda g, x: np.cos(np.asarray(getattr(x, "data", x))) * getattr(g, "data", g))
    def broken_sin(x):
        return np.sin(x)

    x = leaf(3)
    grad(broken_sin(x).sum(), x)
    with pytest.raises(TypeError, match=r"broken_sin.*cut off from the graph"):
        grad(broken_sin(x).sum(), x, create_graph=True)


# -- threads ----------------------------------------------------------------------------------------------


def test_no_grad_in_one_thread_leaves_the_others_alone():
    inside, done = threading.Event(), threading.Event()

    def quiet():
        with no_grad():
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=quiet)
    thread.start()
    inside.wait(10)
    recorded = (leaf(2) * 2).requires_grad
    done.set()
    thread.join()
    assert recorded
