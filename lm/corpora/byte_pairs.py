"""Byte-level byte-pair encoding, by the package ``tokenizers``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...memory.contract import check_sizes


class BytePairs:
    """Byte pairs; a :class:`~.tokenizer.Tokenizer`.

    Every text can be encoded, and comes back byte for byte. The end mark, which follows each
    document, is the last id; no text contains it.

    Args:
        tokenizer: A ``tokenizers.Tokenizer`` without special tokens.
    """

    ends_documents = True

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.eos = tokenizer.get_vocab_size()

    @classmethod
    def train(cls, texts: Iterable[str], *, vocab_size: int) -> BytePairs:
        """Byte pairs learned from some texts.

        Args:
            texts: The texts.
            vocab_size: Number of ids, the 256 bytes and the end mark counted; fewer if the texts
                have not so many different pairs.
        """
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        check_sizes(vocab_size=vocab_size)
        if vocab_size < 257:
            raise ValueError(f"vocab_size must be at least 257, got {vocab_size}")
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size - 1,
            min_frequency=2,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    def __len__(self) -> int:
        return int(self.eos) + 1

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        """Ids of each text; on all cores, if there are many texts."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, np.uint32) for encoding in encodings]

    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        """The text, without end marks; bytes that are no UTF-8 become U+FFFD."""
        text: str = self._tokenizer.decode([int(i) for i in ids if i != self.eos])
        return text

    def to_plain(self) -> dict[str, Any]:
        """The JSON of ``tokenizers``."""
        return {"kind": "bpe", "tokenizer": json.loads(self._tokenizer.to_str())}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> BytePairs:
        """What :meth:`to_plain` gave."""
        from tokenizers import Tokenizer

        try:
            return cls(Tokenizer.from_str(json.dumps(plain["tokenizer"])))
        except Exception as error:  # tokenizers has no class for its errors
            raise ValueError(str(error)) from None
