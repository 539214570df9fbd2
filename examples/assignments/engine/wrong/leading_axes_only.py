# loses: stretched 2, both 2
# hint: Print x.shape and dy.shape for an x of shape (3, 1). Which axis of yours is still too long?
def unbroadcast(dy, x):
    return dy.sum(axis=tuple(range(dy.ndim - x.ndim)))
