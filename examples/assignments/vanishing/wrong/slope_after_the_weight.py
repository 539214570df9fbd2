# loses: norms_back 8
# hint: On its way back from h_t, does the gradient pass tanh first, or W?
def norms_back(slopes, W, g):
    norms = [np.linalg.norm(g)]
    for slope in slopes[::-1]:
        g = (g @ W.T) * slope
        norms.append(np.linalg.norm(g))
    return np.array(norms)
