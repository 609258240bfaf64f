"""How close does each way of adapting come to the optimum? On a language whose optimum is known.

    driftwise results run drifting_corpus --seeds 0

The topic of the text, and with it its bigrams, changes at random and is hidden. A reader who knows
the language and infers the topic by Bayes' rule needs a known number of nats, word by word; so does
the best one who never adapts. The same stream is read by a model with each adapter.
"""

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch

from driftwise.benchmarks.lm_cells import VERSION, adapter_config, trained_model
from driftwise.lm.adapters import AdapterMaker
from driftwise.lm.corpora import DriftingCorpus
from driftwise.lm.evaluation import StreamEvaluator, ratio_interval, tune_adapters
from driftwise.lm.evaluation.intervals import unit_edges
from driftwise.lm.training import TrainConfig
from driftwise.lm.training.recipes import (
    drifting_lstm,
    drifting_transformer,
    with_fast_block,
    with_sparse_layer,
)
from driftwise.tracking import Result

# Which model reads, and how.
ROWS = {
    "static": ("plain", "static"),
    "fwl": ("block", "fwl"),
    "smn": ("sparse", "static"),
    "sliding": ("plain", "sliding"),
    "cache": ("plain", "cache"),
    "hebbian": ("plain", "hebbian"),
    "dynamic": ("plain", "dynamic"),
    "dynamic_rms": ("plain", "dynamic_rms"),
    "knn": ("plain", "knn"),
    "mbpa": ("plain", "mbpa"),
    "cache_dynamic": ("plain", "cache+dynamic"),
    "fwl_slow": ("block", "static"),
    "fwl_cache": ("block", "fwl+cache"),
}
BASES = {"default": drifting_lstm, "transformer": drifting_transformer}
LENGTH = 16
TUNE_TOKENS = 5_000
TEST_TOKENS = 50_000
SETTINGS = {"knn": {"max_keys": 100_000}}


@cache
def corpus() -> DriftingCorpus:
    return DriftingCorpus()


def training(row: str, setting: str) -> TrainConfig:
    """How the model of a row is trained."""
    base, model = BASES[setting], ROWS[row][0]
    if model == "block":
        return with_fast_block(base)
    return with_sparse_layer(base) if model == "sparse" else base()


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    kind, name = ROWS[row]
    text = corpus()
    model = trained_model(training(row, setting), text, f"{kind}-{setting}", seed)
    options: dict[str, Any] = {"length": LENGTH, "progress": False}
    maker = AdapterMaker(model, text.train, torch.from_numpy(text.counts), length=LENGTH)
    valid = StreamEvaluator(text.valid.first(TUNE_TOKENS), **options)
    tuned = tune_adapters([name], maker, valid, settings=SETTINGS, progress=False)
    evaluator = StreamEvaluator(text.test.first(TEST_TOKENS), **options)
    reading = evaluator.read(maker.make(name, tuned.settings))

    tokens = len(reading.nats)
    optimum = {kind: nats[:tokens] for kind, nats in text.optimum("test")._asdict().items()}
    edges, units = unit_edges(np.array([0, tokens]))
    above = reading.nats.astype(np.float64) - optimum["adaptive"]
    found = ratio_interval(np.add.reduceat(above, edges[:-1]), np.diff(edges).astype(np.float64))
    static = float((optimum["static"] - optimum["adaptive"]).mean())
    return {
        "nats_above_optimum": found.value,
        "nats_above_optimum_low": found.low,
        "nats_above_optimum_high": found.high,
        "share_of_static_gap": 1 - found.value / static,
        "nats": float(reading.nats.mean()),
        "optimum_adaptive": float(optimum["adaptive"].mean()),
        "optimum_static": float(optimum["static"].mean()),
        "seconds": reading.seconds,
        "flops_per_token": reading.flops_per_token,
        "adapter": reading.adapter,
        "protocol": f"{evaluator.protocol()}; intervals by {units}",
        "tuning": tuned._asdict(),
    }


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    return {
        "train": dataclasses.asdict(training(row, setting)),
        "adapter": adapter_config(ROWS[row][1]),
        "settings": SETTINGS,
        "length": LENGTH,
        "tune_tokens": TUNE_TOKENS,
        "test_tokens": TEST_TOKENS,
        "version": VERSION,
    }


RESULT = Result(
    name="drifting_corpus",
    command="driftwise results run drifting_corpus",
    protocol="DriftingCorpus as it is by default: 200 words, 8 hidden topics, a change with "
    f"probability 0.005 before each word. The first {TEST_TOKENS:,} words of the test stream, one "
    f"lane, segments of {LENGTH}, scored and then learned, once each; settings tuned on the first "
    f"{TUNE_TOKENS:,} words of validation. nats_above_optimum: nats per word minus those of Bayes' "
    "rule over the topics on the same words; share_of_static_gap: 0 is the best reader who never "
    "adapts, 1 is Bayes' rule, below 0 is worse than never adapting. low and high of it resample "
    "blocks of 1,000 words of one seed's stream. default is an LSTM of 64 units; a state that is "
    "carried adapts, too, so that static may be above 0. fwl_slow: the model of fwl with its block "
    "not adapting; smn: with a layer of sparse fast weights.",
    rows=list(ROWS),
    settings=list(BASES),
    seeds=[0, 1, 2],
    run=run,
    config=config,
)
