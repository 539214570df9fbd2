"""Operations and their gradient formulas, and a test of your own for gradients. The handout says what is asked."""

import numpy as np

from minigrad import op
from minigrad.course import todo

# A formula gets g, the gradient that arrives at the output y, and names what else it needs: y, an argument, or a_shape for an
# argument's shape. Write it with operators and methods that arrays and Tensors share: then it can be differentiated again.


### BEGIN SOLUTION
@op(lambda g, y: g * y * (1 - y))
### END SOLUTION
### STARTER @op(todo)
def sigmoid(x):
    """1 / (1 + exp(-x)), without a warning for any x."""
    ### BEGIN SOLUTION
    return 0.5 + 0.5 * np.tanh(0.5 * x)
    ### END SOLUTION
    ### STARTER return todo()


### BEGIN SOLUTION
@op(lambda g, y: g * (1 - y * y))
### END SOLUTION
### STARTER @op(todo)
def tanh(x):
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)); NumPy's function may be used."""
    ### BEGIN SOLUTION
    return np.tanh(x)
    ### END SOLUTION
    ### STARTER return todo()


### BEGIN SOLUTION
@op(lambda g, b: g @ b.swapaxes(0, 1), lambda g, a: a.swapaxes(0, 1) @ g)
### END SOLUTION
### STARTER @op(todo, todo)
def matmul(a, b):
    """The matrix product of a (n, k) and b (k, m)."""
    ### BEGIN SOLUTION
    return a @ b
    ### END SOLUTION
    ### STARTER return todo()


### BEGIN SOLUTION
@op(lambda g, a_shape: g[..., :a_shape[-1]], lambda g, a_shape: g[..., a_shape[-1]:])
### END SOLUTION
### STARTER @op(todo, todo)
def concat(a, b):
    """a (n, k) and b (n, m) side by side: (n, k + m)."""
    ### BEGIN SOLUTION
    return np.concatenate([a, b], axis=-1)
    ### END SOLUTION
    ### STARTER return todo()


# Only one of these four is yours: `python -m minigrad grade operations.py --assignment . --public --student ID` says which.


### BEGIN SOLUTION
@op(lambda g, x: g * sigmoid(x))
### END SOLUTION
### STARTER @op(todo)
def softplus(x):
    """log(1 + exp(x))"""
    ### BEGIN SOLUTION
    return np.logaddexp(0, x)
    ### END SOLUTION
    ### STARTER return todo()


### BEGIN SOLUTION
@op(lambda g, x: g * sigmoid(x) * (1 + x * (1 - sigmoid(x))))
### END SOLUTION
### STARTER @op(todo)
def silu(x):
    """x / (1 + exp(-x))"""
    ### BEGIN SOLUTION
    return x / (1 + np.exp(-x))
    ### END SOLUTION
    ### STARTER return todo()


### BEGIN SOLUTION
@op(lambda g, x, y: -2 * g * x * y)
### END SOLUTION
### STARTER @op(todo)
def bell(x):
    """exp(-x^2)"""
    ### BEGIN SOLUTION
    return np.exp(-x * x)
    ### END SOLUTION
    ### STARTER return todo()


### BEGIN SOLUTION
@op(lambda g, x, y: g * y * y * (1 - x * x) / (x * x))
### END SOLUTION
### STARTER @op(todo)
def resonance(x):
    """x / (1 + x^2)"""
    ### BEGIN SOLUTION
    return x / (1 + x * x)
    ### END SOLUTION
    ### STARTER return todo()


def is_right(f, gradient, x):
    """Is gradient(x, g) the gradient of sum(g * f(x)) for x? f takes and returns arrays (n,). Return True or False."""
    ### BEGIN SOLUTION
    rng, h = np.random.default_rng(0), 1e-6
    for _ in range(3):
        g = rng.normal(size=len(f(x)))
        numeric = np.array([g @ (f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))])
        if not np.allclose(gradient(x, g), numeric, rtol=1e-5, atol=1e-7):
            return False
    return True
    ### END SOLUTION
    ### STARTER return todo()
