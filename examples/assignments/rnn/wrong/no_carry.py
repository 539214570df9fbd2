# loses: rnn_backward 20
# hint: How many arrows leave h_t in the unrolled network? Count the terms in your dh_t.
def rnn_backward(dhs, hs, xs, h0, W_x, W_h):
    dxs, total = np.zeros_like(xs), {"dW_x": 0, "dW_h": 0, "db": 0}
    for t in reversed(range(len(xs))):
        g = step_backward(dhs[t], hs[t], xs[t], hs[t - 1] if t else h0, W_x, W_h)
        dxs[t] = g["dx"]
        total = {name: total[name] + g[name] for name in total}
    return {"dxs": dxs, "dh0": g["dh"], **total}
