"""Agreement with PyTorch's outputs, final states and all gradients, stored by tests/torch_reference.py."""

from pathlib import Path

import numpy as np
import pytest

from minigrad import Tensor, concat, grad
from minigrad import layers, optim

FILE = Path(__file__).parent / "data" / "torch_reference.npz"
TOLERANCE = {"rtol": 1e-12, "atol": 1e-13}  # float64; sums of some hundred terms near 1, in other orders


@pytest.fixture(scope="module")
def reference():
    with np.load(FILE, allow_pickle=False) as file:
        arrays = dict(file)
    cases = {}
    for key, value in arrays.items():
        case, _, name = key.rpartition("/")
        cases.setdefault(case, {})[name] = value
    return cases


def rng():
    return np.random.default_rng(0)


MODULES = {
    "rnn": lambda: layers.RNN(4, 6, rng=rng()),
    "rnn 2 layers": lambda: layers.RNN(4, 6, 2, rng=rng()),
    "rnn bidirectional": lambda: layers.RNN(4, 6, 2, rng=rng(), bidirectional=True),
    "rnn relu": lambda: layers.RNN(4, 6, 2, rng=rng(), bidirectional=True, nonlinearity="relu"),
    "lstm": lambda: layers.LSTM(4, 6, rng=rng()),
    "lstm 2 layers": lambda: layers.LSTM(4, 6, 2, rng=rng()),
    "lstm bidirectional": lambda: layers.LSTM(4, 6, 2, rng=rng(), bidirectional=True),
    "lstm batch_first": lambda: layers.LSTM(4, 6, rng=rng(), batch_first=True),
    "linear": lambda: layers.Linear(4, 6, rng=rng()),
    "embedding": lambda: layers.Embedding(7, 4, rng=rng()),
    "lstm cell": lambda: layers.LSTMCell(4, 6, rng=rng()),
    "rnn cell": lambda: layers.RNNCell(4, 6, rng=rng()),
    "rnn cell relu": lambda: layers.RNNCell(4, 6, rng=rng(), nonlinearity="relu"),
}


def numbered(case, prefix):
    return [case[f"{prefix} {i}"] for i in range(len(case)) if f"{prefix} {i}" in case]


def flat(result):
    return [part for r in result for part in flat(r)] if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("name", MODULES)
def test_outputs_and_gradients(reference, name):
    case, model = reference[name], MODULES[name]()
    weights = {key.removeprefix("weight "): value for key, value in case.items() if key.startswith("weight ")}
    layers.from_torch(model, weights)
    leaves = [Tensor(x, requires_grad=True) if x.dtype.kind == "f" else x for x in numbered(case, "input")]
    x, *state = leaves
    outputs = flat(model(x, *([tuple(state)] if len(state) == 2 else state)))
    for ours, theirs in zip(outputs, numbered(case, "output"), strict=True):
        np.testing.assert_allclose(ours.data, theirs, **TOLERANCE)

    total = concat(*(o.reshape(-1) for o in outputs))
    cotangent = np.concatenate([c.ravel() for c in numbered(case, "cotangent")])
    differentiable = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    names, parameters = zip(*model.named_parameters())
    gradients = grad(total, [*differentiable, *parameters], cotangent)
    for i, gradient in enumerate(gradients[:len(differentiable)]):
        np.testing.assert_allclose(gradient, case[f"input gradient {i}"], **TOLERANCE)
    by_name = dict(zip(names, gradients[len(differentiable):]))
    theirs = as_torch_gradients(model, by_name)
    assert theirs.keys() == weights.keys()
    for parameter, array in theirs.items():
        np.testing.assert_allclose(array, case[f"gradient {parameter}"], **TOLERANCE, err_msg=parameter)


def as_torch_gradients(model, by_name):
    """Gradients convert like weights, except that both of PyTorch's biases have the gradient of b."""
    for name, parameter in model.named_parameters():
        parameter.data = by_name[name]
    state = layers.to_torch(model)
    return {name: state[name.replace("bias_hh", "bias_ih")] for name in state}


