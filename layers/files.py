"""Named arrays in a .npz file: never pickled, and written whole or not at all."""

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

    Names are any text without the character NUL; values are arrays, numbers or text. A file that is replaced hands on its
    permissions. If the program is killed, a file like model.npz.1234.tmp may stay behind, where 1234 is the process; delete it.
    Raises TypeError for Python objects and records, ValueError for names, and OSError if the file cannot be written. A file
    that was there is then left as it was.
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
            with zipfile.ZipFile(file, "w") as archive:  # np.savez has no room for arrays named "file" or "allow_pickle"
                for name, value in values.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, value, allow_pickle=False)
            file.close()
            os.replace(file.name, path)  # from here on the name may be another thread's
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _new_file(path: Path) -> BinaryIO:
    """A temporary file beside `path` that nobody else has: model.npz.1234.tmp, or model.npz.1234-1.tmp if that exists."""
    number = 0
    while True:
        try:
            return open(path.with_name(f"{path.name}.{os.getpid()}{f'-{number}' if number else ''}.tmp"), "xb")
        except FileExistsError:  # another thread is saving, or a process of this number was killed
            number += 1


def load_arrays(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays that save_arrays() wrote: exactly these, or an error.

    Raises ValueError if the file is damaged or holds anything else, compressed arrays too; OSError if it cannot be opened. No
    file asks for more memory than a few times its own size.
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                file.seek(-12, os.SEEK_END)  # the number of members, which zipfile does not look at
                if int.from_bytes(file.read(2), "little") != min(len(members), 0xFFFF):
                    raise ValueError("some arrays are missing")
                if sum(member.file_size for member in members) > file.seek(0, os.SEEK_END):
                    raise ValueError("the arrays are compressed, or the file is not whole")
                arrays = {member.filename.removesuffix(".npy"): _read(archive, member) for member in members}
                if len(arrays) < len(members):
                    raise ValueError("two arrays have the same name")
                return arrays
        except Exception as error:  # zipfile, NumPy and Python's parser raise all kinds of them for damaged files
            raise ValueError(f"{path} is damaged or no file of named arrays ({type(error).__name__}: {error})") from None


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    if member.file_size != member.compress_size:
        raise ValueError(f"{member.filename} is compressed")
    file = io.BytesIO(archive.read(member))  # to its end, where zipfile compares the checksum
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, in_columns, dtype = read_header[np.lib.format.read_magic(file)](file)
    numbers = bytearray(file.getbuffer()[file.tell():])
    if dtype.hasobject or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(numbers):
        raise ValueError(f"{member.filename} has {len(numbers)} bytes for an array of shape {shape} and dtype {dtype}")
    return np.ndarray(shape, dtype, numbers, order="F" if in_columns else "C")
