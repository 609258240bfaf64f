"""A split of a corpus as ids, and where its documents are."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...memory.contract import check_sizes

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

    def save(self, path: Path) -> None:
        """Write the index to a file (``.npz``)."""
        np.savez_compressed(
            path, **{field.name: getattr(self, field.name) for field in fields(self)}
        )

    @classmethod
    def load(cls, path: Path) -> Documents:
        """Read what :meth:`save` wrote."""
        with np.load(path) as index:
            return cls(**index)


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

    def first(self, num_tokens: int) -> TokenSplit:
        """The documents that begin among the first tokens, cut behind these.

        Of a document that is cut, words and bytes are counted in proportion.

        Args:
            num_tokens: At least 1; all of a split that has fewer.

        Raises:
            ValueError: ``num_tokens`` is below 1.
        """
        check_sizes(num_tokens=num_tokens)
        documents, end = self.documents, min(num_tokens, len(self))
        count = int(np.searchsorted(documents.offsets, end))
        offsets = np.append(documents.offsets[:count], end)
        share = np.diff(offsets) / np.maximum(np.diff(documents.offsets[: count + 1]), 1)
        kept = Documents(
            offsets,
            documents.keys[:count],
            np.rint(documents.words[:count] * share).astype(np.int64),
            np.rint(documents.bytes[:count] * share).astype(np.int64),
            documents.titles[:count],
        )
        return TokenSplit(self.ids[:end], kept, self.eos)


def id_dtype(vocab_size: int) -> type[np.unsignedinteger[Any]]:
    """The smaller of uint16 and uint32 that holds the ids."""
    return np.uint16 if vocab_size <= 1 << 16 else np.uint32
