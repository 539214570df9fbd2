"""A step that is repeated over time, as one operation: back-propagation through time without a record of every time step.

    outputs, state = scan(step, state, x, weights)

The step runs once on Tensors, and its record is taken. From the record, Python source is written: a loop over time that calls
the same forward functions, and a loop backwards in time that calls the same gradient formulas, both on plain arrays. So there
is no second set of derivatives, and nothing here knows what an LSTM is. `print(plan.source)` shows what was written.

    forward, for t = 0, 1, ...        backward, for t = T - 1, ..., 1, 0
        v4 = matmul(s0, w3)               d5 = g[t] + ds0
        v5 = tanh(v4)                     d4 = D4[t] = formula of tanh(d5, v5)
        save s0, v5; s0 = v5              ds0 = formula of matmul for s0 (d4, w3)
                                      afterwards
                                          dw3 = formula of matmul for w3 (all D4, all saved s0)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .backward import grad, unbroadcast
from .op import op
from .ops import getitem, reshape, stack, where
from .record import NOTHING, switched
from .record import state as switches
from .tensor import Tensor


def scan(step: Callable, state: Sequence[Tensor], x: Tensor, weights: Sequence[Tensor] = ()) -> tuple[Tensor, tuple]:
    """Repeat state = step(*state, x[t], *weights) for t = 0 .. T - 1.

    state: Tensors of the same shape and dtype, of which the first is the output, h (...). x (T, ...); weights of any shapes.
    Returns (outputs, state): the h of all time steps (T, ...), and the last state.

    The step returns its state as a tuple. It is made of minigrad's operations and gives the same result for the same
    arguments, as it runs only once: what it reads from elsewhere counts as a constant. A Tensor that needs a gradient
    must be among its arguments (ValueError).
    """
    inputs, T = [*state, x, *weights], x.shape[0]
    alike = {(s.shape, s.dtype) for s in state}
    plan = plan_for(step, len(state), inputs) if len(alike) == 1 and T and not switches.anomalies else None
    if plan is None:
        return in_a_loop(step, state, x, weights)
    y = repeat(*inputs, run=Run(plan))
    return (y if len(state) == 1 else y[:T]), tuple(y[T - 1 + k] for k in range(len(state)))


def in_a_loop(step: Callable, state: Sequence[Tensor], x: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, tuple]:
    """The same as scan, where every operation of every time step is recorded."""
    outputs = []
    for x_t in x:
        state = step(*state, x_t, *weights)
        outputs.append(state[0])
    return stack(*outputs) if outputs else Tensor(np.zeros((0, *state[0].shape), state[0].dtype)), tuple(state)


class Run:
    """A plan and what it saves in one forward pass."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tape: Any = None

    def __str__(self) -> str:
        return self.plan.step.__qualname__


def _gradients(g: Any, xs: list, run: Run) -> list:
    plan = run.plan
    if not isinstance(g, Tensor):
        return plan.backward(g, *run.tape)
    # With create_graph: the ordinary loop, on copies, as one input may have been computed from another.
    copies = [reshape(x, shape=x.shape) if isinstance(x, Tensor) else Tensor(x) for x in xs]
    n = plan.states
    outputs, last = in_a_loop(plan.step, copies[:n], copies[n], copies[n + 1:])
    y = stack(*outputs, *last[1:])
    wanted = [x for x in copies if x.requires_grad]
    found = grad(y, wanted, g, create_graph=True, allow_unused=True) if y.requires_grad else [None] * len(wanted)
    pieces = iter(where(0.0, x, mask=True) if piece is None else piece for x, piece in zip(wanted, found))
    return [next(pieces) if x.requires_grad else None for x in copies]


@op(_gradients)
def repeat(*xs, run):
    """A step repeated over time. xs: its first state, x and weights; y (T + n - 1, ...): h_1 .. h_T, then the last values of the
    n - 1 other parts of the state."""
    y, run.tape = run.plan.forward(*xs)
    return y


# -- the plan ----------------------------------------------------------------------------------

