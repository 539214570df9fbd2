# loses: sample 4
# hint: What do your numbers us change? The likeliest letter each time is no sample.
def sample(letter, h, c, W, b, V, d, temperature, us):
    written = []
    for _ in us:
        x = np.eye(len(d))[int(letter)].reshape(1, 1, -1)
        logits, h, c = model(*(Tensor(array) for array in (x, h, c, W, b, V, d)))
        letter = logits.numpy()[0, 0].argmax()
        written.append(letter)
    return np.array(written)
