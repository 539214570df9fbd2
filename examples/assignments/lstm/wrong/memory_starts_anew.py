# loses: lstm 8, carry 2
# hint: What is c at the start of step t in your loop? It must be what step t - 1 returned.
def lstm(xs, h0, c0, W_f, W_i, W_c, W_o, b_f, b_i, b_c, b_o):
    hs, h = [], h0
    for t in range(xs.shape[0]):
        h, c = lstm_step(xs[t], h, 0 * c0, W_f, W_i, W_c, W_o, b_f, b_i, b_c, b_o)
        hs.append(h)
    return stack(hs), c
