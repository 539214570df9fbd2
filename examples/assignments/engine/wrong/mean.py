# loses: new_axes 2, stretched 2, both 2
# hint: One number of x stands in several places of y. By how much does the sum of y change with it?
def unbroadcast(dy, x):
    dx = dy.mean(axis=tuple(range(dy.ndim - x.ndim)))
    return dx.mean(axis=tuple(i for i, n in enumerate(x.shape) if n == 1), keepdims=True)
