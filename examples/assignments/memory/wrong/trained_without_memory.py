# loses: train 4..11
# hint: A run of 12 letters is longer than a piece of 8. What must be known at the beginning of a piece?
def train(letters, K, H, seed, steps=3000, B=16, length=8, lr=0.01):
    rng = np.random.default_rng(seed)
    weights = [Tensor(w, requires_grad=True) for w in initial_weights(K, H, rng)]
    columns = letters[:len(letters) // B * B].reshape(B, -1).T
    optimizer, zeros = Adam(weights, lr=lr), np.zeros((B, H))
    place, h, c = 0, zeros, zeros
    for _ in range(steps):
        if place + length >= len(columns):
            place, h, c = 0, zeros, zeros
        found = truncated(columns[place:place + length + 1], h, c, *(w.numpy() for w in weights), length)
        for w, name in zip(weights, ("gW", "gb", "gV", "gd")):
            w.grad = found[name]
        clip_grad_norm(weights, 1.0)
        optimizer.step()
        place += length
    return {name: w.numpy() for name, w in zip("WbVd", weights)}
