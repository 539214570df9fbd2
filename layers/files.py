"""Saves named arrays in a .npz file, without pickle. A file is written completely or not at all."""

from __future__ import annotations

import io
import math
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Any]) -> None:
    """Write the arrays to a temporary file beside `path`, then put it in path's place in one step.

    Names are any text without the character NUL; values are arrays, numbers or text. A new file keeps the permissions of the
    old one. If the program is killed, it may leave a file such as model.npz.1234.tmp (1234 is the process); delete it.
    Raises TypeError for Python objects and records, ValueError for names that are equal or have a NUL, and OSError if the
    file cannot be written. After an error the old file is unchanged.
    """
    path = Path(os.path.realpath(path))
    values = {str(name): np.asarray(value) for name, value in arrays.items()}
    others = [name for name, value in values.items() if value.dtype.hasobject or value.dtype.kind == "V"]
    if others:
        raise TypeError(f"only numbers and text can be saved, not the Python objects in {', '.join(others)}")
    if len(values) < len(arrays) or any("\0" in name for name in values):
        raise ValueError(f"the names in a file must differ, and have no character NUL: {', '.join(map(repr, arrays))}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} into")
    with _new_file(path) as file:
        try:
            if path.exists():
                shutil.copymode(path, file.name)
            with zipfile.ZipFile(file, "w") as archive:  # np.savez cannot save arrays named "file" or "allow_pickle"
                for name, value in values.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, value, allow_pickle=False)
            file.close()
            os.replace(file.name, path)  # now another thread may use the temporary name
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _new_file(path: Path) -> BinaryIO:
    """A new temporary file beside `path`: model.npz.1234.tmp, or model.npz.1234-1.tmp if that exists."""
    number = 0
    while True:
        try:
            return open(path.with_name(f"{path.name}.{os.getpid()}{f'-{number}' if number else ''}.tmp"), "xb")
        except FileExistsError:  # another thread is saving, or a killed process left it
            number += 1


def load_arrays(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays that save_arrays() wrote: exactly these, or an error.

    Raises ValueError if the file is damaged or holds anything else, such as compressed arrays; OSError if it cannot be opened.
    Loading never takes more memory than a few times the file's size.
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                file.seek(-12, os.SEEK_END)  # the stored number of members, which zipfile ignores
                if int.from_bytes(file.read(2), "little") != min(len(members), 0xFFFF):
                    raise ValueError("some arrays are missing")
                if sum(member.file_size for member in members) > file.seek(0, os.SEEK_END):
                    raise ValueError("the arrays are compressed, or the file is cut off")
                arrays = {member.filename.removesuffix(".npy"): _read(archive, member) for member in members}
                if len(arrays) < len(members):
                    raise ValueError("two arrays have the same name")
                return arrays
        except Exception as error:  # zipfile, NumPy and Python's parser raise many kinds of errors for damaged files
            raise ValueError(f"{path} is damaged, or save_arrays() did not write it ({type(error).__name__}: {error})") from None


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    if member.file_size != member.compress_size:
        raise ValueError(f"{member.filename} is compressed")
    file = io.BytesIO(archive.read(member))  # up to its end, where zipfile compares the checksum
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, in_columns, dtype = read_header[np.lib.format.read_magic(file)](file)
    numbers = bytearray(file.getbuffer()[file.tell():])
    if dtype.hasobject or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(numbers):
        raise ValueError(f"{member.filename} has {len(numbers)} bytes for an array of shape {shape} and dtype {dtype}")
    return np.ndarray(shape, dtype, numbers, order="F" if in_columns else "C")
