"""A split of a corpus as ids, and where its documents are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Documents:
    """Index of D documents.

    Attributes:
        offsets: (D + 1,) where each begins among the ids, and where the last ends.
        keys: (D,) what order in time goes by: year, date as 20040131, or number.
        words: (D,) number of words, one for the end of each line included.
        bytes: (D,) number of bytes of UTF-8.
        titles: (D,) titles.
    """

    offsets: IntArray
    keys: IntArray
    words: IntArray
    bytes: IntArray
    titles: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class TokenSplit:
    """The N tokens of a split.

    Attributes:
        ids: (N,) ids, unsigned, as small as the vocabulary allows; memory-mapped.
        documents: Where the documents are.
        eos: Id of the input before the first token of a document.
    """

    ids: NDArray[Any]
    documents: Documents
    eos: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def num_words(self) -> int:
        """Number of words, whatever the tokens: what perplexity per word is measured by."""
        return int(self.documents.words.sum())

    @property
    def num_bytes(self) -> int:
        """Number of bytes of UTF-8: what bits per byte are measured by."""
        return int(self.documents.bytes.sum())

    def save(self, folder: Path, name: str) -> None:
        """Write the index beside the ids, which are there."""
        index = self.documents
        np.savez_compressed(
            folder / f"{name}.documents.npz",
            offsets=index.offsets,
            keys=index.keys,
            words=index.words,
            bytes=index.bytes,
            titles=index.titles,
        )

    @classmethod
    def load(cls, folder: Path, name: str, vocab_size: int, eos: int) -> TokenSplit:
        """A split out of a folder, its ids memory-mapped."""
        ids = np.memmap(folder / f"{name}.ids", id_dtype(vocab_size), "r")
        with np.load(folder / f"{name}.documents.npz") as index:
            documents = Documents(**{field: index[field] for field in index.files})
        if documents.offsets[-1] != len(ids):
            raise ValueError(f"{folder} is broken: remove it, and it is made again")
        return cls(ids, documents, eos)


def id_dtype(vocab_size: int) -> type[np.unsignedinteger[Any]]:
    """The smaller of uint16 and uint32 that holds the ids."""
    return np.uint16 if vocab_size <= 1 << 16 else np.uint32
