# loses: drawn 2
# hint: For large x softplus is nearly x. What is your slope there?
@op(lambda g, y: g * y * (1 - y))
def softplus(x):
    return np.logaddexp(0, x)
