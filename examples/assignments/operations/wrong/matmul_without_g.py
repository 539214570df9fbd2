# loses: matmul 2
# hint: The gradient of a must change when g changes. Where does g enter?
@op(lambda g, b: (0 * g + 1) @ b.swapaxes(0, 1), lambda g, a: a.swapaxes(0, 1) @ g)
def matmul(a, b):
    return a @ b
