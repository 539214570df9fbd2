# loses: orthogonal 3
# hint: Print Q.T @ Q. Columns of length 1 are not enough: what must two different ones be?
def orthogonal(A):
    return A / np.linalg.norm(A, axis=0)
