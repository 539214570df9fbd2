# loses: rnn_backward 4, one_step 0.4
# hint: After training, which parameter still has its initial value? Trace what is added to db.
def rnn_backward(dhs, hs, xs, h0, W_x, W_h):
    dxs, carry, db = np.zeros_like(xs), np.zeros_like(h0), np.zeros(len(W_h))
    total = {"dW_x": 0, "dW_h": 0}
    for t in reversed(range(len(xs))):
        g = step_backward(dhs[t] + carry, hs[t], xs[t], hs[t - 1] if t else h0, W_x, W_h)
        dxs[t], carry, db = g["dx"], g["dh"], db + db
        total = {name: total[name] + g[name] for name in total}
    return {"dxs": dxs, "dh0": carry, "db": db, **total}