plans: dict[Any, Plan] = {}  # threads may share it: a plan does not change


def plan_for(step: Callable, states: int, inputs: list[Tensor]) -> Plan | None:
    """The plan for this step and inputs of these shapes and dtypes; None if the step gives another kind of state."""
    recording = switches.recording
    key = (step, states, *((t.shape if i != states else t.shape[1:], t.dtype, recording and t.requires_grad)
                           for i, t in enumerate(inputs)))
    plan = plans.get(key)
    if plan is None or any(op.function is not function or op.formulas is not formulas for op, function, formulas in plan.operations):
        if len(plans) >= 100:
            plans.clear()
        plans[key] = plan = Plan(step, states, inputs, [needed for _, _, needed in key[2:]])
    return plan if plan.fits else None


class Value:
    """What the step computes with: an argument, or the result of an operation."""

    def __init__(self, name: str, array: np.ndarray, varies: bool, op: Any = None, inputs: Sequence[Any] = (), static: Any = NOTHING):
        self.name, self.array, self.shape, self.dtype = name, array, array.shape, array.dtype
        self.op, self.inputs, self.static = op, inputs, static  # inputs: Values and constants
        self.varies, self.active = varies, False  # is it another one at each time step? does it need a gradient?
        self.uses: list[Value | None] = []  # the results that were computed from it; None: it is a result of the step


def trace(step: Callable, states: int, inputs: list[Tensor], needed: list[bool]) -> tuple[list[Value], list[Value], list[Value]]:
    """Run the step once: its arguments, the results of its operations that are needed, and its results, the new state."""
    leaves = [Tensor(t.numpy()[0] if i == states else t.numpy(), requires_grad=True) for i, t in enumerate(inputs)]
    with switched("recording", True), switched("trace", []), np.errstate(all="ignore"):
        results, record = step(*leaves), switches.trace
    values = {t._node: Value(f"{'sxw'[(i >= states) + (i > states)]}{i}", t.numpy(), i <= states) for i, t in enumerate(leaves)}
    arguments = list(values.values())

    def value(node: Any) -> Value:
        if node not in values:
            raise ValueError(f"scan: the step uses a Tensor of shape {node.shape} that needs a gradient and is not among its "
                             "arguments: pass it as a weight")
        return values[node]

    for node, arrays, y in record:
        own = [array if parent is None else value(parent) for parent, array in zip(node.parents, arrays)]
        varies = any(x.varies for x in own if isinstance(x, Value))
        values[node] = Value(f"v{len(values)}", y, varies, node.op, own, node.static)
    ends = [value(r._node) for r in results if isinstance(r, Tensor) and r.requires_grad]
    useful = set(ends)
    for v in reversed(values.values()):
        if v in useful:
            useful.update(x for x in v.inputs if isinstance(x, Value))
    calls = [v for v in values.values() if v in useful and v.op is not None]
    for v, need in zip(arguments, needed):
        v.active = need
    for _ in range(states + 1):  # a state also needs a gradient if its new value does
        for v in calls:
            v.active = any(isinstance(x, Value) and x.active for x in v.inputs)
        for s, end in zip(arguments, ends):
            s.active |= end.active
    for v, used in [*((v, v.inputs) for v in calls), (None, ends)]:
        for x in used:
            if isinstance(x, Value):
                x.uses.append(v)
    return arguments, calls, ends


class Plan:
    """Two functions, forward(*inputs) and backward(g, *tape), written for one step and inputs of certain shapes and dtypes."""

    def __init__(self, step: Callable, states: int, inputs: list[Tensor], needed: list[bool]) -> None:
        arguments, calls, ends = trace(step, states, inputs, needed)
        self.step, self.states = step, states
        self.operations = [(v.op, v.op.function, v.op.formulas) for v in calls]
        self.fits = [(s.shape, s.dtype) for s in arguments[:states]] == [(end.shape, end.dtype) for end in ends]
        if self.fits:
            self.source, functions = Writer(arguments, calls, ends, needed).write()
            exec(self.source, functions)
            self.forward, self.backward = functions["forward"], functions["backward"]


