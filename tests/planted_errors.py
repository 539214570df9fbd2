"""Plants errors in every gradient formula in turn: does a property test notice, and does the report name the error?

    python tests/planted_errors.py

For each argument of each operation the formula is changed in the ways of FAMILIES. Then the property of test_ops.py
must fail, and the report on the wrong gradient must name the planted error. Prints a table of families and
operations; exit code 0 if every error is noticed and none is named wrongly.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from contextlib import contextmanager

import numpy as np
from hypothesis import Phase, find, settings
from hypothesis.errors import NoSuchExample
from tqdm import tqdm

from minigrad import Tensor, gradcheck, tanh
from minigrad import core as engine
from minigrad.cases import CASES
from minigrad.testing import calls

ANY_NAME = "it is |factor|term|sign|every entry|uses of an entry|is right|read column|only ind|left out|wrong entries"


def of_result(change):
    """A formula with a change in what it returns, which is an array or, with create_graph, a Tensor."""
    return lambda formula, needs: lambda g, *values: _each(formula(g, *values), change)


def _each(result, change):
    return [change(piece) for piece in result] if isinstance(result, list) else change(result)


def _swapped(a):
    return a.swapaxes(-1, -2) if a.ndim > 1 and a.shape[-1] == a.shape[-2] else a


def _without_first(a):
    return a * (np.arange(len(a)) > 0).reshape(-1, *[1] * (a.ndim - 1)).astype(a.dtype) if a.ndim else a


def _wrong_value(formula, needs):
    """The output instead of the input, or the first argument instead of the second, where the shapes are equal."""
    def planted(g, *values):
        arrays = [i for i in range(len(needs)) if getattr(getattr(values[i], "dtype", None), "kind", "") == "f"]
        changed = list(values)
        for i in arrays:
            others = [values[j] for j in arrays if j != i and values[j].shape == values[i].shape]
            changed[i] = others[0] if others else tanh(values[i])
        return formula(g, *changed)
    return planted


FAMILIES = {  # how the formula is changed, and what the report may call it: one of these, separated by |
    "times 1.01": (of_result(lambda a: 1.01 * a), "1.01 times what it should be"),
    "negated": (of_result(lambda a: -a), "the sign is flipped"),
    "zero": (of_result(lambda a: 0.0 * a), "zero everywhere|zero in|zero and should not|left out|is lost"),
    "halved": (of_result(lambda a: 0.5 * a), "0.5 times what it should be"),
    "transposed": (of_result(_swapped), "transposed|exchanged|wrong places|summed over the wrong axis|order"),
    "reversed": (of_result(lambda a: a[::-1] if a.ndim else a),
                 "reversed|exchanged|rolled|wrong places|only the first|derivative at -"),
    "first row lost": (of_result(_without_first), "left out|zero in|zero everywhere|zero and should not|wrong entries|count|"
                       "and wrong for step 0|and wrong for index 0 of axis 0"),
    "g ignored": (lambda formula, needs: lambda g, *values: formula(0.0 * g + 1.0, *values), "is ignored"),
    "another saved value": (_wrong_value, ANY_NAME),
}


def places(operation):
    """The formulas of an operation by name, and functions that plant an error there."""
    for i, argument in enumerate(operation.inputs):
        def plant(change, i=i):
            formulas = list(operation.formulas)
            formulas[i] = change(formulas[i], operation.needs[i])
            return {"formulas": tuple(formulas)}
        yield argument, plant
    if operation.accumulate is not None:
        def plant_accumulate(change):
            right = operation.accumulate
            return {"accumulate": lambda total, g, **static: right(total, change(lambda g: g, ())(g), **static)}
        yield "accumulate", plant_accumulate


@contextmanager
def planted(operation, attributes):
    before = {name: getattr(operation, name) for name in attributes}
    for name, value in attributes.items():
        setattr(operation, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(operation, name, value)


@contextmanager
def engine_without_sums(how):
    """Broadcasting undone wrongly: the first element instead of the sum, or the mean."""
    right = engine.unbroadcast

    def wrong(g, shape):
        total = right(g, shape)
        if not isinstance(g, np.ndarray) or g.size == 0:
            return total
        if how == "mean":
            return total * (max(1, total.size) / g.size)
        first = g[(0,) * (g.ndim - len(shape))] if g.ndim > len(shape) else g
        return first[tuple(slice(0, n) for n in shape)].reshape(shape)

    engine.unbroadcast = wrong
    try:
        yield
    finally:
        engine.unbroadcast = right


def noticed(operation, max_examples=10):
    """Does the property of test_ops.py, with as many examples, fail for the operation as it is now?"""
    def fails(call):
        try:
            return not gradcheck(call.f, *call.inputs, order=2)
        except (RuntimeError, TypeError):  # a formula that fails is noticed too
            return True

    try:
        find(calls(operation, CASES[operation]), fails,
             settings=settings(max_examples=max_examples, deadline=None, phases=[Phase.generate], database=None,
                               derandomize=True))
    except NoSuchExample:
        return False
    return True


def named(operation, expected, draws=60, enough=5):
    """"rightly", "nothing" or "wrongly": what most reports of the wrong gradient say of it. A report that gives the planted
    error among the explanations that fit is right; one with only other explanations is wrong."""
    said, choose = Counter(), random.Random(0).choice
    for _ in range(draws):
        arrays, static = CASES[operation].draw(choose)
        if sum(said.values()) >= enough:
            break
        try:
            report = gradcheck(lambda *xs, static=static: operation(*xs, **static), *arrays)
        except (RuntimeError, TypeError):
            continue
        for row in report.rows:
            if row.verdict == "WRONG" and row.entries > 3:  # in two or three numbers everything is a pattern
                said[_judged(row.notes, expected)] += 1
    return max(said, key=said.get) if said else "nothing"


def _judged(notes, expected):
    if any(part in note for note in notes for part in expected.split("|")):
        return "rightly"
    return "nothing" if all("no simple pattern" in note or "no diagnosis" in note for note in notes) else "wrongly"


def changes_something(operation, plant, change, draws=40):
    """False for an error that changes no gradient at all, such as a transposition of what is always symmetric."""
    choose = random.Random(1).choice
    for _ in range(draws):
        arrays, static = CASES[operation].draw(choose)
        right = _gradients(operation, arrays, static)
        with planted(operation, plant(change)):
            try:
                wrong = _gradients(operation, arrays, static)
            except (RuntimeError, TypeError):
                return True
        if any(not np.allclose(a, b, rtol=1e-9, atol=0) for a, b in zip(right, wrong)):
            return True
    return False


def _gradients(operation, arrays, static):
    leaves = [Tensor(array, requires_grad=True) for array in arrays]
    y = operation(*leaves, **static)
    return engine.grad(y, leaves, np.random.default_rng(0).normal(size=y.shape))


def errors(operations=CASES):
    """(operation, argument, family, what must be said, how to plant it) for every error that changes something."""
    for operation in operations:
        for argument, plant in places(operation):
            for family, (change, expected) in FAMILIES.items():
                if changes_something(operation, plant, change):
                    yield operation, argument, family, expected, lambda p=plant, c=change, o=operation: planted(o, p(c))
        if len(operation.inputs) == 2 and operation.__name__ != "matmul":
            for how, expected in (("first", "only ind|only the first|left out|zero|right for what arrives at index 0 of axis 0"),
                                  ("mean", "divided by a length|times what|averaged")):
                yield (operation, "broadcasting", f"{how} instead of sum", expected, lambda h=how: engine_without_sums(h))


def results(operations=CASES):
    """(table: (operation, argument, family) -> caught, how it was named)."""
    found = {}
    for operation, argument, family, expected, plant in tqdm(list(errors(operations)), unit="error", disable=None):
        with plant():
            found[operation.__name__, argument, family] = noticed(operation), named(operation, expected)
    return found


SIGNS = {"rightly": "r", "nothing": "n", "wrongly": "W"}


def table(found):
    """Families in rows, operations in columns: r, n, W for rightly, nothing, wrongly (of any argument); ! if not noticed."""
    operations = list(dict.fromkeys(operation for operation, _, _ in found))
    families = list(dict.fromkeys(family for _, _, family in found))
    yield " " * 42 + "  ".join(f"{i + 1:>2}" for i in range(len(operations)))
    yield f"{'family':<20} {'caught':>8} {'r':>4} {'n':>3} {'W':>2}"
    for family in families:
        of = {operation: [r for (o, _, f), r in found.items() if o == operation and f == family] for operation in operations}
        flat = [r for of_operation in of.values() for r in of_operation]
        counts = Counter(name for _, name in flat)
        cells = ["".join(SIGNS[name] if caught else "!" for caught, name in of[operation]) or "." for operation in operations]
        yield (f"{family:<20} {sum(caught for caught, _ in flat):>3}/{len(flat):<4} {counts['rightly']:>4} "
               f"{counts['nothing']:>3} {counts['wrongly']:>2}  " + "  ".join(f"{cell:>2}" for cell in cells))
    yield "operations: " + ", ".join(f"{i + 1} {operation}" for i, operation in enumerate(operations))


def main():
    false_alarms = [operation.__name__ for operation in CASES if noticed(operation)]
    found = results()
    missed = [key for key, (caught, _) in found.items() if not caught]
    names = Counter(name for _, name in found.values())
    print("\n".join(table(found)))
    print(f"\n{len(found)} planted errors, {len(found) - len(missed)} noticed; {names['rightly']} named rightly, "
          f"{names['nothing']} not named, {names['wrongly']} named wrongly; {len(false_alarms)} false alarms without an error")
    for what, keys in (("missed", missed), ("named wrongly", [key for key, (_, name) in found.items() if name == "wrongly"])):
        for key in keys:
            print(f"  {what}: {', '.join(key)}")
    for operation in false_alarms:
        print(f"  false alarm: {operation}")
    return 1 if missed or false_alarms or names["wrongly"] else 0


if __name__ == "__main__":
    sys.exit(main())
