# loses: sample 4
# hint: Which letter does the model read when it has to find the third one?
def sample(letter, h, c, W, b, V, d, temperature, us):
    written = []
    for u in us:
        x = np.eye(len(d))[int(letter)].reshape(1, 1, -1)
        logits, h, c = model(*(Tensor(array) for array in (x, h, c, W, b, V, d)))
        written.append(int((np.cumsum(probabilities(logits.numpy()[0, 0], temperature)) <= u).sum()))
    return np.array(written)
