"""Messages between the process that judges and the process that runs a student's code: lengths, then JSON and raw numbers.
The reader checks everything in a message, even lengths and shapes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

KINDS = {"f": "<f8", "s": "<f4", "i": "<i8", "b": "|u1", "t": "|b1"}  # float64, float32, integers, bytes, truth values
LONGEST_TEXT = 1 << 20
MOST_BYTES = 1 << 25  # of all arrays in a message
MOST_AXES = 16

Message = dict[str, Any]


class BrokenMessageError(ValueError):
    """The bytes that arrived are not a message."""


def write(stream: BinaryIO, message: Message, arrays: Sequence[np.ndarray] = ()) -> None:
    """Send a message with arrays of numbers."""
    described, parts = [], []
    for array in arrays:
        kind = "s" if array.dtype == np.float32 else {"f": "f", "i": "i", "u": "b" if array.dtype == np.uint8 else "i",
                                                      "b": "t"}[array.dtype.kind]
        described.append([kind, list(array.shape)])
        parts.append(np.ascontiguousarray(array, KINDS[kind]).tobytes())
    text = json.dumps({**message, "arrays": described}).encode()
    sent = memoryview(b"".join([len(text).to_bytes(8, "big"), text, *parts]))
    while sent:
        sent = sent[stream.write(sent):]


def read(stream: BinaryIO) -> tuple[Message, list[np.ndarray]]:
    """The next message and its arrays. EOFError at the end, BrokenMessageError if the bytes are not a message."""
    length = int.from_bytes(_exactly(stream, 8), "big")
    if length > LONGEST_TEXT:
        raise BrokenMessageError(f"a message of {length} bytes")
    try:
        message = json.loads(_exactly(stream, length))
    except (ValueError, RecursionError):
        raise BrokenMessageError("a message that is no JSON") from None
    described = message.pop("arrays", None) if isinstance(message, dict) else None
    if not isinstance(described, list):
        raise BrokenMessageError("a message of another form")
    shapes = [_described(entry) for entry in described]
    if sum(np.dtype(kind).itemsize * math.prod(shape) for kind, shape in shapes) > MOST_BYTES:
        raise BrokenMessageError("more numbers than any answer has")
    return message, [_numbers(_exactly(stream, np.dtype(kind).itemsize * math.prod(shape)), kind).reshape(shape)
                     for kind, shape in shapes]


def _numbers(raw: bytes, kind: str) -> np.ndarray:
    """Of bytes as truth values, all but 0 are True: NumPy would believe that there are only 0 and 1."""
    return np.frombuffer(raw, np.uint8) != 0 if kind == KINDS["t"] else np.frombuffer(raw, kind).copy()


def _described(entry: Any) -> tuple[str, tuple[int, ...]]:
    """Kind and shape of an array, if both are allowed."""
    if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str) and entry[0] in KINDS:
        kind, shape = entry
        if isinstance(shape, list) and len(shape) <= MOST_AXES and all(type(n) is int and 0 <= n <= MOST_BYTES for n in shape):
            return KINDS[kind], tuple(shape)
    raise BrokenMessageError("an array of unknown kind or shape")


def _exactly(stream: BinaryIO, count: int) -> bytes:
    parts = []
    while count:
        part = stream.read(min(count, 1 << 16))
        if not part:
            raise EOFError("the channel was closed")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def packed(value: Any, arrays: list[np.ndarray]) -> Any:
    """Nested tuples, lists, arrays and numbers as JSON; the arrays are appended to `arrays`."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, tuple):
        return {"tuple": [packed(item, arrays) for item in value]}
    if isinstance(value, list):
        return [packed(item, arrays) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def unpacked(value: Any, arrays: list[np.ndarray]) -> Any:
    """The nested values that `packed` got."""
    if isinstance(value, dict):
        return arrays[value["array"]] if "array" in value else tuple(unpacked(item, arrays) for item in value["tuple"])
    if isinstance(value, list):  # most items are numbers
        return [unpacked(item, arrays) if isinstance(item, (list, dict)) else item for item in value]
    return value
