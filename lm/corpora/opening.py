"""Corpora by name, path or id."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from .byte_pairs import BytePairs
from .corpus import Corpus
from .drifting import DriftingCorpus
from .hugging_face import from_hugging_face
from .named import NAMED, from_name
from .preparing import cache_folder, load_split, prepare
from .sources import Source, from_path
from .tokenizer import Tokenizer, fingerprint
from .tokenizer_files import load_tokenizer
from .words import Style, Words


def open_corpus(
    name_or_path: str | os.PathLike[str],
    *,
    tokenizer: Literal["words", "blanks", "bpe"] | str | os.PathLike[str] | Tokenizer = "words",
    vocab_size: int | None = None,
    min_count: int | None = None,
    data: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Corpus:
    """A corpus, made into ids the first time, and memory-mapped from then on.

    Args:
        name_or_path: A name (``ptb``, ``wikitext-2``, ``wikitext-103``, ``enwiki-long``,
            ``gutenberg``, ``wikinews``, ``tinyshakespeare``, ``drifting``), a file, a folder with
            a file for each split, or ``hf:owner/name`` or ``hf:owner/name:configuration`` of
            Hugging Face. See :func:`~.sources.from_path` and :func:`~.documents.read_documents`
            for what files there may be.
        tokenizer: ``"words"``, ``"bpe"`` (byte pairs), or ``"blanks"``, words of a file in which
            they are apart already (names and ``.tokens`` files know whether they are). Or a
            tokenizer, or the JSON file of one, to read one corpus with the vocabulary of another.
        vocab_size: Largest size of the vocabulary. By default no limit for words, and 16,384 for
            byte pairs.
        min_count: Rarer words become ``<unk>``. By default 1 where the words come apart already,
            and 3 otherwise.
        data: Where named corpora are, by default in ``DRIFTWISE_DATA``. Only read.
        cache: Where to keep ids, by default in ``DRIFTWISE_CACHE`` or the user's cache folder.
        progress: Whether to show a bar while they are made.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: The name is unknown, or a file is empty, broken or not UTF-8.
        FileNotFoundError: The data is not there; the message says how to get it.
        ImportError: A data set of Hugging Face without the extra ``hf``.
    """
    if name_or_path == "drifting":
        return DriftingCorpus()
    source = find_source(name_or_path, data)
    if isinstance(tokenizer, str) and tokenizer in ("words", "blanks", "bpe"):
        settings, make = _trained(tokenizer, source, vocab_size, min_count)
    else:
        if vocab_size is not None or min_count is not None:
            raise ValueError("vocab_size and min_count must be None with a tokenizer of your own")
        given = _load(tokenizer) if isinstance(tokenizer, str | os.PathLike) else tokenizer
        if not hasattr(given, "to_plain"):
            raise TypeError(f"tokenizer must be a name, a file or a tokenizer, got {given!r}")
        settings = {"tokenizer": fingerprint(given)}

        def make(texts: Iterator[str]) -> Tokenizer:
            return given

    folder = prepare(source, settings, make, Path(cache) if cache else cache_folder(), progress)
    made = load_tokenizer(folder / "tokenizer.json")
    splits = {split: load_split(folder, split, made) for split in source.splits}
    return Corpus(source.name, made, splits, np.load(folder / "counts.npy"))


def _load(path: str | os.PathLike[str]) -> Tokenizer:
    try:
        return load_tokenizer(path)
    except FileNotFoundError:
        raise ValueError(
            "tokenizer must be 'words', 'blanks', 'bpe' or the file of one, got "
            f"{os.fspath(path)!r}"
        ) from None


def find_source(
    name_or_path: str | os.PathLike[str], data: str | os.PathLike[str] | None = None
) -> Source:
    """Where the documents of a corpus come from; arguments and errors as :func:`open_corpus`."""
    name = os.fspath(name_or_path)
    if name in NAMED:
        return from_name(name, data)
    if name.startswith("hf:"):
        return from_hugging_face(name.removeprefix("hf:"))
    try:
        return from_path(Path(name))
    except FileNotFoundError:
        raise ValueError(
            f"name_or_path must be one of {', '.join(NAMED)}, drifting, a file, a folder or "
            f"hf:owner/name, got {name!r}"
        ) from None


def _trained(
    kind: str, source: Source, vocab_size: int | None, min_count: int | None
) -> tuple[dict[str, object], Callable[[Iterator[str]], Tokenizer]]:
    """Settings of a tokenizer that learns from the train split, and what trains it."""
    if kind == "bpe":
        if min_count is not None:
            raise ValueError(f"min_count must be None with byte pairs, got {min_count}")
        size = 16_384 if vocab_size is None else vocab_size
        return {"tokenizer": kind, "vocab_size": size}, partial(BytePairs.train, vocab_size=size)
    style: Style = "blanks" if kind == "blanks" or source.tokenised else "punctuation"
    least = (1 if style == "blanks" else 3) if min_count is None else min_count
    return (
        {"tokenizer": style, "vocab_size": vocab_size, "min_count": least},
        partial(Words.train, style=style, vocab_size=vocab_size, min_count=least),
    )
