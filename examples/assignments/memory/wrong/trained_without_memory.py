# loses: train 11
# hint: A run of 12 letters is longer than a piece of 8. What must be known at the beginning of a piece?
def carried(h, c):
    return np.zeros_like(h), np.zeros_like(c)
