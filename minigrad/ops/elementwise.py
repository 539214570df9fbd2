"""Operations that work on each element by itself. Inside this file abs and pow are the operations."""

import numpy as np

from ..core import op

@op(lambda g: g,
    lambda g: g)
def add(a, b):
    """a + b elementwise; shapes broadcast: counted from the right, axes are equal or one of them is 1."""
    return np.add(a, b)

@op(lambda g: g,
    lambda g: -g)
def sub(a, b):
    """a - b elementwise; shapes broadcast: counted from the right, axes are equal or one of them is 1."""
    return np.subtract(a, b)

@op(lambda g, b: g * b,
    lambda g, a: g * a)
def mul(a, b):
    """a * b elementwise; shapes broadcast: counted from the right, axes are equal or one of them is 1."""
    return np.multiply(a, b)

@op(lambda g, b: g / b,
    lambda g, y, b: -g * y / b)
def div(a, b):
    """a / b elementwise; shapes broadcast: counted from the right, axes are equal or one of them is 1."""
    return np.true_divide(a, b)

def _pow_base(g, a, b):
    """b a^(b-1), and 0 where b = 0, also at a = 0."""
    if isinstance(b, (int, float)):
        return g * b * a ** (b - 1) if b != 0 else 0.0 * g
    return g * b * a ** (b - where(0.0, 1.0, mask=(a == 0) & (b == 0)))

@op(_pow_base,
    lambda g, y, a: g * y * log(where(a, 1.0, mask=a != 0)))
def pow(a, b):
    """a ** b elementwise; shapes broadcast. At a = 0 the gradient for b is 0."""
    return a ** b

def _where_greater(g, a, b):
    """g where a > b, half of it where they are equal, 0 elsewhere."""
    return where(g, where(0.5 * g, 0.0, mask=a == b), mask=a > b)

@op(_where_greater,
    lambda g, a, b: _where_greater(g, b, a))
def maximum(a, b):
    """The larger of a and b, elementwise; shapes broadcast. If they are equal, each gets half the gradient."""
    return np.maximum(a, b)

@op(lambda g, a, b: _where_greater(g, b, a),
    _where_greater)
def minimum(a, b):
    """The smaller of a and b, elementwise; shapes broadcast. If they are equal, each gets half the gradient."""
    return np.minimum(a, b)

@op(lambda g, mask: where(g, 0.0, mask=mask),
    lambda g, mask: where(0.0, g, mask=mask))
def where(a, b, *, mask):
    """a where mask is true, b elsewhere; shapes broadcast. minigrad.where(a, b, mask=mask) is np.where(mask, a, b).

    mask: a boolean array, which has no gradient.
    """
    return np.where(mask, a, b)

@op(lambda g: -g)
def neg(x):
    """-x, elementwise."""
    return np.negative(x)

@op(lambda g, y: g * y)
def exp(x):
    """e^x, elementwise.  dy/dx = y."""
    return np.exp(x)

@op(lambda g, x: g / x)
def log(x):
    """The natural logarithm, elementwise.  dy/dx = 1 / x."""
    return np.log(x)

@op(lambda g, y: g / (2 * y))
def sqrt(x):
    """The square root, elementwise.  dy/dx = 1 / (2 y), infinite at 0."""
    return np.sqrt(x)

@op(lambda g, x: where(g, where(-g, 0.0, mask=x < 0), mask=x > 0))
def abs(x):
    """|x|, elementwise.  dy/dx is the sign of x, and 0 at 0."""
    return np.abs(x)

ONE = {np.dtype(kind): np.ones((), kind) for kind in "efgd"}  # NumPy would convert a number 1 to such an array at each use

@op(lambda g, y: g * y * (1 - y))
@np.errstate(over="ignore")  # exp(-x) may be infinite; then 1 / (1 + infinity) = 0 is right
def sigmoid(x):
    """1 / (1 + exp(-x)), elementwise, the gate of the LSTM.  dy/dx = y (1 - y)."""
    x = np.asarray(x)
    if x.dtype.kind != "f":
        x = x.astype(float)
    y = np.exp(np.negative(x, order="C"))  # parts y[i] are contiguous: what comes next is faster
    y += ONE[y.dtype]
    return np.reciprocal(y)

@op(lambda g, y: g * (1 - y * y))
def tanh(x):
    """The hyperbolic tangent, elementwise.  dy/dx = 1 - y^2."""
    return np.tanh(x)

@op(lambda g, y: where(g, 0.0, mask=y > 0))
def relu(x):
    """max(x, 0), elementwise.  dy/dx = 1 for x > 0, and 0 for x <= 0."""
    return np.maximum(x, 0)

@op(lambda g: g)
def astype(x, *, dtype):
    """x in another floating-point dtype; the shape stays. The gradient comes back in x's own."""
    return np.asarray(x).astype(dtype)
