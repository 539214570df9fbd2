"""Named arrays in a .npz file: never pickled, and written whole or not at all."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Any]) -> None:
    """Write the arrays to a temporary file beside `path`, then put it in path's place in one step."""
    path = Path(path)
    values = {name: np.asarray(value) for name, value in arrays.items()}
    pickled = [name for name, value in values.items() if value.dtype.hasobject]
    if pickled:
        raise TypeError(f"only numbers and text can be saved, not the Python objects in {', '.join(pickled)}")
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            np.savez(file, **values)  # type: ignore[arg-type]
            file.close()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def load_arrays(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays that save_arrays() wrote. Raises ValueError if the file is damaged or holds anything else."""
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            return dict(file)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, EOFError, AttributeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged or no file of named arrays: {error}") from None
