"""The gradient check itself: it finds planted errors, it raises no false alarm, its bounds hold, it leaves no trace."""

import json
import math
import re
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thorough import THOROUGH

import minigrad as mg
from minigrad import Tensor, grad, gradcheck, op
from minigrad.__main__ import main
from minigrad.check.numeric import Differences, derivatives
from minigrad.layers import LSTMCell, Module, RNNCell, binary_cross_entropy_with_logits


pytestmark = pytest.mark.usefixtures("clean_registry")


def with_formula(formula):
    """tanh with another gradient formula."""
    @op(formula)
    def student(x):
        return np.tanh(x)
    return student


# -- numeric derivatives: known ones lie within the bound ---------------------------------------------


KNOWN = {
    "sin": (np.sin, math.cos), "exp": (np.exp, math.exp), "cube": (lambda x: x ** 3, lambda x: 3 * x * x),
    "tanh": (np.tanh, lambda x: 1 - math.tanh(x) ** 2), "constant": (lambda x: 0 * x + 5, lambda x: 0.0),
    "1e8 + x": (lambda x: 1e8 + x, lambda x: 1.0), "1e-8 exp": (lambda x: 1e-8 * np.exp(x), lambda x: 1e-8 * math.exp(x)),
}


@pytest.mark.parametrize("name", KNOWN)
@given(x=st.floats(-3, 3), v=st.floats(0.1, 5))
def test_the_true_derivative_lies_within_the_bound(name, x, v):
    f, slope = KNOWN[name]
    found = derivatives(f, np.array([x]), np.array([v]))
    assert abs(found.value[0] - v * slope(x)) <= found.bound[0]


@given(x=st.floats(0.1, 3), scale=st.sampled_from([1e-8, 1e-3, 1e3, 1e8]))
def test_bounds_hold_and_stay_narrow_at_all_scales(x, scale):
    found = derivatives(lambda a: np.sin(a / scale) * scale, np.array([x * scale]), np.array([1.0]))
    # 1e-8: with steps of 2^-8, what the two one-sided slopes may differ by is near (2^-8)^3 = 6e-8, and a tenth counts
    assert abs(found.value[0] - math.cos(x)) <= found.bound[0] <= 1e-8


# -- verdicts -------------------------------------------------------------------------------------------


def test_right_gradients_pass():
    x = np.linspace(-1, 1, 6).reshape(2, 3)
    for order in (1, 2):
        report = gradcheck(with_formula(lambda g, y: g * (1 - y * y)), x, order=order)
        assert report and report.verdict == "ok"


@pytest.mark.parametrize("formula", [
    lambda g, y: g * (1 - y * y) * 1.000001, lambda g, y: -g * (1 - y * y), lambda g, y: g * 0, lambda g, y: g,
    lambda g, y: g * y * (1 - y), lambda g, y: 1 - y * y + 0 * g, lambda g, x: g * (1 - x * x),
    lambda g, y: (g * (1 - y * y))[::-1], lambda g, y: (g * (1 - y * y)) ** 2, lambda g, y: g * (1 - y * y) + np.float64("nan"),
])
def test_wrong_gradients_fail(formula):
    x = np.linspace(-1, 1, 6).reshape(2, 3)
    report = gradcheck(with_formula(formula), x)
    assert not report and report.verdict == "WRONG"
    assert report.rows[0].name == "x" and report.rows[0].failing > 0


@pytest.mark.parametrize("index", [(0, 0), (1, 2), (0, 1)])
def test_a_single_wrong_entry_is_found_and_named(index):
    mask = np.ones((2, 3))
    mask[index] = 1.0001
    report = gradcheck(with_formula(lambda g, y: g * (1 - y * y) * mask), np.linspace(-1, 1, 6).reshape(2, 3))
    assert not report and report.rows[0].index == index and report.rows[0].failing == 1
    assert str(list(index)) in str(report)


def test_only_the_wrong_input_is_blamed():
    @op(lambda g, b: g * b, lambda g, a: g * a * 1.01)
    def product(a, b):
        return a * b

    report = gradcheck(product, np.ones(2), np.full(2, 3.0))
    assert [(row.name, row.verdict) for row in report.rows] == [("a", "ok"), ("b", "WRONG")]


def test_a_transposed_gradient_fails():
    """It would pass with a cotangent of ones."""
    @op(lambda g, b: (g @ b.swapaxes(0, 1)), lambda g, a: (a.swapaxes(0, 1) @ g).swapaxes(0, 1))
    def product(a, b):
        return a @ b

    assert not gradcheck(product, np.eye(3) + 0.1, np.arange(9.0).reshape(3, 3) / 9)


def test_small_gradients_count():
    """A saturated gate's gradient of 1e-9 with the wrong sign."""
    assert not gradcheck(with_formula(lambda g, y: -g * (1 - y * y)), np.array([10.0]))
    assert gradcheck(mg.tanh, np.array([10.0]))


def test_second_order_only_errors():
    """A formula with a wrong derivative, because it hides a dependence on x."""
    @op(lambda g, x: g * Tensor(np.cos(x.data)) if isinstance(x, Tensor) else g * np.cos(x))
    def sine(x):
        return np.sin(x)

    x = np.array([0.5, 1.0])
    assert gradcheck(sine, x)
    assert not gradcheck(sine, x, order=2)


def test_a_gradient_that_is_lost_on_the_way_is_wrong():
    report = gradcheck(lambda x, w: x * 2 + w.detach(), np.ones(2), np.ones(2))
    assert [row.verdict for row in report.rows] == ["ok", "WRONG"]
    assert gradcheck(lambda x, unused: x * 2, np.ones(2), np.ones(2))


def test_what_cannot_be_judged_is_inconclusive():
    assert gradcheck(mg.log, np.array([1e-300, 1e9])).verdict == "INCONCLUSIVE"

    @op(lambda g: 0.0 * g)
    def step(x):
        return np.where(np.asarray(x) >= 0, 1.0, 0.0)

    report = gradcheck(step, np.array([0.0, 1.0]))
    assert report.verdict == "INCONCLUSIVE" and "f jumps" in str(report)
    rng = np.random.default_rng(0)
    report = gradcheck(lambda x: x * rng.random(2), np.ones(2))
    assert report.verdict == "INCONCLUSIVE" and "called again" in str(report)


