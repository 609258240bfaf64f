"""What does each way of adapting bring on WikiText-2? One LSTM with an adaptive softmax.

    driftwise results run lm_ladder_wikitext2

All adapters are put on one checkpoint. The setting ``continuous`` reads the 60 test articles as one
stream, as published numbers do; by default all is forgotten where an article begins.
"""

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any

from driftwise.benchmarks.lm_cells import VERSION, adapter_config, measure, trained_model
from driftwise.lm.corpora import Corpus, open_corpus
from driftwise.lm.training.recipes import wikitext2_lstm
from driftwise.tracking import Result, SkipCell

ROWS = {
    "static": "static",
    "sliding": "sliding",
    "cache": "cache",
    "hebbian_test": "hebbian",
    "dynamic": "dynamic",
    "dynamic_rms": "dynamic_rms",
    "knn": "knn",
    "cache_dynamic_rms": "cache+dynamic_rms",
}
SETTINGS = {"default": True, "continuous": False}  # whether articles reset
LENGTH = 16
TUNE_TOKENS = 10_000
MAX_TOKENS: int | None = None
# A fifth of the training text: the search is exact, and this is a CPU.
GIVEN = {"knn": {"max_keys": 400_000}}


@cache
def corpus() -> Corpus:
    try:
        return open_corpus("wikitext-2", progress=False)
    except (FileNotFoundError, ImportError) as error:
        raise SkipCell(str(error)) from None


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    model = trained_model(wikitext2_lstm(), corpus(), "lstm", seed)
    return measure(
        model,
        corpus(),
        ROWS[row],
        f"wikitext-2/{setting}-{seed}",
        length=LENGTH,
        tune_tokens=TUNE_TOKENS,
        max_tokens=MAX_TOKENS,
        reset_documents=SETTINGS[setting],
        settings=GIVEN,
    )


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    return {
        "train": dataclasses.asdict(wikitext2_lstm()),
        "adapter": adapter_config(ROWS[row]),
        "given": GIVEN,
        "length": LENGTH,
        "tune_tokens": TUNE_TOKENS,
        "max_tokens": MAX_TOKENS,
        "version": VERSION,
    }


RESULT = Result(
    name="lm_ladder_wikitext2",
    command="driftwise results run lm_ladder_wikitext2",
    protocol="WikiText-2, 33,278 words, one checkpoint of an LSTM of two layers of 256 with an "
    "adaptive softmax, 8 epochs, one training seed; the test articles in one lane, in segments of "
    f"at most {LENGTH} that are scored and then learned, once each. default: state and all that is "
    "learned are reset where an article begins; continuous: never. Settings tuned part by part on "
    f"the first {TUNE_TOKENS:,} words of validation, cache_dynamic_rms with each part's own. "
    "gain_nats: nats per word less than static. perplexity_low and _high, and those of gain_nats, "
    "resample articles.",
    rows=list(ROWS),
    settings=list(SETTINGS),
    seeds=[0],
    run=run,
    config=config,
)
