"""What turns text into ids and back: the contract of word vocabularies and byte pairs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...tracking import write_text

EOS = "<eos>"  # the end of a line in words, of a document in byte pairs
UNK = "<unk>"


class Tokenizer(Protocol):
    """What turns text into ids and back.

    Attributes:
        eos: Id of the end mark, which is also the input before the first token of a document.
        ends_documents: Whether the end mark follows each document, beside what its text has.
    """

    eos: int
    ends_documents: bool

    def __len__(self) -> int:
        """Number of ids."""
        ...

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        """Ids of each text."""
        ...

    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        """Text of ids."""
        ...

    def to_plain(self) -> dict[str, Any]:
        """All there is to it as plain data, with its ``kind``."""
        ...


def fingerprint(tokenizer: Tokenizer) -> str:
    """A name for a tokenizer that no other has: what a checkpoint keeps to know it again."""
    text = json.dumps(tokenizer.to_plain(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save_tokenizer(path: str | os.PathLike[str], tokenizer: Tokenizer) -> None:
    """Write a tokenizer as JSON, as a whole or not at all."""
    write_text(path, json.dumps(tokenizer.to_plain(), ensure_ascii=False) + "\n")


def load_tokenizer(path: str | os.PathLike[str]) -> Tokenizer:
    """Read what :func:`save_tokenizer` wrote.

    Raises:
        ValueError: The file is something else; the message names it.
    """
    from .byte_pairs import BytePairs
    from .pretrained import PretrainedTokenizer
    from .words import Words

    try:
        plain = json.loads(Path(path).read_text("utf-8"))
        kinds: dict[str, Callable[[dict[str, Any]], Tokenizer]]
        kinds = {
            "words": Words.from_plain,
            "bpe": BytePairs.from_plain,
            "pretrained": PretrainedTokenizer.from_plain,
        }
        return kinds[plain["kind"]](plain)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} must be a tokenizer saved by driftwise ({error!r})") from None
