# loses: variant 5
# variant: 3
# hint: Two conventions are in use for z. In the handout's, what is h_new for z = 0?
def gru_step(x, h, W_z, W_r, W_h, b_z, b_r, b_h):
    h_x = concat(h, x, axis=-1)
    z, r = sigmoid(h_x @ W_z + b_z), sigmoid(h_x @ W_r + b_r)
    return z * h + (1 - z) * tanh(concat(r * h, x, axis=-1) @ W_h + b_h)
