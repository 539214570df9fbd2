"""An assignment: the questions that its assignment.py declares. This file has declarations, not a program:

    assignment("rnn", file="rnn.py")
    question("tanh", points=5, op=np.tanh, inputs=[(3, 4)])
    question("cell", points=10, tensors="cell", reference=cell, inputs=[(2, 3), (2, 4)], needs=["tanh"])
    question("lstm", points=15, module="LSTMCell", reference=LSTMCell, make=(3, 4), inputs=[(2, 3), ((2, 4), (2, 4))])
    question("backward", points=20, function="rnn_backward", reference=rnn, outputs=["hs"], inputs=[(5, 2, 3), (2, 4), (7, 4)],
             takes=["dhs", "hs", "xs", "h0", "W"], parts=["dxs", "dh0", "dW"], allow=["numpy"])
    question("drawn", points=4, variants=[dict(op=sin, thing="sin", inputs=[(3,)]), dict(op=cos, thing="cos", inputs=[(3,)])])
    question("test", points=6, tests="is_right", right={"sin": (sin, dsin)}, planted={"sign": (sin, minus_dsin)}, inputs=[(3,)])
    question("train", points=9, trains="train", reference=quality, inputs=data, takes=["text", "seed"], weights={"W": (3, 4)})
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..check.problem import argument_names


class AssignmentError(Exception):
    """The assignment cannot be used; the message is for its author."""


@dataclass(frozen=True)
class Question:
    """One task. kind, thing: what the student writes (op, function, ...) and its name. reference: the right forward.

    inputs: shapes, nested like the inputs, for random numbers between low and high; or a function of a numpy Generator.
    outputs: names of the reference's results. takes: a function's arguments: inputs, right outputs of the reference, and
    d + output for the gradient that arrives there; without it none arrives. parts: its results: outputs, and d + input for
    gradients. make: arguments of a Module's class. needs: questions that this one builds on. allow: the student may import
    "numpy", "minigrad". withhold: names that this minigrad lacks. seconds: time limit of a part; by default the grader's.
    order: 2 if the gradient of the gradient is also asked. right, planted: for a test that students write, pairs of a
    function and its gradient by name; the test must accept the right pairs and find the planted errors. variant: number of
    the student's variant.
    fault: for a function with several right answers: fault(answer, *inputs) is "" for these, else a sentence about the error.
    Students get its source with the public tests, so it may use np, and nothing else of assignment.py.
    sets: numbers of public and of hidden inputs. weights: names and shapes of the weights that a training function must return.
    Its reference is called with all inputs (the student gets those in takes) and a dict of the weights. It returns three
    losses: of these weights, on data that takes leaves out; the loss worth no points; the loss worth all points. The loss worth
    no points is a baseline that students read in the handout: what is possible without the thing that they learn here.
    measure: for public tests of training, a function given in the starter. It gets the inputs that takes leaves out, and the
    weights, and returns the loss; so the reference need not be released. Without it training has no public tests."""

    name: str
    points: float
    kind: str
    thing: str
    reference: Callable
    inputs: Any
    names: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    make: tuple = ()
    needs: tuple[str, ...] = ()
    allow: tuple[str, ...] = ("numpy", "minigrad")
    withhold: tuple[str, ...] = ()
    low: float = -2.0
    high: float = 2.0
    seconds: float | None = None
    order: int = 1
    right: dict[str, tuple[Callable, Callable]] = field(default_factory=dict)
    planted: dict[str, tuple[Callable, Callable]] = field(default_factory=dict)
    variant: int = 0
    fault: Callable[..., str] | None = None
    sets: int = 2
    weights: dict[str, tuple[int, ...]] = field(default_factory=dict)
    measure: str = ""

    def draw(self, rng: np.random.Generator) -> tuple:
        """Random inputs, nested like `inputs`."""
        def drawn(shape: Any) -> Any:
            if isinstance(shape, tuple) and all(isinstance(n, int) for n in shape):
                return rng.uniform(self.low, self.high, shape)
            return tuple(map(drawn, shape)) if isinstance(shape, tuple) else shape
        return self.inputs(rng) if callable(self.inputs) else tuple(map(drawn, self.inputs))


@dataclass
class Assignment:
    """The declarations in an assignment's folder. crash_loss: the share of all points that is lost if the file does not run
    to its end. file: the name of the file to hand in."""

    folder: Path
    name: str = ""
    file: str = ""
    title: str = ""
    crash_loss: float = 0.1
    seconds: float = 60.0  # limit for grading one submission; `assignment test` proves it
    questions: list[Question] = field(default_factory=list)
    solution: Any = None
    variants: int = 1  # the largest number of variants of a question
    stored: dict[str, list] = field(default_factory=dict)  # from released public tests: the right numbers by question
    known: list[Any] = field(default_factory=list)  # the mistakes that have hints
    version: str = ""

    @property
    def points(self) -> float:
        """The points of all questions."""
        return sum(question.points for question in self.questions)

    def question(self, name: str) -> Question:
        """The question with that name."""
        return next(question for question in self.questions if question.name == name)


def load_assignment(folder: str | Path, student: str = "", variant: int | None = None) -> Assignment:
    """The assignment that folder/assignment.py declares; there `solution` is folder/solution.py. The student's id decides the
    variant of each question if `variant` does not. Raises AssignmentError."""
    folder = Path(folder)
    found = Assignment(folder)
    try:
        text = (folder / "assignment.py").read_bytes()
        solution = (folder / "solution.py").read_bytes()
        found.version = hashlib.sha256(text + solution).hexdigest()[:12]
        found.solution = module_of(solution, folder / "solution.py")

        def assignment(name: str, **options: Any) -> None:
            vars(found).update(name=name, **{"file": f"{name}.py", "title": name, **options})

        def declare(name: str, points: float, **options: Any) -> None:
            variants = options.pop("variants", [{}])
            number = chosen(student, name, len(variants)) if variant is None else variant % len(variants)
            found.questions.append(_question(name, points, {**options, **variants[number], "variant": number}))
            found.variants = max(found.variants, len(variants))

        module_of(text, folder / "assignment.py", assignment=assignment, question=declare, solution=found.solution, np=np)
    except AssignmentError:
        raise
    except OSError as error:
        raise AssignmentError(f"{error.filename}: {error.strerror}") from None
    except Exception as error:
        line = getattr(error, "lineno", None) or next((frame.tb_lineno for frame in _frames(error) if frame.tb_frame.f_code.
                                                       co_filename == str(folder / "assignment.py")), "")
        raise AssignmentError(f"{folder / 'assignment.py'}:{line}: {type(error).__name__}: {error}") from None
    _check(found)
    return found


def module_of(text: bytes, path: Path, **given: Any) -> ModuleType:
    """A file of the assignment, run in this process."""
    module = ModuleType(f"assignment_{path.parent.name}_{path.stem}")
    module.__file__ = str(path)
    vars(module).update(given)
    sys.modules[module.__name__] = module
    exec(compile(text, str(path), "exec", dont_inherit=True), module.__dict__)
    return module


def chosen(student: str, question: str, count: int) -> int:
    """The student's variant of a question."""
    return hashlib.sha256(f"{question}/{student}".encode(errors="replace")).digest()[0] % count


