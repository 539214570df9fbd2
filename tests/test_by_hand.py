"""Gradients written by hand in NumPy, in the usual forms of courses."""

import json

import numpy as np
import pytest

import minigrad
from minigrad import Tensor, gradcheck, op, with_cache, with_loss
from minigrad.__main__ import main

rng = np.random.default_rng(7)
T, B, D, H, V = 4, 2, 3, 5, 6
X, H0, WX, WH, BIAS = (rng.normal(size=shape) for shape in ((T, B, D), (B, H), (D, H), (H, H), (H,)))


def rnn_forward(x, h0, Wx, Wh, b):
    hs, h = [], h0
    for x_t in x:
        h = np.tanh(x_t @ Wx + h @ Wh + b)
        hs.append(h)
    return np.stack(hs)


def rnn_backward(dhs, x, h0, Wx, Wh, b, carry=1.0):
    hs = np.concatenate([h0[None], rnn_forward(x, h0, Wx, Wh, b)])
    dx, dWx, dWh, db, dh = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b), np.zeros_like(h0)
    for t in reversed(range(len(x))):
        dz = (dhs[t] + carry * dh) * (1 - hs[t + 1] ** 2)
        dx[t], dh = dz @ Wx.T, dz @ Wh.T
        dWx += x[t].T @ dz
        dWh += hs[t].T @ dz
        db += dz.sum(axis=0)
    return dx, dh, dWx, dWh, db


def verdicts(report):
    return {row.name: row.verdict for row in report.rows}


RNN_INPUTS = (X, H0, WX, WH, BIAS)


def test_a_right_one_and_a_wrong_one():
    report = gradcheck(rnn_forward, *RNN_INPUTS, backward=rnn_backward)
    assert report and verdicts(report) == dict.fromkeys(("x", "h0", "Wx", "Wh", "b"), "ok"), report
    wrong = gradcheck(rnn_forward, *RNN_INPUTS, backward=lambda g, *xs: rnn_backward(g, *xs, carry=0.0))
    assert set(verdicts(wrong).values()) == {"WRONG"}
    assert gradcheck(rnn_forward, *RNN_INPUTS, backward=rnn_backward, budget=200)


def test_the_report_says_how_to_get_it_again():
    report = gradcheck(rnn_forward, *RNN_INPUTS, backward=rnn_backward, seed=3)
    assert report.again == "gradcheck(rnn_forward, x, h0, Wx, Wh, b, backward=rnn_backward, seed=3)"
    assert json.loads(json.dumps(report.to_dict()))["rows"][4]["name"] == "b"


@pytest.mark.parametrize("result", [
    lambda dx, dh, dWx, dWh, db: (dx, dh, dWx, dWh, db),
    lambda dx, dh, dWx, dWh, db: [dx, dh, dWx, dWh, db],
    lambda dx, dh, dWx, dWh, db: {"x": dx, "h0": dh, "Wx": dWx, "Wh": dWh, "b": db},
    lambda dx, dh, dWx, dWh, db: {"db": db, "dWh": dWh, "dWx": dWx, "dh0": dh, "dx": dx},
])
def test_forms_of_the_result(result):
    assert gradcheck(rnn_forward, *RNN_INPUTS, backward=lambda g, *xs: result(*rnn_backward(g, *xs)))


def test_what_is_not_computed_is_listed():
    for result in (lambda dx, dh, dWx, dWh, db: (None, None, dWx, dWh, db),
                   lambda dx, dh, dWx, dWh, db: {"dWx": dWx, "dWh": dWh, "db": db}):
        report = gradcheck(rnn_forward, *RNN_INPUTS, backward=lambda g, *xs, r=result: r(*rnn_backward(g, *xs)))
        assert report and verdicts(report) == {"Wx": "ok", "Wh": "ok", "b": "ok", "x": "not given", "h0": "not given"}


