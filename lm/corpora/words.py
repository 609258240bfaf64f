"""Words as tokens: a vocabulary sorted by frequency, with a cut-off."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...memory.contract import check_sizes
from .tokenizer import EOS, UNK

Style = Literal["blanks", "punctuation"]

# Letters and digits, with apostrophes between ("don't", "o'clock") and numbers kept whole
# ("3,000.5"); dashes and dots in a row ("--", "..."); anything else but blanks by itself.
TOKEN = re.compile(
    r"[^\W_]+(?:['’][^\W_]+|(?<=\d)[.,:](?=\d)[^\W_]+)*|<eos>|-{2,}|\.{2,}|[^\w\s]|_"
)


def split_words(text: str, style: Style) -> list[str]:
    """Words of a text, with ``<eos>`` at the end of each line.

    Args:
        text: The text.
        style: ``"blanks"`` for text whose words are apart already: cut at blanks only.
            ``"punctuation"`` for raw text: ``"The end."`` is three words, ``"well-known"``, too.
    """
    text = text.replace("\n", " <eos> ")
    return text.split() if style == "blanks" else TOKEN.findall(text)


class _Ids(dict[str, int]):
    """Ids of words, and one for all that are not in it."""

    unk: int

    def __missing__(self, word: str) -> int:
        return self.unk


class Words:
    """A vocabulary of words; a :class:`~.tokenizer.Tokenizer`.

    ``<eos>`` ends each line. ``<unk>`` stands for words that are not in the vocabulary.

    Args:
        words: The words by id, ``<eos>`` and ``<unk>`` among them.
        style: How text is cut into words, see :func:`split_words`.
    """

    ends_documents = False

    def __init__(self, words: Sequence[str], style: Style = "blanks") -> None:
        if style not in ("blanks", "punctuation"):
            raise ValueError(f"style must be 'blanks' or 'punctuation', got {style!r}")
        self.words, self.style = list(words), style
        self._ids = _Ids((word, i) for i, word in enumerate(self.words))
        if len(self._ids) < len(self.words) or EOS not in self._ids or UNK not in self._ids:
            raise ValueError(f"words must be different and have {EOS} and {UNK} among them")
        self.eos, self.unk = self._ids[EOS], self._ids[UNK]
        self._ids.unk = self.unk

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        style: Style = "blanks",
        *,
        min_count: int = 1,
        vocab_size: int | None = None,
    ) -> Words:
        """A vocabulary of the words of some texts, the most frequent first.

        Words as frequent as each other are in the order in which they came first.

        Args:
            texts: The texts, with newlines.
            style: How text is cut into words.
            min_count: Words seen fewer times become ``<unk>``.
            vocab_size: Size of the vocabulary at most, ``<eos>`` and ``<unk>`` counted; None for
                no limit.
        """
        check_sizes(min_count=min_count)
        if vocab_size is not None:
            check_sizes(vocab_size=vocab_size)
            if vocab_size < 3:
                raise ValueError(f"vocab_size must be at least 3, got {vocab_size}")
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(split_words(text, style))
        total, eos = counts.total(), counts.pop(EOS, 0)
        counts.pop(UNK, None)
        limit = None if vocab_size is None else vocab_size - 2
        kept = {word: count for word, count in counts.most_common(limit) if count >= min_count}
        kept[EOS], kept[UNK] = eos, total - eos - sum(kept.values())
        return cls(sorted(kept, key=lambda word: -kept[word]), style)

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        """Ids of the words of each text."""
        lookup = self._ids.__getitem__
        lists = (split_words(text, self.style) for text in texts)
        return [np.fromiter(map(lookup, words), np.uint32, len(words)) for words in lists]

    def decode(self, ids: Sequence[int] | NDArray[Any]) -> str:
        """The words with blanks between, and a newline for ``<eos>``."""
        text = " ".join("\n" if i == self.eos else self.words[i] for i in ids)
        return text.replace(" \n", "\n").replace("\n ", "\n")

    def to_plain(self) -> dict[str, Any]:
        """Style and words."""
        return {"kind": "words", "style": self.style, "words": self.words}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Words:
        """What :meth:`to_plain` gave."""
        return cls(plain["words"], plain["style"])
