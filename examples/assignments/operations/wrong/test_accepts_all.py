# loses: is_right 8
# hint: What does your test say about a gradient that is wrong? Try it on one.
def is_right(f, gradient, x):
    return gradient(x, np.ones(len(x))).shape == x.shape