def test_a_gradient_of_another_shape():
    def bias_not_summed(g, *xs):
        dx, dh, dWx, dWh, db = rnn_backward(g, *xs)
        return dx, dh, dWx.T, dWh, np.ones((B, 1)) * db

    report = gradcheck(rnn_forward, *RNN_INPUTS, backward=bias_not_summed)
    assert verdicts(report) == {"x": "ok", "h0": "ok", "Wx": "WRONG", "Wh": "ok", "b": "WRONG"}
    assert "Wx: the gradient has shape (5, 3), not (3, 5): is it transposed?" in str(report)
    assert "b: the gradient has shape (2, 5), not (5,): is it not summed over axis 0" in str(report)


def test_constants_and_several_outputs():
    def forward(x, index, scale, mode):
        assert mode == "sum" and index.dtype == int
        picked = x[index]
        return picked * scale, [picked.sum(), index + 1]

    def backward(g, x, index, scale, mode):
        by_row, (total, nothing) = g
        assert nothing is None and by_row.shape == (3, 2)
        dx = np.zeros_like(x)
        np.add.at(dx, index, by_row * scale + total)
        return dx, None, None, None

    x, index = rng.normal(size=(4, 2)), np.array([0, 2, 0])
    assert gradcheck(forward, x, index, 3.0, "sum", backward=backward)
    assert gradcheck(forward, x, index, 3.0, "sum", backward=lambda *given: backward(*given)[0])

    def last_wins(g, x, index, scale, mode):
        dx = np.zeros_like(x)
        dx[index] += g[0] * scale + g[1][0]
        return dx

    assert not gradcheck(forward, x, index, 3.0, "sum", backward=last_wins)


def test_dicts_of_parameters():
    def forward(x, parameters):
        return np.tanh(x @ parameters["W"] + parameters["b"])

    def backward(g, x, parameters):
        dz = g * (1 - forward(x, parameters) ** 2)
        return {"dx": dz @ parameters["W"].T, "dW": x.T @ dz, "db": dz.sum(axis=0)}

    parameters = {"W": rng.normal(size=(3, 4)), "b": rng.normal(size=4), "unused": rng.normal(size=2)}
    report = gradcheck(forward, rng.normal(size=(2, 3)), parameters, backward=backward)
    assert report and verdicts(report) == {
        "x": "ok", "parameters['W']": "ok", "parameters['b']": "ok", "parameters['unused']": "not given"}
    nested = gradcheck(forward, rng.normal(size=(2, 3)), {"W": parameters["W"], "b": parameters["b"]}, backward=lambda g, x, p: (
        backward(g, x, p)["dx"], {name: backward(g, x, p)["d" + name] for name in p}))
    assert nested and len(nested.rows) == 3


# -- the adapters -----------------------------------------------------------------------------------


def step_forward(x, h, c, W, b):
    f, i, o, u = np.split(np.concatenate([h, x], axis=1) @ W + b, 4, axis=1)
    f, i, o, u = 1 / (1 + np.exp(-f)), 1 / (1 + np.exp(-i)), 1 / (1 + np.exp(-o)), np.tanh(u)
    c_next = f * c + i * u
    return o * np.tanh(c_next), c_next, (x, h, c, W, f, i, o, u, c_next)


def step_backward(dh, dc, cache):
    x, h, c, W, f, i, o, u, c_next = cache
    dc = dc + dh * o * (1 - np.tanh(c_next) ** 2)
    dz = np.concatenate([dc * c * f * (1 - f), dc * u * i * (1 - i), dh * np.tanh(c_next) * o * (1 - o), dc * i * (1 - u * u)],
                        axis=1)
    back = dz @ W.T
    return back[:, H:], back[:, :H], dc * f, np.concatenate([h, x], axis=1).T @ dz, dz.sum(axis=0)


STEP_INPUTS = [rng.normal(size=shape) for shape in ((B, D), (B, H), (B, H), (H + D, 4 * H), (4 * H,))]


def test_a_cache_with_one_gradient_for_each_output():
    report = gradcheck(with_cache(step_forward, step_backward), *STEP_INPUTS)
    assert report and [row.name for row in report.rows] == ["x", "h", "c", "W", "b"]
    assert report.again == "gradcheck(with_cache(step_forward, step_backward), x, h, c, W, b, seed=0)"
    lost = with_cache(step_forward, lambda dh, dc, cache: step_backward(dh, 0 * dc, cache))
    assert not gradcheck(lost, *STEP_INPUTS)


