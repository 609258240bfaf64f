"""Corpora that are known by name."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from .hugging_face import from_hugging_face
from .sources import SPLITS, Source, from_files, from_one_file
from .text_files import find_file


@dataclass(frozen=True)
class Named:
    """What is known of a corpus.

    Attributes:
        files: Path of each split below the folder of data, or of one file that is cut in three;
            each may be compressed.
        tokenised: Whether words are already apart.
        hugging_face: Where the hub has the same words, line by line.
        licence: Why it cannot be downloaded, where it cannot.
    """

    files: tuple[str, ...]
    tokenised: bool = False
    hugging_face: str = ""
    licence: str = ""


def _three(pattern: str, valid: str = "valid") -> tuple[str, ...]:
    return tuple(pattern.format(split) for split in ("train", valid, "test"))


NAMED = {
    "ptb": Named(
        _three("ptb/ptb.{}.txt"),
        tokenised=True,
        licence="The Penn Treebank is licensed by the LDC; ask there.",
    ),
    "wikitext-2": Named(
        _three("wikitext-2/wiki.{}.tokens"), True, "Salesforce/wikitext:wikitext-2-v1"
    ),
    "wikitext-103": Named(
        _three("wikitext-103/wiki.{}.tokens"), True, "Salesforce/wikitext:wikitext-103-v1"
    ),
    "enwiki-long": Named(_three("enwiki-long/enwiki.{}.txt")),
    "gutenberg": Named(_three("gutenberg/{}.tar", "validation")),
    "wikinews": Named(("wikinews/wikinews.jsonl",)),
    "tinyshakespeare": Named(("tinyshakespeare/input.txt",)),
}


def from_name(name: str, data: str | os.PathLike[str] | None = None) -> Source:
    """The source of a named corpus.

    Args:
        name: One of :data:`NAMED`.
        data: Folder of data, by default that of the environment variable ``DRIFTWISE_DATA``.

    Raises:
        FileNotFoundError: It is not there, and cannot be downloaded; the message says what to do.
        ImportError: It could be downloaded with the extra ``hf``.
        ValueError: It could be downloaded, but was not.
    """
    known = NAMED[name]
    given = os.environ.get("DRIFTWISE_DATA", "") if data is None else data
    wanted = [Path(given) / file for file in known.files] if given else []
    found = [find_file(path) for path in wanted]
    files = [path for path in found if path is not None]
    if wanted and len(files) == len(wanted):
        if len(files) == 1:
            return from_one_file(name, files[0], known.tokenised)
        return from_files(name, dict(zip(SPLITS, files, strict=True)), known.tokenised)
    where = (
        f"{name} needs {' and '.join(known.files)} (or .xz) in the folder DRIFTWISE_DATA={given}"
    )
    if not known.hugging_face:
        raise FileNotFoundError(f"{where}, and it is not there. {known.licence}".rstrip())
    try:
        source = from_hugging_face(known.hugging_face, lines=True, tokenised=known.tokenised)
    except (ImportError, ValueError) as error:
        raise type(error)(f"{where}, or to download it: {error}") from None
    return replace(source, name=name)
