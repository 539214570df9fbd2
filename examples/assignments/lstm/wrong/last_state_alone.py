# loses: lstm 4, carry 1
# hint: Your numbers are right, but the gradient reaches the last step alone. Which line makes plain arrays of Tensors?
def lstm(xs, h0, c0, W_f, W_i, W_c, W_o, b_f, b_i, b_c, b_o):
    hs, h, c = [], h0, c0
    for t in range(xs.shape[0]):
        h, c = lstm_step(xs[t], h.detach(), c, W_f, W_i, W_c, W_o, b_f, b_i, b_c, b_o)
        hs.append(h)
    return stack(hs), c
