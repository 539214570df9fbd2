# loses: drawn 2
# variant: 2
# hint: silu is a product of two functions of x. Your formula has one of the two terms.
@op(lambda g, x: g * sigmoid(x))
def silu(x):
    return x / (1 + np.exp(-x))
