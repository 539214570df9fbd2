"""Finding: the verdict on one part of a question. And the parts of each kind of question."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..check.function import Arrays
from .assignment import Question
from .client import clean, line_in
from .worker.channel import Message

if TYPE_CHECKING:
    from .example import Example

FORWARD, GRADIENTS, SECOND = "forward", "gradients", "gradient of the gradient"
ACCEPTS, QUALITY = "accepts what is right", "trained model"
ENDED = {"time": "it took too long", "died": "its process ended", "forged": "it sent what is no answer"}
NOT_RUN = "not run, as the part before it was ended"


@dataclass
class Finding:
    """The verdict on one part. text: the mistake in full; family: the same without formulas. error: an exception's type and
    line; its message could tell hidden inputs. ended: the worker has ended. numbers: the submission's numbers, for the cotangent
    v. share: the share of the points for a part that is not ok."""

    ok: bool
    text: str = ""
    error: str = ""
    ended: bool = False
    numbers: Arrays = field(default_factory=list)
    v: np.ndarray | None = None
    example: Example | None = None
    family: str = ""
    share: float = 0.0


def parts_of(question: Question, names: Sequence[str]) -> dict[str, float]:
    """The parts of a question with their points. A function's parts have equal shares. An operation has half for the forward,
    the other half for its gradients, one by one; else all gradients are one part. A student's test has half for accepting
    right gradients, if it finds an error at all. A trained model is one part. names: of the inputs and parameters."""
    if question.kind == "function":
        return {part: question.points / len(question.parts) for part in question.parts}
    if question.kind == "trains":
        return {QUALITY: question.points}
    first = ACCEPTS if question.kind == "tests" else FORWARD
    others = ([f"finds {name}" for name in question.planted] if question.kind == "tests" else
              [f"gradient of {name}" for name in names] if question.kind == "op" else [GRADIENTS] if names else [])
    others += [SECOND] if question.order == 2 else []
    half = question.points / (2 if others else 1)
    return {first: half, **{part: half / len(others) for part in others}}


def failed(answer: Message) -> Finding:
    """The finding for an answer that is an error."""
    error: Any = answer["error"] if isinstance(answer["error"], dict) else {}
    line = f" in line {number}" if (number := line_in(error)) else ""
    kind = error.get("type")
    if kind in ("NotWrittenError", "NotImplementedError"):
        return Finding(False, f"not written yet{line}", f"not written yet{line}")
    name = "it cannot be used as the question says"
    if kind:  # students may choose the name of their own exception
        name = kind if isinstance(kind, str) and hasattr(builtins, kind) else "an exception"
    return Finding(False, f"{clean(str(error.get('text')))}{line}", f"{name}{line}")


def part_of(answer: Message, found: Arrays, part: str) -> Arrays | str:
    """The answer's array for a part of a function, or a sentence about its error."""
    places = answer.get("parts")
    place = places.get(part) if isinstance(places, dict) else None
    if isinstance(place, str):
        return clean(place)
    return [found[place]] if type(place) is int and 0 <= place < len(found) else "it sent an answer of another form"
