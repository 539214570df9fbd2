# loses: lstm_step 10
# hint: Can your h_new be larger than 1? Can the h of the lecture?
def lstm_step(x, h, c, W_f, W_i, W_c, W_o, b_f, b_i, b_c, b_o):
    h_x = concat(h, x, axis=-1)
    f, i, o = sigmoid(h_x @ W_f + b_f), sigmoid(h_x @ W_i + b_i), sigmoid(h_x @ W_o + b_o)
    c_new = f * c + i * tanh(h_x @ W_c + b_c)
    return o * c_new, c_new
