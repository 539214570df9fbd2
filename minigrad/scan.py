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
from .op import Op, op
from .ops import getitem, reshape, stack, where
from .record import state as switches
from .record import switched
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
    """A number in the step: an argument, or the result of a call of an operation."""

    def __init__(self, name: str, array: np.ndarray, varies: bool, active: bool, op: Any = None, inputs: Sequence[Any] = (),
                 static: Any = None) -> None:
        self.name, self.array, self.shape, self.dtype = name, array, array.shape, array.dtype
        self.ones = np.ones(array.shape, array.dtype)
        self.varies, self.active = varies, active  # from step to step; needs a gradient
        self.op, self.inputs, self.static = op, inputs, static  # inputs: Values and constants
        self.uses: list[tuple[Value | None, int]] = []  # by which call, as which argument; None: as a result

    @property
    def values(self) -> list[Value]:
        return [x for x in self.inputs if isinstance(x, Value)]


def trace(step: Callable, states: int, inputs: list[Tensor], needed: list[bool]) -> tuple[list[Value], list[Value], list[Value]]:
    """The arguments, calls and results of one step."""
    leaves = [Tensor(t.data[0] if i == states else t.data, requires_grad=True) for i, t in enumerate(inputs)]
    with switched("recording", True), switched("trace", []), np.errstate(all="ignore"):
        results = step(*leaves)
        record = switches.trace
    values = {leaf._node: Value(f"{'s' if i < states else 'x' if i == states else 'w'}{i}", leaf.data, i <= states, needed[i])
              for i, leaf in enumerate(leaves)}
    arguments = list(values.values())

    def value(node: Any) -> Value:
        if node not in values:
            raise ValueError(f"scan: the step uses a Tensor of shape {node.shape} that needs a gradient and is not among its "
                             "arguments: pass it as a weight")
        return values[node]

    for node, arrays, y in record:
        own = [array if parent is None else value(parent) for parent, array in zip(node.parents, arrays)]
        of = [x for x in own if isinstance(x, Value)]
        values[node] = Value(f"v{len(values)}", y, any(x.varies for x in of), False, node.op, own, node.static)
    if not all(isinstance(r, Tensor) and r.requires_grad for r in results):
        return arguments, [], []
    ends = [value(r._node) for r in results]
    useful = set(ends)
    for v in reversed(list(values.values())):
        if v in useful:
            useful.update(v.values)
    calls = [v for v in values.values() if v.op is not None and v in useful]
    for _ in range(states + 1):  # a state needs a gradient if its new value does
        for v in calls:
            v.active = any(x.active for x in v.values)
        for s, end in zip(arguments, ends):
            s.active |= end.active
    for v in calls:
        for i, x in enumerate(v.inputs):
            if isinstance(x, Value):
                x.uses.append((v, i))
    for end in ends:
        end.uses.append((None, 0))
    return arguments, calls, ends



