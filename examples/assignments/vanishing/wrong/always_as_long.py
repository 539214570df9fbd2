# loses: clip_small 1
# hint: What happens to a gradient that is short already? It must stay as it is.
def clip(dW_x, dW_h, db, max_norm):
    norm = np.sqrt(sum((g * g).sum() for g in (dW_x, dW_h, db)))
    return tuple(g * max_norm / norm for g in (dW_x, dW_h, db))
