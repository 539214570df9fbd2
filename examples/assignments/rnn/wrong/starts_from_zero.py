# loses: rnn_forward 4
# hint: Set xs to zero. May your states depend on h0 then, and do they?
def rnn_forward(xs, h0, W_x, W_h, b):
    hs, h = [], np.zeros_like(h0)
    for x in xs:
        h = step(x, h, W_x, W_h, b)
        hs.append(h)
    return np.stack(hs)
