# loses: truncated 5
# hint: 7 letters are read in pieces of 3, 3 and 1. Does each letter count the same in your loss?
right_truncated = truncated


def truncated(letters, h, c, W, b, V, d, length):
    starts, total = range(0, len(letters) - 1, length), {}
    for start in starts:
        found = right_truncated(letters[start:start + length + 1], h, c, W, b, V, d, length)
        h, c = found["h_new"], found["c_new"]
        total = {name: total.get(name, 0.0) + found[name] / len(starts) for name in ("loss", "gW", "gb", "gV", "gd")}
    return {**total, "h_new": h, "c_new": c}
