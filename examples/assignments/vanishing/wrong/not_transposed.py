# loses: norms_back 8
# hint: In z = h @ W, which entries of z does h[0] change? Test with a W that is far from symmetric.
def norms_back(slopes, W, g):
    norms = [np.linalg.norm(g)]
    for slope in slopes[::-1]:
        g = (g * slope) @ W
        norms.append(np.linalg.norm(g))
    return np.array(norms)
