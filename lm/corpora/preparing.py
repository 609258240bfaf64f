"""Corpora as ids on disk: made once, piece by piece, then memory-mapped."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ...tracking import atomic_folder, make_writable_folder, write_json
from ...tracking.lock import FileLock
from .documents import Document, Piece
from .sources import Source
from .token_split import Documents, TokenSplit, id_dtype
from .tokenizer import Tokenizer, fingerprint
from .tokenizer_files import load_tokenizer, save_tokenizer
from .words import Style, Words, split_words

FORMAT = 1  # to be raised when the same source and settings come to other ids
BATCH = 1 << 22  # characters encoded at a time


def cache_folder() -> Path:
    """Where corpora are kept: under ``DRIFTWISE_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("DRIFTWISE_CACHE")
    if chosen:
        return Path(chosen) / "corpora"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "driftwise" / "corpora"


def prepare(
    source: Source,
    settings: dict[str, Any],
    make_tokenizer: Callable[[Iterator[str]], Tokenizer],
    cache: Path,
    progress: bool,
) -> Path:
    """Make the folder of a corpus, unless it is there.

    Args:
        source: Where the documents come from.
        settings: Plain data that tells what ``make_tokenizer`` makes.
        make_tokenizer: From the texts of the train split to a tokenizer.
        cache: The folder in which the folder is.
        progress: Whether to show a bar.

    Returns:
        A folder with the tokenizer, the ids and the index of each split, and how often each id is
        in the train split. It appears whole or not at all; its name depends on source and settings.
    """
    told = {"format": FORMAT, "source": source.identity, "tokenised": source.tokenised, **settings}
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    safe = "".join(c if c.isalnum() or c in "-._" else "-" for c in source.name)
    path = cache / f"{safe}-{key}"
    if path.is_dir():
        return path
    make_writable_folder(cache)
    with _one_process(path):
        if not path.is_dir():
            _make(path, source, make_tokenizer, told, progress)
    return path


def load_split(folder: Path, split: str, tokenizer: Tokenizer) -> TokenSplit:
    """A split out of the folder of a corpus, its ids memory-mapped."""
    ids = np.memmap(folder / f"{split}.ids", id_dtype(len(tokenizer)), "r")
    documents = Documents.load(folder / f"{split}.documents.npz")
    if documents.offsets[-1] != len(ids):
        raise ValueError(f"{folder} is broken: remove it, and it will be made again")
    return TokenSplit(ids, documents, tokenizer.eos)


@contextlib.contextmanager
def _one_process(path: Path) -> Iterator[None]:
    """Let one process make a folder, and others wait for it; sweep up what a killed one left."""
    while True:
        try:
            lock = FileLock(path.with_name(f".{path.name}.lock"), str(path))
            break
        except RuntimeError:
            time.sleep(0.1)
    try:
        for leftover in path.parent.glob(f".{path.name}.*.tmp"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield
    finally:
        lock.release()


def _make(
    path: Path,
    source: Source,
    make_tokenizer: Callable[[Iterator[str]], Tokenizer],
    told: dict[str, Any],
    progress: bool,
) -> None:
    with atomic_folder(path) as folder:
        pieces = _bar(source.read("train"), f"{source.name}: tokenizer", progress)
        tokenizer = make_tokenizer(piece.text for piece in pieces)
        # As it will be read again: what is kept is what has made the ids.
        save_tokenizer(folder / "tokenizer.json", tokenizer)
        tokenizer = load_tokenizer(folder / "tokenizer.json")
        for split in source.splits:
            _write_split(folder, split, source, tokenizer, progress)
        told = {**told, "splits": list(source.splits), "fingerprint": fingerprint(tokenizer)}
        write_json(folder / "corpus.json", told)


@dataclass
class _Entry:
    """What the index has of a document."""

    document: Document
    tokens: int = 0
    words: int = 0
    bytes: int = 0


def _write_split(
    folder: Path, split: str, source: Source, tokenizer: Tokenizer, progress: bool
) -> None:
    counts = np.zeros(len(tokenizer), np.int64)
    entries: list[_Entry] = []
    style: Style = "blanks" if source.tokenised else "punctuation"
    end = np.full(int(tokenizer.ends_documents), tokenizer.eos, np.uint32)
    with open(folder / f"{split}.ids", "wb") as file:

        def write(parts: list[NDArray[np.uint32]]) -> None:
            ids = np.concatenate(parts)
            np.add(counts, np.bincount(ids, minlength=len(counts)), out=counts)
            file.write(ids.astype(id_dtype(len(tokenizer))).data)

        pieces = _bar(source.read(split), f"{source.name}: {split}", progress)
        for batch in _batches(pieces):
            parts = []
            for piece, ids in zip(batch, tokenizer.encode([p.text for p in batch]), strict=True):
                if piece.document is not None:
                    if entries:
                        parts.append(end)
                    entries.append(_Entry(piece.document, len(end)))
                parts.append(ids)
                entry = entries[-1]
                entry.tokens += len(ids)
                # Words are counted in the same way whatever the tokens are.
                is_word = isinstance(tokenizer, Words)
                entry.words += len(ids) if is_word else len(split_words(piece.text, style))
                entry.bytes += len(piece.text.encode())
            write(parts)
        write([end])
    if not entries:
        raise ValueError(f"{source.name} has no text in its {split} split")
    Documents(
        offsets=np.cumsum([0, *(entry.tokens for entry in entries)]),
        keys=np.array([entry.document.key for entry in entries], np.int64),
        words=np.array([entry.words for entry in entries]),
        bytes=np.array([entry.bytes for entry in entries]),
        titles=np.array([entry.document.title for entry in entries]),
    ).save(folder / f"{split}.documents.npz")
    if split == "train":
        np.save(folder / "counts.npy", counts)


def _batches(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece.text)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _bar(pieces: Iterable[Piece], title: str, progress: bool) -> Iterator[Piece]:
    """The same pieces under a bar of characters; how many there will be is not known."""
    with tqdm(desc=title, unit=" characters", unit_scale=True, disable=not progress) as bar:
        for piece in pieces:
            yield piece
            bar.update(len(piece.text))
