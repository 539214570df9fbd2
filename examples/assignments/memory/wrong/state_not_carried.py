# loses: truncated 7
# hint: What is the state at the beginning of your second piece? The gradient ends there, the memory goes on.
right_truncated = truncated


def truncated(letters, h, c, W, b, V, d, length):
    T, total = len(letters) - 1, {}
    for start in range(0, T, length):
        piece = letters[start:start + length + 1]
        found = right_truncated(piece, h, c, W, b, V, d, length)
        share = (len(piece) - 1) / T
        total = {name: total.get(name, 0.0) + share * found[name] for name in ("loss", "gW", "gb", "gV", "gd")}
    return {**total, "h_new": found["h_new"], "c_new": found["c_new"]}
