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
    """The worker's end of the channel. The worker also asks questions through it: the grader answers for failed parts of the
    submission."""

    def __init__(self) -> None:
        self.input, self.output = open(os.dup(0), "rb", buffering=0), open(os.dup(1), "wb", buffering=0)

    def send(self, message: Message, arrays: Any = ()) -> None:
        write(self.output, message, arrays)

    def receive(self) -> tuple[Message, list]:
        return read(self.input)

    def ask(self, message: Message, arrays: Any = ()) -> tuple[Message, list]:
        """The grader's answer to this message."""
        self.send(message, arrays)
        return self.receive()


def main() -> None:
    """Answer until the channel is closed. The plan names the module with the answers: grading or checking."""
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
    if hasattr(signal, "SIGUSR1"):  # shows the line when the time is up, even inside C code
        faulthandler.register(signal.SIGUSR1, log, all_threads=False)
    line.send({"walls": strength})
    while True:
        try:
            message, arrays = line.receive()
        except EOFError:
            os._exit(0)
        answer, found = answerer.answer(message, arrays)
        line.send({"id": message["id"], **answer}, found)
