# loses: initial_biases 4
# hint: With b_f = 0 the forget gate is 1/2. What is left of the memory after 20 steps?
def initial_biases(hidden_size):
    return np.zeros((4, hidden_size))
