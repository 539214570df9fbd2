# loses: norms_back 8, gain 2
# hint: For a gain of 1/2, what is left after one step? A length is the root of the sum of squares.
def norms_back(slopes, W, g):
    norms = [g @ g]
    for slope in slopes[::-1]:
        g = (g * slope) @ W.T
        norms.append(g @ g)
    return np.array(norms)
