# loses: truncated 4
# hint: All pieces use the same W. What is done with gradients of one array that is used more than once?
right_truncated = truncated


def truncated(letters, h, c, W, b, V, d, length):
    T, loss = len(letters) - 1, 0.0
    for start in range(0, T, length):
        piece = letters[start:start + length + 1]
        found = right_truncated(piece, h, c, W, b, V, d, length)
        h, c, share = found["h_new"], found["c_new"], (len(piece) - 1) / T
        loss = loss + share * found["loss"]
    return {**found, "loss": loss, **{name: share * found[name] for name in ("gW", "gb", "gV", "gd")}}
