"""A model of Hugging Face and its tokenizer, by name or from a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ...memory.devices import find_device
from ..corpora import PretrainedTokenizer
from .package import load_transformers


class LoadedPretrained(NamedTuple):
    """A causal language model from elsewhere.

    Attributes:
        model: What ``AutoModelForCausalLM`` loads, in float32 and evaluation mode.
        tokenizer: Its tokenizer, for :func:`driftwise.lm.corpora.open_corpus`.
    """

    model: Any
    tokenizer: PretrainedTokenizer


def load_pretrained(
    name_or_folder: str | os.PathLike[str], device: str | torch.device = "cpu"
) -> LoadedPretrained:
    """Load a model for :func:`adapt`, and its tokenizer.

    Args:
        name_or_folder: Name of a model on the hub, or a folder that ``save_pretrained`` wrote a
            model and its tokenizer to. Folders are read without a network.
        device: A torch device, or ``"auto"``.

    Raises:
        ImportError: ``transformers`` is not installed; the message has the command.
        ValueError: There is no such model or no way to it, it is not one that predicts words, its
            tokenizer is missing, or torch does not find the device. The message is one line.
        TypeError: The tokenizer has no fast form.
    """
    transformers, where = load_transformers(), find_device(device)
    name = os.fspath(name_or_folder)
    options: dict[str, Any] = {"local_files_only": Path(name).is_dir()}
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            name, dtype=torch.float32, **options
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, **options)
    except Exception as error:  # transformers and what it reads with raise all kinds
        reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise ValueError(
            "hugging_face must be the name of a causal language model on the hub, or a folder with "
            f"one and its tokenizer, got {name!r}: {reason.strip()}"
        ) from error
    rows = model.get_output_embeddings().weight.shape[0]
    found = PretrainedTokenizer.of(tokenizer, rows)
    if not len(found.encode(["text"])[0]):
        # What transformers makes up where the files of a tokenizer are missing.
        raise ValueError(f"the tokenizer of {name} makes no tokens of a text: are its files there?")
    return LoadedPretrained(model.to(where).eval(), found)
