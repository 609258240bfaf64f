"""How much memory training takes, estimated before anything is put on a device."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from driftwise.lm.losses import AdaptiveSoftmax, SoftmaxHead
from driftwise.lm.models import (
    FastBlockLanguageModel,
    LanguageModel,
    LSTMConfig,
    build_model,
    count_parameters,
)
from driftwise.lm.optimizers.make import roles
from driftwise.lm.training import TrainConfig
from driftwise.memory import SparseFastWeights

GIB = 2**30
SHARE = 0.92  # of the memory of a device that is left for this


def training_bytes(config: TrainConfig, vocab_size: int) -> int:
    """Bytes that training needs: weights and what is kept for them, activations, and logits.

    An estimate for matrix products in bfloat16, from what torch keeps for the backward pass of each
    part; a test compares it with that.
    """
    with torch.device("meta"):
        model = build_model(config.model, vocab_size)
    return int(_of_weights(config, model) + _of_activations(config, model))


def check_fits(name: str, config: TrainConfig, vocab_size: int, available: int) -> None:
    """Raise a ``ValueError`` that says what would fit, if a recipe does not fit into a device.

    Args:
        name: What the recipe is called.
        config: The recipe.
        vocab_size: Of its vocabulary.
        available: Bytes of the device.
    """

    def fits(micro_batches: int) -> bool:
        needed = training_bytes(replace(config, micro_batches=micro_batches), vocab_size)
        return needed <= SHARE * available

    if fits(config.micro_batches):
        return
    told = (
        f"{name} needs about {training_bytes(config, vocab_size) / GIB:.0f} GiB, and this device "
        f"has {available / GIB:.0f} GiB"
    )
    counts = [n for n in range(1, config.batch_size + 1) if config.batch_size % n == 0]
    for count in counts:
        if count > config.micro_batches and fits(count):
            raise ValueError(f"{told}: it would fit with --micro-batches {count}, and take longer")
    least = training_bytes(replace(config, micro_batches=config.batch_size), vocab_size)
    raise ValueError(
        f"{told}: no number of micro-batches makes it fit, for which it takes "
        f"{least / SHARE / GIB:.0f} GiB; try a smaller recipe, with --recipe"
    )


def check_disk(
    recipes: Mapping[str, TrainConfig], vocab_sizes: Mapping[str, int], folder: Path
) -> None:
    """Raise an ``OSError`` if the disk has no room for what the training of recipes leaves.

    That is two checkpoints of the one that is trained, and two models of each.
    """
    counts = []
    for name, config in recipes.items():
        with torch.device("meta"):
            counts.append(count_parameters(build_model(config.model, vocab_sizes[name])))
    needed = 4 * (2 * sum(counts) + 2 * 4 * max(counts))
    place = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise OSError(
            f"{folder} needs about {needed / GIB:.0f} GiB on a disk that has {free / GIB:.0f} free"
        )


def _of_weights(config: TrainConfig, model: LanguageModel) -> float:
    """Weights, gradients, moments and averages in float32, and copies of weights in bfloat16."""
    role_of, total = roles(model), 0.0
    for name, parameter in model.named_parameters():
        moments = 1 if config.optimizer.matrices == "muon" and role_of.get(name) == "matrix" else 2
        kept = 2 + moments + 2 * (config.average_decay is not None)
        total += parameter.numel() * (4 * kept + 2)
    return total


def _of_activations(config: TrainConfig, model: LanguageModel) -> float:
    rows = config.batch_size // config.micro_batches
    tokens, width = rows * config.length, config.model.hidden_size
    # A Transformer block keeps 50 bytes for each number of its stream, an LSTM about as many.
    total = 50.0 * tokens * width * config.model.num_layers + 20.0 * tokens * width
    if isinstance(config.model, LSTMConfig):
        total += 12.0 * tokens * config.model.embedding_size
    for part in model.modules():
        if isinstance(part, SparseFastWeights):
            slots = part.num_heads * part.num_slots * part.key_size
            chunks = -(-config.length // part.chunk_size)
            total += 6.0 * tokens * slots + 4.0 * rows * chunks * slots * part.value_size
            total += 20.0 * tokens * width
    passes = 1
    if isinstance(model, FastBlockLanguageModel) and model.adaptive:
        layer = model.layer
        weights = 4 * layer.size * (layer.input_size + layer.size)
        chunks = -(-config.length // (layer.chunk_size or config.length))
        total += 4.0 * rows * chunks * weights + 63.0 * tokens * layer.size
        passes = 3
    return total + 14.0 * passes * _logits(model.head, tokens)


def _logits(head: SoftmaxHead, tokens: int) -> float:
    """Logits that are alive at once: in clusters, those of the positions that there is room for."""
    each = float(head.logits_per_position)
    if isinstance(head, AdaptiveSoftmax):
        clusters = itertools.pairwise((*head.cutoffs, head.vocab_size))
        rooms = zip(head.capacities, clusters, strict=True)
        each = head.cutoffs[0] + sum(room * (high - low) for room, (low, high) in rooms)
    return min(tokens * each, max(head.max_logits, head.logits_per_position))
