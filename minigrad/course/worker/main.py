"""The worker: reads a plan, builds its walls, and then answers one question after the other."""

from __future__ import annotations

import faulthandler
import importlib
import os
import signal
from typing import Any

from .channel import Message, read, write
from .confine import confine


class Line:
    """The worker's end of the channel. It also carries what the worker itself asks: the parts of the submission that failed are
    answered by the other side."""

    def __init__(self) -> None:
        self.input, self.output = open(os.dup(0), "rb", buffering=0), open(os.dup(1), "wb", buffering=0)

    def send(self, message: Message, arrays: Any = ()) -> None:
        write(self.output, message, arrays)

    def receive(self) -> tuple[Message, list]:
        return read(self.input)

    def ask(self, message: Message, arrays: Any = ()) -> tuple[Message, list]:
        """What the other side says to this."""
        self.send(message, arrays)
        return self.receive()


def main() -> None:
    """Answer until the channel is closed. What answers is a class that the plan names: `Grading` or `Checking`."""
    line = Line()
    plan, _ = line.receive()
    try:
        strength = confine(plan)
        import numpy  # noqa: F401  (now, so that it is found or missed before the first question)
        answerer = importlib.import_module(f".{plan['answers']}", __package__).Answers(line, plan)
    except BaseException as error:
        line.send({"fatal": f"{type(error).__name__}: {error}"})
        return
    nothing, log = os.open(os.devnull, os.O_RDWR), os.dup(2)
    os.dup2(nothing, 0)
    for descriptor in (1, 2):
        os.dup2(log if plan["printed"] else nothing, descriptor)
    if hasattr(signal, "SIGUSR1"):  # where it is when the time is up, even if that is outside of Python
        faulthandler.register(signal.SIGUSR1, log, all_threads=False)
    line.send({"walls": strength})
    while True:
        try:
            message, arrays = line.receive()
        except EOFError:
            os._exit(0)
        answer, found = answerer.answer(message, arrays)
        line.send({"id": message["id"], **answer}, found)
