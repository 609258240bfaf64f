"""Files and folders that are either there and whole, or not there.

Everything is first written under a temporary name in the same folder, flushed to the disk
(fsync), and then renamed, which a POSIX file system does in one step. A process that is killed at
any moment leaves the old content, or the new content, and perhaps a hidden ``.*.tmp`` leftover.
"""

import contextlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .plain import to_plain

_counter = itertools.count()


def _temporary_sibling(path: Path) -> Path:
    """Return an unused hidden name beside ``path`` (the process id keeps writers apart)."""
    return path.with_name(f".{path.name}.{os.getpid()}-{next(_counter)}.tmp")


@contextlib.contextmanager
def _explain(path: Path) -> Iterator[None]:
    """Re-raise an OSError as one line that names ``path``, as the same class."""
    try:
        yield
    except OSError as error:
        explained = type(error)(f"cannot write {path}: {error.strerror or error}")
        explained.errno = error.errno
        raise explained from error


def sync_folder(path: Path) -> None:
    """Flush a folder's list of names to the disk (a rename is durable only after this)."""
    if os.name != "posix":  # Windows cannot open folders
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file atomically; the folder must exist.

    Raises:
        OSError: (its fitting subclass) if the place is not writable; the message names it.
    """
    path = Path(path)
    temporary = _temporary_sibling(path)
    with _explain(path):
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):  # the first error is the one to report
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a UTF-8 text file atomically; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | os.PathLike[str], value: Any, *, indent: int | None = 2) -> None:
    """Write plain data as strict JSON atomically; see `write_bytes` and `plain.to_plain`.

    Raises:
        TypeError: If ``value`` holds something that has no plain form.
    """
    text = json.dumps(to_plain(value, Path(path).name), indent=indent, allow_nan=False)
    write_text(path, text + "\n")


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a folder so that it appears whole, under its name, at the end of the block.

    Yields an empty folder beside ``path`` to write into. When the block ends, its files are
    flushed to the disk and it is renamed to ``path``; a folder already there is replaced. When
    the block raises, nothing is left and what was at ``path`` is untouched.

    Raises:
        OSError: (its fitting subclass) if the place is not writable; the message names it.
    """
    path = Path(path)
    temporary = _temporary_sibling(path)
    with _explain(path):
        os.mkdir(temporary)
    try:
        with _explain(path):
            yield temporary
            for folder, _, files in os.walk(temporary):
                for name in files:
                    _sync_file(Path(folder, name))
                sync_folder(Path(folder))
            # A rename cannot replace a folder that has files in it: the old one steps aside.
            # Killed between the two renames, `path` is missing, never half there.
            aside = _step_aside(path)
            os.rename(temporary, path)
            sync_folder(path.parent)
            if aside is not None:
                shutil.rmtree(aside, ignore_errors=True)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_folder(path: Path) -> None:
    """Remove a folder, if it is there, so that it is never seen half removed."""
    aside = _step_aside(path)
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)


def _step_aside(path: Path) -> Path | None:
    """Give a folder, if it is there, a temporary name; `remove_leftovers` finds it by that."""
    if not path.exists():
        return None
    aside = _temporary_sibling(path)
    os.rename(path, aside)
    return aside


def remove_leftovers(folder: Path) -> None:
    """Remove what killed writers left in ``folder``; only where no other process writes."""
    for path in folder.glob(".*.tmp"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def make_writable_folder(path: str | os.PathLike[str]) -> Path:
    """Create a folder with its parents where missing, and prove that it can be written to.

    Raises:
        OSError: (its fitting subclass) if not; the message names the folder.
    """
    path = Path(path)
    probe = _temporary_sibling(path / "probe")
    with _explain(path):
        path.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_bytes(b"x")
        finally:
            probe.unlink(missing_ok=True)
    return path
