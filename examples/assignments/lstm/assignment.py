"""The LSTM: 40 points. minigrad's own layers are withheld, and all of minigrad where the backward pass is written by hand."""

from minigrad import concat, sigmoid, stack, tanh

assignment("lstm", title="Long short-term memory", seconds=60)

B, D, H, T = 2, 3, 4, 3
W, b = (H + D, H), (H,)
rules = dict(withhold=["LSTMCell", "LSTM", "GRUCell", "GRU"], low=-1.0, high=1.0)
eight = [W, W, W, W, b, b, b, b]


def step(x, h, c, W_f, W_i, W_c, W_o, b_f, b_i, b_c, b_o):
    h_x = concat(h, x, axis=-1)
    f, i, o = sigmoid(h_x @ W_f + b_f), sigmoid(h_x @ W_i + b_i), sigmoid(h_x @ W_o + b_o)
    c_new = f * c + i * tanh(h_x @ W_c + b_c)
    return o * tanh(c_new), c_new


def sequence(xs, h0, c0, W_f, W_i, W_c, W_o, b_f, b_i, b_c, b_o):
    hs, h, c = [], h0, c0
    for t in range(len(xs)):
        h, c = step(xs[t], h, c, W_f, W_i, W_c, W_o, b_f, b_i, b_c, b_o)
        hs.append(h)
    return stack(hs), c


def biases(hidden_size):
    """One array, so that three rows of zeros alone earn nothing."""
    return np.outer([1, 0, 0, 0], np.ones(hidden_size))


def carrying(rng):
    """f = 1 and i = 0 to the last digit: the memory goes through unchanged, and so does its gradient."""
    xs, h0, c0, *weights = (rng.uniform(-1, 1, shape) for shape in ((20, 1, 2), (1, 2), (1, 2), *4 * [(4, 2)], 2, 2))
    return xs, h0, c0, *weights[:4], np.full(2, 60.0), np.full(2, -60.0), *weights[4:]


def peephole(x, h, c, W_f, W_i, W_c, W_o, b_f, b_i, b_c, b_o, p_f, p_i, p_o):
    h_x = concat(h, x, axis=-1)
    f, i = sigmoid(h_x @ W_f + b_f + p_f * c), sigmoid(h_x @ W_i + b_i + p_i * c)
    c_new = f * c + i * tanh(h_x @ W_c + b_c)
    return sigmoid(h_x @ W_o + b_o + p_o * c_new) * tanh(c_new), c_new


def coupled(x, h, c, W_f, W_c, W_o, b_f, b_c, b_o):
    h_x = concat(h, x, axis=-1)
    f = sigmoid(h_x @ W_f + b_f)
    c_new = f * c + (1 - f) * tanh(h_x @ W_c + b_c)
    return sigmoid(h_x @ W_o + b_o) * tanh(c_new), c_new


def gru(x, h, W_z, W_r, W_h, b_z, b_r, b_h):
    h_x = concat(h, x, axis=-1)
    z, r = sigmoid(h_x @ W_z + b_z), sigmoid(h_x @ W_r + b_r)
    return (1 - z) * h + z * tanh(concat(r * h, x, axis=-1) @ W_h + b_h)


question("lstm_step", points=10, tensors="lstm_step", reference=step, inputs=[(B, D), (B, H), (B, H), *eight], **rules)
question("initial_biases", points=4, function="initial_biases", reference=biases, inputs=lambda rng: (int(rng.integers(2, 9)),),
         outputs=["biases"], takes=["hidden_size"], parts=["biases"], **rules)
question("lstm", points=8, tensors="lstm", reference=sequence, inputs=[(T, B, D), (B, H), (B, H), *eight],
         needs=["lstm_step"], **rules)
question("carry", points=2, tensors="lstm", reference=sequence, inputs=carrying, needs=["lstm_step"], **rules)
question("step_backward", points=11, function="step_backward", reference=step, inputs=[(B, D), (B, H), (B, H), *eight],
         outputs=["h_new", "c_new"], allow=["numpy"], low=-1.0, high=1.0,
         takes=["dh_new", "dc_new", "x", "h", "c", "W_f", "W_i", "W_c", "W_o", "b_f", "b_i", "b_c", "b_o"],
         parts=["dx", "dh", "dc", "dW_f", "dW_i", "dW_c", "dW_o", "db_f", "db_i", "db_c", "db_o"])
question("variant", points=5, **rules, variants=[
    dict(tensors="peephole_step", reference=peephole, inputs=[(B, D), (B, H), (B, H), *eight, b, b, b]),
    dict(tensors="coupled_step", reference=coupled, inputs=[(B, D), (B, H), (B, H), W, W, W, b, b, b]),
    dict(tensors="gru_step", reference=gru, inputs=[(B, D), (B, H), W, W, W, b, b, b]),
])
