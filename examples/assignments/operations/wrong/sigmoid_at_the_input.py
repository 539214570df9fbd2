# loses: sigmoid 2
# hint: The derivative is s (1 - s). Is s in your formula the input, or the output of sigmoid?
@op(lambda g, x: g * x * (1 - x))
def sigmoid(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)
