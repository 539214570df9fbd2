# loses: rnn_backward 4, one_step 0.4
# hint: Write the loop with T = 2 on paper, with the index above every h. Which h does W_h multiply at step t?
def rnn_backward(dhs, hs, xs, h0, W_x, W_h):
    dxs, carry = np.zeros_like(xs), np.zeros_like(h0)
    total = {"dW_x": 0, "dW_h": 0, "db": 0}
    for t in reversed(range(len(xs))):
        g = step_backward(dhs[t] + carry, hs[t], xs[t], hs[t], W_x, W_h)
        dxs[t], carry = g["dx"], g["dh"]
        total = {name: total[name] + g[name] for name in total}
    return {"dxs": dxs, "dh0": carry, **total}
