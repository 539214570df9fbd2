# loses: train 11
# hint: Are the weights after training other ones than before?
def train(letters, K, H, seed, steps=3000, B=16, length=8, lr=0.01):
    return dict(zip("WbVd", initial_weights(K, H, np.random.default_rng(seed))))
