# loses: norms_back 8
# hint: Yours is a bound: |a J| is at most |a| |J|. Carry the vector itself from step to step.
def norms_back(slopes, W, g):
    norms = [np.linalg.norm(g)]
    for slope in slopes[::-1]:
        norms.append(norms[-1] * np.linalg.norm(W * slope, 2))
    return np.array(norms)