def test_a_cache_with_the_first_outputs_only():
    def forward(x, W):
        y = np.tanh(x @ W)
        return y, y.sum(), (x, W, y)

    def backward(dy, cache):
        x, W, y = cache
        dz = dy * (1 - y * y)
        return {"dx": dz @ W.T, "dW": x.T @ dz}

    inputs = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    assert gradcheck(with_cache(forward, backward, take=1), *inputs)
    with_sum = with_cache(forward, lambda g, cache: backward(g[0] + g[1], cache))  # a tuple, if it takes two arguments
    assert gradcheck(with_sum, *inputs)


def test_a_loss_and_its_gradients():
    def mse(x, y, W, b, *, factor=1.0):
        error = x @ W + b - y
        return factor * (error ** 2).mean(), 2 * factor / error.size * x.T @ error, 2 * factor / error.size * error.sum(axis=0)

    inputs = rng.normal(size=(5, 3)), rng.normal(size=(5, 2)), rng.normal(size=(3, 2)), rng.normal(size=2)
    report = gradcheck(with_loss(mse, gradients=("W", "b"), factor=2.0), *inputs)
    assert report and verdicts(report) == {"W": "ok", "b": "ok", "x": "not given", "y": "not given"}
    by_name = with_loss(lambda x, y, W, b: (mse(x, y, W, b)[0], dict(zip(("dW", "db"), mse(x, y, W, b)[1:]))))
    assert gradcheck(by_name, *inputs)
    half = with_loss(lambda x, y, W, b: (mse(x, y, W, b)[0] / 2, *mse(x, y, W, b)[1:]), gradients=("W", "b"))
    assert "is 2 times what it should be" in str(gradcheck(half, *inputs))


# as a program in one file has them
Wxh, Whh, Why = 0.5 * rng.normal(size=(H, V)), 0.5 * rng.normal(size=(H, H)), 0.5 * rng.normal(size=(V, H))
bh, by = np.zeros((H, 1)), np.zeros((V, 1))
CLIP = np.inf


def char_loss(inputs, targets, hprev):
    xs, hs, ps, loss = {}, {-1: np.copy(hprev)}, {}, 0.0
    for t, number in enumerate(inputs):
        xs[t] = np.zeros((V, 1))
        xs[t][number] = 1
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
        y = Why @ hs[t] + by
        ps[t] = np.exp(y) / np.exp(y).sum()
        loss -= np.log(ps[t][targets[t], 0])
    gradients = [np.zeros_like(w) for w in (Wxh, Whh, Why, bh, by)]
    dh_next = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = ps[t].copy()
        dy[targets[t]] -= 1
        dz = (Why.T @ dy + dh_next) * (1 - hs[t] ** 2)
        for total, part in zip(gradients, (dz @ xs[t].T, dz @ hs[t - 1].T, dy @ hs[t].T, dz, dy)):
            total += part
        dh_next = Whh.T @ dz
    for gradient in gradients:
        np.clip(gradient, -CLIP, CLIP, out=gradient)
    return (loss, *gradients, hs[len(inputs) - 1])


NAMES = ("Wxh", "Whh", "Why", "bh", "by")


def test_a_loss_that_reads_global_variables():
    before = Wxh.copy()
    inputs = [0, 3, 1, 5], [3, 1, 5, 2], np.zeros((H, 1))
    report = gradcheck(with_loss(char_loss, gradients=NAMES), *inputs)
    assert report and verdicts(report) == {**dict.fromkeys(NAMES, "ok"), "hprev": "not given"}, report
    assert (Wxh == before).all() and Wxh.flags.writeable


def test_clipping_is_called_by_its_name(monkeypatch):
    monkeypatch.setitem(globals(), "CLIP", 0.4)
    report = gradcheck(with_loss(char_loss, gradients=NAMES), [0, 3, 1, 5], [3, 1, 5, 2], np.zeros((H, 1)))
    assert not report and "clipped at 0.4" in str(report), report


