"""Long short-term memory: the six equations, their backward pass by hand, and a variant. The handout has the equations.

Shapes: x (B, D), h and c (B, H), xs (T, B, D), hs (T, B, H); every W is (H + D, H), applied to [h, x]; every b is (H,).
"""

import numpy as np

from minigrad import Tensor, concat, exp, log, sigmoid, stack, tanh


def lstm_step(x, h, c, W_f, W_i, W_c, W_o, b_f, b_i, b_c, b_o):
    """One step, of Tensors: (h_new, c_new)."""
    ### BEGIN SOLUTION
    h_x = concat(h, x, axis=-1)
    f = sigmoid(h_x @ W_f + b_f)
    i = sigmoid(h_x @ W_i + b_i)
    candidate = tanh(h_x @ W_c + b_c)
    o = sigmoid(h_x @ W_o + b_o)
    c_new = f * c + i * candidate
    return o * tanh(c_new), c_new
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def initial_biases(hidden_size):
    """An array (4, H), whose rows are b_f, b_i, b_c, b_o: with them a new LSTM remembers from the start."""
    ### BEGIN SOLUTION
    biases = np.zeros((4, hidden_size))
    biases[0] = 1
    return biases
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def lstm(xs, h0, c0, W_f, W_i, W_c, W_o, b_f, b_i, b_c, b_o):
    """All steps, of Tensors: hs, which is h_1 .. h_T stacked, and the last c."""
    ### BEGIN SOLUTION
    hs, h, c = [], h0, c0
    for t in range(xs.shape[0]):
        h, c = lstm_step(xs[t], h, c, W_f, W_i, W_c, W_o, b_f, b_i, b_c, b_o)
        hs.append(h)
    return stack(hs), c
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def step_backward(dh_new, dc_new, x, h, c, W_f, W_i, W_c, W_o, b_f, b_i, b_c, b_o):
    """By hand, in NumPy: dh_new and dc_new arrive at the step's outputs. Returns a dict of the gradients for its inputs: dx,
    dh, dc, dW_f, dW_i, dW_c, dW_o, db_f, db_i, db_c, db_o."""
    ### BEGIN SOLUTION
    def s(z):
        return 0.5 + 0.5 * np.tanh(0.5 * z)

    h_x = np.concatenate([h, x], axis=-1)
    f, i, o = s(h_x @ W_f + b_f), s(h_x @ W_i + b_i), s(h_x @ W_o + b_o)
    candidate = np.tanh(h_x @ W_c + b_c)
    shown = np.tanh(f * c + i * candidate)
    dC = dc_new + dh_new * o * (1 - shown ** 2)
    dz = {"f": dC * c * f * (1 - f), "i": dC * candidate * i * (1 - i), "c": dC * i * (1 - candidate ** 2),
          "o": dh_new * shown * o * (1 - o)}
    dh_x = sum(dz[gate] @ W.T for gate, W in zip("fico", (W_f, W_i, W_c, W_o)))
    H = h.shape[1]
    return {"dx": dh_x[:, H:], "dh": dh_x[:, :H], "dc": dC * f,
            **{f"dW_{gate}": h_x.T @ dz[gate] for gate in dz}, **{f"db_{gate}": dz[gate].sum(axis=0) for gate in dz}}
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


# Only one of these three is yours: `python -m minigrad grade lstm.py --assignment . --public --student ID` says which.


def peephole_step(x, h, c, W_f, W_i, W_c, W_o, b_f, b_i, b_c, b_o, p_f, p_i, p_o):
    """The gates look at the cell: (h_new, c_new)."""
    ### BEGIN SOLUTION
    h_x = concat(h, x, axis=-1)
    f = sigmoid(h_x @ W_f + b_f + p_f * c)
    i = sigmoid(h_x @ W_i + b_i + p_i * c)
    c_new = f * c + i * tanh(h_x @ W_c + b_c)
    o = sigmoid(h_x @ W_o + b_o + p_o * c_new)
    return o * tanh(c_new), c_new
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def coupled_step(x, h, c, W_f, W_c, W_o, b_f, b_c, b_o):
    """What is forgotten is written anew: (h_new, c_new)."""
    ### BEGIN SOLUTION
    h_x = concat(h, x, axis=-1)
    f = sigmoid(h_x @ W_f + b_f)
    c_new = f * c + (1 - f) * tanh(h_x @ W_c + b_c)
    return sigmoid(h_x @ W_o + b_o) * tanh(c_new), c_new
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def gru_step(x, h, W_z, W_r, W_h, b_z, b_r, b_h):
    """A gated recurrent unit: h_new."""
    ### BEGIN SOLUTION
    h_x = concat(h, x, axis=-1)
    z, r = sigmoid(h_x @ W_z + b_z), sigmoid(h_x @ W_r + b_r)
    return (1 - z) * h + z * tanh(concat(r * h, x, axis=-1) @ W_h + b_h)
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")
