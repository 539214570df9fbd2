"""Forward mistakes that no gradient check can see: a student's cells and loops over time, with one wrong line each."""

import minigrad
from minigrad.layers import GRUCell, LSTMCell, Module, RNNCell

FORWARD = {
    RNNCell: """
def forward(self, x, h):
    return tanh(concat(h, x, axis=-1) @ self.W + self.b)
""",
    LSTMCell: """
def forward(self, x, state):
    h, c = state
    h_x = concat(h, x, axis=-1)
    f = sigmoid(h_x @ self.W_f + self.b_f)
    i = sigmoid(h_x @ self.W_i + self.b_i)
    c_tilde = tanh(h_x @ self.W_c + self.b_c)
    C = f * c + i * c_tilde
    o = sigmoid(h_x @ self.W_o + self.b_o)
    return o * tanh(C), C
""",
    GRUCell: """
def forward(self, x, h):
    h_x = concat(h, x, axis=-1)
    z = sigmoid(h_x @ self.W_z + self.b_z)
    r = sigmoid(h_x @ self.W_r + self.b_r)
    h_tilde = tanh(concat(r * h, x, axis=-1) @ self.W_h + self.b_h)
    return (1 - z) * h + z * h_tilde
""",
}
LOOP = """
def forward(self, x, state):
    cell, pair = self.cells[0], isinstance(state, tuple)
    s = tuple(part[0] for part in state) if pair else state[0]
    outputs = []
    for t in range(len(x)):
        s = cell(x[t], s)
        outputs.append(s[0] if pair else s)
    return stack(*outputs), tuple(stack(part) for part in s) if pair else stack(s)
"""
MISTAKES = [  # where, the mistake, what stands there, what is planted
    (RNNCell, "[x, h] for [h, x]", "concat(h, x,", "concat(x, h,"),
    (RNNCell, "tanh forgotten", "tanh(", "("),
    (RNNCell, "sigmoid for tanh", "tanh(", "sigmoid("),
    (RNNCell, "bias forgotten", " + self.b", ""),
    (LSTMCell, "[x, h] for [h, x]", "concat(h, x,", "concat(x, h,"),
    (LSTMCell, "f and i exchanged", "f * c + i * c_tilde", "i * c + f * c_tilde"),
    (LSTMCell, "o and i exchanged", "return o *", "return i *"),
    (LSTMCell, "weights of another gate", "self.W_o", "self.W_f"),
    (LSTMCell, "bias of another gate", "self.b_o", "self.b_i"),
    (LSTMCell, "candidate's tanh forgotten", "tanh(h_x", "(h_x"),
    (LSTMCell, "sigmoid for the candidate's tanh", "tanh(h_x", "sigmoid(h_x"),
    (LSTMCell, "C's tanh forgotten", "tanh(C)", "C"),
    (LSTMCell, "a gate's sigmoid forgotten", "f = sigmoid", "f = "),
    (LSTMCell, "h for C", "f * c +", "f * h +"),
    (LSTMCell, "the old C is shown", "tanh(C)", "tanh(c)"),
    (LSTMCell, "nothing is forgotten", "f * c +", "c +"),
    (LSTMCell, "1 - f for i", "i * c_tilde", "(1 - f) * c_tilde"),
    (LSTMCell, "(C, h) for (h, C)", "return o * tanh(C), C", "return C, o * tanh(C)"),
    (GRUCell, "[x, h] for [h, x]", "concat(h, x,", "concat(x, h,"),
    (GRUCell, "[x, h] for [h, x] in the candidate", "concat(r * h, x,", "concat(x, r * h,"),
    (GRUCell, "update gate inverted", "(1 - z) * h + z * h_tilde", "z * h + (1 - z) * h_tilde"),
    (GRUCell, "reset gate not applied", "r * h", "h"),
    (GRUCell, "z for r", "r * h", "z * h"),
    (GRUCell, "bias of another gate", "self.b_z", "self.b_r"),
    (GRUCell, "tanh forgotten", "tanh(", "("),
    (GRUCell, "reset gate behind the product, as PyTorch does", "concat(r * h, x, axis=-1) @ self.W_h",
     "r * (h @ self.W_h[:h.shape[1]]) + x @ self.W_h[h.shape[1]:]"),
]
MISTAKES_IN_THE_LOOP = [
    ("the state is not carried", "s = cell(x[t], s)\n        outputs.append(s[0] if pair else s)",
     "y = cell(x[t], s)\n        outputs.append(y[0] if pair else y)"),
    ("read from the end", "x[t]", "x[-1 - t]"),
    ("one step late", "s = cell(x[t], s)\n        outputs.append(s[0] if pair else s)",
     "outputs.append(s[0] if pair else s)\n        s = cell(x[t], s)"),
    ("every step sees the first input", "x[t]", "x[0]"),
]


def _written(source, right="", wrong=""):
    assert not right or right in source
    namespace = dict(vars(minigrad))
    exec(source.replace(right, wrong) if right else source, namespace)
    return namespace["forward"]


def student_cell(kind, right="", wrong=""):
    """A student's class of this kind, with one mistake or none."""
    return type("Student", (kind,), {"forward": _written(FORWARD[kind], right, wrong)})


def student_sequence(cell, right="", wrong=""):
    """A loop over that cell, as a Module with the parameters of an RNN, LSTM or GRU."""
    model = type("Loop", (Module,), {"forward": _written(LOOP, right, wrong)})()
    model.cells = [cell]
    return model
