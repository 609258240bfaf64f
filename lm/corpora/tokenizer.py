"""What turns text into ids and back: the contract of word vocabularies and byte pairs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

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
