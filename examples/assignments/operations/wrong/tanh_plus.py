# loses: tanh 2
# hint: Sketch tanh. Can its slope be larger than 1 anywhere?
@op(lambda g, y: g * (1 + y * y))
def tanh(x):
    return np.tanh(x)
