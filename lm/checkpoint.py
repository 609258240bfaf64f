"""Language models on disk, without pickle: weights, configuration and vocabulary in one folder.

::

    weights/            a checkpoint (see driftwise.tracking): state.safetensors has every tensor
                        under its own name, state.json the configuration, with checksums
    tokenizer.json      the vocabulary
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..memory.devices import find_device
from ..tracking import (
    CheckpointError,
    atomic_folder,
    load_checkpoint,
    load_metadata,
    save_checkpoint,
)
from .corpora import Corpus, Tokenizer, fingerprint, load_tokenizer, save_tokenizer
from .models import LanguageModel, ModelConfig, build_model, config_from_dict

FORMAT = "driftwise-language-model-1"
BEST, LAST = "best", "last"  # models in the folder of a run
WEIGHTS, TOKENIZER = "weights", "tokenizer.json"


class LoadedModel(NamedTuple):
    """A language model from disk.

    Attributes:
        model: The model, in evaluation mode.
        config: What it was built from.
        tokenizer: What text goes through to become its ids.
        fingerprint: Name of the vocabulary.
        info: What was kept beside it; after training, ``step``, ``valid_loss`` in nats per token,
            and ``train``, the configuration of the run.
    """

    model: LanguageModel
    config: ModelConfig
    tokenizer: Tokenizer
    fingerprint: str
    info: dict[str, Any]

    def check_corpus(self, corpus: Corpus) -> None:
        """Raise a ``ValueError`` unless the ids of a corpus are those of the model."""
        corpus.check_vocabulary(self.model.vocab_size, self.fingerprint)


def save_language_model(
    folder: str | os.PathLike[str],
    model: LanguageModel,
    config: ModelConfig,
    tokenizer: Corpus | Tokenizer,
    info: Mapping[str, Any] | None = None,
    *,
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a model as a folder, whole or not at all; one already there is replaced.

    Args:
        folder: Where; its parent must exist.
        model: The model.
        config: What it was built from.
        tokenizer: Its vocabulary, or the corpus that it was trained on.
        info: Plain data to keep beside it.
        weights: A ``state_dict`` to save in place of the model's own, such as averaged weights.

    Raises:
        ValueError: The vocabulary has another size than the model's.
        TypeError: ``info`` is not plain data; the message names the place.
        OSError: The place is not writable, or full; the message names it. What was there before
            is still there.
    """
    tokenizer = tokenizer.tokenizer if isinstance(tokenizer, Corpus) else tokenizer
    if len(tokenizer) != model.vocab_size:
        raise ValueError(
            f"tokenizer must have the {model.vocab_size} ids of the model, got {len(tokenizer)}"
        )
    about = {
        "format": FORMAT,
        "config": dataclasses.asdict(config),
        "vocab_size": model.vocab_size,
        "fingerprint": fingerprint(tokenizer),
        "info": dict(info or {}),
    }
    with atomic_folder(folder) as temporary:
        tensors = dict(model.state_dict() if weights is None else weights)
        save_checkpoint(temporary / WEIGHTS, tensors, about)
        save_tokenizer(temporary / TOKENIZER, tokenizer)


def load_language_model(
    path: str | os.PathLike[str], device: str | torch.device = "cpu"
) -> LoadedModel:
    """Load a model; runs no code from its files.

    Args:
        path: What :func:`save_language_model` wrote, or the folder of a run, which may still go on:
            of that the best model on validation, or else the last one.
        device: A torch device, or ``"auto"``.

    Raises:
        CheckpointError: A file is missing, damaged, or from something else; the message names it.
        ValueError: torch does not find the device.
    """
    folder = _find_model(Path(path))
    where = find_device(device)
    about = load_metadata(folder / WEIGHTS)
    if about.get("format") != FORMAT:
        raise CheckpointError(
            f"{folder} must have the format {FORMAT!r}, got {about.get('format')!r}"
        )
    try:
        tokenizer = load_tokenizer(folder / TOKENIZER)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / TOKENIZER} is missing or damaged: {error}") from None
    if fingerprint(tokenizer) != about["fingerprint"]:
        raise CheckpointError(
            f"{folder / TOKENIZER} must be the vocabulary that the model was trained with, "
            f"{about['fingerprint']}, got {fingerprint(tokenizer)}"
        )
    config = config_from_dict(about["config"])
    model = build_model(config, about["vocab_size"])
    try:
        model.load_state_dict(load_checkpoint(folder / WEIGHTS))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{folder} does not fit its configuration: {reason}") from None
    return LoadedModel(
        model.to(where).eval(), config, tokenizer, about["fingerprint"], about["info"]
    )


def _find_model(path: Path) -> Path:
    for folder in (path, path / BEST, path / LAST):
        if (folder / WEIGHTS).is_dir():
            return folder
    raise CheckpointError(
        f"no language model at {path}: expected the folder of a run of driftwise train-lm, "
        f"with {BEST}/ or {LAST}/ in it, or what save_language_model wrote"
    )
