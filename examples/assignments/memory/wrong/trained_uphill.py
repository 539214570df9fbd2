# loses: train 11
# hint: Does the loss fall? A step goes against the gradient.
downhill = descend


def descend(optimizer, weights, gradients):
    downhill(optimizer, weights, [-g for g in gradients])