@pytest.mark.parametrize(("f", "centre", "spread"), [
    (lambda x: (x * x).mean() - x.mean() ** 2, 1000, 1),
    (lambda x: x * x - 100 * x + 2500, 50, 0.1),
    (lambda x: mg.log(mg.exp(x) + 1e6) - math.log(1e6), 0, 1),
    (lambda x: x.astype(np.float32) * 2, 0, 1),
    (lambda x: (x - x.mean()) / mg.sqrt(((x - x.mean()) ** 2).mean() + 1e-5), 100, 1),
    (mg.relu, 0, 1),
    (lambda x: mg.softmax(x.reshape(2, 5) @ (10 * x.reshape(5, 2))), 0, 5),
    (lambda x: mg.softmax(x).sum(), 0, 1),
    (lambda x: (x * 1e8 - x * (1e8 - 1)) ** 2, 0, 1),
    (lambda x: grad(mg.softmax(x).sum(), x, create_graph=True), 0, 1),
])
def test_no_false_alarm_where_rounding_or_kinks_spoil_the_differences(f, centre, spread):
    rng = np.random.default_rng(0)
    for _ in range(30 if THOROUGH else 10):
        assert gradcheck(f, centre + spread * rng.normal(size=10)).verdict != "WRONG"


def test_what_is_smooth_far_away_and_another_function_nearby_is_no_false_alarm():
    """Differences at large steps see a saturated tanh, a parabola without its dip, or the size 1 of an input of zeros."""
    normalised = lambda x: (x - x.mean()) / mg.sqrt(((x - x.mean()) ** 2).mean() + 1e-5)  # noqa: E731
    for f, inputs in ((normalised, (np.ones((2, 1)),)), (lambda x: normalised(10 * x), (np.ones((2, 2)),)),
                      (lambda x, y: mg.tanh(x / 1e-6) * (y / 1e-6 + 1), (np.zeros(2), np.array([1e-6, -2e-6]))),
                      (lambda x: mg.log(1e-20 * x * x + 1), (np.ones(3),))):
        for budget in (20_000, 30):
            for seed in range(10 if THOROUGH else 4):
                assert gradcheck(f, *inputs, seed=seed, budget=budget).verdict != "WRONG"


def test_weights_are_nobodys_inputs():
    """default_rng(0) is what README draws inputs from: with weights equal to x the gradient of x / |x| would be 0."""
    x = np.random.default_rng(0).normal(size=(3, 4))
    lost = declared(lambda g: 0 * g, lambda x: x / np.sqrt((x * x).sum()))
    assert gradcheck(lost, x).verdict == "WRONG" and not mg.taylor_test(lost, x)


@pytest.mark.parametrize("sizes", [[1e12, 1.0], [1.0, 1e-14], [1e12, 1.0, 1e-12]])
def test_outputs_of_all_sizes_count(sizes):
    for wrong in range(len(sizes)):
        sign = np.where(np.arange(len(sizes)) == wrong, -1, 1)
        report = gradcheck(declared(lambda g: g * sizes * sign, lambda x: x * sizes), np.linspace(0.5, 1.5, len(sizes)))  # noqa: B023
        assert report.verdict == "WRONG" and report.rows[0].index == (wrong,) and report.rows[0].failing == 1


def test_what_rounding_errors_hide_is_unseen_and_not_ok():
    x = np.random.default_rng(0).normal(size=(3, 4))
    for sign in (1, -1):
        report = gradcheck(declared(lambda g: sign * g, lambda x: x + 1e15), x)  # noqa: B023
        assert report.verdict == "UNSEEN" and not report and report.rows[0].unseen == 12 and "unseen" in str(report)
    for value in (17.0, 20.0, 400.0):
        report = gradcheck(mg.tanh, np.array([value]))
        assert report and "f did not change near these values, so this gradient was not tested" in str(report)


def declared(formula, function):
    @op(formula)
    def student(x):
        return function(x)
    return student


@pytest.mark.parametrize(("f", "x"), [
    (mg.exp, [709.78]), (mg.log, [1 - 1e-16, 1e-300]), (lambda x: mg.log(mg.abs(x)), [0.0, 1.0]),
    (lambda x: mg.tanh(x) / x, [0.0]),
    (declared(lambda g, x: 0.0 * g, lambda x: np.tanh(x) / x), [0.0]),
    (lambda x: mg.log(x * x + 1), [3e-7]),
])
def test_what_is_not_finite_or_not_visible_is_neither_right_nor_wrong(f, x):
    assert gradcheck(f, np.array(x)).verdict in ("INCONCLUSIVE", "UNSEEN")


@pytest.mark.parametrize(("f", "x"), [
    (lambda x: mg.relu(x) * x, [0.0, 1.0]), (lambda x: mg.abs(x) * x, [0.0, -1.0]), (lambda x: mg.relu(x) ** 2, [0.0, 0.0, 3.0]),
    (lambda x: x * mg.exp(-x * x), [0.0, 1e4]), (mg.log, [1 - 1e-8, 1e-8]), (lambda x: mg.exp(mg.log(x)) - x, [1.6]),
    (lambda x: x * mg.exp(-x * x), [0.0, 1e5]),
])
def test_what_is_smooth_only_once_or_of_several_scales_is_no_false_alarm(f, x):
    for seed in range(20):
        assert gradcheck(f, np.array(x), seed=seed).verdict != "WRONG"


def test_huge_numbers_hide_no_error():
    assert gradcheck(declared(lambda g: g * 1e200, lambda x: x * 1e200), np.array([1.0, 2.0]))
    assert not gradcheck(declared(lambda g: g * 5e200, lambda x: x * 1e200), np.array([1.0, 2.0]))
    assert not gradcheck(declared(lambda g: -g * 1e170, lambda x: x * 1e170), np.array([1.0, 2.0]))


def test_second_order_at_a_kink_is_inconclusive():
    for f, x in ((lambda x: (x * x).max(axis=-1), np.ones((1, 2))), (lambda x: mg.abs(x) * mg.exp(x), np.array([0.0, 1.0]))):
        assert gradcheck(f, x) and gradcheck(f, x, order=2).verdict != "WRONG"


def test_a_function_that_refuses_what_is_outside_its_domain():
    rng = np.random.default_rng(0)
    assert gradcheck(binary_cross_entropy_with_logits, rng.normal(size=3), np.array([0.0, 0.5, 1.0])).verdict != "WRONG"

    @op(lambda g, x: 2 * g / mg.sqrt(1 - x * x))
    def arcsine(x):
        if (np.abs(x) > 1).any():
            raise ValueError("x must be in -1..1")
        return np.arcsin(x)

    assert "2 times what it should be" in str(gradcheck(arcsine, np.array([0.3, 0.95])))


