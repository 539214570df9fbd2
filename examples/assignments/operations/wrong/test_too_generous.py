# loses: is_right 1
# hint: How exact are central differences? A tolerance of a percent accepts an error of a percent.
def is_right(f, gradient, x):
    h, g = 1e-6, np.random.default_rng(0).normal(size=len(x))
    numeric = np.array([g @ (f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))])
    return np.allclose(gradient(x, g), numeric, rtol=1e-2, atol=1e-2)
