# loses: step 4
# hint: Which of the five arguments does your step never read?
def step(x, h, W_x, W_h, b):
    return np.tanh(x @ W_x + h @ W_h)