def test_an_input_and_a_parameter_of_one_name():
    class Layer(Module):
        def __init__(self):
            self.h = Tensor(np.eye(4) + 0.1, requires_grad=True)

        def forward(self, h):
            return h @ self.h.detach()

    report = gradcheck(Layer(), np.ones((2, 4)))
    assert [(row.name, row.verdict) for row in report.rows] == [("h", "ok"), ("h (parameter)", "WRONG")]


def test_kinks_accept_the_slopes_between_left_and_right_and_no_other():
    report = gradcheck(mg.relu, np.array([0.0, 1.0]))
    assert report and report.rows[0].verdict == "KINK" and "1 entry lies on a kink of f" in str(report)
    assert gradcheck(mg.relu, np.array([1e-12, 1.0])).rows[0].verdict == "ok"  # steps are as small as the entry itself
    assert not gradcheck(declared(lambda g, x: g * 0.3, lambda x: np.maximum(x, 0)), np.array([1e-12, 1.0]))

    def relu_with_slope(slope):
        @op(lambda g, x: mg.where(g, 0.0, mask=x > 0) + mg.where(slope * g, 0.0, mask=x == 0))
        def student(x):
            return np.maximum(x, 0)
        return student

    for slope, right in ((0.0, True), (0.3, True), (1.0, True), (1.01, False), (-0.01, False)):
        assert bool(gradcheck(relu_with_slope(slope), np.array([0.0, 1.0]))) == right
    ties = np.array([[1.0, 1.0], [2.0, 1.0]])
    assert gradcheck(lambda x: x.max(axis=1), ties) and gradcheck(lambda x: mg.maximum(x, 1.0), ties)
    # two kinks whose jumps cancel in the weighted sum must not look like a smooth function
    assert gradcheck(lambda x: mg.concat(mg.relu(x), mg.relu(-x), mg.abs(x)), np.zeros(2))


def test_kinks_and_ends_of_the_domain_nearby_do_not_disturb():
    assert gradcheck(mg.relu, np.array([1e-4, -1e-5, 1.0])).rows[0].verdict == "ok"
    assert gradcheck(mg.log, np.array([1e-5, 1.0])).rows[0].verdict == "ok"
    assert gradcheck(mg.sqrt, np.array([1e-4, 1.0])).rows[0].verdict == "ok"


def test_a_step_that_is_a_period_of_f_does_not_deceive():
    @op(lambda g, x: 64 * math.pi * g * mg.tanh(x * 0))
    def wrong(x):
        return np.sin(64 * math.pi * x)

    assert gradcheck(wrong, np.array([1.0, 1.0])).verdict != "ok"


def test_a_gradient_of_zero_everywhere_is_said():
    unused = gradcheck(lambda x, h: x + 0.0 * h, np.ones(2), np.ones(2))
    assert unused and "h: f did not change near these values, so this gradient was not tested" in str(unused)
    report = gradcheck(LSTMCell(2, 3, rng=np.random.default_rng(0)), np.ones((1, 2)), (np.zeros((1, 3)), np.zeros((1, 3))))
    assert report and [row.name for row in report.rows if row.notes] == ["W_f", "b_f"]


@pytest.mark.parametrize(("f", "right"), [
    (mg.tanh, True), (lambda x: x * 3 + 1, True), (lambda x: mg.exp(x).sum(axis=0), True), (lambda x: x * 0.0, True),
    (lambda x: mg.tanh(x) + x.detach(), False)])
def test_taylor(f, right):
    report = mg.taylor_test(f, np.linspace(-1, 1, 6).reshape(2, 3))
    assert bool(report) == right
    assert ("WRONG, order 1" in str(report)) != right
    seen = [order for order in report.orders if order == order]
    if seen:
        assert seen[-1] == pytest.approx(2 if right else 1, abs=0.05)


def test_taylor_of_what_cannot_be_judged():
    assert not mg.taylor_test(declared(lambda g, x: g * np.nan, lambda x: x * x), np.ones(3))
    assert "not finite" in str(mg.taylor_test(mg.log, np.array([1e-300])))
    assert "only rounding errors" in str(mg.taylor_test(lambda x: x * 2, np.ones(3)))
    assert not mg.taylor_test(lambda x: declared(lambda g, x: g, np.tanh)(x * 1e-12), np.array([1e12]))
    assert mg.taylor_test(lambda x: mg.tanh(x * 1e6), np.array([1e-6]))
    saturated = mg.taylor_test(declared(lambda g, x: g * 1e-14, np.tanh), np.array([25.0]))  # the slope is 7.7e-22
    assert not saturated and "hidden by rounding errors" in str(saturated)
    assert mg.taylor_test(lambda x: mg.tanh(x.astype(np.float32)), np.array([0.5]))


def test_taylor_sees_parameters_and_leaves_no_trace():
    class Wrong(RNNCell):
        def forward(self, x, h=None):
            return super().forward(x, h) + self.b.detach()

    right, wrong = RNNCell(2, 3, rng=np.random.default_rng(0)), Wrong(2, 3, rng=np.random.default_rng(0))
    before = right.state_dict()
    assert mg.taylor_test(right, np.ones((1, 2))) and not mg.taylor_test(wrong, np.ones((1, 2)))
    for name, value in right.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_report_as_json():
    report = json.loads(json.dumps(gradcheck(mg.tanh, np.ones((2, 1))).to_dict()))
    assert report["verdict"] == "ok" and report["rows"][0]["name"] == "x" and report["rows"][0]["shape"] == [2, 1]


def test_what_rounding_hides_is_said():
    @op(lambda g: 3 * g)
    def twice(x):
        return 2 * x

    assert not gradcheck(lambda x: twice(x) + 1e8, np.ones(2))
    assert "are too small to show" in str(gradcheck(lambda x: twice(x) + 1e12, np.ones(2)))


def test_an_entry_that_cannot_be_judged_does_not_hide_the_others():
    @op(lambda g, x: 7 * g / x)
    def student(x):
        return np.log(x)

    assert gradcheck(student, np.array([1e-3, 1.0, 1.0])).verdict == "WRONG"


