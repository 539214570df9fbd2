# loses: rnn_norms 6
# hint: Your formula for the slope of tanh needs the sum z, or it needs tanh(z). Which of the two is h?
def rnn_norms(xs, h0, W_x, W_h, b, g):
    slopes, h = [], h0
    for x in xs:
        h = np.tanh(x @ W_x + h @ W_h + b)
        slopes.append(1 - np.tanh(h) ** 2)
    return norms_back(np.array(slopes), W_h, g)
