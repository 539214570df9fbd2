# loses: orthogonal 3
# hint: Your Q is orthogonal. Look at the diagonal of Q.T @ A: is it above 0?
def orthogonal(A):
    return np.linalg.qr(A)[0]