def _frames(error: Exception) -> list:
    frames = []
    link = error.__traceback__
    while link is not None:
        frames.append(link)
        link = link.tb_next
    return frames[::-1]


def _question(name: str, points: float, options: dict[str, Any]) -> Question:
    kinds = [kind for kind in ("op", "tensors", "module", "function", "tests", "trains") if kind in options]
    if len(kinds) != 1:
        raise AssignmentError(f"question {name!r} needs one of op=, tensors=, module=, function=, tests=, trains=")
    (kind,) = kinds
    given = options.pop(kind)
    missing = [f"{option}=" for option in ("inputs", *{"op": (), "tests": ("right", "planted")}.get(kind, ("reference",)))
               if option not in options]
    if missing:
        raise AssignmentError(f"question {name!r} needs {' and '.join(missing)}")
    if kind == "op":
        thing, reference = options.pop("thing", name), given
    else:
        thing, reference = given, options.pop("reference") if kind != "tests" else list(options["right"].values())[0][0]
    unknown = options.keys() - Question.__dataclass_fields__.keys()
    if unknown:
        raise AssignmentError(f"question {name!r}: there is no option {', '.join(sorted(unknown))}")
    drawn = options["inputs"](np.random.default_rng(0)) if callable(options["inputs"]) else options["inputs"]
    called = reference.forward if inspect.isclass(reference) and hasattr(reference, "forward") else reference
    names = options.pop("names", None) or _names(called, len(drawn), kind == "module" and inspect.isclass(reference))
    sequences = {key: value if callable(value) or isinstance(value, str) else tuple(value) for key, value in options.items()
                 if isinstance(value, (list, tuple))}
    return Question(name, points, kind, thing, reference, names=tuple(names), **{**options, **sequences})


