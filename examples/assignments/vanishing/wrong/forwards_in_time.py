# loses: norms_back 8
# hint: Take H = 2 and T = 3. Which slope does the gradient meet first, that of the first step or of the last?
def norms_back(slopes, W, g):
    norms = [np.linalg.norm(g)]
    for slope in slopes:
        g = (g * slope) @ W.T
        norms.append(np.linalg.norm(g))
    return np.array(norms)
