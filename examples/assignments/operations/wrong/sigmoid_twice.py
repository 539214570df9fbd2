# loses: sigmoid 2
# hint: Your formula applies sigmoid to something. Has it been applied to that before?
@op(lambda g, y: g * (1 / (1 + (-y).exp() if hasattr(y, "exp") else 1 / (1 + np.exp(-y)))))
def sigmoid(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)
