"""The line of the user's program that runs now, for errors and warnings."""

from __future__ import annotations

import os
import sys
import traceback


def calling_line() -> str:
    """The running line of the program outside minigrad: file, line number and text."""
    frames = traceback.extract_stack()
    outside = [frame for frame in frames if not (frame.filename or "").startswith(_folders())] or frames
    return f'{outside[-1].filename}:{outside[-1].lineno}: {outside[-1].line}'


def stacklevel() -> int:
    """For warnings.warn, so that a warning points at the program outside minigrad."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_folders()):
        frame, level = frame.f_back, level + 1
    return level


def _folders() -> tuple[str, ...]:
    modules = (sys.modules.get(name) for name in ("minigrad", "minigrad.layers", "minigrad.optim"))
    return tuple(os.path.dirname(m.__file__) + os.sep for m in modules if m is not None and m.__file__)
