"""A recurrent network by hand: its step, and back-propagation through time, in plain NumPy. The handout has the equations.

Shapes: xs (T, B, D), hs and dhs (T, B, H), h0 and h (B, H), W_x (D, H), W_h (H, H), b (H,). T steps, B sequences at a time,
D inputs, H hidden units. Every function returns new arrays and leaves what it was given as it is.
"""

import numpy as np


def step(x, h, W_x, W_h, b):
    """The next state from the input x (B, D) and the state h (B, H)."""
    ### BEGIN SOLUTION
    return np.tanh(x @ W_x + h @ W_h + b)
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def step_backward(dh_new, h_new, x, h, W_x, W_h):
    """dh_new arrives at the step's output h_new. Returns what arrives at its inputs: a dict of dx, dh, dW_x, dW_h, db."""
    ### BEGIN SOLUTION
    dz = dh_new * (1 - h_new * h_new)
    return {"dx": dz @ W_x.T, "dh": dz @ W_h.T, "dW_x": x.T @ dz, "dW_h": h.T @ dz, "db": dz.sum(axis=0)}
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def rnn_forward(xs, h0, W_x, W_h, b):
    """All states h_1 .. h_T, as one array (T, B, H)."""
    ### BEGIN SOLUTION
    hs, h = [], h0
    for x in xs:
        h = step(x, h, W_x, W_h, b)
        hs.append(h)
    return np.stack(hs)
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def rnn_backward(dhs, hs, xs, h0, W_x, W_h):
    """dhs[t] arrives at hs[t] from outside. Returns a dict of dxs, dh0, dW_x, dW_h, db."""
    ### BEGIN SOLUTION
    dxs, carry = np.zeros_like(xs), np.zeros_like(h0)
    total = {"dW_x": 0, "dW_h": 0, "db": 0}
    for t in reversed(range(len(xs))):
        before = hs[t - 1] if t else h0
        g = step_backward(dhs[t] + carry, hs[t], xs[t], before, W_x, W_h)
        dxs[t], carry = g["dx"], g["dh"]
        total = {name: total[name] + g[name] for name in total}
    return {"dxs": dxs, "dh0": carry, **total}
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")
