# loses: rescaled 3
# hint: Take W = [[0, 2], [0, 0]]. By how much can it lengthen a vector once, and by how much twice? Which number says that?
def rescaled(W, radius):
    return W * radius / np.linalg.norm(W, 2)