def test_clipping_of_what_arrives_is_called_by_its_name():
    report = gradcheck(np.tanh, np.ones((2, 3)), backward=lambda g, x: np.clip(g * (1 - np.tanh(x) ** 2), -5, 5))
    assert not report and "clipped at 5" in str(report), report


# -- notes, and what cannot be checked ---------------------------------------------------------------------


def test_notes_on_what_a_function_does_besides():
    def in_place(g, x):
        g *= 2
        x += 1
        return g * x

    report = gradcheck(lambda x: x * x, np.ones((2, 2)) / 3, backward=lambda g, x: g * 2 * x)
    assert report and not report.notes
    report = gradcheck(lambda x: x * x + 2 * x, np.ones((2, 2)) / 3, backward=in_place)
    assert report and any("changes g" in text for _, text in report.notes)
    assert any("changes its argument x in place" in text for _, text in report.notes)


def test_a_backward_that_uses_what_forward_has_kept():
    kept = {}

    def forward(x):
        kept["y"] = np.tanh(x)
        return kept["y"]

    report = gradcheck(forward, np.ones(3), backward=lambda g, x: g * (1 - kept["y"] ** 2))
    assert report and "uses what the last call of forward has kept" in str(report)


def test_float32():
    inputs = [a.astype(np.float32) for a in RNN_INPUTS]
    report = gradcheck(rnn_forward, *inputs, backward=rnn_backward)
    assert report and "in float32 it is off by at most" in str(report)

    def rough(g, x):
        return (g * (1 - np.tanh(x) ** 2)) * (1.01 if x.dtype == np.float32 else 1.0)

    assert "in float32 it is WRONG" in str(gradcheck(np.tanh, np.linspace(-1, 1, 5, dtype=np.float32), backward=rough))


@pytest.mark.parametrize(("call", "said"), [
    (lambda: gradcheck(np.tanh, np.ones(3), backward=lambda g, x: (g, g)), "returned 2 gradients for 1 inputs"),
    (lambda: gradcheck(np.tanh, np.ones(3), backward=lambda g, x: {"dz": g}), "with the keys dz"),
    (lambda: gradcheck(np.tanh, np.ones(3), backward=lambda g, x: "g"), "not an array of numbers"),
    (lambda: gradcheck(np.tanh, np.ones(3, int), backward=lambda g, x: g), "nothing to check"),
    (lambda: gradcheck(lambda x: "y", np.ones(3), backward=lambda g, x: g), "must return an array"),
    (lambda: gradcheck(lambda x: x.astype(complex), np.ones(3), backward=lambda g, x: g), "not an array of dtype complex128"),
    (lambda: gradcheck(lambda x: (x, x + 1j), np.ones(3), backward=lambda g, x: g[0]), "not an array of dtype complex128"),
    (lambda: gradcheck(lambda x: x.astype(object), np.ones(3), backward=lambda g, x: g), "not an array of dtype object"),
    (lambda: gradcheck(lambda x: x.astype(int), np.ones(3), backward=lambda g, x: g), "not an array of dtype int"),
    (lambda: gradcheck(np.tanh, np.ones(3), backward=(1, 2)), r"backward must be a function, not \(1, 2\)"),
    (lambda: gradcheck(np.tanh, np.ones(3), backward=lambda g, x: g, step=3), "step must be a function, not 3"),
    (lambda: gradcheck(with_cache(np.tanh, lambda g, cache: g), np.ones(3)), "outputs and, last, a cache"),
    (lambda: gradcheck(with_loss(np.tanh), np.ones(3)), "the loss and its gradients"),
    (lambda: gradcheck(with_loss(char_loss), [0, 3], [3, 1], np.zeros((H, 1))), "for 3 inputs. Whose gradients are they"),
    (lambda: with_loss(char_loss, gradients=("Wxy",)), "neither a parameter of char_loss nor a global variable"),
    (lambda: gradcheck(with_loss(lambda x: (1.0, x), gradients=("x", "y")), np.ones(3)), "neither a parameter"),
])
def test_what_cannot_be_checked(call, said):
    with pytest.raises(TypeError, match=said):
        call()


