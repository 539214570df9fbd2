# loses: new_axes 2, both 2
# hint: NumPy may put more than one axis in front. Try a vector that is stretched to three axes.
def unbroadcast(dy, x):
    dx = dy.sum(axis=0) if dy.ndim > x.ndim else dy
    return dx.sum(axis=tuple(i for i, n in enumerate(x.shape) if n == 1), keepdims=True)
