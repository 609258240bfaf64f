"""Sources of documents, split into train, valid and test."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .documents import Piece, read_documents
from .text_files import all_parts, find_file, plain_name

SPLITS = ("train", "valid", "test")
SPELLINGS = {"train": ("train",), "valid": ("valid", "val", "dev"), "test": ("test",)}
SUFFIXES = (".tokens", ".txt", ".raw", ".jsonl", ".tar", ".md", ".text")
SHARES = {"train": (0.0, 0.9), "valid": (0.9, 0.95), "test": (0.95, 1.0)}


@dataclass(frozen=True)
class Source:
    """Where the documents of a corpus come from.

    Attributes:
        name: What the corpus is called.
        read: From a split to its documents, which are read again at each call.
        splits: The splits there are, of ``train``, ``valid`` and ``test``.
        identity: Plain data that changes whenever the text may have changed.
        tokenised: Whether words are already apart, so that blanks tell them.
    """

    name: str
    read: Callable[[str], Iterator[Piece]]
    splits: tuple[str, ...]
    identity: dict[str, Any]
    tokenised: bool = False


def from_files(name: str, files: dict[str, Path], tokenised: bool = False) -> Source:
    """A source with a file, or the first of its parts, for each split."""
    return Source(
        name,
        lambda split: read_documents(files[split]),
        tuple(files),
        {split: _identity(path) for split, path in files.items()},
        tokenised,
    )


def from_one_file(name: str, path: Path, tokenised: bool = False) -> Source:
    """A source that cuts a file in order: 90 % train, 5 % valid, 5 % test, by characters.

    It is cut between documents, or between lines if there is one document only.
    """
    measured: list[int] = []  # characters and documents, counted when first needed

    def read(split: str) -> Iterator[Piece]:
        if not measured:
            measured[:] = _measure(read_documents(path))
        characters, documents = measured
        begin, end = (math.ceil(share * characters) for share in SHARES[split])
        return cut(read_documents(path), begin, end, whole_documents=documents > 1)

    return Source(name, read, SPLITS, {"file": _identity(path), "shares": SHARES}, tokenised)


def from_path(path: Path) -> Source:
    """The source of a user's file or folder.

    A file is cut in three. A folder has a file for each split, with ``train``, ``valid`` (or
    ``val``, ``dev``) or ``test`` in its name; one of them may be missing, train may not.

    Raises:
        ValueError: A split has no file, or more than one; the message names them.
        FileNotFoundError: There is nothing at the path.
    """
    if path.is_dir():
        files = _split_files(path)
        return from_files(path.name, files, plain_name(files["train"]).endswith(".tokens"))
    file = find_file(path)
    if file is None:
        raise FileNotFoundError(f"{path} does not exist")
    return from_one_file(plain_name(file), file, plain_name(file).endswith(".tokens"))


def cut(pieces: Iterable[Piece], begin: int, end: int, *, whole_documents: bool) -> Iterator[Piece]:
    """The documents, or else the lines, that begin at characters from ``begin`` to ``end``."""
    position, inside, document = 0, False, None
    for piece in pieces:
        if position >= end and (piece.document is not None or not whole_documents):
            return
        text = piece.text
        if piece.document is not None:
            document = piece.document
            inside = begin <= position < end
        if whole_documents:
            if inside:
                yield piece
        else:
            first = _next_line(text, begin - position)
            last = _next_line(text, end - position)
            if first < last:
                yield Piece(text[first:last], document)
                document = None
        position += len(text)


def _next_line(text: str, offset: int) -> int:
    """Where the first line begins at or behind an offset; the length of the text if none does."""
    if offset <= 0 or offset >= len(text):
        return min(max(offset, 0), len(text))
    return text.find("\n", offset - 1) + 1 or len(text)


def _measure(pieces: Iterable[Piece]) -> tuple[int, int]:
    characters = documents = 0
    for piece in pieces:
        characters += len(piece.text)
        documents += piece.document is not None
    return characters, documents


def _identity(path: Path) -> list[list[Any]]:
    """Name, size and time of change of a file, or of each of its parts."""
    stats = [(part.name, part.stat()) for part in all_parts(path)]
    return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]


def _split_files(folder: Path) -> dict[str, Path]:
    known = [
        path
        for path in sorted(folder.iterdir())
        if plain_name(path).endswith(SUFFIXES) and path.is_file()
    ]
    files: dict[str, Path] = {}
    for split, spellings in SPELLINGS.items():
        found = [path for path in known if any(word in path.name.lower() for word in spellings)]
        if len(found) > 1 and "train" in files:
            # WikiText has raw files beside those in words.
            kind = Path(plain_name(files["train"])).suffix
            found = [path for path in found if Path(plain_name(path)).suffix == kind]
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise ValueError(f"{folder} must have one file for the {split} split, it has {names}")
        if found:
            files[split] = found[0]
    if "train" not in files or len(files) == 1:
        raise ValueError(
            f"{folder} must have text files with train, valid or test in their names "
            f"({', '.join(SUFFIXES)}, perhaps with .xz), it has them for {list(files) or 'none'}"
        )
    return files
