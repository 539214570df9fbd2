# loses: drawn 2
# variant: 3
# hint: The chain rule has two factors here: the outer slope, and that of -x^2.
@op(lambda g, y: g * y)
def bell(x):
    return np.exp(-x * x)
