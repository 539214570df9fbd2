# loses: rnn_backward 4
# hint: Print the shape and the index of every state that your loop reads at t = 0. Where does hs[t - 1] point to then?
def rnn_backward(dhs, hs, xs, h0, W_x, W_h):
    dxs, carry = np.zeros_like(xs), np.zeros_like(h0)
    total = {"dW_x": 0, "dW_h": 0, "db": 0}
    for t in reversed(range(len(xs))):
        g = step_backward(dhs[t] + carry, hs[t], xs[t], hs[t - 1] if len(xs) > 1 else h0, W_x, W_h)
        dxs[t], carry = g["dx"], g["dh"]
        total = {name: total[name] + g[name] for name in total}
    return {"dxs": dxs, "dh0": carry, **total}
