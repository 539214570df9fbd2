# loses: rnn_backward 12
# hint: One W_h is used at T steps. What is done with contributions to one array that is used T times?
def rnn_backward(dhs, hs, xs, h0, W_x, W_h):
    dxs, carry = np.zeros_like(xs), np.zeros_like(h0)
    for t in reversed(range(len(xs))):
        g = step_backward(dhs[t] + carry, hs[t], xs[t], hs[t - 1] if t else h0, W_x, W_h)
        dxs[t], carry = g["dx"], g["dh"]
    return {"dxs": dxs, "dh0": carry, "dW_x": g["dW_x"], "dW_h": g["dW_h"], "db": g["db"]}
