"""Arrays kept on disk, so that the next process need not make them again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def cache_folder() -> Path:
    """Where arrays are kept: under ``DRIFTWISE_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("DRIFTWISE_CACHE")
    if chosen:
        return Path(chosen) / "images"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "driftwise" / "images"


def checksum(array: NDArray[Any]) -> str:
    """SHA-256 of the numbers of an array."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def read_array(path: Path, expected: str) -> NDArray[Any] | None:
    """An array from a file, or None if that is missing, broken or of another checksum."""
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
        return array if checksum(array) == expected else None
    except Exception:  # a damaged header makes numpy raise nearly anything, MemoryError too
        return None


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Writes an array as a whole or, where that is not possible, not at all."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(".tmp", f".{path.name}-", path.parent)
        try:
            with open(descriptor, "wb") as file:
                np.save(file, array)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())  # mkstemp's are for the user alone
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise


def _umask() -> int:
    """Which permissions new files do not get; there is no way to ask but by setting it."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