def test_a_seed_is_not_negative():
    with pytest.raises(ValueError, match="seed must be 0 or more, not -1"):
        gradcheck(np.tanh, np.ones(3), backward=lambda g, x: g, seed=-1)


def test_no_second_order():
    with pytest.raises(ValueError, match="written by hand"):
        gradcheck(np.tanh, np.ones(3), backward=lambda g, x: g, order=2)


# -- from a shell ------------------------------------------------------------------------------------------

FILE = '''
import numpy as np
from minigrad import with_cache

def forward(x, W):
    return np.tanh(x @ W)

def backward(g, x, W):
    dz = g * (1 - forward(x, W) ** 2)
    return dz @ W.T, x.T @ dz

def without_tanh(g, x, W):
    return {"dx": g @ W.T, "dW": np.ones((3, 3))}

layer = with_cache(lambda x, W: (x @ W, (x, W)), lambda dout, cache: (dout @ cache[1].T, None))
check_inputs = {"forward": (np.linspace(-1, 1, 6).reshape(2, 3), np.linspace(-1, 1, 12).reshape(3, 4))}
check_inputs["layer"] = check_inputs["forward"]
'''


def test_from_a_shell(tmp_path, capsys):
    path = tmp_path / "student.py"
    path.write_text(FILE)
    assert main(["check", f"{path}:forward", "--backward", "backward"]) == 0
    assert main(["check", f"{path}:layer"]) == 0 and "not given" in capsys.readouterr().out
    assert main(["check", f"{path}:forward", "--backward", "without_tanh", "--hints", "family"]) == 1
    said = capsys.readouterr().out
    assert "W: the gradient has shape (3, 3), not (3, 4)" in said and "--backward=without_tanh --hints=family" in said
    assert main(["check", f"{path}:forward", "--backward", "nothing"]) == 2
    assert main(["check", f"{path}:layer", "--order", "2"]) == 2
    assert "written by hand" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["check", str(path), "--backward", "backward"])


# -- operations whose gradients are written by hand ------------------------------------------------------


def test_an_operation_with_one_backward_trains_inside_the_engine(clean_registry):
    @op(backward=rnn_backward)
    def sequence(x, h0, Wx, Wh, b):
        return rnn_forward(x, h0, Wx, Wh, b)

    assert gradcheck(sequence, *RNN_INPUTS)
    x = Tensor(X, requires_grad=True)
    total = sequence(minigrad.tanh(x), H0, WX, Tensor(WH, requires_grad=True), BIAS)
    (total * total).sum().backward()
    assert x.grad.shape == X.shape and gradcheck(lambda x: sequence(minigrad.tanh(x), *RNN_INPUTS[1:]) ** 2, X)
    again = sequence(x, *RNN_INPUTS[1:])
    with pytest.raises(TypeError, match="written by hand in NumPy"):
        minigrad.grad((again * again).sum(), x, create_graph=True)


@pytest.mark.parametrize("backward", [
    lambda g, a, b: {"da": g * b, "b": g * a},
    lambda dout, u, v: (dout * v, dout * u),  # under names of its own
    lambda g, b, a: [g * b, g * a],
])
def test_forms_of_backward(backward, clean_registry):
    @op(backward=backward)
    def product(a, b):
        return a * b

    assert gradcheck(product, np.ones((2, 3)), np.arange(3.0))


