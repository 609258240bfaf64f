"""A corpus: splits as ids, with the tokenizer that made them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .token_split import TokenSplit
from .tokenizer import Tokenizer, fingerprint


@dataclass(frozen=True)
class Corpus:
    """A corpus of text as ids.

    Attributes:
        name: What it is called.
        tokenizer: What made the ids; ``len(tokenizer)`` is the size of the vocabulary.
        splits: Ids by the name of the split: ``train``, ``valid``, ``test``.
        counts: (V,) how often each id is in the train split: how rare a word is.
    """

    name: str
    tokenizer: Tokenizer
    splits: dict[str, TokenSplit]
    counts: NDArray[np.int64]

    @property
    def train(self) -> TokenSplit:
        """The train split."""
        return self["train"]

    @property
    def valid(self) -> TokenSplit:
        """The valid split."""
        return self["valid"]

    @property
    def test(self) -> TokenSplit:
        """The test split."""
        return self["test"]

    def __getitem__(self, split: str) -> TokenSplit:
        if split not in self.splits:
            raise ValueError(
                f"split must be one of {list(self.splits)} of {self.name}, got {split!r}"
            )
        return self.splits[split]

    @cached_property
    def fingerprint(self) -> str:
        """Name of the vocabulary: what a checkpoint keeps, for :meth:`check_vocabulary`."""
        return fingerprint(self.tokenizer)

    def check_vocabulary(self, vocab_size: int, fingerprint: str) -> None:
        """Raise ValueError unless a model was trained with this vocabulary.

        Args:
            vocab_size: Number of ids that the model knows.
            fingerprint: That of the corpus that it was trained on.
        """
        if (vocab_size, fingerprint) != (len(self.tokenizer), self.fingerprint):
            raise ValueError(
                f"the vocabulary must be that of the model, {vocab_size} ids ({fingerprint}), but "
                f"{self.name} has {len(self.tokenizer)} ({self.fingerprint}): open the corpus with "
                "tokenizer= the tokenizer.json of the model"
            )