@pytest.mark.parametrize("name", MODULES)
def test_weights_there_and_back(reference, name):
    model, other = MODULES[name](), MODULES[name]()
    for p in model.parameters():
        p.data = np.random.default_rng(1).normal(size=p.shape)
    state = layers.to_torch(model)
    assert {key: value.shape for key, value in state.items()} == {
        key.removeprefix("weight "): value.shape for key, value in reference[name].items() if key.startswith("weight ")}
    layers.from_torch(other, state)
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[key], value)


def test_a_model_has_the_names_that_the_same_torch_model_has():
    class Model(layers.Module):
        def __init__(self):
            self.embedding = layers.Embedding(5, 2, rng=rng())
            self.recurrent = layers.LSTM(2, 3, rng=rng())
            self.head = layers.Sequential(layers.Linear(3, 4, rng=rng()), np.tanh, layers.Linear(4, 1, rng=rng(), bias=False))

    assert list(layers.to_torch(Model())) == [
        "embedding.weight", "recurrent.weight_ih_l0", "recurrent.weight_hh_l0", "recurrent.bias_ih_l0", "recurrent.bias_hh_l0",
        "head.0.weight", "head.0.bias", "head.2.weight"]


def test_a_torch_model_without_biases(reference):
    model = layers.LSTM(4, 6, rng=rng())
    weights = {key.removeprefix("weight "): value for key, value in reference["lstm"].items() if key.startswith("weight weight")}
    layers.from_torch(model, weights)
    assert not model.cells[0].b_f.data.any()


@pytest.mark.parametrize(("change", "message"), [
    (lambda s: s.pop("weight_hh_l0"), "has no weight_hh_l0"),
    (lambda s: s.update(weight_hr_l0=np.ones(3)), "LSTM has no parameters for weight_hr_l0"),
    (lambda s: s.update(weight_ih_l0=np.ones((4, 24))), r"weight_ih_l0 has shape \(4, 24\), expected \(24, 4\)"),
    (lambda s: s.update(weight_ih_l0=np.full((24, 4), "x")), "dtype"),
])
def test_states_that_do_not_fit_change_nothing(change, message):
    model = layers.LSTM(4, 6, rng=rng())
    before, state = model.state_dict(), layers.to_torch(model)
    change(state)
    with pytest.raises(ValueError, match=message):
        layers.from_torch(model, state)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_what_torch_does_not_have_is_refused():
    with pytest.raises(TypeError, match="other equations"):
        layers.to_torch(layers.GRU(2, 3, rng=rng()))

    class Own(layers.Module):
        def __init__(self):
            self.gain = Tensor([1.0], requires_grad=True)

    with pytest.raises(TypeError, match="gain"):
        layers.to_torch(Own())


@pytest.mark.parametrize("name", ["cross_entropy", "mse_loss", "binary_cross_entropy_with_logits"])
def test_losses(reference, name):
    case = reference[name]
    logits = Tensor(case["logits"], requires_grad=True)
    loss = getattr(layers, name)(logits, case["target"])
    np.testing.assert_allclose(loss.item(), case["loss"], rtol=1e-14)
    np.testing.assert_allclose(grad(loss, logits), case["gradient"], rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize(("name", "options"), [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.1}),
    ("RMSprop", {"lr": 0.1, "momentum": 0.5, "centered": True, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2}),
])
def test_optimizers(reference, name, options):
    case = reference[f"optimizer {name}"]
    p = Tensor(case["start"], requires_grad=True)
    optimizer = getattr(optim, name)([p], **options)
    for g, expected in zip(case["gradients"], case["values"]):
        p.grad = g
        optimizer.step()
        np.testing.assert_allclose(p.data, expected, rtol=1e-11, atol=1e-13)  # 20 steps of a few rounding errors
