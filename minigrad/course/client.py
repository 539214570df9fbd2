"""The trusted end of the channel: starts a worker, asks it, checks every answer, and ends all processes that it started."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .worker import channel
from .worker.channel import BrokenMessageError, Message

START = 60.0  # seconds for a worker to start
MEMORY, FILES, PROCESSES = 2 << 30, 16 << 20, 16
MOST_PRINTED = 1 << 16
Help = Callable[[Message, list[np.ndarray]], tuple[Message, list[np.ndarray]]]
MOST_LATE = 1000  # late answers that are dropped; more are no accident
MOST_WAITING = 4  # replies to the worker's own questions that it has not read; it waits for each, so more are no accident
MOST_LINES = 100_000  # a line's number is shown to students; a larger one would not be a line, but hidden inputs
UNPROTECTED = "unprotected against malice: this system let the submission run as the user who grades"
PROTECTION = {
    "namespaces": "the submission saw only its own folder and Python, no other process and no network",
    "user, no network": "the submission ran as a user of its own, without a network; the system allowed no namespaces",
    "user": "the submission ran as a user of its own; the system allowed no namespaces, so it may have had a network",
    "limits": UNPROTECTED,
}


class WorkerEndedError(Exception):
    """There will be no answer. kind: "time", "died" or "forged"; line: the line of the submission, if known."""

    def __init__(self, kind: str, text: str, line: int | None = None) -> None:
        super().__init__(text)
        self.kind, self.line = kind, line


class CannotStartError(Exception):
    """There is no worker; the message is for the grader."""


class Worker:
    """A process that answers questions. answers: the module in worker/ with the answers. paths: folders to import from; the
    first has `package` in it. printed: gets the submission's output. helps: answers the worker's own questions."""

    def __init__(self, answers: str, package: str, paths: Sequence[str], walls: str = "namespaces", file: str = "submission.py",
                 printed: Callable[[str], Any] | None = None, helps: Help | None = None, **plan: Any) -> None:
        self.file, self.printed, self.helps = file, printed, helps
        self.folder, self.closed, self.number = tempfile.mkdtemp(prefix="worker-"), False, 0
        self.words = b""  # the end of its standard error
        self.where: tuple[int, int | None] | None = None  # number and line of the statement that runs
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-u", "-c",
                 f"import sys; sys.path[:0] = sys.argv[1:]; from {package}.main import main; main()", *paths],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                cwd=plan.get("cwd", self.folder), env=plan.pop("environment", {"PATH": os.defpath, **_single_threads()}),
                start_new_session=True)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self.arrived: queue.Queue[Any] = queue.Queue(4)
        self.outgoing: queue.Queue[Any] = queue.Queue()
        self.threads = [threading.Thread(target=target, daemon=True) for target in (self._read, self._write, self._listen)]
        for thread in self.threads:
            thread.start()
        plan = {"memory": MEMORY, "files": FILES, "processes": PROCESSES, "seconds": 3600, **plan}
        self.outgoing.put(({"answers": answers, "walls": walls, "folder": self.folder, "uid": free_uid(), "see": list(paths),
                            "printed": printed is not None, **plan}, ()))
        try:
            self.walls = self._started()
        except BaseException:
            self.stop()
            raise

    def _started(self) -> str:
        try:
            message, _ = self._next(time.monotonic() + START)
        except WorkerEndedError as error:
            words = clean(self.words.decode(errors="replace")[-2000:])
            raise CannotStartError(f"the worker did not start: {error}\n{words}") from None
        if message.get("walls") not in PROTECTION:
            raise CannotStartError(f"the worker did not start: {clean(str(message.get('fatal')))}. Can the user that it runs "
                                   f"as read {sys.executable} and NumPy? A Python in a home folder is often for its "
                                   "owner alone")
        return str(message["walls"])

    def ask(self, message: Message, arrays: Sequence[np.ndarray] = (),
            seconds: float = 10.0) -> tuple[Message, list[np.ndarray]]:
        """The answer: a message and arrays of numbers, their form checked. Raises WorkerEndedError if none comes in time."""
        self.number += 1
        self.outgoing.put(({**message, "id": self.number}, arrays))
        end, late = time.monotonic() + seconds, 0
        while True:
            answer, found = self._next(end)
            if "ask" in answer and self.helps is not None:
                if self.outgoing.qsize() > MOST_WAITING:
                    raise WorkerEndedError("forged", "it asked without reading the answers")
                self.outgoing.put(self.helps(answer, found))
            elif type(answer.get("at")) is int and "id" not in answer:
                self.where = answer["at"], line_in(answer)
            elif answer.get("id") == self.number and type(answer["id"]) is int:
                return answer, found
            elif (late := late + 1) > MOST_LATE:
                raise WorkerEndedError("forged", "it sent answers that nobody had asked for")

    def _next(self, end: float) -> Any:
        try:
            if time.monotonic() > end:  # also ends a worker that sends without end
                raise queue.Empty
            arrived = self.arrived.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            raise WorkerEndedError("time", "it took too long: does a loop never end?", self._line_now()) from None
        if isinstance(arrived, BrokenMessageError):
            raise WorkerEndedError("forged", f"it sent {arrived}")
        if isinstance(arrived, Exception):
            code = self._exit_code()
            raise WorkerEndedError("died", f"its process ended{'' if code is None else f', with exit code {code}'}")
        return arrived

    def _exit_code(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(1)
        return None  # it closed the channel but still runs

    def _line_now(self) -> int | None:
        """The line that the worker runs: at this signal it writes its stack. Only a number is read from that."""
        self.words, self.printed = b"", None
        _signal_inside(self.process.pid, getattr(signal, "SIGUSR1", None))
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            for file, line in re.findall(rb'File "(.*)", line (\d{1,5}) in', self.words):
                if os.path.basename(file.decode(errors="replace")) == os.path.basename(self.file):
                    return int(line)
            time.sleep(0.02)
        return None

    def _read(self) -> None:
        assert self.process.stdout is not None
        arrived: Any = None
        while not self.closed and not isinstance(arrived, Exception):
            try:
                arrived = channel.read(self.process.stdout)  # type: ignore[arg-type]
            except (OSError, ValueError, EOFError) as error:
                arrived = error
            while not self.closed:
                with contextlib.suppress(queue.Full):
                    self.arrived.put(arrived, timeout=0.1)
                    break

    def _write(self) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            while (message := self.outgoing.get()) is not None:
                channel.write(self.process.stdin, *message)  # type: ignore[arg-type]

    def _listen(self) -> None:
        """Pass its output on, up to a limit; then still read, so that the worker never blocks."""
        assert self.process.stderr is not None
        count = 0
        with contextlib.suppress(OSError, ValueError):
            while part := self.process.stderr.read(1 << 14):
                self.words = (self.words + part)[-(1 << 14):]
                if self.printed is not None and count < MOST_PRINTED:
                    self.printed(clean(part.decode(errors="replace"), MOST_PRINTED - count))
                count += len(part)

    def stop(self) -> None:
        """End the worker and all processes that it started."""
        self.closed = True
        self.outgoing.put(None)
        self.process.terminate()  # the keeper first ends the others
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
        if hasattr(os, "killpg"):
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for thread, stream in zip(self.threads, (self.process.stdout, self.process.stdin, self.process.stderr)):
            thread.join(1)
            if not thread.is_alive() and stream is not None:
                stream.close()
        _remove(self.folder)


def line_in(message: Any) -> int | None:
    """The line of the submission that a message names, if it can be one."""
    line = message.get("line")
    return line if type(line) is int and 0 < line <= MOST_LINES else None


def _remove(folder: str) -> None:
    """Remove a folder, even if the submission has nested folders in it deeper than Python can follow."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if os.path.exists(folder) and os.name == "posix":
        subprocess.run(["rm", "-rf", folder], stderr=subprocess.DEVNULL)


def clean(text: str, longest: int = 4000) -> str:
    """Text from outside, made safe to show: without codes that move a terminal's cursor or change colours."""
    return re.sub(r"[^\n\t\x20-\x7e\xa0-\u2027\u2030-\u2065\u206a-\ud7ff\uf900-\ufffd]", "?", text[:longest])


def one_line(text: str, longest: int = 200) -> str:
    """The same on one line: a name must not look like lines of the result."""
    return " ".join(clean(text, longest).split())


def free_uid() -> int:
    """A user id that no process has."""
    taken = set()
    with contextlib.suppress(OSError):
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                taken.add(entry.stat().st_uid)
    uid = 20_000 + os.getpid() * 16 % 40_000
    while uid in taken:
        uid += 1
    return uid


def _signal_inside(keeper: int, number: int | None) -> None:
    """Send a signal to the process that runs the submission: the keeper's first child, or the process itself."""
    if number is not None:
        with contextlib.suppress(OSError, ValueError):
            children = Path(f"/proc/{keeper}/task/{keeper}/children")
            inside = children.read_text().split() if children.exists() else []
            os.kill(int(inside[0]) if inside else keeper, number)


def _single_threads() -> dict[str, str]:
    return {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
