"""A recipe with next to nothing to do, so that every path can be run on a CPU in seconds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from driftwise.lm.models import LSTMConfig, ModelConfig
from driftwise.lm.training import TrainConfig


def shrink(config: TrainConfig) -> TrainConfig:
    """The same recipe, with all its parts, for a model of a few hundred numbers and six steps."""
    return replace(
        config,
        model=shrink_model(config.model),
        batch_size=8,
        length=16,
        num_steps=6,
        warmup=1,
        log_every=2,
        evaluate_every=3,
        checkpoint_every=2,
        valid_batch_size=2,
        compile=False,
    )


def shrink_model(model: ModelConfig) -> ModelConfig:
    """A model with all the parts of another one, tiny."""
    cutoffs = (16, 32)[: len(model.softmax.cutoffs)]
    parts: dict[str, Any] = {"softmax": replace(model.softmax, cutoffs=cutoffs, max_logits=2**26)}
    if model.fast_block is not None:
        size = None if model.fast_block.size is None else 8
        parts["fast_block"] = replace(model.fast_block, size=size, chunk_size=8)
    if isinstance(model, LSTMConfig):
        return replace(model, hidden_size=12, embedding_size=8, **parts)
    if model.sparse_layers is not None:
        parts["sparse_layers"] = replace(
            model.sparse_layers, after=(1,), num_heads=2, num_slots=4, key_size=4, value_size=4
        )
    return replace(
        model, num_layers=2, hidden_size=16, num_heads=2, window=16, max_length=16, **parts
    )
