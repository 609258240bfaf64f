"""Tokenizers as files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...tracking import write_text
from .byte_pairs import BytePairs
from .pretrained import PretrainedTokenizer
from .tokenizer import Tokenizer
from .words import Words


def save_tokenizer(path: str | os.PathLike[str], tokenizer: Tokenizer) -> None:
    """Write a tokenizer as JSON, as a whole or not at all."""
    write_text(path, json.dumps(tokenizer.to_plain(), ensure_ascii=False) + "\n")


def load_tokenizer(path: str | os.PathLike[str]) -> Tokenizer:
    """Read what :func:`save_tokenizer` wrote.

    Raises:
        ValueError: The file is something else; the message names it.
    """
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