class Writer:
    """Writes forward and backward. In them v5 is a value at one time step, dv5 its gradient, k_6 a constant; Sv5 and Ddv5 are
    the values and the gradients of all time steps."""

    def __init__(self, arguments: list[Value], calls: list[Value], ends: list[Value], needed: list[bool]) -> None:
        self.arguments, self.calls, self.ends, self.needed = arguments, calls, ends, needed
        self.names: dict[str, Any] = {"np": np, "unbroadcast": unbroadcast, "stacked": stacked}
        self.d: dict[Value, str] = {}  # the names of the gradients
        self.owned: set[str] = set()  # names of arrays that may be written into
        self.made_in: dict[str, int] = {}  # names of arrays that will be filled, and the lines that make them
        self.before: list[str] = []  # lines before the loop, in it, and what is added to which gradient after it
        self.lines: list[str] = []
        self.after: list[tuple[Value, str]] | None = []

    def write(self) -> tuple[str, dict[str, Any]]:
        with np.errstate(all="ignore"):  # formulas are tried with any numbers
            backward, row, kept = self.backward()
        return f"{self.forward(row, kept)}\n\n{backward}\n", self.names

    def forward(self, row: list[str], kept: list[str]) -> str:
        """row: what is saved at each time step; kept: what is saved once."""
        def call(v: Value) -> str:
            given = [self.text(x) for x in v.inputs] + [f"{name}={self.constant(x)}" for name, x in v.static.items()]
            y = f"{self.constant(v.op.function, v.op.__name__)}({', '.join(given)})"
            return f"{v.name} = {y if v.shape else f'np.asarray({y})'}"

        n, names, h = len(self.ends), [v.name for v in self.arguments], self.ends[0]
        return "\n    ".join([
            f"def forward({', '.join([*names[:n], 'X', *names[n + 1:]])}):",
            *(call(v) for v in self.calls if not v.varies),
            "T, rows = len(X), []",
            f"y = np.empty((T + {n - 1}, *{h.shape}), {self.constant(h.dtype)})",
            f"for t, {names[n]} in enumerate(X):",
            *(f"    {call(v)}" for v in self.calls if v.varies),
            f"    rows.append(({comma(row)}))" if row else "",
            f"    {comma(names[:n])} = {comma(v.name for v in self.ends)}",
            f"    y[t] = {names[0]}",
            *(f"y[T + {k - 1}] = {names[k]}" for k in range(1, n)),
            f"return y, (T, rows, ({comma(kept)}))"])

    def backward(self) -> tuple[str, list[str], list[str]]:
        n, ends, values = len(self.ends), self.ends, [*self.arguments, *self.calls]
        x = self.arguments[n]
        for k, end in enumerate(ends):
            if end.active:
                self.before.append(f"g{k} = g[T + {k - 1}]" if k else f"g0 = {self.new('zeros', end)}")
                self.add(end, f"g{k}")
                if k == 0:
                    self.add(end, "g[t]")
        for v in reversed([v for v in self.calls if v.varies and v.active]):
            self.chain(v)
        dx = self.all_steps(x) if self.needed[n] else "None"
        states = {f"g{k}": self.d.get(s) or self.new("zeros", s) for k, s in enumerate(self.arguments[:n]) if s.active}
        loop = [*self.lines, f"{comma(states)} = {comma(states.values())}" if states else "pass"]
        after, self.lines, self.after = self.after, [], None
        for w, piece in after or []:
            self.add(w, piece)
        for v in reversed([v for v in self.calls if not v.varies and v.active]):
            self.chain(v)
        gradients = [*(f"g{k}" for k in range(n)), dx, *(self.d.get(w) or self.new("zeros", w) for w in self.arguments[n + 1:])]
        found = set(re.findall(r"\w+", "\n".join([*loop, *self.lines])))
        row = [v.name for v in values if v.varies and (v.name in found or f"S{v.name}" in found and v is not x)]
        kept = [v.name for v in values if not v.varies and v.name in found] + ["X"] * (f"S{x.name}" in found)
        return "\n    ".join([
            "def backward(g, T, rows, kept):",
            f"{comma(kept)} = kept" if kept else "",
            *self.before,
            "for t in range(T - 1, -1, -1):",
            f"    {comma(row)} = rows[t]" if row else "",
            *(f"    {line}" for line in loop),
            *(f"S{name} = stacked([row[{j}] for row in rows])" for j, name in enumerate(row) if f"S{name}" in found),
            f"S{x.name} = X" if f"S{x.name}" in found else "",
            *self.lines,
            f"return [{', '.join(d if needed else 'None' for d, needed in zip(gradients, self.needed))}]"]), row, kept

    def chain(self, v: Value) -> None:
        """The chain rule at a result whose gradient is complete."""
        op, d = v.op, self.d[v]
        if op.variadic:
            self.lines.append(f"pieces = {self.formula(v, 0)}")
        for i, x in enumerate(v.inputs):
            if not isinstance(x, Value) or not x.active:
                continue
            if op is getitem and is_cut_up(x):
                self.space(x, "empty")
                self.lines.append(f"d{x.name}[{self.constant(v.static['index'])}] = {d}")
            elif op.accumulate is not None:
                self.space(x, "zeros")
                static = ", ".join(f"{name}={self.constant(value)}" for name, value in v.static.items())
                self.lines.append(f"{self.constant(op.accumulate)}(d{x.name}, {d}, {static})")
            elif self.after is not None and not x.varies and (total := self.at_once(v, i)):
                self.all_steps(v)
                self.after.append((x, total))
            else:
                formula, found = self.piece(v, i)
                self.add(x, fitted(formula, found, found.dtype, x, f"{v.shape}"))

    def piece(self, v: Value, i: int) -> tuple[str, Any]:
        """What formula number i gives: as it is written, and for the traced values."""
        ones, formula = np.ones(v.shape, v.dtype), self.formula(v, 0 if v.op.variadic else i)
        found = eval(formula, self.names, {**{u.name: u.array for u in (*self.arguments, *self.calls)}, self.d[v]: ones})
        if v.op.variadic:
            return f"pieces[{i}]", found[i]
        return self.d[v] if found is ones else formula, found

    def add(self, x: Value, piece: str) -> None:
        """One more contribution to the gradient of x. An array that is somebody else's is not written into."""
        d = f"d{x.name}"
        if self.after is not None and not x.varies and x not in self.d:  # the sum over time
            self.before.append(f"{d} = {self.new('zeros', x)}")
            self.owned.add(d)
            self.d[x] = d
        if x not in self.d and piece.isidentifier():
            self.d[x] = piece
            return
        if d in self.owned:
            self.lines.append(f"{d} += {piece}")
        elif x in self.d:
            self.lines.append(f"{d} = np.asarray({self.d[x]} + {piece})" if not x.shape else f"{d} = {self.d[x]} + {piece}")
            self.owned.add(d)
        else:
            self.lines.append(f"{d} = {piece}")
        self.d[x] = d

    def space(self, x: Value, kind: str) -> None:
        """An array for the gradient of x, which may be written into."""
        d = f"d{x.name}"
        if d not in self.owned:
            if x not in self.d and kind == "empty":
                self.made_in[d] = len(self.lines)
            self.lines.append(f"{d} = {f'np.array({self.d[x]})' if x in self.d else self.new(kind, x)}")
            self.owned.add(d)
            self.d[x] = d

    def all_steps(self, v: Value) -> str:
        """An array with the gradients of v at all time steps."""
        d = self.d.get(v) or self.new("zeros", v)
        D = f"D{self.d.get(v, v.name)}"
        if D not in self.owned:
            self.owned.add(D)
            self.before.append(f"{D} = np.empty((T, *{v.shape}), {self.constant(v.dtype)})")
            if d in self.made_in:  # it is filled there at once
                self.lines[self.made_in[d]] = f"{d} = {D}[t]"
            else:
                self.lines.append(f"{D}[t] = {d}")
        return D

    def formula(self, v: Value, i: int, all_steps: bool = False) -> str:
        """The call of formula number i, for one time step or for all at once."""
        op = v.op

        def value(x: Any) -> str:
            return f"S{x.name}" if all_steps and isinstance(x, Value) and x.varies else self.text(x)

        def shape(x: Any) -> str:
            one = str(np.shape(x.array if isinstance(x, Value) else x))
            return f"(T, *{one})" if all_steps and isinstance(x, Value) and x.varies else one

        def asked(name: str) -> str:
            argument = name.removesuffix("_shape")
            if name == "y":
                return value(v)
            if name not in op.inputs and argument not in op.inputs:
                return self.constant(v.static[name])
            kind = value if name == argument else shape
            return f"[{', '.join(map(kind, v.inputs))}]" if op.variadic else kind(v.inputs[op.inputs.index(argument)])

        function = self.constant(op.formulas[i], f"{op.__name__}_{op.inputs[i]}")
        d = f"D{self.d[v]}" if all_steps else self.d[v]
        return f"{function}({', '.join([d, *map(asked, op.needs[i])])})"

    def at_once(self, v: Value, i: int) -> str | None:
        """The formula for all time steps at once, if it gives the sum over time. That is tried, with three time steps."""
        if v.op.variadic:
            return None
        x, d, used = v.inputs[i], self.d[v], {u for u in (v, *v.inputs) if isinstance(u, Value)}
        rng = np.random.default_rng(0)
        random = {u: rng.uniform(0.5, 1.5, (*[3] * u.varies, *u.shape)) for u in used}
        g = rng.uniform(0.5, 1.5, (3, *v.shape))
        steps = [{d: g[t], **{u.name: a[t] if u.varies else a for u, a in random.items()}} for t in range(3)]
        together = {"T": 3, f"D{d}": g, **{f"S{u.name}" if u.varies else u.name: a for u, a in random.items()}}
        one, every = (self.formula(v, i, all_steps) for all_steps in (False, True))
        try:
            one = fitted(one, eval(one, self.names, steps[0]), x.dtype, x, f"{v.shape}")
            every = fitted(every, eval(every, self.names, together), self.piece(v, i)[1].dtype, x, f"(T, *{v.shape})")
            total = eval(every, self.names, together)
            right = total.shape == x.shape and np.allclose(total, sum(eval(one, self.names, step) for step in steps))
        except (TypeError, ValueError, IndexError, AttributeError):
            return None
        return every if right else None

    def new(self, kind: str, x: Value) -> str:
        return f"np.{kind}({x.shape}, {self.constant(x.dtype)})"

    def text(self, x: Any) -> str:
        return x.name if isinstance(x, Value) else self.constant(x)

    def constant(self, value: Any, name: str = "k") -> str:
        """A name for it in what is written."""
        name = f"{name}_{len(self.names)}"
        self.names[name] = value
        return name


def fitted(piece: str, found: Any, dtype: Any, x: Value, shape: str) -> str:
    """What a formula gave, found, with broadcasting undone and in the dtype of x."""
    if found.shape != x.shape:
        piece = f"unbroadcast({piece}, {x.shape}, {shape})"
    if dtype != x.dtype:
        piece = f"{piece}.astype({x.dtype.char!r})"
    return piece if x.shape else f"np.asarray({piece})"


def is_cut_up(x: Value) -> bool:
    """Is each element of x in one slice, and x used for nothing else? Then the gradients of the slices stand side by side."""
    if any(v is None or v.op is not getitem for v in x.uses):
        return False
    count = np.zeros(x.shape)
    for v in x.uses:
        np.add.at(count, v.static["index"], 1)
    return bool((count == 1).all())


def comma(names: Iterable[str]) -> str:
    """The inside of a tuple: "a, b, "."""
    return "".join(f"{name}, " for name in names)


def stacked(arrays: list[np.ndarray]) -> np.ndarray:
    """np.stack, but faster."""
    return np.concatenate(arrays).reshape(len(arrays), *arrays[0].shape) if arrays[0].ndim else np.array(arrays)
