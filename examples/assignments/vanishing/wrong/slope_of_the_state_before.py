# loses: rnn_norms 6
# hint: slopes[t - 1] belongs to z_t. Which state is tanh(z_t)? Write the list with T = 2 on paper.
def rnn_norms(xs, h0, W_x, W_h, b, g):
    slopes, h = [], h0
    for x in xs:
        slopes.append(1 - h * h)
        h = np.tanh(x @ W_x + h @ W_h + b)
    return norms_back(np.array(slopes), W_h, g)
