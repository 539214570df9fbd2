"""The recurrent network by hand: 40 points. The references are forwards; all gradients are judged by their differences."""

from minigrad import stack, tanh


def step(x, h, W_x, W_h, b):
    return tanh(x @ W_x + h @ W_h + b)


def rnn(xs, h0, W_x, W_h, b):
    hs, h = [], h0
    for t in range(len(xs)):
        h = step(xs[t], h, W_x, W_h, b)
        hs.append(h)
    return stack(hs)


assignment("rnn", file="rnn.py", title="Back-propagation through time", seconds=30)

rules = dict(allow=["numpy"], low=-1.0, high=1.0)  # weights of this size saturate nothing
weights = [(3, 4), (4, 4), (4,)]  # all lengths differ, so that a wrong transpose does not fit by chance

question("step", points=4, function="step", reference=step, inputs=[(2, 3), (2, 4), *weights], outputs=["h_new"],
         takes=["x", "h", "W_x", "W_h", "b"], parts=["h_new"], **rules)
question("step_backward", points=10, function="step_backward", reference=step, inputs=[(2, 3), (2, 4), *weights],
         outputs=["h_new"], takes=["dh_new", "h_new", "x", "h", "W_x", "W_h"],
         parts=["dx", "dh", "dW_x", "dW_h", "db"], **rules)
question("rnn_forward", points=4, function="rnn_forward", reference=rnn, inputs=[(5, 2, 3), (2, 4), *weights],
         outputs=["hs"], takes=["xs", "h0", "W_x", "W_h", "b"], parts=["hs"], needs=["step"], **rules)

backward = dict(function="rnn_backward", reference=rnn, outputs=["hs"], takes=["dhs", "hs", "xs", "h0", "W_x", "W_h"],
                parts=["dxs", "dh0", "dW_x", "dW_h", "db"], needs=["step_backward"], **rules)
question("rnn_backward", points=20, inputs=[(5, 2, 3), (2, 4), *weights], **backward)
question("one_step", points=2, inputs=[(1, 2, 3), (2, 4), *weights], **backward)  # T = 1
