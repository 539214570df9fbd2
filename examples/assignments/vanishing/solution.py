"""How much of a gradient arrives k steps before, and what helps: a good start, and clipping. The handout has the equations.

Plain NumPy, one sequence: T steps, D inputs, H hidden units. h and g (H,), xs (T, D), W_x (D, H), W_h (H, H), b (H,). A step
is h_t = phi(z_t), z_t = h_{t-1} W + what does not depend on h_{t-1}. Every function returns new arrays.
"""

import numpy as np


def norms_back(slopes, W, g):
    """g = dL/dh_T arrives at the last state. slopes (T, H): slopes[t - 1] is phi'(z_t). The lengths of dL/dh_{T-k} for
    k = 0 .. T: (T + 1,), the length of g first."""
    ### BEGIN SOLUTION
    norms = [np.linalg.norm(g)]
    for slope in slopes[::-1]:
        g = (g * slope) @ W.T
        norms.append(np.linalg.norm(g))
    return np.array(norms)
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def gate_norms(b_f, g, steps):
    """The same for a memory cell that only forgets, c_t = sigma(b_f) * c_{t-1}, of as many steps: (steps + 1,). b_f is (H,)."""
    ### BEGIN SOLUTION
    f = 1 / (1 + np.exp(-b_f))
    return norms_back(np.tile(f, (steps, 1)), np.eye(len(f)), g)
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def rnn_norms(xs, h0, W_x, W_h, b, g):
    """The same for an RNN, h_t = tanh(x_t W_x + h_{t-1} W_h + b): (T + 1,)."""
    ### BEGIN SOLUTION
    slopes, h = [], h0
    for x in xs:
        h = np.tanh(x @ W_x + h @ W_h + b)
        slopes.append(1 - h * h)
    return norms_back(np.array(slopes), W_h, g)
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def rescaled(W, radius):
    """W times a number, so that its spectral radius, the largest |eigenvalue|, is `radius`."""
    ### BEGIN SOLUTION
    return W * radius / np.abs(np.linalg.eigvals(W)).max()
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def orthogonal(A):
    """The orthogonal Q of A = Q R, where R is upper triangular and has numbers above 0 on its diagonal. A is (H, H)."""
    ### BEGIN SOLUTION
    Q, R = np.linalg.qr(A)
    return Q * np.sign(np.diag(R))
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def clip(dW_x, dW_h, db, max_norm):
    """The three gradients, taken as one long vector, made no longer than max_norm. Its direction stays. Returns all three."""
    ### BEGIN SOLUTION
    norm = np.sqrt(sum((g * g).sum() for g in (dW_x, dW_h, db)))
    scale = min(1.0, max_norm / norm)
    return scale * dW_x, scale * dW_h, scale * db
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")
