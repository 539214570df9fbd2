# loses: clip 3
# hint: Has the long vector of all three still the direction that it had? Divide all by the same number.
def clip(dW_x, dW_h, db, max_norm):
    return tuple(g * min(1.0, max_norm / np.linalg.norm(g)) for g in (dW_x, dW_h, db))
