# loses: norms_back 8, gain 2
# hint: Which of your numbers is the length of g itself? k counts steps back.
def norms_back(slopes, W, g):
    norms = [np.linalg.norm(g)]
    for slope in slopes[::-1]:
        g = (g * slope) @ W.T
        norms.append(np.linalg.norm(g))
    return np.array(norms[::-1])
