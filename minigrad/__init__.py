"""minigrad: a tiny reverse-mode autograd engine on NumPy, made for courses on recurrent networks.

    from minigrad import Tensor
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x * x).sum().backward()
    x.grad                                    # array([2., 4., 6.])

gradcheck tells whether a gradient is right, op declares an operation. minigrad.layers has the LSTM and other layers,
minigrad.optim the optimisers, minigrad.testing help for tests.

Operations raise ValueError if shapes do not fit, and TypeError for what is not a number. The message has names and shapes.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

# In a checkout layers/ and optim/ stand beside this folder, not in it, so that they cannot shadow a student's own layers.py.
# An installed minigrad contains them. An editable installation is a folder of links, for editors: Python imports the files of
# the checkout, also files that are newer than the installation.
__file__ = os.path.realpath(__file__)
__path__ = [os.path.dirname(__file__)]
if not os.path.isdir(os.path.join(__path__[0], "layers")):
    __path__.append(os.path.dirname(__path__[0]))

from .core import grad, op, registry
from .graph import graph
from .ops import (
    abs as abs, add, astype, broadcast_to, concat, div, exp, getitem, log, log_softmax, logsumexp, matmul, max as max,
    maximum, mean, min as min, minimum, mul, neg, pow as pow, put, relu, reshape, sigmoid, softmax, split, sqrt, stack,
    sub, sum as sum, swapaxes, tanh, transpose, where,
)
from .tensor import Tensor
from .training import detach, detect_anomaly, no_grad
from .version import __version__

if TYPE_CHECKING:
    from .check.adapters import with_cache, with_loss
    from .check.gradcheck import gradcheck
    from .check.same import assert_same
    from .check.taylor import taylor_test

# Without abs, max, min, pow and sum: `from minigrad import *` must not replace Python's own.
__all__ = [
    "__version__", "Tensor", "assert_same", "detach", "detect_anomaly", "grad", "gradcheck", "graph", "no_grad", "op", "registry",
    "taylor_test", "add", "astype", "broadcast_to", "concat", "div", "exp", "getitem", "log", "log_softmax", "logsumexp",
    "matmul", "maximum", "mean", "minimum", "mul", "neg", "put", "relu", "reshape", "sigmoid", "softmax", "split", "sqrt",
    "stack", "sub", "swapaxes", "tanh", "transpose", "where", "with_cache", "with_loss",
]


if not TYPE_CHECKING:  # this function would tell editors that every name exists
    def __getattr__(name: str) -> Any:
        """Imports the gradient check at its first use: without it, `import minigrad` takes half of the time."""
        if name in ("check", "assert_same", "gradcheck", "taylor_test", "with_cache", "with_loss"):
            check = importlib.import_module(".check", __name__)
            return check if name == "check" else globals().setdefault(name, getattr(check, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
