# loses: variant 5
# variant: 2
# hint: Let f be 1. May anything new be written then?
def coupled_step(x, h, c, W_f, W_c, W_o, b_f, b_c, b_o):
    h_x = concat(h, x, axis=-1)
    f = sigmoid(h_x @ W_f + b_f)
    c_new = (1 - f) * c + f * tanh(h_x @ W_c + b_c)
    return sigmoid(h_x @ W_o + b_o) * tanh(c_new), c_new
