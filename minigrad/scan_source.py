"""Writes the two functions of scan: from the record of one step, Python source that repeats it forwards and backwards.

In the source, s0, x1, w2 are the step's arguments (state, x, weights), v3 is an operation's result, and k_4 a constant.
dv3 is the gradient of v3; Sv3 and Ddv3 hold the values and the gradients of all time steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from .core import Op, unbroadcast
from .numpy_protocol import TABLE
from .ops import getitem, reshape, sigmoid, swapaxes
from .scan_formula import expression
from .scan_trace import Value

# Some functions are written as what they call, which is faster, unless somebody has replaced them. What sigmoid's
# decorator switches, the overflow of exp, is switched once for all time steps.
VIEWS = {getitem.function: "{}[{}]", reshape.function: "{}.reshape({})", swapaxes.function: "{}.swapaxes({}, {})"}
GATE: Any = sigmoid.function
DIRECT = {GATE: GATE.__wrapped__, **{op.function: ufunc for ufunc, op in TABLE.items() if isinstance(op, Op)
                                     and isinstance(ufunc, np.ufunc) and ufunc.signature is None}}


class Writer:
    """Writes line after line. It finds the shape of a formula's result by computing it for the trace's numbers."""

    def __init__(self, arguments: list[Value], calls: list[Value], ends: list[Value], needed: list[bool]) -> None:
        self.arguments, self.calls, self.ends, self.needed = arguments, calls, ends, needed
        self.names: dict[str, Any] = {"np": np, "unbroadcast": unbroadcast, "stacked": stacked}
        self.d: dict[Value, str] = {}  # names of gradients; an unchanged gradient keeps its name
        self.owned: set[str] = set()  # arrays that may be written into
        self.made_in: dict[str, int] = {}  # arrays to fill later, and the number of the line that makes each
        self.before: list[str] = []  # the lines before the loop over time
        self.lines: list[str] = []  # the lines in the loop, later those after it
        self.after: list[str] = []  # the first lines after the loop
        self.sums: list[tuple[Value, str]] = []  # after the loop: which gradient gets which sum
        self.looping = True

    def source(self) -> str:
        """The source of forward and backward, which may use `names`."""
        with np.errstate(all="ignore"):  # formulas are tried with arbitrary numbers
            backward, row, kept = self.backward()
        return f"{self.forward(row, kept)}\n\n{backward}\n"

    def forward(self, row: list[str], kept: list[str]) -> str:
        """row: what is saved at each time step; kept: what is saved once."""
        def call(v: Value) -> str:
            if v.op.function in VIEWS and v.shape:
                static = map(self.constant, v.static.values())
                return f"{v.name} = {VIEWS[v.op.function].format(self.text(v.inputs[0]), *static)}"
            given = [self.text(x) for x in v.inputs] + [f"{name}={self.constant(x)}" for name, x in v.static.items()]
            y = f"{self.constant(DIRECT.get(v.op.function, v.op.function), v.op.__name__)}({', '.join(given)})"
            return f"{v.name} = {y if v.shape else f'np.asarray({y})'}"

        n, names, h = len(self.ends), [v.name for v in self.arguments], self.ends[0]
        return "\n    ".join([
            f"def forward({', '.join([*names[:n], 'X', *names[n + 1:]])}):",
            *(call(v) for v in self.calls if not v.varies),
            "T, rows = len(X), []",
            f"H = np.empty((T + {n}, *{h.shape}), {self.constant(h.dtype)})",
            f"H[0], y = {names[0]}, H[1:]",
            f"for t, {names[n]} in enumerate(X):",
            *(f"    {call(v)}" for v in self.calls if v.varies),
            f"    y[t] = {h.name}",
            f"    {h.name} = y[t]",  # saves the row of y, not a second copy
            *([f"    rows.append(({comma(row)}))"] if row else []),
            f"    {comma(names[:n])} = {comma(v.name for v in self.ends)}",
            *(f"y[T + {k - 1}] = {names[k]}" for k in range(1, n)),
            f"return y, (T, rows, ({comma(kept)}))"])

    def backward(self) -> tuple[str, list[str], list[str]]:
        """The source, and the names of values that it needs from forward: for each time step, and once."""
        n, values = len(self.ends), [*self.arguments, *self.calls]
        x, whole = self.arguments[n], {f"S{self.arguments[n].name}": "X", f"S{self.arguments[0].name}": "H"}  # these exist
        for k, end in enumerate(self.ends):  # g0, g1: the gradients of the state, as they arrive from the next time step
            if end.active:
                self.before.append(f"g{k} = g[T + {k - 1}]" if k else f"g0 = {self.new('zeros', end)}")
                self.add(end, f"g{k}")
        if self.ends[0].active:
            self.add(self.ends[0], "g[t]")
        self.chain_rule([v for v in self.calls if v.varies])
        dx = self.all_steps(x) if self.needed[n] else "None"
        g = {f"g{k}": self.d.get(s) or self.new("zeros", s) for k, s in enumerate(self.arguments[:n]) if s.active}
        loop = [*self.lines, f"{comma(g)} = {comma(g.values())}" if g else "pass"]
        self.lines, self.looping = self.after, False
        for w, piece in self.sums:
            self.add(w, piece)
        self.chain_rule([v for v in self.calls if not v.varies])
        gradients = [*(f"g{k}" for k in range(n)), dx, *(self.d.get(w) or self.new("zeros", w) for w in self.arguments[n + 1:])]
        found = set(re.findall(r"\w+", "\n".join([*loop, *self.lines])))
        row = [v.name for v in values if v.varies and not found.isdisjoint({v.name, f"S{v.name}"} - whole.keys())]
        kept = [v.name for v in values if not v.varies and v.name in found] + [a for S, a in whole.items() if S in found]
        return "\n    ".join([
            "def backward(g, T, rows, kept):",
            *([f"{comma(kept)} = kept"] if kept else []),
            *self.before,
            "for t in range(T - 1, -1, -1):",
            *([f"    {comma(row)} = rows[t]"] if row else []),
            *(f"    {line}" for line in loop),
            *(f"{S} = {a}[:T]" for S, a in whole.items() if S in found),
            *(f"S{v} = stacked([row[{j}] for row in rows])" for j, v in enumerate(row) if f"S{v}" in found - whole.keys()),
            *self.lines,
            f"return [{', '.join(d if needed else 'None' for d, needed in zip(gradients, self.needed))}]"]), row, kept

    def chain_rule(self, calls: list[Value]) -> None:
        """Newest first: in its turn the gradient of v is complete, and the formulas pass it on to v's inputs."""
        for v in reversed([v for v in calls if v.active]):
            if v.op.variadic:
                self.lines.append(f"pieces = {self.formula(v, 0)}")
            for i, x in enumerate(v.inputs):
                if isinstance(x, Value) and x.active:
                    self.one_formula(v, i, x)

    def one_formula(self, v: Value, i: int, x: Value) -> None:
        static = ", ".join(f"{name}={self.constant(value)}" for name, value in v.static.items())
        if v.op is getitem and is_cut_up(x):
            self.lines.append(f"{self.space(x, 'empty')}[{self.constant(v.static['index'])}] = {self.d[v]}")
        elif v.op.accumulate is not None:
            self.lines.append(f"{self.constant(v.op.accumulate)}({self.space(x, 'zeros')}, {self.d[v]}, {static})")
        elif self.looping and not x.varies and not v.op.variadic and (total := self.at_once(v, i, x)):
            self.all_steps(v)
            self.sums.append((x, total))
        else:
            piece, found = self.piece(v, i)
            self.add(x, fitted(piece, found, found.dtype, x))

    def piece(self, v: Value, i: int) -> tuple[str, Any]:
        """The result of formula number i for one time step: its source, and its value for the trace's numbers."""
        formula, g = self.formula(v, 0 if v.op.variadic else i), np.ones(v.shape, v.dtype)
        found = eval(formula, self.names, {self.d[v]: g, **{u.name: u.array for u in (*self.arguments, *self.calls)}})
        if v.op.variadic:
            return f"pieces[{i}]", found[i]
        return self.d[v] if found is g else formula, found

    def at_once(self, v: Value, i: int, x: Value) -> str | None:
        """The formula for all time steps at once, if that gives their sum; a trial with three time steps decides."""
        d, rng, used = self.d[v], np.random.default_rng(0), [u for u in (v, *v.inputs) if isinstance(u, Value)]
        random = {u: rng.uniform(0.5, 1.5, (3, *u.shape) if u.varies else u.shape) for u in used}
        g = rng.uniform(0.5, 1.5, (3, *v.shape))
        steps = [{d: g[t], **{u.name: a[t] if u.varies else a for u, a in random.items()}} for t in range(3)]
        together = {"T": 3, f"D{d}": g, **{f"S{u.name}" if u.varies else u.name: a for u, a in random.items()}}
        one, every = self.formula(v, i), self.formula(v, i, all_steps=True)
        try:
            one = fitted(one, eval(one, self.names, steps[0]), x.dtype, x)
            every = fitted(every, eval(every, self.names, together), self.piece(v, i)[1].dtype, x)
            total = eval(every, self.names, together)
            right = total.shape == x.shape and np.allclose(total, sum(eval(one, self.names, step) for step in steps))
        except (TypeError, ValueError, IndexError, AttributeError):
            return None
        return every if right else None

    def formula(self, v: Value, i: int, all_steps: bool = False) -> str:
        """Formula number i, for one time step or for all at once: as an expression if possible, otherwise a call."""
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

        given = ["D" * all_steps + self.d[v], *map(asked, op.needs[i])]
        if not all_steps and not op.variadic and {"y", *op.inputs}.issuperset(op.needs[i]):
            written = expression(op.formulas[i], given, lambda number: self.constant(np.array(number, v.dtype)))
            if written is not None:
                return written
        return f"{self.constant(op.formulas[i], f'{op.__name__}_{op.inputs[i]}')}({', '.join(given)})"

    def add(self, x: Value, piece: str) -> None:
        """Add a contribution to the gradient of x. Never writes into an array that may belong to somebody else."""
        d = f"d{x.name}"
        if self.looping and not x.varies and x not in self.d:  # a sum over time
            self.before.append(f"{d} = {self.new('zeros', x)}")
            self.owned.add(d)
        if d in self.owned:
            self.lines.append(f"{d} += {piece}")
        elif x in self.d:
            self.lines.append(f"{d} = {self.d[x]} + {piece}" if x.shape else f"{d} = np.asarray({self.d[x]} + {piece})")
            self.owned.add(d)
        elif piece.isidentifier():
            d = piece
        else:
            self.lines.append(f"{d} = {piece}")
        self.d[x] = d

    def space(self, x: Value, kind: str) -> str:
        """An empty array for the gradient of x."""
        d = f"d{x.name}"
        if d not in self.owned:
            if kind == "empty":
                self.made_in[d] = len(self.lines)
            self.lines.append(f"{d} = {f'np.array({self.d[x]})' if x in self.d else self.new(kind, x)}")
            self.owned.add(d)
            self.d[x] = d
        return d

    def all_steps(self, v: Value) -> str:
        """An array with the gradients of v at all time steps."""
        d = self.d.get(v)
        D = f"D{d or f'd{v.name}'}"
        if D not in self.owned and len(v.users) == 1 and v.users[0] and v.users[0].op is reshape:
            self.all_steps(v.users[0])
            self.after.append(f"{D} = {self.formula(v.users[0], 0, all_steps=True)}")  # needs no array of its own
            self.owned.add(D)
        elif D not in self.owned:
            self.owned.add(D)
            self.before.append(f"{D} = np.empty((T, *{v.shape}), {self.constant(v.dtype)})")
            if d in self.made_in:  # filled where it is made
                self.lines[self.made_in[d]] = f"{d} = {D}[t]"
            else:
                self.lines.append(f"{D}[t] = {d or 0}")
        return D

    def new(self, kind: str, x: Value) -> str:
        return f"np.{kind}({x.shape}, {self.constant(x.dtype)})"

    def text(self, x: Any) -> str:
        return x.name if isinstance(x, Value) else self.constant(x)

    def constant(self, value: Any, name: str = "k") -> str:
        """The constant's name in the source."""
        name = f"{re.sub(r'[^A-Za-z0-9]', '_', name)}_{len(self.names)}"  # a lambda's name is no identifier
        self.names[name] = value
        return name


def fitted(piece: str, found: Any, dtype: Any, x: Value) -> str:
    """A piece of x's gradient with broadcasting undone, and in x's dtype. found: its value in a trial."""
    if found.shape != x.shape:
        piece = f"unbroadcast({piece}, {x.shape})"
    return piece if dtype == x.dtype else f"{piece}.astype({x.dtype.char!r})"


def is_cut_up(x: Value) -> bool:
    """Is each element of x in one slice, and has x no other use? Then the slices' gradients are written side by side."""
    count = np.zeros(x.shape)
    for v in x.users:
        if v is None or v.op is not getitem:
            return False
        np.add.at(count, v.static["index"], 1)
    return bool((count == 1).all())


def comma(names: Iterable[str]) -> str:
    """The text between the brackets of a tuple."""
    return "".join(f"{name}, " for name in names).strip()


def stacked(arrays: list[np.ndarray]) -> np.ndarray:
    """np.stack, but faster."""
    return np.concatenate(arrays).reshape(len(arrays), *arrays[0].shape) if arrays[0].ndim else np.array(arrays)
