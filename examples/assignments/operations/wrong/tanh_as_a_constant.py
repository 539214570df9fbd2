# loses: tanh 1
# hint: Your gradient is right, but y is a plain array in it: what would the derivative of your formula for y be?
@op(lambda g, y: g * (1 - np.asarray(y) ** 2))
def tanh(x):
    return np.tanh(x)
