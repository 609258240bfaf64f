"""Does a Hebbian softmax help rare words beyond Wikipedia? On news in order of date, and books.

    driftwise results run hebbian_news_books

Rae et al. (2018) claim that rows that memorise leave frequent words as they are, and gain more the
rarer a word is. Here on slices of Wikinews, trained in the order of time, and of Project Gutenberg.
"""

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any

from driftwise.benchmarks.lm_cells import VERSION, adapter_config, measure, trained_model
from driftwise.lm.corpora import Corpus, open_corpus
from driftwise.lm.losses import HebbianConfig, SoftmaxConfig
from driftwise.lm.models import DropoutConfig, LSTMConfig
from driftwise.lm.optimizers import OptimizerConfig
from driftwise.lm.training import TrainConfig
from driftwise.tracking import Result, SkipCell

# Rows: what softmax the model is trained with, and how it then reads.
ROWS = {
    "plain": (False, "static"),
    "hebbian": (True, "static"),
    "plain_cache": (False, "cache"),
    "hebbian_cache": (True, "cache"),
}
SETTINGS = {"default": ("wikinews", "time"), "gutenberg": ("gutenberg", "shuffled")}
VOCAB_SIZE = 40_000
LENGTH = 32
TUNE_TOKENS = 10_000
MAX_TOKENS: int | None = 200_000


def training(row: str, setting: str) -> TrainConfig:
    """How the model of a row is trained: about one epoch of news, a third of one of books."""
    name, order = SETTINGS[setting]
    hebbian = HebbianConfig() if ROWS[row][0] else None
    model = LSTMConfig(
        hidden_size=256,
        embedding_size=256,
        softmax=SoftmaxConfig(cutoffs=(4_000, 12_000), div_value=2.0, hebbian=hebbian),
        dropout=DropoutConfig(input=0.1, output=0.1),
    )
    return TrainConfig(
        model=model,
        corpus=name,
        vocab_size=VOCAB_SIZE,
        order="time" if order == "time" else "shuffled",
        num_steps=3_000,
        optimizer=OptimizerConfig("adamw", matrix_lr=4e-3, table_lr=4e-3, vector_lr=4e-3),
        clip_norm=0.25,
        evaluate_every=1_000,
        valid_tokens=100_000,
        sample_tokens=0,
    )


@cache
def corpus(setting: str) -> Corpus:
    try:
        return open_corpus(SETTINGS[setting][0], vocab_size=VOCAB_SIZE, progress=False)
    except FileNotFoundError as error:
        raise SkipCell(str(error)) from None


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    kind = "hebbian" if ROWS[row][0] else "plain"
    text = corpus(setting)
    model = trained_model(training(row, setting), text, kind, seed)
    return measure(
        model,
        text,
        ROWS[row][1],
        f"{SETTINGS[setting][0]}/{kind}-{seed}",
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
    name="hebbian_news_books",
    command="driftwise results run hebbian_news_books",
    protocol="An LSTM of 256 units with an adaptive softmax over the 40,000 most frequent words, "
    "6.1 million words of training, one training seed; the first 200,000 words of test, all "
    "forgotten where an article or book begins. default: Wikinews, trained in the order of time, "
    "the test articles being later than those; gutenberg: books in any order. hebbian: gamma 0.01, "
    "T 500, rows keep their length, as for characters. Buckets by the count of the word in the "
    "training text. perplexity_low and _high resample articles, or blocks of 1,000 words of the "
    "books.",
    rows=list(ROWS),
    settings=list(SETTINGS),
    seeds=[0],
    run=run,
    config=config,
)
