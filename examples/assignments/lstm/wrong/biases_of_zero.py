# loses: initial_biases 1
# hint: With b_f = 0 the forget gate is 1/2. What is left of the memory after 20 steps?
def initial_biases(hidden_size):
    return {name: np.zeros(hidden_size) for name in ("b_f", "b_i", "b_c", "b_o")}