def _names(reference: Callable, count: int, method: bool) -> Sequence[str]:
    names = argument_names(reference, count + method)[method:]
    usual = ["x"] if count == 1 else ["a", "b", "c", "d", "e"]
    return [usual[i] if name.startswith("input ") and i < len(usual) else name for i, name in enumerate(names)]


def _check(found: Assignment) -> None:
    names = [question.name for question in found.questions]
    where = found.folder / "assignment.py"
    if not found.name or not names:
        raise AssignmentError(f"{where} must call assignment(name) and question(name, ...) at least once")
    if len(set(names)) < len(names):
        raise AssignmentError(f"{where}: two questions have the same name")
    for number, question in enumerate(found.questions):
        for needed in question.needs:
            if needed not in names[:number]:
                raise AssignmentError(f"{where}: {question.name!r} needs {needed!r}, which is no question before it")
            if found.question(needed).kind in ("module", "tests", "trains"):
                raise AssignmentError(f"{where}: {question.name!r} needs {needed!r}: only ops and functions can be needed")
            if "minigrad" not in question.allow and found.question(needed).kind != "function":
                raise AssignmentError(
                    f"{where}: {question.name!r} allows NumPy alone, and needs {needed!r}, which works on minigrad's Tensors: "
                    'allow=["numpy", "minigrad"], or needs= without it')
        given_away = set(question.takes) & set(question.parts)
        if given_away:
            raise AssignmentError(f"{where}: {question.name!r} gives away what it asks for: {', '.join(given_away)}")
        if question.kind == "trains" and not (question.weights and set(question.takes) < set(question.names)):
            raise AssignmentError(f"{where}: {question.name!r} needs weights=, and takes= without the data that it is judged by: "
                                  f"some of {', '.join(question.names)}")
        if question.kind == "function":
            if question.fault and len(question.parts) > 1:
                raise AssignmentError(f"{where}: {question.name!r}: fault= judges one part, and parts= has {len(question.parts)}")
            missing = [f"{option}=" for option in ("outputs", "parts") if not getattr(question, option)]
            if missing:
                raise AssignmentError(f"{where}: {question.name!r} needs {' and '.join(missing)}")
            known = {*question.names, *question.outputs, *(f"d{name}" for name in (*question.names, *question.outputs))}
            unknown = {*question.takes, *question.parts} - known
            if unknown:
                raise AssignmentError(
                    f"{where}: {question.name!r}: takes= and parts= are made of inputs ({', '.join(question.names)}), "
                    f"of outputs= ({', '.join(question.outputs)}), and d + either; not {', '.join(sorted(unknown))}")