def test_modules_and_nested_inputs():
    rng = np.random.default_rng(0)
    x, h, c = rng.normal(size=(2, 3)), rng.normal(size=(2, 2)), rng.normal(size=(2, 2))
    report = gradcheck(LSTMCell(3, 2, rng=rng), x, (h, c))
    assert report
    assert [row.name for row in report.rows] == [
        "x", "state[0]", "state[1]", "W_f", "W_i", "W_c", "W_o", "b_f", "b_i", "b_c", "b_o"]


def test_an_error_in_one_parameter_of_a_module_is_found():
    class Wrong(RNNCell):
        def forward(self, x, h=None):
            return super().forward(x, h) + self.b.detach()

    report = gradcheck(Wrong(2, 3, rng=np.random.default_rng(0)), np.ones((1, 2)))
    assert [row.name for row in report.rows if row.verdict == "WRONG"] == ["b"]


def test_the_check_leaves_no_trace():
    cell = RNNCell(2, 3, rng=np.random.default_rng(0))
    cell.W.grad = np.ones(cell.W.shape)
    before, x = cell.state_dict(), np.ones((1, 2))
    t = Tensor(np.ones((1, 3)), requires_grad=True)
    assert gradcheck(cell, x, t, order=2)
    for name, value in cell.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert (cell.W.grad == 1).all() and cell.b.grad is None and t.grad is None
    assert (x == 1).all() and (t.data == 1).all()


def test_what_data_handed_out_before_the_check_is_written_into_after_it():
    """The check lends the parameter other values; afterwards the first operation takes its copy as always."""
    cell = RNNCell(2, 3, rng=np.random.default_rng(0))
    handed_out = cell.W.data
    assert gradcheck(cell, np.ones((1, 2)), np.ones((1, 3)))
    handed_out[0] = 0.5
    assert (cell.W.numpy()[0] == 0.5).all() and cell.W.data is handed_out
    y, right = (cell.W * cell.W).sum(), 2 * cell.W.numpy()
    with pytest.raises(ValueError, match="read-only"):
        handed_out[0] = 100
    np.testing.assert_array_equal(grad(y, cell.W), right)


def test_integers_are_constants_and_named_tuples_are_kept():
    Pair = namedtuple("Pair", "a b")
    assert gradcheck(mg.tanh, [0.5, 1, 2]) and gradcheck(mg.tanh, 1)
    assert gradcheck(lambda pair: pair.a * pair.b, Pair(np.ones(2), np.ones(2)))
    report = gradcheck(lambda x, index: x[index], np.arange(3.0), np.array([0, 2, 0]))
    assert report and [row.name for row in report.rows] == ["x"]


@pytest.mark.parametrize(("f", "kind"), [
    (lambda: gradcheck(lambda x: 1.0, np.ones(2)), TypeError),
    (lambda: gradcheck(lambda x: x, np.arange(3)), TypeError),
    (lambda: gradcheck(lambda x: x, np.ones(2), order=3), ValueError),
    (lambda: gradcheck(lambda x: x @ np.ones(3), np.ones(2)), ValueError),
])
def test_errors(f, kind):
    with pytest.raises(kind):
        f()


# -- laws of a gradient -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("formula", "text"), [
    (lambda g, y: g * (1 - y * y) + 1e-3, "not zero where no gradient arrives"),
    (lambda g, y: mg.maximum(mg.minimum(g, 50.0), -50.0) * (1 - y * y), "stops growing with g"),
    (lambda g, y: mg.where(g, 2 * g, mask=abs(g) > 1e-5) * (1 - y * y) / 2, "twice g must give twice"),
    (lambda g, y: mg.where(g, 0 * g, mask=g > 0) * (1 - y * y), "two\n  different g must add up"),
])
def test_a_formula_that_is_not_linear_in_g_is_wrong(formula, text):
    report = gradcheck(with_formula(formula), np.linspace(-1, 1, 6).reshape(2, 3))
    assert report.verdict == "WRONG" and text in str(report)


def test_a_formula_that_is_right_only_at_the_scale_of_the_check_is_found():
    """Clipping g at 50 changes nothing for the random weights, which are below 5; only linearity shows it."""
    report = gradcheck(with_formula(lambda g, y: mg.maximum(mg.minimum(g, 50.0), -50.0) * (1 - y * y)), np.ones(3))
    assert report.verdict == "WRONG" and report.rows[0].verdict == "ok"


def test_a_formula_that_draws_random_numbers():
    rng = np.random.default_rng(0)
    report = gradcheck(with_formula(lambda g, y: g * (1 - y * y) * rng.random(y.shape)), np.ones(3))
    assert "other values when it is computed again" in str(report) and not report


def test_gradients_that_share_memory(monkeypatch):
    right = mg.check.problem.grad

    def shares(y, xs, *args, **kwargs):
        found = right(y, xs, *args, **kwargs)
        return (found[0],) * len(found)

    monkeypatch.setattr(mg.check.problem, "grad", shares)
    assert "gradient 1 shares memory with gradient 0" in str(gradcheck(lambda a, b: a + b, np.ones(2), np.ones(2)))


def test_a_function_that_changes_its_input():
    def f(x):
        x.data[...] += 1
        return x * 1.0

    report = gradcheck(f, np.ones(2))
    assert report.verdict == "INCONCLUSIVE" and "f changes its input x" in str(report)


def test_a_function_that_changes_its_input_by_force():
    """The second call finds nothing left to change, so that the values do not show it."""
    def f(x):
        x.array.flags.writeable = True
        np.maximum(x.array, 0, out=x.array)
        x.array.flags.writeable = False
        return mg.tanh(x)

    report = gradcheck(f, np.array([-0.5, 0.2, 2.0]))
    assert report.verdict == "INCONCLUSIVE" and "f changes its input x" in str(report)


def test_a_tensor_given_twice_is_one_input():
    t = Tensor([1.0, 2.0], requires_grad=True)
    report = gradcheck(lambda a, b: a * b, t, t)
    assert report and [row.name for row in report.rows] == ["a = b"]
    assert report.rows[0].analytic == pytest.approx(report.rows[0].numeric, rel=1e-8)
    assert [row.name for row in gradcheck(lambda a, b: a * b, t, Tensor([1.0, 2.0])).rows] == ["a", "b"]


