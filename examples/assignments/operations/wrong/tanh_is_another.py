# loses: tanh 2
# hint: What do you get for tanh(1)? Compare with a pocket calculator: one of your exponents has a superfluous factor.
@op(lambda g, y: g * (1 - y * y))
def tanh(x):
    return np.tanh(2 * x)
