"""Plants an error in every gradient formula in turn and counts how many the property tests notice.

    python tests/planted_errors.py

Each formula of each operation is scaled by 1.01, negated, and set to zero; then the same property that
test_operations.py checks must fail. Exit code 0 if every planted error is noticed.
"""

import sys
from contextlib import contextmanager

from hypothesis import Phase, find, settings
from hypothesis.errors import NoSuchExample
from tqdm import tqdm

from minigrad import gradcheck
from minigrad.cases import CASES
from minigrad.testing import calls

ERRORS = {"scaled by 1.01": lambda g: 1.01 * g, "negated": lambda g: -g, "set to zero": lambda g: 0.0 * g}

UNNOTICEABLE: dict[tuple[str, str, str], str] = {}
"""(operation, formula, error): why it changes nothing. Empty: there is no such formula."""


def _renamed(wrong, formula, variadic):
    """formula with an error in what it returns; it keeps its parameter names, which say what is saved for it."""
    def planted(*values):
        result = formula(*values)
        return [wrong(piece) for piece in result] if variadic else wrong(result)
    return planted


def places(operation):
    """The formulas of an operation by name, and functions that plant an error there."""
    for i, argument in enumerate(operation.inputs):
        def plant(wrong, i=i):
            formulas = list(operation.formulas)
            formulas[i] = _renamed(wrong, formulas[i], operation.variadic)
            return {"formulas": tuple(formulas)}
        yield argument, plant
    if operation.accumulate is not None:
        def plant_accumulate(wrong):
            right = operation.accumulate
            return {"accumulate": lambda total, g, **static: right(total, wrong(g), **static)}
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


def noticed(operation, max_examples=40):
    """Does the property of test_operations.py fail for the operation as it is now?"""
    def fails(call):
        return not gradcheck(call.f, *call.inputs, order=2)

    try:
        find(calls(operation, CASES[operation]), fails,
             settings=settings(max_examples=max_examples, phases=[Phase.generate], database=None, derandomize=True))
    except NoSuchExample:
        return False
    return True


def survivors(operations=CASES):
    """(number of planted errors, those that nobody noticed)."""
    todo = [(operation, argument, plant, error) for operation in operations
            for argument, plant in places(operation) for error in ERRORS]
    missed = []
    for operation, argument, plant, error in tqdm(todo, unit="error", disable=None):
        with planted(operation, plant(ERRORS[error])):
            if not noticed(operation):
                missed.append((operation.__name__, argument, error))
    return len(todo), missed


def main():
    false_alarms = [operation.__name__ for operation in CASES if noticed(operation)]
    count, missed = survivors()
    unexpected = [m for m in missed if m not in UNNOTICEABLE]
    print(f"{count} planted errors, {count - len(missed)} noticed, {len(missed) - len(unexpected)} change nothing, "
          f"{len(unexpected)} missed; {len(false_alarms)} false alarms without an error")
    for operation, argument, error in unexpected:
        print(f"  missed: {operation}, {argument}, {error}")
    for operation in false_alarms:
        print(f"  false alarm: {operation}")
    return 1 if unexpected or false_alarms else 0


if __name__ == "__main__":
    sys.exit(main())
