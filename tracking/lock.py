"""One process at a time: an advisory lock that dies with its process."""

import os
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows: no lock, everything else works
    fcntl = None  # type: ignore[assignment]

# POSIX record locks do not exclude their own process, and closing any handle of the file drops
# them, so what this process holds is also kept here.
_held: set[Path] = set()


class FileLock:
    """Hold an exclusive lock on a file until `release` or the end of the process.

    Record locks (``fcntl.lockf``) rather than ``flock``: forked children do not inherit them, so
    an orphaned worker of a killed run cannot keep its folder locked.

    Args:
        path: The lock file; created where missing, never removed.
        what: What is locked, for the error.

    Raises:
        RuntimeError: If another process, or this one, holds it; names the process.
        OSError: If the lock file cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str], what: str) -> None:
        self._path = Path(path).resolve()
        if self._path in _held:
            raise RuntimeError(f"{what} is already in use by this process")
        self._file: IO[str] | None = open(self._path, "a+", encoding="utf-8")  # noqa: SIM115
        if fcntl is not None:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._file.seek(0)
                owner = self._file.read().strip() or "unknown"
                self._file.close()
                raise RuntimeError(f"{what} is in use by another process ({owner})") from None
        _held.add(self._path)
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()}")
        self._file.flush()

    @staticmethod
    def held(path: str | os.PathLike[str]) -> bool:
        """Whether another process holds the lock of this file now."""
        # Closing a handle of a file drops the lock that this process itself may have on it.
        if fcntl is None or Path(path).resolve() in _held or not Path(path).exists():
            return False
        with open(path, encoding="utf-8") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    def release(self) -> None:
        """Give the lock back; calling it again does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None
            _held.discard(self._path)
