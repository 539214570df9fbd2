"""The place where an error enters, and the error there: a mistake of each family, and the report on all its wrong rows.

The code prints such a sentence only if it gives every number of every wrong row, at two points. These tests see that the
sentence is printed, and that right places are not blamed.
"""

import zlib

import numpy as np
import pytest
from bank_by_hand import KIND, MODULES, WRONG
from bank_by_hand_judge import drawn
from bank_by_hand_kinds import planted

from minigrad import gradcheck
from minigrad.check.lending import trace_of
from minigrad.check.origin import Differences, origins, passed_back

FAMILIES = {
    "lstm_order": "the parts for i, f, o, g are in another order: f, i, o, g",
    "lstm_f_derivative_of_i": "i (1 - i) stands where y (1 - y), with y = f, is right",
    "lstm_do_previous_c": "tanh prev_c stands where np.tanh(next_c) is right in what goes back to o",
    "lstm_di_dg_exchanged": "i stands where g is right, or 1 / g where 1 / i is, in what goes back to i in sigmoid(i)",
    "gru_gate_paths_lost": "of what goes back to h, h in h @ p['Uz'] and h in h @ p['Ur'] is lost",
    "columns_dit_partial": "the gradient of c_next is used without what comes from the output that it is",
    "rnn_last_every_step": "it is right in step",
    "projection_dwy_previous": "only what goes into p['Wy'] itself",
    "lstm_da0_is_da": "it is what arrives at index 0 of axis 2 of the output",
    "rnn_forward_order": "the steps are gone through forward",
    "char_no_target": "itself is used as the gradient of",
    "logistic_reg_bias": "0.1 b is superfluous: is the penalty",
    "network_reg_half": "is missing: is the penalty",
    "caption_embedding_assigned": "does not get all of its gradients",
    "caption_no_mask": "the factor mask is missing",
    "columns_weights_overwritten": "for p['Wi'] only the first step counts",
    "softmax_s_missing": "follows from one error, in what goes back to e.sum",
    "layernorm_std_missing": "the factor sqrt (var + 1e-05) is superfluous",
    "gru_torch_h_prev": "h of the step after is used throughout",
    "cosine_other_norm": "nb",
}

FORMULAS = ("stands where", "(1 - ", "another order:", "0.1", "tanh", "e.sum", "no simple pattern")


def report_of(name, hints="full"):
    (mistake,) = [mistake for mistake in WRONG if mistake.id == name]
    right, module = KIND[mistake.kind], MODULES[mistake.kind]
    wrong = planted(mistake, module)
    inputs, names = drawn(right, wrong, (module,), [0, zlib.crc32(name.encode()), 0])
    return names, gradcheck(wrong.function(), *inputs, backward=wrong.backward, hints=hints)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_mistake_of_each_family(name):
    wrong, report = report_of(name)
    said = {row.name: " ".join(row.notes) for row in report.rows if row.name in wrong}
    assert any(FAMILIES[name] in text for text in said.values()), said
    assert not [text for text in said.values() if "no simple pattern" in text or not text]


def test_a_family_gives_no_formula_away():
    for name in ("lstm_order", "lstm_f_derivative_of_i", "lstm_do_previous_c", "char_no_target", "logistic_reg_bias"):
        wrong, report = report_of(name, hints="family")
        said = [note for row in report.rows if row.name in wrong for note in row.notes]
        assert said and not [text for text in said if any(formula in text for formula in FORMULAS)], said


def two_layers(x, W, b, U):
    return np.tanh(x @ W + b) @ U


def differences(change):
    """The differences of a right backward pass with a changed gradient of the hidden layer."""
    rng = np.random.default_rng(1)
    inputs = {name: rng.normal(size=shape) for name, shape in (("x", (4, 3)), ("W", (3, 5)), ("b", (5,)), ("U", (5, 2)))}
    trace = trace_of(two_layers, lambda mark: [two_layers(*(mark(name, x) for name, x in inputs.items()))])
    v = rng.normal(size=8)
    x, W, b, U = inputs.values()
    h, g = np.tanh(x @ W + b), v.reshape(4, 2)
    dz = change(g @ U.T) * (1 - h * h)
    given = {"x": dz @ W.T, "W": x.T @ dz, "b": dz.sum(axis=0), "U": h.T @ g}
    return Differences(trace, v, given, {name: np.full(a.shape, 1e-12) for name, a in given.items()})


def test_the_error_is_found_with_its_size():
    at = differences(lambda dh: dh + np.eye(4, 5))
    found = [origin for (origin,) in origins([at], ())]
    assert [origin.error is not None for origin in found] == [True, True]  # before tanh and after it
    (of_h,) = [origin for origin in found if np.allclose(origin.error[origin.ids], np.eye(4, 5).ravel())]
    assert at.program.names[at.program.maker[of_h.ids[0]]] == "np.tanh(x @ W + b)"


def test_what_two_places_would_need_has_no_origin():
    """x and U wrong at once: no place passes something to both and nothing else to W and b."""
    at = differences(lambda dh: dh)
    at.wrong[at.names == 0] = at.wrong[at.names == 3] = 1.0
    assert not origins([at], ())


def test_the_table_of_what_is_passed_back_is_that_of_the_trace():
    at = differences(lambda dh: dh)
    table, total = passed_back(at.trace), np.random.default_rng(2).normal(size=at.trace.count)
    total[0] = 0
    found = at.trace.gradients(np.zeros_like(at.v), {}, total)
    np.testing.assert_allclose(total @ table, np.concatenate([g.ravel() for g in found.values()]), atol=1e-12)


def test_an_input_may_be_called_y():
    """The report also calls the output y."""
    x, y = np.arange(6.0).reshape(2, 3), np.ones(4)
    assert not gradcheck(lambda x, y: np.sin(x) * y.sum(), x, y,
                         backward=lambda g, x, y: (g * np.cos(x) ** 3, np.full(4, (g * np.sin(x)).sum())))
