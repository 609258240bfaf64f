"""The last pairs of a hidden vector and the word that came after it, lane by lane."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ...memory.contract import check_sizes
from ..corpora import IGNORED
from .contract import Segment


class Pairs(NamedTuple):
    """What a segment can look back to: P = M + T pairs, M stored ones and those of the segment.

    Attributes:
        keys: (B, P, D) hidden vectors.
        words: (B, P) the words after them; any where not visible.
        visible: (B, T, P) bool, which pairs position t may see: the ``window`` last ones before it,
            of its own document.
    """

    keys: Tensor
    words: Tensor
    visible: Tensor


class RecentPairs:
    """A memory of the ``window`` last pairs, which forgets at starts.

    Position t of a segment sees the pairs of positions before t in the same segment, too: however a
    text is cut into segments, each position sees the same pairs.

    Args:
        window: Pairs to keep.
    """

    def __init__(self, window: int) -> None:
        check_sizes(window=window)
        self.window = window

    def begin(self, batch_size: int) -> None:
        """Forget everything."""
        self._batch_size = batch_size
        self._keys: Tensor | None = None

    def view(self, hidden: Tensor, segment: Segment) -> Pairs:
        """What the positions of a segment can look back to; see :class:`Pairs`."""
        length = hidden.shape[1]
        if self._keys is None:  # only now are width and device known
            self._keys = hidden.new_zeros(self._batch_size, 0, hidden.shape[-1])
            self._words = segment.inputs.new_zeros(self._batch_size, 0)
            self._documents = segment.inputs.new_zeros(self._batch_size, 0)
            self._document = segment.inputs.new_zeros(self._batch_size, 1)
        documents = self._document + segment.starts.long().cumsum(1)
        unknown = torch.full_like(segment.seen[:, :1], IGNORED)  # that of the last position
        words = torch.cat((self._words, segment.seen[:, 1:], unknown), 1)
        stored = self._words.shape[1]
        back = torch.arange(stored, stored + length, device=hidden.device).unsqueeze(1)
        back = back - torch.arange(stored + length, device=hidden.device)  # (T, P) positions back
        all_documents = torch.cat((self._documents, documents), 1)
        visible = (back > 0) & (back <= self.window) & (words != IGNORED).unsqueeze(1)
        visible &= documents.unsqueeze(2) == all_documents.unsqueeze(1)
        self._latest = hidden, documents
        return Pairs(torch.cat((self._keys, hidden), 1), words, visible)

    def write(self, targets: Tensor) -> None:
        """Store the pairs of the segment that was viewed last."""
        assert self._keys is not None
        hidden, documents = self._latest
        joined = (
            torch.cat(parts, 1)[:, -self.window :]
            for parts in (
                (self._keys, hidden),
                (self._words, targets),
                (self._documents, documents),
            )
        )
        self._keys, self._words, self._documents = joined
        self._document = documents[:, -1:]
