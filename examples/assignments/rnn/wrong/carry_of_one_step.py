# loses: rnn_backward 20
# hint: What reaches h_t from h_{t+1} contains what reached h_{t+1} from h_{t+2}. Does your loop pass that on?
def rnn_backward(dhs, hs, xs, h0, W_x, W_h):
    dxs, total = np.zeros_like(xs), {"dW_x": 0, "dW_h": 0, "db": 0}
    for t in reversed(range(len(xs))):
        after = step_backward(dhs[t + 1], hs[t + 1], xs[t + 1], hs[t], W_x, W_h)["dh"] if t + 1 < len(xs) else 0
        g = step_backward(dhs[t] + after, hs[t], xs[t], hs[t - 1] if t else h0, W_x, W_h)
        dxs[t] = g["dx"]
        total = {name: total[name] + g[name] for name in total}
    return {"dxs": dxs, "dh0": g["dh"], **total}
