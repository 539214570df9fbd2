"""A model of letters that remembers: an LSTM, truncated back-propagation through time, sampling. The handout has the equations.

Shapes: T letters of B texts at a time, K different letters, H hidden units. letters and targets are whole numbers below K;
xs (T, B, K) are rows of an identity matrix; h and c (B, H); logits (T, B, K). The weights are W (H + K, 4 H) and b (4 H,) for
the gates f, i, candidate, o, in this order, and V (H, K) and d (K,) for the logits.
"""

import numpy as np

from minigrad import Tensor, concat, grad, sigmoid, stack, tanh
from minigrad.optim import Adam, clip_grad_norm


def bits(logits, targets):
    """How surprising the targets (T, B) are, in bits for a letter: the mean of -log2 of their probabilities. Arrays."""
    ### BEGIN SOLUTION
    logits = logits - logits.max(axis=-1, keepdims=True)
    right = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return (np.log(np.exp(logits).sum(axis=-1)) - right).mean() / np.log(2)
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def bits_backward(dloss, logits, targets):
    """dloss, a number, arrives at bits(logits, targets). Returns dlogits."""
    ### BEGIN SOLUTION
    p = probabilities_of(logits)
    right = np.eye(logits.shape[-1])[targets]
    return dloss * (p - right) / (targets.size * np.log(2))
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


### BEGIN SOLUTION
def probabilities_of(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
### END SOLUTION


def probabilities(logits, temperature):
    """softmax(logits / temperature), over the last axis; without overflow for any logits. Arrays."""
    ### BEGIN SOLUTION
    return probabilities_of(logits / temperature)
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def model(xs, h, c, W, b, V, d):
    """All logits, and the last h and c. Tensors."""
    ### BEGIN SOLUTION
    hs, H = [], V.shape[0]
    for t in range(xs.shape[0]):
        z = concat(h, xs[t], axis=-1) @ W + b
        f, i, candidate, o = z[:, :H], z[:, H:2 * H], z[:, 2 * H:3 * H], z[:, 3 * H:]
        c = sigmoid(f) * c + sigmoid(i) * tanh(candidate)
        h = sigmoid(o) * tanh(c)
        hs.append(h)
    return stack(hs) @ V + d, h, c
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def truncated(letters, h, c, W, b, V, d, length):
    """Truncated back-propagation through time: letters (T + 1, B) are read in pieces of `length` steps, the last of which may
    be shorter. Each piece begins with the state that the one before ended with, and the gradient ends where the piece begins.
    Arrays. Returns a dict: loss (bits for a letter, of all T B predictions), h_new, c_new (the last state), and gW, gb, gV, gd
    (the gradients of loss, truncated)."""
    ### BEGIN SOLUTION
    T, loss, gradients = len(letters) - 1, 0.0, [0.0, 0.0, 0.0, 0.0]
    for start in range(0, T, length):
        piece = letters[start:start + length + 1]
        share = (len(piece) - 1) / T
        weights = [Tensor(w, requires_grad=True) for w in (W, b, V, d)]
        logits, h, c = model(Tensor(np.eye(len(d))[piece[:-1]]), Tensor(h), Tensor(c), *weights)
        h, c = h.numpy(), c.numpy()
        loss += share * bits(logits.numpy(), piece[1:])
        found = grad(logits, weights, bits_backward(share, logits.numpy(), piece[1:]))
        gradients = [total + g for total, g in zip(gradients, found)]
    return {"loss": loss, "h_new": h, "c_new": c, **dict(zip(("gW", "gb", "gV", "gd"), gradients))}
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def sample(letter, h, c, W, b, V, d, temperature, us):
    """Write len(us) letters, one after the other. The model reads `letter` with the state h, c (1, H); the next letter is the
    first k for which p_0 + ... + p_k is larger than us[0]; and so on. Arrays. Returns the written letters (n,)."""
    ### BEGIN SOLUTION
    written = []
    for u in us:
        x = np.eye(len(d))[int(letter)].reshape(1, 1, -1)
        logits, h, c = model(*(Tensor(array) for array in (x, h, c, W, b, V, d)))
        ends = np.cumsum(probabilities(logits.numpy()[0, 0], temperature))
        letter = min(np.searchsorted(ends, u, side="right"), len(d) - 1)
        written.append(letter)
    return np.array(written)
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")


def initial_weights(K, H, rng):
    """W, b, V, d to begin with. The forget gate's bias is 1."""
    b = np.zeros(4 * H)
    b[:H] = 1
    return [rng.normal(size=(H + K, 4 * H)) / np.sqrt(H + K), b, rng.normal(size=(H, K)) / np.sqrt(H), np.zeros(K)]


### BEGIN SOLUTION
def descend(optimizer, weights, gradients):
    for w, g in zip(weights, gradients):
        w.grad = g
    clip_grad_norm(weights, 1.0)
    optimizer.step()


def carried(h, c):
    """The state with which the next piece begins."""
    return h, c
### END SOLUTION


def train(letters, K, H, seed, steps=3000, B=16, length=8, lr=0.01):
    """Learn a text, letters (N,): B pieces of it are read at a time, next to each other. Returns a dict of W, b, V, d."""
    rng = np.random.default_rng(seed)
    weights = [Tensor(w, requires_grad=True) for w in initial_weights(K, H, rng)]
    ### BEGIN SOLUTION
    columns = letters[:len(letters) // B * B].reshape(B, -1).T
    optimizer = Adam(weights, lr=lr)
    place = len(columns)
    for _ in range(steps):
        if place + length >= len(columns):
            place, h, c = 0, np.zeros((B, H)), np.zeros((B, H))
        found = truncated(columns[place:place + length + 1], h, c, *(w.numpy() for w in weights), length)
        descend(optimizer, weights, [found[name] for name in ("gW", "gb", "gV", "gd")])
        place, (h, c) = place + length, carried(found["h_new"], found["c_new"])
    ### END SOLUTION
    ### STARTER raise NotImplementedError("not written yet")
    return {name: w.numpy() for name, w in zip("WbVd", weights)}


def loss_of(held_out, W, b, V, d):
    """Bits for a letter of a new text, held_out (T + 1, B), by your `model` and `bits`. The public test of `train` uses it."""
    zeros = np.zeros((held_out.shape[1], len(V)))
    logits, _, _ = model(*(Tensor(x) for x in (np.eye(len(d))[held_out[:-1]], zeros, zeros, W, b, V, d)))
    return bits(logits.numpy(), held_out[1:])
