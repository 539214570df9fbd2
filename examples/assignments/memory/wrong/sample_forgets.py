# loses: sample 4
# hint: With which state does the model read the second letter that it has written?
def sample(letter, h, c, W, b, V, d, temperature, us):
    written = []
    for u in us:
        x = np.eye(len(d))[int(letter)].reshape(1, 1, -1)
        logits, _, _ = model(*(Tensor(array) for array in (x, h, c, W, b, V, d)))
        letter = int((np.cumsum(probabilities(logits.numpy()[0, 0], temperature)) <= u).sum())
        written.append(letter)
    return np.array(written)
