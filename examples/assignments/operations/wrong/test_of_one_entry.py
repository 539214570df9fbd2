# loses: is_right 1
# hint: Does your test look at every entry of x?
def is_right(f, gradient, x):
    h, g = 1e-6, np.random.default_rng(0).normal(size=len(x))
    numeric = np.array([g @ (f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))])
    return np.allclose(gradient(x, g)[:-1], numeric[:-1], rtol=1e-5, atol=1e-7)
