"""Tokenizers of models that were trained elsewhere."""

from __future__ import annotations

from typing import Any

from .byte_pairs import BytePairs


class PretrainedTokenizer(BytePairs):
    """The tokenizer of a Hugging Face model; a :class:`~.tokenizer.Tokenizer`.

    The end mark is what the model saw before a text in its training: its ``bos`` token, or ``eos``
    where it has no other. It follows each document only where it is ``eos``, too. Special tokens
    in a text, such as ``"</s>"``, are read as the characters that they are written with.

    Args:
        tokenizer: A ``tokenizers.Tokenizer``; copied.
        vocab_size: Number of ids of the model, which may have rows that no text uses.
        eos: Id of the end mark.
        ends_documents: Whether it follows each document.

    Raises:
        ValueError: The tokenizer has more ids than the model.
    """

    def __init__(self, tokenizer: Any, vocab_size: int, eos: int, ends_documents: bool) -> None:
        tokenizer = type(tokenizer).from_str(tokenizer.to_str())
        most = max(tokenizer.get_vocab(with_added_tokens=True).values())
        if max(most, eos) >= vocab_size:
            raise ValueError(
                f"vocab_size must be that of the model that the tokenizer is for, which has ids up "
                f"to {max(most, eos)}, got {vocab_size}"
            )
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = True  # as text
        self._tokenizer, self._vocab_size = tokenizer, vocab_size
        self.eos, self.ends_documents = eos, ends_documents

    @classmethod
    def of(cls, tokenizer: Any, vocab_size: int) -> PretrainedTokenizer:
        """From what ``transformers.AutoTokenizer`` loads.

        Args:
            tokenizer: A fast tokenizer of ``transformers``.
            vocab_size: Number of ids of the model, ``model.vocab_size``.

        Raises:
            TypeError: It has no fast form.
            ValueError: It has no token to begin a text with, or more ids than the model.
        """
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise TypeError(
                "tokenizer must be a fast tokenizer of transformers, got a "
                f"{type(tokenizer).__name__}"
            )
        bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
        mark = eos if bos is None else bos
        if mark is None:
            raise ValueError("tokenizer must have a bos or an eos token, it has neither")
        return cls(backend, vocab_size, mark, mark == eos)

    def __len__(self) -> int:
        return self._vocab_size

    def to_plain(self) -> dict[str, Any]:
        """The JSON of ``tokenizers``, and what the model adds."""
        return {
            **super().to_plain(),
            "kind": "pretrained",
            "vocab_size": self._vocab_size,
            "eos": self.eos,
            "ends_documents": self.ends_documents,
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> PretrainedTokenizer:
        """What :meth:`to_plain` gave."""
        bare = BytePairs.from_plain(plain)._tokenizer
        return cls(bare, plain["vocab_size"], plain["eos"], plain["ends_documents"])
