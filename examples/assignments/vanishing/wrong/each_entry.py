# loses: clip 3, clip_small 1
# hint: You cut off entries. That changes the direction; what is to be limited is the length of the whole.
def clip(dW_x, dW_h, db, max_norm):
    return tuple(np.clip(g, -max_norm / 10, max_norm / 10) for g in (dW_x, dW_h, db))
