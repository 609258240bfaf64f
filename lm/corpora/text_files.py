"""Text out of local files in place: plain, compressed (``.xz``), or compressed and cut in parts."""

from __future__ import annotations

import codecs
import io
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

BLOCK = 1 << 20  # bytes read at a time
LONGEST_LINE = 1 << 24  # bytes; longer lines (text8 is one) are cut at a blank

BROKEN = (lzma.LZMAError, EOFError, tarfile.TarError)


class Parts(io.RawIOBase):
    """Files read one after the other, as one.

    Args:
        paths: The files in order.
    """

    def __init__(self, paths: list[Path]) -> None:
        self._paths = list(paths)
        self._file: IO[bytes] | None = None

    def readable(self) -> bool:
        """True: it is there to be read."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill ``buffer`` and return the number of bytes, 0 at the end of the last file."""
        while self._file is not None or self._paths:
            if self._file is None:
                self._file = open(self._paths.pop(0), "rb")  # noqa: SIM115
            count = self._file.readinto(buffer)  # type: ignore[attr-defined]
            if count:
                return int(count)
            self._file.close()
            self._file = None
        return 0

    def close(self) -> None:
        """Close the file that is open."""
        if self._file is not None:
            self._file.close()
        super().close()


def find_file(path: Path) -> Path | None:
    """The file of this name, or the same packed (``.xz``), or its first part (``.00``), if any."""
    for suffix in ("", ".xz", ".xz.00", ".00"):
        found = path.with_name(path.name + suffix)
        if found.is_file():
            return found
    return None


def plain_name(path: Path) -> str:
    """Name of a file without what says how it is compressed: ``a.txt.xz.00`` is ``a.txt``."""
    return path.name.removesuffix(".00").removesuffix(".xz")


def all_parts(path: Path) -> list[Path]:
    """The file itself, or all parts ``.00``, ``.01``, ... of which ``path`` is the first."""
    if not path.name.endswith(".00"):
        return [path]
    parts: list[Path] = []
    while (part := path.with_suffix(f".{len(parts):02d}")).is_file():
        parts.append(part)
    return parts


def open_file(path: Path) -> IO[bytes]:
    """Open a file, or the parts of which it is the first, and unpack it where it ends in xz."""
    file: IO[bytes] = io.BufferedReader(Parts(all_parts(path)), BLOCK)
    return lzma.open(file) if path.name.removesuffix(".00").endswith(".xz") else file


def read_text(path: Path) -> Iterator[str]:
    """Text of a file in blocks that end with a line (or, within a huge line, with a blank).

    A byte-order mark at its beginning is left out.

    Raises:
        ValueError: The file is empty, broken, or not UTF-8; the message names it, and the offset of
            the first bad byte of the unpacked file.
    """
    with open_file(path) as file:
        yield from decode(file, str(path))


def decode(file: IO[bytes], name: str) -> Iterator[str]:
    """As :func:`read_text`, from an open file that is called ``name`` in errors."""
    offset, rest = 0, b""
    try:
        rest = file.read(BLOCK)
        if rest.startswith(codecs.BOM_UTF8):  # a mark of some editors, and no text
            offset, rest = len(codecs.BOM_UTF8), rest.removeprefix(codecs.BOM_UTF8)
        if not rest:
            raise ValueError(f"{name} is empty")
        block = rest
        while block:
            cut = rest.rfind(b"\n") + 1
            if not cut and len(rest) > LONGEST_LINE:
                cut = rest.rfind(b" ") + 1
            if cut:
                yield _decode(rest[:cut], offset, name)
                offset, rest = offset + cut, rest[cut:]
            block = file.read(BLOCK)
            rest += block
    except BROKEN as error:
        raise ValueError(f"{name} is broken: {error}") from None
    if rest:
        yield _decode(rest, offset, name)


def _decode(block: bytes, offset: int, name: str) -> str:
    try:
        return block.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} must be UTF-8, but has byte 0x{block[error.start]:02x} at offset "
            f"{offset + error.start} ({error.reason})"
        ) from None
