# loses: stretched 2, both 2, nothing 1
# hint: x had an axis of length 1, and it must have one in its gradient too. What does sum do with the axis that it
#   sums over?
def unbroadcast(dy, x):
    dx = dy.sum(axis=tuple(range(dy.ndim - x.ndim)))
    return dx.sum(axis=tuple(i for i, n in enumerate(x.shape) if n == 1))