def test_what_an_operation_written_by_hand_cannot_be(clean_registry):
    def two(x):
        return x, x

    x = Tensor(np.ones(2), requires_grad=True)
    with pytest.raises(TypeError, match="returned a tuple of 2, but an operation gives one array: join its parts by np.stack"):
        op(backward=lambda g, x: g)(two)(x)
    with pytest.raises(ValueError, match="formulas or backward=, not both"):
        op(lambda g: g, backward=lambda g, x: g)(np.tanh and (lambda x: x))
    with pytest.raises(ValueError, match="asks for 'z'"):
        op(backward=lambda g, x, z: g)(lambda x: x)
    one = op(backward=lambda g, a: {"a": g})(lambda a, b: a * b)
    with pytest.raises(TypeError, match="returned None, but that argument requires a gradient"):
        one(np.ones(2), x).sum().backward()
    failing = op(backward=lambda g, x: g @ np.ones(7))(lambda x: x)
    with pytest.raises(RuntimeError, match="backward failed, with g of shape"):
        failing(x).sum().backward()
    in_place = op(backward=lambda g, x: np.multiply(g, 2, out=g))(lambda x: 2 * x)
    assert gradcheck(in_place, np.ones(3))


# -- forms that people write besides ------------------------------------------------------------------------


class Tanh:
    """A usual layer: backward takes g alone, and uses values that forward has kept."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        return dout * (1 - self.y ** 2)


def test_a_layer_that_keeps_its_values():
    layer = Tanh()
    assert gradcheck(layer.forward, np.ones((2, 3)), backward=layer.backward)


def test_losses_of_one_number_in_any_shape():
    x = rng.normal(size=(4, 3))
    for shape in ((), (1,), (1, 1)):
        assert gradcheck(with_loss(lambda x, shape=shape: ((x ** 2).sum().reshape(shape), 2 * x)), x)
    nested = with_loss(lambda x, W: ((x @ W).sum(), [np.ones((4, 2)) @ W.T, x.T @ np.ones((4, 2))]))
    assert gradcheck(nested, x, rng.normal(size=(3, 2)))
    with pytest.raises(TypeError, match="must be a single number, not an array of shape"):
        gradcheck(with_loss(lambda x: (x, x)), x)


def test_settings_in_a_dict_and_defaults():
    def forward(x, gamma, settings):
        return x * gamma + settings["mean"], (x, gamma)

    def backward(dout, cache, clip=None):
        x, gamma = cache
        return dout * gamma, (dout * x).sum(axis=0)

    report = gradcheck(with_cache(forward, backward), X[0], np.ones(D), {"mean": np.zeros(D)})
    assert report and verdicts(report) == {"x": "ok", "gamma": "ok", "settings['mean']": "not given"}


@pytest.mark.parametrize("prefix", ["", "d", "d_", "grad_"])
def test_prefixes_of_keys(prefix):
    assert gradcheck(lambda x: np.sin(x), np.ones(3), backward=lambda g, x: {f"{prefix}x": g * np.cos(x)})


def test_what_needs_words():
    def forward(x):
        y = np.tanh(x)
        return y, 2 * y, y

    with pytest.raises(TypeError, match="say so by take=1"):
        gradcheck(with_cache(forward, lambda g, y: g.reshape(-1)), np.ones(3))
    with pytest.raises(TypeError, match="two inputs have as a key"):
        gradcheck(lambda a, b: a["W"] * b["W"], {"W": np.ones(2)}, {"W": np.ones(2)}, backward=lambda g, a, b: {"W": g})
    report = gradcheck(lambda x, scale: x * scale, np.ones(2), 2.0, backward=lambda g, x, scale: (g * scale, (g * x).sum()))
    assert report and "a gradient for the number 2, which is a constant here" in str(report)


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_a_forward_that_refuses_numbers_nearby(factor):
    """The check tries numbers below 0, and numbers whose sum is not 1."""
    def root(x):
        if (x < 0).any():
            raise ValueError("negative")
        return np.sqrt(x)

    def entropy(p):
        assert abs(p.sum() - 1) < 1e-6, "not a distribution"
        return -(p * np.log(p)).sum()

    for report in (gradcheck(root, np.array([1e-9, 1.0, 2.0]), backward=lambda g, x: factor * g / (2 * np.sqrt(x))),
                   gradcheck(entropy, np.array([0.2, 0.3, 0.5]), backward=lambda g, p: -factor * g * (1 + np.log(p)))):
        assert report.verdict == ("ok" if factor == 1 else "WRONG"), report
