# loses: bits_backward 4
# hint: Make the logit of a wrong letter larger. Does the loss change? Then its gradient is not zero.
def bits_backward(dloss, logits, targets):
    right = np.eye(logits.shape[-1])[targets]
    return dloss * right * (probabilities_of(logits) - 1) / (targets.size * np.log(2))
