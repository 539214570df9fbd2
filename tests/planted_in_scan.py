"""Plants errors in scan itself: the test with random steps must notice each.

    python tests/planted_in_scan.py

A copy of the project gets one wrong line at a time; then the first test of tests/test_scan.py must fail. Exit code 0 if it
always does.
"""

import sys

from planting import count

SCAN, SOURCE, TRACE = "minigrad/scan.py", "minigrad/scan_source.py", "minigrad/scan_trace.py"
TEST = "tests/test_scan.py::test_a_random_step_gives_what_the_ordinary_loop_gives"
ERRORS = {  # file, what stands there, what is planted
    "one time step too few backwards": (SOURCE, "for t in range(T - 1, -1, -1):", "for t in range(T - 1, 0, -1):"),
    "backwards in the order of time": (SOURCE, "for t in range(T - 1, -1, -1):", "for t in range(T):"),
    "the last state is the first output": (SCAN, "tuple(y[T - 1 + k] for k in range(n))", "tuple(y[k] for k in range(n))"),
    "the state is not handed on": (SOURCE, 'f"    {comma(names[:n])} = {comma(v.name for v in self.ends)}",\n', "\n"),
    "the output is the old state": (SOURCE, 'f"    y[t] = {h.name}",', 'f"    y[t] = {names[0]}",'),
    "the state changes one part after another": (SOURCE, 'f"    {comma(names[:n])} = {comma(v.name for v in self.ends)}",',
                                                 '*(f"    {a} = {v.name}" for a, v in zip(names, self.ends)),'),
    "the gradients of the state change one after another": (
        SOURCE, 'loop = [*self.lines, f"{comma(g)} = {comma(g.values())}" if g else "pass"]',
        'loop = [*self.lines, *(f"{a} = {b}" for a, b in g.items())] or ["pass"]'),
    "the gradient of an output is left out": (SOURCE, 'self.add(self.ends[0], "g[t]")', "pass"),
    "the gradient of the last state is left out": (
        SOURCE, 'f"g{k} = g[T + {k - 1}]"', 'f"g{k} = {self.new(\'zeros\', end)}"'),
    "the second state takes the third's gradient": (SOURCE, 'f"g{k} = g[T + {k - 1}]"', 'f"g{k} = g[-1]"'),
    "an unused state keeps its gradient": (SOURCE, 'g = {f"g{k}": self.d.get(s) or self.new("zeros", s) for',
                                           'g = {f"g{k}": self.d.get(s) or f"g{k}" for'),
    "a state without gradient stays without": (TRACE, "s.active |= end.active", "pass"),
    "a state needs a gradient only one step later": (TRACE, "for _ in range(states + 1):", "for _ in range(1):"),
    "broadcasting is not undone": (SOURCE, "if found.shape != x.shape:", "if False:"),
    "a second contribution replaces the first": (SOURCE, '= {self.d[x]} + {piece}" if x.shape', '= {piece}" if x.shape'),
    "a third contribution replaces the others": (SOURCE, 'f"{d} += {piece}"', 'f"{d} = {piece}"'),
    "adds into an array of somebody else's": (
        SOURCE, 'self.lines.append(f"{d} = {self.d[x]} + {piece}" if x.shape else f"{d} = np.asarray({self.d[x]} + {piece})")',
        'self.lines += [f"{self.d[x]} += {piece}", f"{d} = {self.d[x]}"]'),
    "slices always cover": (SOURCE, "return bool((count == 1).all())", "return True"),
    "slices may overlap": (SOURCE, "(count == 1).all()", "(count >= 1).all()"),
    "slices may leave holes": (SOURCE, "(count == 1).all()", "(count <= 1).all()"),
    "slices beside another use": (SOURCE, "            return False\n        np.add", "            continue\n        np.add"),
    "slices do not start from zeros": (SOURCE, "self.space(x, 'zeros')", "self.space(x, 'ones')"),
    "slices forget what was there": (SOURCE, "f'np.array({self.d[x]})' if x in self.d else self.new(kind, x)",
                                     "self.new(kind, x)"),
    "an array that is filled is used for all steps": (SOURCE, 'self.lines[self.made_in[d]] = f"{d} = {D}[t]"',
                                                      'self.lines[self.made_in[d]] = f"{d} = {D}[0]"'),
    "any formula takes all time steps at once": (SOURCE, "return every if right else None", "return every"),
    "all time steps at once, if the shape is right": (SOURCE, "total.shape == x.shape and np.allclose(",
                                                      "total.shape == x.shape or np.allclose("),
    "values of another time step": (SOURCE, "row[{j}] for row in rows]", "row[{j}] for row in rows[::-1]]"),
    "values of another name": (SOURCE, 'stacked([row[{j}] for', 'stacked([row[{max(j - 1, 0)}] for'),
    "the sum over time is its last term": (SOURCE, """f"{d} = {self.new('zeros', x)}")
            self.owned.add(d)""", """f"{d} = {self.new('zeros', x)}")"""),
    "what is computed once gets no gradient": (SOURCE, "self.chain_rule([v for v in self.calls if not v.varies])", "pass"),
    "x does not vary": (TRACE, 'kind in "sx")', 'kind == "s")'),
    "constants become zero": (SOURCE, "return x.name if isinstance(x, Value) else self.constant(x)",
                              "return x.name if isinstance(x, Value) else self.constant(0 * x)"),
    "numbers of the trace become constants": (SOURCE, "return x.name if isinstance(x, Value) else self.constant(x)",
                                              "return x.name if isinstance(x, Value) and x.varies else "
                                              "self.constant(x.array if isinstance(x, Value) else x)"),
    "static arguments are left out": (SOURCE, "for name, x in v.static.items()]",
                                      "for name, x in v.static.items() if name != 'keepdims']"),
    "the output instead of the input": (SOURCE, 'if name == "y":', 'if name in ("y", "x"):'),
    "the first argument instead of the second": (SOURCE, "kind(v.inputs[op.inputs.index(argument)])", "kind(v.inputs[0])"),
    "the first formula for all arguments": (SOURCE, "self.constant(op.formulas[i], ", "self.constant(op.formulas[0], "),
    "the first piece for all arguments": (SOURCE, 'return f"pieces[{i}]", found[i]', 'return "pieces[0]", found[i]'),
    "every formula hands its gradient on": (SOURCE, "if found is g else formula, found",
                                            "if found.shape == g.shape else formula, found"),
    "a reshaped gradient, and no other": (SOURCE, "len(v.users) == 1 and v.users[0] and", "v.users[0] and"),
    "an unused x has the gradient of nobody": (SOURCE, 'f"{D}[t] = {d or 0}"', 'f"{D}[t] = {d or 1}"'),
    "a plan for other shapes": (SCAN, "t.shape[1:] if i == states else t.shape, t.dtype,", "t.ndim, t.dtype,"),
    "gradients for frozen inputs only": (SCAN, "[needed for *_, needed in of_inputs]",
                                         "[not needed for *_, needed in of_inputs]"),
}


if __name__ == "__main__":
    sys.exit(count(ERRORS, [TEST], "scan"))
