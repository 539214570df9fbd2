"""Repeats a step over time, as one operation: back-propagation through time without a record of every time step.

    outputs, state = scan(step, state, x, weights)

The step runs once, on Tensors, and scan_trace.py records it. From the record scan_source.py writes two Python functions on
plain arrays. `forward` loops forwards in time and calls the operations' functions; `backward` loops backwards and has their
gradient formulas. So there is no second set of derivatives, and nothing here is made for an LSTM.
For h = tanh(h @ W + x) the functions are, a little shortened:

    def forward(s0, X, w2):                           def backward(g, T, rows, kept):
        H, y = empty, H[1:]                               w2, H = kept
        for t, x1 in enumerate(X):                        g0 = zeros
            v3 = matmul(s0, w2)                           for t in range(T - 1, -1, -1):
            v4 = add(v3, x1)                                  v5, = rows[t]
            v5 = tanh(v4)                                     dv5 = g0 + g[t]
            y[t] = s0 = v5                                    dv4 = Ddv4[t] = dv5 * (1 - v5 * v5)
            rows.append((v5,))                                g0 = matmul_a(dv4, w2)
        return y, (T, rows, (w2, H))                      dw2 = matmul_b(Ddv4, H[:T])
                                                          return [g0, Ddv4, dw2]

A weight is the same at all time steps, so its gradient is one product after the loop. Here the gradients of v3, v4
and x1 are the same array, dv4. The `.source` of each plan in `plans` shows the written functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .core import grad, op
from .core import state as switches
from .ops import reshape, stack, where
from .scan_source import GATE, Writer
from .scan_trace import trace
from .tensor import Tensor


def scan(step: Callable, state: Sequence[Tensor], x: Tensor, weights: Sequence[Tensor] = ()) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Repeat state = step(*state, x[t], *weights) for t = 0 .. T - 1.

    state: Tensors; the first is the output h. x (T, ...); weights of any shapes.
    Returns (outputs, state): the h of all time steps (T, ...), and the last state.

    The step returns a tuple. It consists of minigrad's operations and must do the same at every call, as it is called only
    once: everything else counts as a constant. Every Tensor that needs a gradient must be an argument (ValueError).

    scan runs as an ordinary loop with detect_anomaly() or another watch, if parts of the state differ in shape or dtype, or
    change them, and if gradients of an operation are written by hand.
    """
    T, n = len(x), len(state)
    plan = None if switches.watch is not None or T == 0 else plan_for(step, n, [*state, x, *weights])
    if plan is None:
        return in_a_loop(step, state, x, weights)
    y = repeated(*state, x, *weights, run=Run(plan))
    return (y if n == 1 else y[:T]), tuple(y[T - 1 + k] for k in range(n))


def in_a_loop(step: Callable, state: Sequence[Tensor], x: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The same as scan, but every operation of every time step is recorded."""
    outputs = []
    for x_t in x:
        state = step(*state, x_t, *weights)
        outputs.append(state[0])
    return stack(*outputs) if outputs else Tensor(np.zeros((0, *state[0].shape), state[0].dtype)), tuple(state)


class Plan:
    """A step and its two written functions, for inputs of certain shapes and dtypes. A plan never changes."""

    def __init__(self, step: Callable, states: int, inputs: list[Tensor], needed: list[bool]) -> None:
        arguments, calls, ends = trace(step, states, inputs, needed)
        self.step, self.states = step, states
        self.operations = [(op, op.function, op.formulas) for op in {v.op for v in calls}]
        self.fits = [(s.shape, s.dtype) for s in ends] == states * [(arguments[0].shape, arguments[0].dtype)] and not any(
            v.op.by_hand for v in calls)
        if self.fits:
            writer = Writer(arguments, calls, ends, needed)
            self.source = writer.source()
            exec(self.source, writer.names)
            self.forward, self.backward = writer.names["forward"], writer.names["backward"]
            if any(v.op.function is GATE for v in calls):
                self.forward = np.errstate(over="ignore")(self.forward)


plans: dict[Any, Plan] = {}  # all threads share them


def plan_for(step: Callable, states: int, inputs: list[Tensor]) -> Plan | None:
    """The plan for this step and inputs of such shapes; None if scan must run as a loop."""
    of_inputs = tuple((t.shape[1:] if i == states else t.shape, t.dtype, switches.recording and t.requires_grad)
                      for i, t in enumerate(inputs))
    plan = plans.get((step, states, of_inputs))
    if plan is None or any(op.function is not f or op.formulas is not formulas for op, f, formulas in plan.operations):
        if len(plans) >= 100:
            plans.clear()
        plan = plans[step, states, of_inputs] = Plan(step, states, inputs, [needed for *_, needed in of_inputs])
    return plan if plan.fits else None


class Run:
    """A plan, and the values that one forward pass saves for the backward pass."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tape: Any = None

    def __str__(self) -> str:
        return self.plan.step.__qualname__


def _gradients(g: Any, xs: list, run: Run) -> list:
    plan = run.plan
    if not isinstance(g, Tensor):
        return plan.backward(g, *run.tape)
    # With create_graph: the ordinary loop, on copies, because one input may be computed from another.
    copies = [reshape(x, shape=x.shape) if isinstance(x, Tensor) else Tensor(x) for x in xs]
    n = plan.states
    outputs, last = in_a_loop(plan.step, copies[:n], copies[n], copies[n + 1:])
    y, wanted = stack(*outputs, *last[1:]), [x for x in copies if x.requires_grad]
    pieces = grad(y, wanted, g, create_graph=True, allow_unused=True) if y.requires_grad else [None] * len(wanted)
    found = iter(where(0.0, x, mask=True) if piece is None else piece for x, piece in zip(wanted, pieces))
    return [next(found) if x.requires_grad else None for x in copies]


@op(_gradients)
def repeated(*xs, run):
    """A step repeated over time. xs: the first state, x (T, ...) and weights. y (T + n - 1, ...) has h_1 .. h_T, and then
    the last values of the other n - 1 parts of the state. y is one array because an operation has one result."""
    y, run.tape = run.plan.forward(*xs)
    return y
