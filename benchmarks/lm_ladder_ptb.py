"""What does each way of adapting bring on the Penn Treebank? Alone, and all together.

    driftwise results run lm_ladder_ptb --seeds 0 1 2

A small LSTM and a small Transformer, each plain, with Hebbian rows, with a layer of sparse fast
weights, with an adaptive block, and with all of it. The test text is one stream without documents.
"""

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any

from driftwise.benchmarks.lm_cells import VERSION, adapter_config, measure, trained_model
from driftwise.lm.corpora import Corpus, open_corpus
from driftwise.lm.losses import HebbianConfig
from driftwise.lm.training import TrainConfig
from driftwise.lm.training.recipes import (
    ptb_lstm,
    ptb_transformer,
    with_fast_block,
    with_sparse_layer,
)
from driftwise.tracking import Result, SkipCell

# Which model reads, and how. The first rows need different models, so that cells that are computed
# side by side seldom wait for the same one.
ROWS = {
    "static": ("plain", "static"),
    "fwl": ("block", "fwl"),
    "smn": ("sparse", "static"),
    "hebbian": ("hebbian", "static"),
    "all": ("all", "fwl+cache+dynamic_rms"),
    "sliding": ("plain", "sliding"),
    "cache": ("plain", "cache"),
    "dynamic": ("plain", "dynamic"),
    "dynamic_rms": ("plain", "dynamic_rms"),
    "hebbian_test": ("plain", "hebbian"),
    "cache_dynamic_rms": ("plain", "cache+dynamic_rms"),
    "hebbian_cache": ("hebbian", "cache"),
    "fwl_slow": ("block", "static"),
    "fwl_cache": ("block", "fwl+cache"),
}
BASES = {"default": ptb_lstm, "transformer": ptb_transformer}
LENGTH = 16
TUNE_TOKENS = 10_000
MAX_TOKENS: int | None = None


@cache
def corpus() -> Corpus:
    try:
        return open_corpus("ptb", progress=False)
    except FileNotFoundError as error:
        raise SkipCell(str(error)) from None


def with_hebbian_rows(config: TrainConfig) -> TrainConfig:
    softmax = dataclasses.replace(config.model.softmax, hebbian=HebbianConfig())
    return dataclasses.replace(config, model=dataclasses.replace(config.model, softmax=softmax))


def training(row: str, setting: str) -> TrainConfig:
    """How the model of a row is trained."""
    base, model = BASES[setting], ROWS[row][0]
    if model == "block":
        return with_fast_block(base)
    if model == "sparse":
        return with_sparse_layer(base)
    if model == "hebbian":
        return with_hebbian_rows(base())
    if model == "all":
        return with_hebbian_rows(with_fast_block(lambda: with_sparse_layer(base)))
    return base()


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    kind, adapter = ROWS[row]
    model = trained_model(training(row, setting), corpus(), f"{kind}-{setting}", seed)
    return measure(
        model,
        corpus(),
        adapter,
        f"ptb/{kind}-{setting}-{seed}",
        length=LENGTH,
        tune_tokens=TUNE_TOKENS,
        max_tokens=MAX_TOKENS,
    )


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    return {
        "train": dataclasses.asdict(training(row, setting)),
        "adapter": adapter_config(ROWS[row][1]),
        "length": LENGTH,
        "tune_tokens": TUNE_TOKENS,
        "max_tokens": MAX_TOKENS,
        "version": VERSION,
    }


RESULT = Result(
    name="lm_ladder_ptb",
    command="driftwise results run lm_ladder_ptb",
    protocol="Penn Treebank, 10,000 words; the test text of 82,430 words is one stream without "
    f"documents, read in one lane with the state carried, in segments of {LENGTH} that are scored "
    f"and then learned, once each. Settings tuned part by part on the first {TUNE_TOKENS:,} words "
    "of validation. default is an LSTM of two layers of 256, trained for 13 epochs. hebbian: rows "
    "that memorise in training; hebbian_test: rows of the plain model that memorise the test "
    "stream; fwl_slow: the model of fwl with its block not adapting. gain_nats: nats per word less "
    "than the same model without adapting. Buckets by the count of the word in the training text, "
    "first and repeated by whether it came before in the stream. perplexity_low and _high resample "
    "blocks of 1,000 words of one seed's stream; low and high are over seeds.",
    rows=list(ROWS),
    settings=list(BASES),
    seeds=[0, 1, 2],
    run=run,
    config=config,
)
