# loses: bits 2
# hint: With two letters and logits of zero, how many bits is a letter worth? And what does your function say?
def bits(logits, targets):
    logits = logits - logits.max(axis=-1, keepdims=True)
    right = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return (np.log(np.exp(logits).sum(axis=-1)) - right).mean()
