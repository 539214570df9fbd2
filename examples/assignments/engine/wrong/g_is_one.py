# loses: chain 3, reuse 6, shared 1, broadcast 3, again 1, long_way 1
# hint: Double g. What must become of every gradient, and what becomes of yours?
right_backward = backward


def backward(nodes, g):
    return right_backward(nodes, np.ones_like(g))
