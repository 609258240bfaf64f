"""An adaptive block that is fitted once and kept."""

from __future__ import annotations

import os
from pathlib import Path

from ...tracking import load_checkpoint, load_metadata, make_writable_folder, save_checkpoint
from ..corpora import Corpus
from ..evaluation import fingerprint_of
from ..models import FastBlockLanguageModel
from .fitting import fit_fast_block


def fit_or_load_block(
    model: FastBlockLanguageModel,
    corpus: Corpus,
    folder: str | os.PathLike[str],
    *,
    num_steps: int = 300,
    progress: bool = True,
) -> None:
    """:func:`fit_fast_block` on the training split, or what an earlier call has left.

    Args:
        model: A model as :func:`adapt` makes it, with a block that is not fitted yet.
        corpus: Whose training split it is fitted on.
        folder: Where the block is kept, a checkpoint (see :mod:`driftwise.tracking`). One that
            was fitted on another body, corpus or beginning, or for other steps, is replaced.
        num_steps: As for :func:`fit_fast_block`.
        progress: As there.

    Raises:
        TypeError: As there.
        ValueError: As there; or the folder is damaged.
        FloatingPointError: As there.
        OSError: The folder cannot be written to.
    """
    key = fingerprint_of(model, corpus, f"block fitted in {num_steps} steps")
    place = Path(folder)
    if not place.is_dir() or load_metadata(place)["key"] != key:
        make_writable_folder(place.parent)
        fit_fast_block(model, corpus.train, num_steps=num_steps, progress=progress)
        save_checkpoint(place, dict(model.layer.state_dict()), {"key": key})
    else:
        model.layer.load_state_dict(load_checkpoint(place))
