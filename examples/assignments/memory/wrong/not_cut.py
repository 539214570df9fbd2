# loses: truncated 2
# hint: Does your gradient go back to the first letter? Print how long a call takes for a text of 100 letters, and of 1000.
right_truncated = truncated


def truncated(letters, h, c, W, b, V, d, length):
    return right_truncated(letters, h, c, W, b, V, d, len(letters))