def test_the_global_random_generators_are_left_as_they_were():
    before = np.random.get_state()[1].copy()
    gradcheck(lambda x: x * np.random.rand(2), np.ones(2))
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_an_error_in_the_engine_cannot_hide(monkeypatch):
    """The differences share no helper with the engine, so a wrong one shows: here, a mean where a sum is right."""
    right = mg.core.unbroadcast
    monkeypatch.setattr(mg.core, "unbroadcast", lambda g, shape: right(g, shape) / 2)
    assert not gradcheck(lambda x, b: x + b, np.ones((2, 3)), np.ones(3))
    monkeypatch.undo()
    for operation in (mg.reshape, mg.concat, mg.add):  # whatever the checker might be tempted to use
        monkeypatch.setattr(operation, "formulas", tuple(lambda g, **kw: g * 2.0 for _ in operation.formulas))
    assert gradcheck(mg.tanh, np.ones((2, 3)))


# -- many entries -----------------------------------------------------------------------------------------


def test_a_sample_of_many_entries_and_directions_through_all():
    x = np.random.default_rng(0).normal(size=(40, 50))
    report = gradcheck(mg.tanh, x, budget=400)
    (row,) = report.rows
    assert report and 50 < row.checked < 100 and row.entries == 2000
    assert "of 2000 entries were checked one by one; 8 random directions through all of them agree" in str(report)
    assert gradcheck(mg.tanh, x, budget=20_000).rows[0].checked == 2000


@pytest.mark.parametrize("index", [(0, 0), (17, 31), (39, 49)])
def test_one_wrong_entry_among_many_is_found_by_bisection(index):
    mask = np.ones((40, 50))
    mask[index] = 1.01
    (row,) = gradcheck(with_formula(lambda g, y: g * (1 - y * y) * mask), np.random.default_rng(0).normal(size=(40, 50)),
                       budget=400).rows
    assert row.verdict == "WRONG" and row.index == index and row.failing == 1


def test_directions_that_show_nothing_are_not_said_to_agree():
    x = np.random.default_rng(0).normal(size=2000)
    x[::2] = 0
    lost = np.r_[np.ones(1900), np.zeros(100)]
    for seed in range(5):
        report = gradcheck(declared(lambda g, x: mg.where(g, 0.0, mask=x > 0) * lost, lambda x: np.maximum(x, 0)), x, budget=100,
                           seed=seed)
        assert not report and "directions through all of them agree" not in str(report)
    nan = np.ones(2000)
    nan[1234] = np.nan
    report = gradcheck(declared(lambda g: g * nan, lambda x: x * 1.0), np.ones(2000), budget=100)
    assert report.rows[0].verdict == "WRONG" and "not linear" not in str(report)


def test_what_small_inputs_do_not_need_is_for_the_large_ones():
    report = gradcheck(lambda x, b: x * b, np.ones((100, 30)), np.ones(30), budget=1000)
    assert report and report.rows[1].checked == 30 and 100 < report.rows[0].checked < 250
    assert sum(row.checked for row in report.rows) * 4 < 1000
    with pytest.raises(ValueError, match="budget"):
        gradcheck(mg.tanh, np.ones(2), budget=0)


# -- float32 ----------------------------------------------------------------------------------------------


def test_float32_is_checked_at_float64_and_held_against_it():
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    cell = RNNCell(3, 2, rng=np.random.default_rng(0), dtype=np.float32)
    report = gradcheck(cell, x)
    assert report and "which rounding errors explain" in str(report)
    assert cell.W.dtype == np.float32 and cell.W.requires_grad and x.dtype == np.float32

    @op(lambda g, x: g * (1 if x.dtype == np.float64 else 2))
    def wrong_in_float32(x):
        return x * 1

    assert gradcheck(wrong_in_float32, x.astype(float)) and not gradcheck(wrong_in_float32, x)
    assert not gradcheck(wrong_in_float32, x, order=2)


@pytest.mark.parametrize(("f", "x"), [
    (lambda x: mg.softmax(x).sum(), np.linspace(-1, 1, 5)), (mg.sigmoid, [20.0]), (mg.tanh, [10.0, 12.0]),
    (lambda x: mg.exp(x) / mg.exp(x), [100.0])])
def test_float32_gradients_that_are_rounding_errors_are_no_false_alarm(f, x):
    for seed in range(10):
        assert gradcheck(f, np.array(x, np.float32), seed=seed).verdict != "WRONG"


def test_a_function_that_computes_in_float32_inside_is_no_false_alarm():
    rng = np.random.default_rng(0)
    for _ in range(300 if THOROUGH else 100):
        f = lambda x: mg.tanh(x.astype(np.float32) * 3).astype(np.float64) * x  # noqa: E731
        assert gradcheck(f, rng.normal(size=5) * 10.0 ** rng.integers(-3, 2)).verdict != "WRONG"


