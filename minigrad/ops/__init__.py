"""The table of operations: every forward beside its gradient formulas.

Throughout, g is the gradient arriving at the output y, and a formula returns g * dy/dx for its argument
(see core.py). Broadcasting is undone by the engine, so no formula mentions it. Inputs are Tensors, arrays
or numbers; float32 in gives float32 out. Shapes that do not fit raise ValueError with the shapes in it.

The layers are made of four of these: sigmoid, tanh, matmul, concat.
"""

from .elementwise import (
    abs, add, astype, div, exp, log, maximum, minimum, mul, neg, pow, relu, sigmoid, sqrt, sub, tanh, where,
)
from .matmul import matmul
from .reductions import log_softmax, logsumexp, max, mean, min, softmax, sum
from .shaping import broadcast_to, concat, getitem, put, reshape, split, stack, swapaxes, transpose

__all__ = [
    "abs", "add", "astype", "broadcast_to", "concat", "div", "exp", "getitem", "log", "log_softmax", "logsumexp",
    "matmul", "max", "maximum", "mean", "min", "minimum", "mul", "neg", "pow", "put", "relu", "reshape", "sigmoid",
    "softmax", "split", "sqrt", "stack", "sub", "sum", "swapaxes", "tanh", "transpose", "where",
]
