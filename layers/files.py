"""Named arrays in a .npz file: never pickled, and written whole or not at all."""

from __future__ import annotations

import os
import threading
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Any]) -> None:
    """Write the arrays to a temporary file beside `path`, then put it in path's place in one step."""
    path = Path(os.path.realpath(path))
    values = {name: np.asarray(value) for name, value in arrays.items()}
    pickled = [name for name, value in values.items() if value.dtype.hasobject]
    if pickled:
        raise TypeError(f"only numbers and text can be saved, not the Python objects in {', '.join(pickled)}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} into")
    temporary = path.with_name(f".{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w") as archive:  # np.savez has no room for arrays named "file" or "allow_pickle"
            for name, value in values.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, value, allow_pickle=False)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_arrays(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays that save_arrays() wrote. Raises ValueError if the file is damaged or holds anything else; OSError if it
    cannot be read at all."""
    with open(path, "rb") as opened:
        try:
            with zipfile.ZipFile(opened) as archive:
                return {member.removesuffix(".npy"): _read(archive, member) for member in archive.namelist()}
        except (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{path} is damaged or no file of named arrays ({type(error).__name__})") from None


def _read(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
