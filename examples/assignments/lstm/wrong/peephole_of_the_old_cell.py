# loses: variant 5
# hint: The output gate is computed last. Which cell does it look at?
def peephole_step(x, h, c, W_f, W_i, W_c, W_o, b_f, b_i, b_c, b_o, p_f, p_i, p_o):
    h_x = concat(h, x, axis=-1)
    f, i = sigmoid(h_x @ W_f + b_f + p_f * c), sigmoid(h_x @ W_i + b_i + p_i * c)
    c_new = f * c + i * tanh(h_x @ W_c + b_c)
    return sigmoid(h_x @ W_o + b_o + p_o * c) * tanh(c_new), c_new