class Plan:
    """Two functions, forward(*inputs) and backward(g, *tape), written for one step and inputs of certain shapes and dtypes.

    In them, v5 is a value, dv5 its gradient, and Dv5 and Sv5 are the gradients and the values of all time steps.
    """

    def __init__(self, step: Callable, states: int, inputs: list[Tensor], needed: list[bool]) -> None:
        self.step, self.states = step, states
        arguments, calls, ends = trace(step, states, inputs, needed)
        self.operations = [(v.op, v.op.function, v.op.formulas) for v in calls]
        self.fits = len(ends) == states and all((s.shape, s.dtype) == (end.shape, end.dtype) for s, end in zip(arguments, ends))
        if not self.fits:
            return
        self.names: dict[str, Any] = {"np": np, "unbroadcast": unbroadcast, "stacked": stacked}
        self.traced = {v.name: v.array for v in (*arguments, *calls)}
        self.gradient: set[Value] = set()  # the values that have got one
        self.owned: set[Value] = set()  # in an array that may be added into
        self.before: list[str] = []  # the lines before the loop
        self.lines: list[str] = []
        self.looping = True
        with np.errstate(all="ignore"):
            backward, row, kept = self.write_backward(arguments, calls, ends, needed)
        self.source = f"{self.write_forward(arguments, calls, ends, row, kept)}\n\n{backward}\n"
        exec(self.source, self.names)
        self.forward, self.backward = self.names["forward"], self.names["backward"]

    def write_forward(self, arguments: list[Value], calls: list[Value], ends: list[Value], row: list[str], kept: list[str]) -> str:
        def call(v: Value) -> str:
            given = [self.text(x) for x in v.inputs] + [f"{k}={self.constant(s)}" for k, s in v.static.items()]
            y = f"{self.constant(v.op.function, v.op.__name__)}({', '.join(given)})"
            return f"{v.name} = {y if v.shape else f'np.asarray({y})'}"

        n, names, h = self.states, [v.name for v in arguments], ends[0]
        return "\n    ".join([
            f"def forward({', '.join([*names[:n], 'X', *names[n + 1:]])}):", *(call(v) for v in calls if not v.varies),
            f"T, rows = len(X), []", f"y = np.empty((T + {n - 1}, *{h.shape}), {self.constant(h.dtype)})",
            f"for t, {names[n]} in enumerate(X):", *(f"    {call(v)}" for v in calls if v.varies),
            *([f"    rows.append(({comma(row)}))"] if row else []),
            f"    {comma(names[:n])} = {comma(v.name for v in ends)}", f"    y[t] = {names[0]}",
            *(f"y[T + {k - 1}] = {names[k]}" for k in range(1, n)), f"return y, (T, rows, ({comma(kept)}))"])

    def write_backward(self, arguments: list[Value], calls: list[Value], ends: list[Value],
                       needed: list[bool]) -> tuple[str, list[str], list[str]]:
        """The source, and the names of what it needs from forward: for each time step, and once."""
        n, x = self.states, arguments[self.states]
        self.covered = {v for v in (x, *calls) if is_covered(v)}
        self.later = {(v, i): text for v in calls for i in range(len(v.inputs)) if (text := self.at_once(v, i))}
        homes = {self.same_gradient(v): None for v, _ in self.later} | ({self.same_gradient(x): None} if needed[n] else {})
        self.homes = homes
        self.before += [f"D{v.name} = np.empty((T, *{v.shape}), {self.constant(v.dtype)})" for v in homes]
        for k, end in enumerate(ends):
            if end.active:
                self.before.append(f"g{k} = g[T + {k - 1}]" if k else f"g0 = {self.constant(np.zeros(end.shape, end.dtype))}")
                self.add(end, f"g{k}")
        if ends[0].active:
            self.add(ends[0], "g[t]")
        for v in reversed([v for v in calls if v.varies and v.active]):
            if v in homes and v not in self.covered:
                self.lines.append(f"D{v.name}[t] = d{v.name}")
            self.write_formulas(v)
        if x in homes and x not in self.covered:
            self.lines.append(f"D{x.name}[t] = {f'd{x.name}' if x in self.gradient else 0}")
        for k, s in enumerate(arguments[:n]):
            if s.active:
                self.lines.append(f"g{k} = d{s.name}" if s in self.gradient else f"g{k} = {self.constant(np.zeros(s.shape, s.dtype))}")
        loop, self.lines, self.looping = self.lines, [], False
        for (v, i), formula in self.later.items():
            self.add(v.inputs[i], formula)
        for v in reversed([v for v in calls if not v.varies and v.active]):
            self.write_formulas(v)
        returned = [*(f"g{k}" for k in range(n)), f"D{self.same_gradient(x).name}",
                    *(f"d{w.name}" if w in self.gradient else f"np.zeros({w.shape}, {self.constant(w.dtype)})" for w in arguments[n + 1:])]
        found = set(re.findall(r"\w+", "\n".join([*loop, *self.lines])))
        row = [v.name for v in (*arguments, *calls) if v.varies and (v.name in found or f"S{v.name}" in found and v is not x)]
        kept = [v.name for v in (*arguments, *calls) if not v.varies and v.name in found] + ["X"] * (f"S{x.name}" in found)
        stacks = [f"S{name} = stacked([row[{j}] for row in rows])" for j, name in enumerate(row) if f"S{name}" in found]
        stacks += [f"S{x.name} = X"] * (f"S{x.name}" in found)
        return "\n    ".join([
            "def backward(g, T, rows, kept):", *([f"{comma(kept)} = kept"] if kept else []), *self.before,
            "for t in range(T - 1, -1, -1):", *([f"    {comma(row)} = rows[t]"] if row else []), *(f"    {line}" for line in loop or ["pass"]),
            *stacks, *self.lines, f"return [{', '.join(r if need else 'None' for r, need in zip(returned, needed))}]"]), row, kept

    def write_formulas(self, v: Value) -> None:
        """The chain rule at one call: d of v is complete; add what its formulas give to d of its inputs."""
        if v.op.variadic:
            self.lines.append(f"pieces = {self.formula(v, 0)}")
        for i, x in enumerate(v.inputs):
            if not isinstance(x, Value) or not x.active or (v, i) in self.later:
                continue
            if x in self.covered:
                if x not in self.gradient:
                    space = f"D{x.name}[t]" if x in self.homes else f"np.empty({x.shape}, {self.constant(x.dtype)})"
                    self.lines.append(f"d{x.name} = {space}")
                    self.gradient.add(x)
                self.lines.append(f"d{x.name}[{self.constant(v.static['index'])}] = d{v.name}")
            elif v.op.accumulate is not None:
                if x not in self.owned:
                    self.lines.append(f"d{x.name} = np.array(d{x.name})" if x in self.gradient else
                                      f"d{x.name} = np.zeros({x.shape}, {self.constant(x.dtype)})")
                    self.gradient.add(x)
                    self.owned.add(x)
                static = ", ".join(f"{k}={self.constant(s)}" for k, s in v.static.items())
                self.lines.append(f"{self.constant(v.op.accumulate)}(d{x.name}, d{v.name}, {static})")
            else:
                piece = self.piece(v, i)
                formula = f"pieces[{i}]" if v.op.variadic else f"d{v.name}" if piece is v.ones else self.formula(v, i)
                self.add(x, fitted(formula, piece, x, f"{v.shape}"))

    def add(self, x: Value, piece: str) -> None:
        """One more contribution to the gradient of x. Never written into an array that may be somebody else's."""
        d = f"d{x.name}"
        if x not in self.gradient and not x.varies and self.looping:
            self.before.append(f"{d} = np.zeros({x.shape}, {self.constant(x.dtype)})")
            self.owned.add(x)
        if x in self.owned:
            self.lines.append(f"{d} += {piece}")
        elif x in self.gradient:
            self.lines.append(f"{d} = {d} + {piece}" if x.shape else f"{d} = np.asarray({d} + {piece})")
            self.owned.add(x)
        else:
            self.lines.append(f"{d} = {piece}")
        self.gradient.add(x)

    def formula(self, v: Value, i: int, all_steps: bool = False) -> str:
        """The call of formula number i, for one time step or for all at once."""
        op, own = v.op, all_steps and v.varies

        def value(x: Any) -> str:
            return f"S{x.name}" if all_steps and isinstance(x, Value) and x.varies else self.text(x)

        def shape(x: Any) -> str:
            of_one = str(np.shape(x.array if isinstance(x, Value) else x))
            return f"(T, *{of_one})" if all_steps and isinstance(x, Value) and x.varies else of_one

        def asked(need: str) -> str:
            argument = need.removesuffix("_shape")
            if need == "y":
                return value(v)
            if need not in op.inputs and argument not in op.inputs:
                return self.constant(v.static[need])
            what = value if need == argument else shape
            return f"[{', '.join(map(what, v.inputs))}]" if op.variadic else what(v.inputs[op.inputs.index(argument)])

        d = f"D{self.same_gradient(v).name}" if own else f"d{v.name}"
        function = self.constant(op.formulas[i], f"{op.__name__}_d{op.inputs[i]}")
        return f"{function}({', '.join([d, *map(asked, op.needs[i])])})"

    def piece(self, v: Value, i: int) -> Any:
        """What formula number i returns for the traced values."""
        values = {**self.traced, f"d{v.name}": v.ones}
        return eval(self.formula(v, 0), self.names, values)[i] if v.op.variadic else eval(self.formula(v, i), self.names, values)

    def same_gradient(self, v: Value) -> Value:
        """The last value whose gradient is v's as it stands: sums hand on what arrives at them."""
        while len(v.uses) == 1 and v.uses[0][0] is not None and not v.uses[0][0].op.variadic and not v.uses[0][0].op.accumulate \
                and self.piece(*v.uses[0]) is v.uses[0][0].ones and v.shape == v.uses[0][0].shape and v.dtype == v.uses[0][0].dtype:
            v = v.uses[0][0]
        return v

    def at_once(self, v: Value, i: int) -> str | None:
        """The formula for all time steps at once, if that gives the sum over them: this is tried with three time steps."""
        x, rng = v.inputs[i], np.random.default_rng(0)
        if not v.varies or not isinstance(x, Value) or x.varies or not x.active or v.op.variadic or v.op.accumulate:
            return None
        def random(*shape: int) -> np.ndarray:
            return rng.uniform(0.5, 1.5, shape)

        same, changing = ({u.name: random(*([3] * u.varies), *u.shape) for u in (v, *v.values) if u.varies == varies}
                          for varies in (False, True))
        changing[f"d{v.name}"] = random(3, *v.shape)
        stacks = {**same, **{f"S{name}": a for name, a in changing.items()}, "T": 3,
                  f"D{self.same_gradient(v).name}": changing[f"d{v.name}"]}
        steps = [{**same, **{name: a[t] for name, a in changing.items()}} for t in range(3)]
        piece = self.piece(v, i)
        one = fitted(self.formula(v, i), piece, x, f"{v.shape}")
        every = self.formula(v, i, True)
        try:
            every = fitted(every, eval(every, self.names, stacks).astype(piece.dtype), x, f"(T, *{v.shape})")
            total = eval(every, self.names, stacks)
            right = total.shape == x.shape and np.allclose(total, sum(eval(one, self.names, step) for step in steps))
        except (TypeError, ValueError, IndexError, AttributeError):
            return None
        return every if right else None

    def text(self, x: Any) -> str:
        return x.name if isinstance(x, Value) else self.constant(x)

    def constant(self, value: Any, name: str = "k") -> str:
        """A name for it in the source."""
        name = f"{name}_{len(self.names)}"
        self.names[name] = value
        return name


def fitted(piece: str, found: Any, x: Value, shape: str) -> str:
    """What a formula gave, with broadcasting undone and in the dtype of x."""
    if found.shape != x.shape:
        piece = f"unbroadcast({piece}, {x.shape}, {shape})"
    if found.dtype != x.dtype:
        piece = f"{piece}.astype(np.{x.dtype})"
    return piece if x.shape else f"np.asarray({piece})"


def is_covered(v: Value) -> bool:
    """Is v only cut into slices, in which each of its elements is once? Then their gradients are written side by side."""
    if not v.uses or any(call is None or call.op is not getitem for call, _ in v.uses):
        return False
    count = np.zeros(v.shape)
    for call, _ in v.uses:
        assert call is not None
        np.add.at(count, call.static["index"], 1)
    return bool((count == 1).all())


def comma(names: Iterable[str]) -> str:
    """"a, b, ": what a tuple has in its brackets."""
    return "".join(f"{name}, " for name in names)


def stacked(arrays: list[np.ndarray]) -> np.ndarray:
    """np.stack, but faster."""
    return np.concatenate(arrays).reshape(len(arrays), *arrays[0].shape) if arrays[0].ndim else np.array(arrays)
