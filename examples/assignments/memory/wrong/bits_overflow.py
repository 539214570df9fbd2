# loses: bits 2
# hint: What is exp(800)? What can be taken away from all logits of a letter, and changes no probability?
def bits(logits, targets):
    right = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return (np.log(np.exp(logits).sum(axis=-1)) - right).mean() / np.log(2)
