# loses: is_right 8
# hint: Your test refuses right gradients: finite differences have errors of their own. How large are they for your step?
def is_right(f, gradient, x):
    h, g = 1e-6, np.random.default_rng(0).normal(size=len(x))
    numeric = np.array([g @ (f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))])
    return np.allclose(gradient(x, g), numeric, rtol=1e-15, atol=0)