def test_progress_is_shown_where_somebody_watches(monkeypatch, capsys):
    from minigrad.check.report import Progress
    monkeypatch.setattr(Progress, "SILENT", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert gradcheck(mg.tanh, np.ones((20, 20)))
    assert "gradcheck: 1 of 400 entries" in capsys.readouterr().err


# -- the command line -------------------------------------------------------------------------------------


def test_command_line_is_ok_for_what_is_right(capsys):
    assert main(["check", "--examples", "1"]) == 0
    out = capsys.readouterr().out
    for name in ("sigmoid", "tanh", "matmul", "concat", "LSTM", "RNN", "RNN-relu", "LSTMCell", "RNNCell", "Linear",
                 "cross_entropy"):
        assert f"\n{name} " in out
    assert " 0 wrong, 0 inconclusive" in out


def test_command_line_finds_what_is_wrong(capsys, monkeypatch):
    monkeypatch.setattr(mg.sigmoid, "formulas", (lambda g, y: g * y * (1 - y) * 1.01,))
    assert main(["check", "sigmoid", "tanh"]) == 1
    out = capsys.readouterr().out
    assert "1 of 2 ok, 1 wrong" in out and "WRONG" in out and "analytic" in out
    assert main(["check", "lstmcell"]) == 1
    monkeypatch.setattr(mg.relu, "formulas", (lambda g, x: g * (x > 0) * 1.01,))
    assert main(["check", "rnn"]) == 0 and main(["check", "rnn-relu"]) == main(["check", "rnncell-relu"]) == 1


def test_command_line_says_inconclusive(monkeypatch):
    monkeypatch.setattr(mg.tanh, "function", lambda x: np.tanh(x) + np.random.default_rng().normal(size=np.shape(x)))
    assert main(["check", "tanh"]) == 2


@pytest.mark.parametrize("arguments", [["check", "nonsense"], ["check", "--examples", "0"], ["check", "--seed", "-1"], []])
def test_command_line_that_cannot_run(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2


# -- what is looked at, if not everything -------------------------------------------------------------------


def steps_taken(seed, shape=(40, 50), inputs=2, budget=800):
    """For each input: the entries changed one by one, and the changes of all entries at once."""
    starts = [np.random.default_rng(i).uniform(0.5, 2, shape) for i in range(inputs)]
    one_by_one, together = [set() for _ in starts], [[] for _ in starts]

    def f(*xs):
        for i, (x, start) in enumerate(zip(xs, starts)):
            step = (x.numpy() - start).ravel()
            step[np.abs(step) < 1e-13] = 0  # a rounding error is no step
            if np.count_nonzero(step) == 1:
                one_by_one[i].add(int(np.flatnonzero(step)[0]))
            elif step.any():
                together[i].append(step)
        return sum(mg.tanh(x) for x in xs)

    assert gradcheck(f, *starts, seed=seed, budget=budget)
    return one_by_one, together


def test_a_sample_is_spread_over_all_entries_of_all_inputs_and_another_one_for_each_seed():
    seen = [steps_taken(seed)[0] for seed in range(6)]
    for first, second in seen:
        assert len(first) > 10 and len(second) > 10 and first != second
    for i in range(2):
        assert all(seen[k][i] != seen[k + 1][i] for k in range(5))
        everything = np.array(sorted(set().union(*(entries[i] for entries in seen))))
        counts = np.histogram(everything, bins=4, range=(0, 2000))[0]
        assert counts.min() > len(everything) / 8  # each quarter of the entries has its part, the last one too
        assert len(set(everything % 2)) == 2 and len(set(everything % 50)) > 25  # no row, column or stride only


def test_directions_go_through_all_entries_with_both_signs_and_differ():
    steps = [steps_taken(seed)[1] for seed in range(2)]
    for i in range(2):
        units = []
        for step in (step for taken in steps for step in taken[i] if np.abs(step).max() > 1e-8):  # not cut by the 1e-13 above
            assert np.count_nonzero(step) == step.size
            assert 0.3 < (step > 0).mean() < 0.7
            units.append(step / np.sqrt(step @ step))
        alike = np.abs(np.array(units) @ np.array(units).T) > 0.5  # along one line, there and back
        lines = np.unique(alike, axis=0)
        assert len(lines) >= 16  # eight for each seed, and none of one seed's is the other's


def test_errors_that_cancel_in_a_sum_are_found():
    wrong = np.zeros(2000)
    wrong[[700, 1900]] = 0.01, -0.01
    for seed in range(3):
        f = with_formula(lambda g, y: g * (1 - y * y) + g.sum() * wrong)
        (row,) = gradcheck(f, np.zeros(2000), budget=100, seed=seed).rows
        assert row.verdict == "WRONG" and row.index in [(700,), (1900,)]


@pytest.mark.parametrize("last", [0, 1, 2])
def test_an_error_in_any_of_several_large_inputs_is_found(last):
    xs = [np.random.default_rng(i).normal(size=2000) for i in range(3)]
    wrong = with_formula(lambda g, y: 1.01 * g * (1 - y * y))
    report = gradcheck(lambda *xs: sum(wrong(x) if i == last else mg.tanh(x) for i, x in enumerate(xs)), *xs, budget=300)
    assert [row.verdict == "WRONG" for row in report.rows] == [i == last for i in range(3)]


def sigmoid_by_hand(x):
    return 1 / (1 + np.exp(-x))


def swish_slope(x):
    s = sigmoid_by_hand(x)
    return s * (1 + x * (1 - s))


@pytest.mark.parametrize(("f", "slope", "wrong", "at"), [
    (lambda x: x - np.sin(x), lambda x: 1 - np.cos(x), 1.0, 0.05),
    (lambda x: x - np.sin(x), lambda x: 1 - np.cos(x), 0.4, 1e-4),
    (lambda x: x - np.tanh(x), lambda x: np.tanh(x) ** 2, 1.0, -0.03),
    (lambda x: x * sigmoid_by_hand(x), swish_slope, 0.5, -1.28),
    (lambda x: x * sigmoid_by_hand(x), swish_slope, 0.3, -1.2785),
    *((lambda x, c=c: x + c * np.sqrt(x * x + 1e-8), lambda x, c=c: 1 + c * x / np.sqrt(x * x + 1e-8), 1.0, at)
      for c in (1e-2, 1e-3, 1e-5) for at in (1e-3, 3e-4)),
])
def test_a_nearly_flat_smooth_function_has_no_stairs(f, slope, wrong, at):
    """Over larger steps f follows the wrong slope, but it bends; only stairs of rounding errors jump."""
    x = np.array([at, 1.0, -2.0])
    assert gradcheck(f, x, backward=lambda g, x: g * slope(x))
    report = gradcheck(f, x, backward=lambda g, x: g * np.where(x == at, wrong, slope(x)))
    assert not report and report.rows[0].failing == 1, f"\n{report}"
    assert not gradcheck(f, x[:1], backward=lambda g, x: g * wrong)


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("at", [0.0, 1e-4, 0.5])
@pytest.mark.parametrize(("f", "slope"), [(np.sin, np.cos), (lambda x: x - np.sin(x), lambda x: 1 - np.cos(x))])
def test_wrong_for_exactly_the_given_values_is_no_kink(offset, at, f, slope):
    """The slopes around look like several kinks because of rounding errors, if f is large or nearly flat."""
    x = np.array([at, 1.0, -2.0])
    assert gradcheck(lambda x: offset + f(x), x, backward=lambda g, x: g * slope(x))
    report = gradcheck(lambda x: offset + f(x), x, backward=lambda g, x: g * np.where(x == at, 0.3, slope(x)))
    assert report.verdict in ("WRONG", "INCONCLUSIVE"), f"\n{report}"


@pytest.mark.parametrize(("f", "slope"), [
    (lambda x: (x + 1e15) - 1e15, lambda x: 1.0),
    (lambda x: np.log(1 - sigmoid_by_hand(x + 32)), lambda x: -sigmoid_by_hand(x + 32)),
    (lambda x: (1 - np.cos(1e-7 * x)) * 1e14, lambda x: 1e7 * np.sin(1e-7 * x)),
    (lambda x: 200 * x + np.log(1 - sigmoid_by_hand(x + 32)), lambda x: 200 - sigmoid_by_hand(x + 32)),
])
def test_stairs_of_rounding_errors_are_not_wrong(f, slope):
    """The inner value climbs in steps that differences do not see."""
    for seed in range(5):
        report = gradcheck(f, np.random.default_rng(seed).normal(size=3), backward=lambda g, x: g * slope(x))
        assert report.verdict in ("UNSEEN", "INCONCLUSIVE"), f"\n{report}"


def smooth_abs(x):
    return np.sqrt(x * x + 1e-8)


@pytest.mark.parametrize(("f", "slope", "x"), [
    (smooth_abs, lambda x: x / smooth_abs(x), [0.0]),
    (smooth_abs, lambda x: x / smooth_abs(x), [0.0, 0.03, -350.0]),
    (lambda x: np.sqrt(x * x + 1e-12), lambda x: x / np.sqrt(x * x + 1e-12), [0.0]),
    (lambda x: np.log(x * x + 1e-6), lambda x: 2 * x / (x * x + 1e-6), [0.96, 1.23, 0.0]),
    (lambda x: 1 - np.cos(x), np.sin, [1.02e-3, 7.2e-4, 7.1e-4]),
    (lambda x: x - np.sin(x), lambda x: 1 - np.cos(x), [2.2e-6, 2.3e-6, 1.5e-6]),
    (lambda x: x ** 9, lambda x: 9 * x ** 8, [0.0, -8.6]),
    (lambda x: (x + 1e5) ** 2 - 1e10, lambda x: 2 * (x + 1e5), [4.6e-6, 4.2e-6, 2.9e-6, 2.1e-6]),
])
@pytest.mark.parametrize("wrong", [
    lambda d: d, lambda d: 1.01 * d, lambda d: 0 * d, lambda d: d + 0.1, lambda d: d + (np.arange(d.size) == 0),
])
def test_nobody_says_of_a_smooth_function_that_it_has_kinks_or_jumps(f, slope, x, wrong):
    for scale in (1.0, 1.1, 0.7):
        at = scale * np.array(x)
        report = gradcheck(f, at, backward=lambda g, x: g * wrong(slope(x)))
        assert not any(word in str(report) for word in ("kink", "jumps near", "KINK", "not finite")), f"\n{report}"
        assert report.verdict in ("ok", "UNSEEN") if np.array_equal(wrong(slope(at)), slope(at)) else report.verdict != "ok"


def test_what_is_said_of_entries_that_cannot_be_judged_is_true():
    straight_through = {"backward": lambda g, x: g}
    stairs = gradcheck(lambda x: np.floor(x), np.array([1.0, 2.0]), **straight_through)
    assert "f jumps near 2 entries, so this part of the gradient cannot be judged" in str(stairs)
    edge = gradcheck(mg.sqrt, np.array([1e-320, 4.0]))
    assert "jumps near" not in str(edge) and "kink" not in str(edge)
    second = gradcheck(lambda x: mg.relu(x) ** 2, np.array([0.0, 1.0]), order=2)
    assert "1 entry lies on a kink of the gradient of f" in str(second)


def huber(x):
    return np.where(np.abs(x) < 1, x * x / 2, np.abs(x) - 0.5)


TIES = np.array([[-1.0, 0.1], [1.3, -0.5]]), np.array([[-1.9, 0.07], [1.3, -0.5]])


@pytest.mark.parametrize(("f", "backward", "inputs"), [
    (huber, lambda g, x: g * np.where(np.abs(x) < 1, x, 0), [[1.0, 0.0, -1.0]]),
    (huber, lambda g, x: g * np.where(np.abs(x) < 1, x, -5 * x), [[1.0, 0.5, -1.0]]),
    (lambda x: x ** 2, lambda g, x: 2 * g * x * (x > 1), [[1.0, 2.0, 3.0]]),
    (np.maximum, lambda g, x, y: (g * (x > y).T, g * ~(x > y).T), TIES),
    (np.maximum, lambda g, x, y: (g * np.roll(x > y, 1), g * ~np.roll(x > y, 1)), TIES),
    (lambda x: np.clip(x, -1, 1), lambda g, x: g * (np.abs(x) <= 1)[::-1], [[[1.0, -1.2], [4.0, 1.6]]]),
    *((np.exp, lambda g, x, k=k: k * g * np.exp(x), [[36.0, 5.0]]) for k in (-1, 0.5, 7, 0)),
    (np.exp, lambda g, x: g * np.exp(x) / 2, [[-4.6, -14.2, -30.0, -21.0, -44.0]]),
    (np.sinh, lambda g, x: -g * np.cosh(x), [[3.0, 42.5, -27.0, 6.5, 73.0]]),
    (lambda x: 1 / x, lambda g, x: -g / x ** 2 * (x > 0.01), [[1e-3, 1000.0, 1000.0]]),
    (lambda x: np.sin(1 / x), lambda g, x: -g * np.cos(1 / x) / x ** 2 * (x != 0.01), [[0.01, 1.07, -0.03, 1.0]]),
    (lambda x: 1e-3 * np.log(x), lambda g, x: 1e-3 * g / x * [-1, 1, 1, 1], [[1e-6, 1e6, 1e6, 1e-6]]),
    (np.sqrt, lambda g, x: g * np.where(x < 1, 0, 0.5 / np.sqrt(x)), [[143.0, 1e-5, 34590.0]]),
    (lambda x: np.sqrt(x * x + 1e-8), lambda g, x: g * np.where(x == 0, 0.7, x / np.sqrt(x * x + 1e-8)), [[0.0, 1.0, -2.0]]),
    (lambda x: 1e5 + np.tanh(x), lambda g, x: 3 * g / np.cosh(x) ** 2, [[9.0]]),
    (lambda x: 1e4 + (x - 1) ** 8, lambda g, x: -8 * g * (x - 1) ** 7, [[1.1, 0.99]]),
    (lambda x: 1e13 + np.exp(x), lambda g, x: 1.01 * g * np.exp(x), [[10.0]]),
])
def test_nothing_hides_a_wrong_gradient(f, backward, inputs):
    """A mask at ties or thresholds, a fast-growing f, a small entry among large ones, a sharp bend, digits that f loses."""
    report = gradcheck(f, *map(np.array, inputs), backward=backward)
    assert not report, f"\n{report}"


@pytest.mark.parametrize(("f", "slope", "x"), [
    (lambda x: 1.05 * np.where(x > 0, x, 1.67 * np.expm1(np.minimum(x, 0))),
     lambda x: 1.05 * np.where(x > 0, 1, 1.67 * np.exp(np.minimum(x, 0))), [0.0, 1.0, -2.0]),  # selu: the left slope at 0
    (huber, lambda x: np.clip(x, -1, 1), [1.0, 0.0, -1.0]),
    (np.exp, np.exp, [36.0, 5.0]), (np.exp, np.exp, [-4.6, -14.2, -30.0, -21.0, -44.0]),
    (lambda x: np.sin(x * x) + 1, lambda x: 2 * x * np.cos(x * x), [33.36, 0.0, 1.0, 17.53]),
    (lambda x: np.sin(x * x) + 1, lambda x: 2 * x * np.cos(x * x), [7.08, 8.67, 7.46]),
    (lambda x: 1 * x, lambda x: 1.0, [1.0, 1e100]), (np.tanh, lambda x: 1 - np.tanh(x) ** 2, [10.0, 9.0]),
])
def test_a_right_gradient_of_a_steep_bent_or_small_f_is_ok(f, slope, x):
    report = gradcheck(f, np.array(x), backward=lambda g, x: g * slope(x))
    assert report, f"\n{report}"


def test_the_call_that_repeats_a_check_is_python_whatever_the_functions_are_called():
    report = gradcheck(np.log, np.ones(2), backward=lambda g, x: 2 * g / x)
    call, _, note = report.again.partition(", where ")  # an older NumPy does not name the argument of np.log
    assert re.fullmatch(r"gradcheck\(np.log, (x|input_0), backward=backward, seed=0\)", call)
    assert note == "backward is your lambda"
    report = gradcheck(lambda x: x * x, np.ones(2), backward=lambda g, x: g)
    assert report.again.endswith("where f is your lambda and backward is your lambda")


@pytest.mark.parametrize(("f", "backward", "inputs"), [
    (np.abs, lambda g, x: g * np.where(x == 100, 1, -1), [[1e-4, 100.0]]),
    *((lambda x: np.maximum(x, 0), lambda g, x, a=a: g * (x > a), [[a, big]])
      for big in (1e2, 1e4, 1e6) for a in (1e-4, 0.01, 1.0)),
    (lambda x: x * x, lambda g, x: g * 2 * x * (np.abs(x) > 1e-5), [[1e-5, 0.5, -2.0]]),
    (lambda x: np.log(x * x + 1e-3), lambda g, x: g * 2 * x / (x * x + 1e-3) * (x != 1e-6), [[1e-6, 1.0]]),
    (lambda x: np.tanh(50 * x), lambda g, x: -50 * g * (1 - np.tanh(50 * x) ** 2), [[0.3, 0.5, -2.0]]),
    (lambda x: np.abs(x).sum(), lambda g, x: g * np.sign(x) * (np.arange(4) > 0), [[-0.802, -1.32e7, -0.248, 0.42]]),
    (lambda x: np.maximum(x, 0).mean(), lambda g, x: g * (x > 1e-4) / x.size, [[1e-4, 1e6]]),
])
def test_what_is_only_near_a_kink_or_a_threshold_is_not_on_it(f, backward, inputs):
    report = gradcheck(f, *map(np.array, inputs), backward=backward)
    assert not report, f"\n{report}"


def test_a_small_row_beside_a_large_one_is_seen():
    """A hinge loss whose kinks lie near the small row, compared with the large one, but not on it."""
    targets, rows = np.array([0, 0, 0, 2]), np.arange(4)

    def loss(x, W):
        scores = x @ W
        return np.maximum(scores - scores[rows, targets][:, None] + 1, 0).sum()

    def backward(g, x, W, factor):
        scores = x @ W
        active = (scores - scores[rows, targets][:, None] + 1 > 0) * 1.0
        active[rows, targets] -= active.sum(1)
        return g * (active @ W.T) * [[1], [1], [1], [factor]], g * (x.T @ active)

    x = np.array([[10.0, 1, -24], [1, -2, 1], [-8e5, 2e4, 8e5], [1, -1, 2]])
    W = np.array([[0.0, 1, -3], [-1, -2, 0], [3, 3, -2]])
    assert gradcheck(loss, x, W, backward=lambda g, x, W: backward(g, x, W, 1))
    assert not gradcheck(loss, x, W, backward=lambda g, x, W: backward(g, x, W, 0.5))


def test_entries_measured_together_are_what_each_is_alone():
    """Smooth entries, kinks and steep ones in one block: some are settled by the first steps, others need more."""
    x = np.array([0.5, 0.0, -1.0, 1e-4, 2.0, 0.0, -3.0, 30.0])

    def f(x):
        return np.array([np.abs(x).sum(), (x ** 3).sum(), np.exp(x).sum()])

    v, at_zero = np.array([1.0, 0.5, -0.25]), x == 0
    slopes = np.sign(x) + 1.5 * x ** 2 - 0.25 * np.exp(x)
    together = Differences(f, x).of(v, slopes)
    assert (np.isfinite(together.low) == at_zero).all() and (np.isfinite(together.high) == at_zero).all()
    assert (np.abs(together.value - slopes) <= together.bound)[~at_zero].all()
    assert (together.low[at_zero] <= -1.2).all() and (together.high[at_zero] >= 0.7).all()  # -1 and 1, minus 1/4
    for k in range(x.size):
        alone = Differences(f, x).of(v, slopes, np.array([k]))
        assert np.isfinite(alone.low[k]) == at_zero[k]
        if not at_zero[k]:
            assert abs(alone.value[k] - together.value[k]) <= alone.bound[k] + together.bound[k]


def test_a_wrong_gradient_takes_few_more_calls_than_a_right_one():
    x, calls = np.linspace(-2, 2, 200), [0, 0]
    x[100] = 0

    def check(right):
        def f(x):
            calls[right] += 1
            return np.sin(x) + np.abs(x)

        return gradcheck(f, x, backward=lambda g, x: g * (np.cos(x) + np.sign(x)) * (1 if right else 1 + (x != 0)),
                         hints="none")

    assert check(True) and not (report := check(False))
    assert report.rows[0].failing == 199  # and 0, on the kink, is none of them
    assert calls[False] < 2 * calls[True]
