# loses: matmul 2
# hint: Every entry of your gradient of b is the same in a row. Which sum did you take before the product?
@op(lambda g, b: g @ b.swapaxes(0, 1), lambda g, a: a.swapaxes(0, 1) @ (0 * g + g.sum(axis=1, keepdims=True)))
def matmul(a, b):
    return a @ b
