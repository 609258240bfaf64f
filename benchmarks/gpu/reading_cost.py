"""What it costs to adapt while reading, as ratios to reading alone, in time and in operations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from driftwise.benchmarks.adaptation_cost import read_through
from driftwise.benchmarks.gpu.shrink import shrink_model
from driftwise.benchmarks.gpu.training_step import random_words
from driftwise.benchmarks.timing import race, summary
from driftwise.lm.adapters import DynamicEvaluation, Reader
from driftwise.lm.corpora import Batch
from driftwise.lm.models import FastBlockConfig, ModelConfig, build_model
from driftwise.lm.training.gpu_recipes import wiki_s

VOCABULARY = 267_735
SEGMENTS = 4  # read in each round
# Lanes and positions of a segment: many for what reads side by side, one for what moves weights.
WIDE, NARROW = (16, 1024), (1, 128)
BLOCKS = {
    "fwl": FastBlockConfig(chunk_size=256),
    "fwl_narrow": FastBlockConfig(size=384, residual=True, chunk_size=256),
}


def reading_costs(device: torch.device, rounds: int, tiny: bool = False) -> list[dict[str, Any]]:
    """Ratios to static for the model of ``wiki-s``, read in float32 as evaluations do.

    ``default``: with the softmax of the recipe; ``small_shortlist``: with one whose first cluster
    begins at word 4,000, so that the three passes of an adaptive block through it weigh less.
    """
    model = wiki_s().model
    small = replace(model.softmax, cutoffs=(4_000, *model.softmax.cutoffs), capacities=())
    settings = {"default": model, "small_shortlist": replace(model, softmax=small)}
    rows = []
    for setting, config in settings.items():
        for lanes, length, names in ((*WIDE, list(BLOCKS)), (*NARROW, ["dynamic", "dynamic_rms"])):
            found = {
                name: replace(config, fast_block=BLOCKS.get(name)) for name in ("static", *names)
            }
            if tiny:
                found = {name: shrink_model(config) for name, config in found.items()}
                lanes, length = min(lanes, 2), 16
            rows += _ratios(
                found, setting, lanes, length, device, rounds, 50 if tiny else VOCABULARY
            )
    return rows


def _ratios(
    models: Mapping[str, ModelConfig],
    setting: str,
    lanes: int,
    length: int,
    device: torch.device,
    rounds: int,
    vocab_size: int,
) -> list[dict[str, Any]]:
    torch.manual_seed(0)
    softmax = models["static"].softmax
    words = random_words((lanes, SEGMENTS * length + 1), softmax, vocab_size).to(device)
    starts = torch.zeros(lanes, SEGMENTS * length, dtype=torch.bool, device=device)
    parts = (part.split(length, 1) for part in (words[:, :-1], words[:, 1:], starts))
    batches = [Batch(*piece) for piece in zip(*parts, strict=True)]
    cutoffs = [cutoff for cutoff in softmax.cutoffs if cutoff < vocab_size]
    edges = torch.tensor(cutoffs, device=device)
    cluster = torch.bucketize(words[:, 1:].contiguous(), edges, right=True)
    shares = [(cluster == k + 1).float().mean().item() for k in range(len(cutoffs))]
    readers = {
        name: _reader(name, models[name], vocab_size, length, shares, device) for name in models
    }
    runs = {name: _reading(reader, batches) for name, reader in readers.items()}
    seconds = race(runs, rounds, device, warmup=2)
    rows = []
    for name in models:
        if name != "static":
            ratios = [a / b for a, b in zip(seconds[name], seconds["static"], strict=True)]
            flops = [readers[key].flops_per_token(length) for key in (name, "static")]
            predicted = flops[0] / flops[1]
            rows += [
                summary(name, setting, "time_ratio", ratios),
                summary(name, setting, "flops_ratio_predicted", [predicted]),
                summary(name, setting, "time_over_predicted", [x / predicted for x in ratios]),
            ]
    return rows


def _reader(
    name: str,
    config: ModelConfig,
    vocab_size: int,
    length: int,
    shares: list[float],
    device: torch.device,
) -> Reader:
    """A reader of a new model: what it costs does not depend on the weights."""
    torch.manual_seed(0)
    model = build_model(config, vocab_size).to(device)
    rules = []
    if name.startswith("dynamic"):
        ones = {key: torch.ones_like(p) for key, p in model.named_parameters()}
        rms: dict[str, Any] = {"decay": 1e-3, "statistics": ones} if name == "dynamic_rms" else {}
        rules = [DynamicEvaluation(1e-6, length, **rms)]
    return Reader(model, rules=rules, fast_block=name in BLOCKS, tail_shares=shares)


def _reading(reader: Reader, batches: list[Batch]) -> Any:
    return lambda: read_through(reader, batches)
