"""What is known of one part of a question, and which parts a question has."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..check.function import Arrays
from .assignment import Question
from .client import clean
from .worker.channel import Message

if TYPE_CHECKING:
    from .example import Example

FORWARD, GRADIENTS, SECOND = "forward", "gradients", "gradient of the gradient"
ACCEPTS, QUALITY = "accepts what is right", "trained model"
ENDED = {"time": "it took too long", "died": "its process ended", "forged": "it sent what is no answer"}
NOT_RUN = "not run, as the part before it was ended"


@dataclass
class Finding:
    """What is known of one part. text: what is wrong, in full; family: the same without giving a formula away. error: the type of
    an exception and its line, without its message, which may say hidden inputs. ended: the worker did. numbers: the
    submission's. v: the cotangent that they are for. share: of its points that it is worth all the same, if it is not ok."""

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
    """The parts of a question with their points: the parts of a function have equal shares; else the forward has one half, and
    the gradients the other, of an operation each for itself; of a student's own test, half is for accepting what is right; a
    trained model is one part. names: of the inputs and parameters."""
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
    line = f" in line {error['line']}" if type(error.get("line")) is int else ""
    kind = error.get("type")
    if kind in ("NotWrittenError", "NotImplementedError"):
        return Finding(False, f"not written yet{line}", f"not written yet{line}")
    name = "it cannot be used as the question says"
    if kind:  # the name of an exception of their own could say anything
        name = kind if isinstance(kind, str) and hasattr(builtins, kind) else "an exception"
    return Finding(False, f"{clean(str(error.get('text')))}{line}", f"{name}{line}")


def part_of(answer: Message, found: Arrays, part: str) -> Arrays | str:
    """The array that the answer has for a part of a function, or what is wrong with it."""
    places = answer.get("parts")
    place = places.get(part) if isinstance(places, dict) else None
    if isinstance(place, str):
        return clean(place)
    return [found[place]] if type(place) is int and 0 <= place < len(found) else "it sent an answer of another form"
