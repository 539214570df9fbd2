# loses: new_axes 2, both 2
# hint: NumPy compares shapes from the right. Which axes has a vector got when it was added to a matrix?
def unbroadcast(dy, x):
    return dy.sum(axis=tuple(i for i, n in enumerate(x.shape) if n == 1), keepdims=True)
