# loses: is_right 1
# hint: With g = 1 everywhere a gradient that ignores g passes, and some transposes too. Try random g.
def is_right(f, gradient, x):
    h, g = 1e-6, np.ones(len(x))
    numeric = np.array([g @ (f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))])
    return np.allclose(gradient(x, g), numeric, rtol=1e-5, atol=1e-7)
