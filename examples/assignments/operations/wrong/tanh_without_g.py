# loses: tanh 2
# hint: Double the loss. What happens to g then, and what to your gradient?
@op(lambda g, y: 1 - y * y)
def tanh(x):
    return np.tanh(x)
