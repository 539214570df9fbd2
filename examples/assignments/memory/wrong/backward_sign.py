# loses: bits_backward 4
# hint: Take a small step against your gradient. Does the loss fall?
def bits_backward(dloss, logits, targets):
    return dloss * (np.eye(logits.shape[-1])[targets] - probabilities_of(logits)) / (targets.size * np.log(2))
