# loses: variant 5
# variant: 3
# hint: Does r multiply h before the product with W_h, or after it?
def gru_step(x, h, W_z, W_r, W_h, b_z, b_r, b_h):
    h_x, H = concat(h, x, axis=-1), h.shape[1]
    z, r = sigmoid(h_x @ W_z + b_z), sigmoid(h_x @ W_r + b_r)
    return (1 - z) * h + z * tanh(r * (h @ W_h[:H]) + x @ W_h[H:] + b_h)
