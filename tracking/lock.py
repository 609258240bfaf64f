"""One process at a time: an advisory lock that dies with its process."""

import os
from contextlib import suppress
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
        path: The lock file; created where missing, and left behind unless `release` is asked to
            remove it.
        what: What is locked, for the error.

    Raises:
        RuntimeError: If another process, or this one, holds it; names the process.
        OSError: If the lock file cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str], what: str) -> None:
        self._path = Path(path).resolve()
        if self._path in _held:
            raise RuntimeError(f"{what} is already in use by this process")
        file = _locked(self._path, what)
        while not _still_at(file, self._path):  # its holder has removed it in between
            file.close()
            file = _locked(self._path, what)
        self._file: IO[str] | None = file
        _held.add(self._path)
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()}")
        self._file.flush()

    @staticmethod
    def held(path: str | os.PathLike[str]) -> bool:
        """Whether another process holds the lock of this file now."""
        # Closing a handle of a file drops the lock that this process itself may have on it.
        if fcntl is None or Path(path).resolve() in _held:
            return False
        try:
            file = open(path, encoding="utf-8")  # noqa: SIM115
        except FileNotFoundError:
            return False
        with file:
            try:
                fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    def release(self, *, remove: bool = False) -> None:
        """Give the lock back; calling it again does nothing.

        Args:
            remove: Remove the lock file, too, where the system lets an open file be removed.
        """
        if self._file is not None:
            if remove:
                # While it is still locked: whoever has it open by now finds another one at its
                # path, or none, and tries again.
                with suppress(OSError):
                    self._path.unlink()
            self._file.close()
            self._file = None
            _held.discard(self._path)


def _locked(path: Path, what: str) -> IO[str]:
    """Open a lock file and lock it.

    Raises:
        RuntimeError: If another process holds it.
    """
    file = open(path, "a+", encoding="utf-8")  # noqa: SIM115
    if fcntl is not None:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            file.close()
            raise RuntimeError(f"{what} is in use by another process ({owner})") from None
    return file


def _still_at(file: IO[str], path: Path) -> bool:
    """Whether an open file is the one that its path leads to now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
