# loses: bits_backward 4
# hint: Double the batch by repeating it. What happens to the loss, and may the gradient of one row stay the same?
def bits_backward(dloss, logits, targets):
    return dloss * (probabilities_of(logits) - np.eye(logits.shape[-1])[targets]) / np.log(2)
