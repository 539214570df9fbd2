# loses: rescaled 3
# hint: The eigenvalues of a rotation are i and -i. Is there nothing that it multiplies by?
def rescaled(W, radius):
    return W * radius / np.linalg.eigvals(W).real.max()
