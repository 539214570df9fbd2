# loses: rnn_norms 6
# hint: Sketch tanh. Can its slope be larger than 1 anywhere?
def rnn_norms(xs, h0, W_x, W_h, b, g):
    slopes, h = [], h0
    for x in xs:
        h = np.tanh(x @ W_x + h @ W_h + b)
        slopes.append(1 + h * h)
    return norms_back(np.array(slopes), W_h, g)
