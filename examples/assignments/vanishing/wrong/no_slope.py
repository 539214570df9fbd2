# loses: norms_back 8
# hint: Two factors act at every step: W is one of them. Which is the other?
def norms_back(slopes, W, g):
    norms = [np.linalg.norm(g)]
    for _ in slopes:
        g = g @ W.T
        norms.append(np.linalg.norm(g))
    return np.array(norms)
