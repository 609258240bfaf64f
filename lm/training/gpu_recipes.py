"""Training runs for one large GPU, as functions that return their configuration.

What each costs and what is expected of it is written here before it is run: parameters and
operations are those of the vocabulary in :data:`EXPECTED`, speeds are of one H200 (bfloat16,
compiled). Expected perplexities are extrapolations from published learning curves, and good to ten
per cent or so; those of corpora that nobody has published numbers on are rougher.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from ..losses import HebbianConfig, SoftmaxConfig
from ..models import (
    DropoutConfig,
    FastBlockConfig,
    LSTMConfig,
    SparseLayersConfig,
    TransformerConfig,
    awd_lstm,
)
from ..optimizers import OptimizerConfig
from .config import TrainConfig

ALL_LOGITS = 2**40  # Such a GPU has room for those of a batch, and need not compute any twice.
WIDE = SoftmaxConfig(
    cutoffs=(20_000, 60_000), capacities=(0.1, 0.08), logit_cap=30.0, max_logits=ALL_LOGITS
)


def wikitext2_transformer() -> TrainConfig:
    """WikiText-2 from scratch, in words: deep, narrow and under heavy dropout, a hundred epochs.

    The shares that are left out are those of a public Transformer-XL that reached 63 in 287 epochs.

    41.1 million parameters, 0.265 GFLOP per token. Expected on one H200: 400,000 tokens/s,
    perplexity 58 to 64 in 9 minutes; 43 to 48 with a cache and dynamic evaluation.
    """
    return TrainConfig(
        model=TransformerConfig(
            num_layers=16,
            hidden_size=384,
            num_heads=6,
            window=256,
            max_length=128,
            softmax=SoftmaxConfig(logit_cap=30.0, max_logits=ALL_LOGITS),
            dropout=DropoutConfig(embedding=0.3, input=0.7, hidden=0.2, output=0.5),
        ),
        corpus="wikitext-2",
        batch_size=128,
        length=128,
        num_steps=13_000,
        optimizer=OptimizerConfig(weight_decay=0.8),
        warmup=200,
        average_decay=0.999,
        evaluate_every=1_300,
        checkpoint_every=1_300,
        sample_tokens=0,
        compile=True,
    )


def wikitext2_awd_lstm() -> TrainConfig:
    """WikiText-2 with the AWD-LSTM of Merity et al. (2018): 750 epochs, as there.

    The learning rate is constant, and weights are averaged from where validation stops to improve:
    with fewer ``num_steps`` it ends sooner, and a little worse. What takes the time is that steps
    wait for one another. Published are 65.8, or 66.0 before a fine-tuning that is left out here,
    and 44.3 with dynamic evaluation (Krause et al. 2018).

    33.6 million parameters, 0.201 GFLOP per token. Expected on one H200: 500,000 tokens/s,
    perplexity 65 to 67 in 54 minutes, 44 to 46 with dynamic evaluation; 66 to 69 in 15 minutes.
    """
    return TrainConfig(
        model=awd_lstm(),
        corpus="wikitext-2",
        order="given",
        reset_documents=False,
        batch_size=80,
        length=70,
        vary_length=True,
        num_steps=289_000,
        optimizer=OptimizerConfig("sgd", 30.0, 30.0, 30.0, weight_decay=1.2e-6),
        warmup=0,
        cooldown=0.0,
        clip_norm=0.25,
        average_patience=5,
        activation_coef=2.0,
        change_coef=1.0,
        log_every=77,
        evaluate_every=385,  # an epoch
        checkpoint_every=1_925,
    )


def wiki_s() -> TrainConfig:
    """Wikipedia articles, 12 layers of 768: 288 million words, in lanes of contiguous text.

    Documents do not reset: a mask in the attention would cost more than it brings.

    118.1 million parameters, 0.669 GFLOP per token. Expected on one H200: 500,000 tokens/s,
    perplexity 26 to 32 in 10 minutes.
    """
    return TrainConfig(
        model=TransformerConfig(
            num_layers=12, hidden_size=768, num_heads=6, window=1024, max_length=1024, softmax=WIDE
        ),
        corpus="enwiki-long",
        batch_size=64,
        length=1024,
        carry="none",
        reset_documents=False,
        num_steps=4_400,
        optimizer=OptimizerConfig(weight_decay=0.1),
        evaluate_every=1_100,
        checkpoint_every=550,
        sample_tokens=0,
        compile=True,
    )


def wiki_m() -> TrainConfig:
    """Wikipedia articles, 12 layers of 1,024: 380 million words with an average of the weights.

    195.3 million parameters, 1.119 GFLOP per token. Expected on one H200: 300,000 tokens/s,
    perplexity 23 to 28 in 21 minutes.
    """
    return replace(
        wiki_s(),
        model=TransformerConfig(
            num_layers=12,
            hidden_size=1024,
            num_heads=8,
            window=1024,
            max_length=1024,
            softmax=WIDE,
            dropout=DropoutConfig(hidden=0.05, output=0.05),
        ),
        batch_size=128,
        micro_batches=2,
        num_steps=2_900,
        optimizer=OptimizerConfig(weight_decay=0.2),
        average_decay=0.995,
        evaluate_every=725,
        checkpoint_every=290,
    )


def wiki_lstm(hebbian: bool = False) -> TrainConfig:
    """The LSTM of Rae et al. (2018) on Wikipedia articles, 512 streams wide: 614 million words.

    With so many streams side by side a time step is one large product, and the recurrence costs
    little. ``hebbian``: rows of rare words memorise activations, as in the paper.

    56.7 million parameters, 0.282 GFLOP per token. Expected on one H200: 900,000 tokens/s,
    perplexity 42 to 52 in 11 minutes; 5 per cent less with Hebbian rows.
    """
    rows = HebbianConfig() if hebbian else None
    return replace(
        wiki_s(),
        model=LSTMConfig(
            softmax=replace(WIDE, logit_cap=None, hebbian=rows),
            dropout=DropoutConfig(input=0.3, output=0.3),
        ),
        batch_size=512,
        length=100,
        carry="all",
        num_steps=12_000,
        optimizer=OptimizerConfig("adamw", matrix_lr=1e-3, table_lr=1e-3, vector_lr=1e-3),
        clip_norm=0.25,
        evaluate_every=3_000,
        checkpoint_every=1_500,
        valid_batch_size=64,
    )


def gutenberg_s() -> TrainConfig:
    """The model of ``wiki-s`` on 156 books, in byte pairs: 197 million of them, nine epochs.

    97.5 million parameters, 0.642 GFLOP per token. Expected on one H200: 520,000 tokens/s,
    perplexity 60 to 90 in 6 minutes.
    """
    config = wiki_s()
    return replace(
        config,
        model=replace(config.model, dropout=DropoutConfig(hidden=0.2, output=0.2)),
        corpus="gutenberg",
        tokenizer="bpe",
        num_steps=3_000,
        optimizer=OptimizerConfig(weight_decay=0.5),
        average_decay=0.998,
        evaluate_every=750,
        checkpoint_every=600,
    )


def wiki_s_fwl(adaptive: bool = True, second_order: bool = True) -> TrainConfig:
    """``wiki-s`` with a block before the softmax that adapts, trained with all the rest.

    The block begins anew with each lane of 1,024 words. ``adaptive=False`` is its control, the same
    block with step sizes of zero; ``second_order=False`` the ablation of first order.

    122.9 million parameters, 0.993 GFLOP per token. Expected on one H200: 300,000 tokens/s,
    perplexity 25 to 31 in 16 minutes, 3 to 8 per cent below its control.
    """
    config = wiki_s()
    block = FastBlockConfig(chunk_size=256, adaptive=adaptive, second_order=second_order)
    return replace(
        config,
        model=replace(config.model, fast_block=block),
        micro_batches=4 if adaptive else 1,
    )


def wiki_s_sparse() -> TrainConfig:
    """``wiki-s`` with sparse fast weights behind the middle layer and the last one.

    120.8 million parameters, 0.685 GFLOP per token. Expected on one H200: 400,000 tokens/s,
    perplexity 26 to 32 in 12 minutes, up to 3 per cent below ``wiki-s``.
    """
    config = wiki_s()
    layers = SparseLayersConfig(after=(5, 11), num_heads=8)
    return replace(config, model=replace(config.model, sparse_layers=layers))


class Expected(NamedTuple):
    """What was expected of a recipe before it was run.

    Attributes:
        vocab_size: Of the vocabulary that costs are counted for: that of WikiText-103 in words for
            Wikipedia articles of any source, which the adaptive softmax makes nearly irrelevant.
        tokens_per_s: Training speed on one H200.
        perplexity: Static test perplexity per word, from and to.
    """

    vocab_size: int
    tokens_per_s: int
    perplexity: tuple[int, int]


EXPECTED = {
    "wikitext2-transformer": Expected(33_278, 400_000, (58, 64)),
    "wikitext2-awd-lstm": Expected(33_278, 500_000, (65, 67)),
    "wiki-s": Expected(267_735, 500_000, (26, 32)),
    "wiki-m": Expected(267_735, 300_000, (23, 28)),
    "wiki-lstm": Expected(267_735, 900_000, (42, 52)),
    "gutenberg-s": Expected(16_384, 520_000, (60, 90)),
    "wiki-s-fwl": Expected(267_735, 300_000, (25, 31)),
    "wiki-s-sparse": Expected(267_735, 400_000, (26, 32)),
}


def vocabulary_of(name: str) -> int:
    """Words of the vocabulary that a recipe's costs are counted for, also of a variant."""
    return EXPECTED[base_of(name)].vocab_size


def base_of(name: str) -> str:
    """The recipe that a recipe is a variant of, or itself: that of :data:`EXPECTED`."""
    return max((key for key in EXPECTED if name.startswith(key)), key=len)


GPU_RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "wikitext2-transformer": wikitext2_transformer,
    "wikitext2-awd-lstm": wikitext2_awd_lstm,
    "wiki-s": wiki_s,
    "wiki-m": wiki_m,
    "wiki-lstm": wiki_lstm,
    "wiki-lstm-hebbian": partial(wiki_lstm, hebbian=True),
    "gutenberg-s": gutenberg_s,
    "wiki-s-fwl": wiki_s_fwl,
    "wiki-s-fwl-control": partial(wiki_s_fwl, adaptive=False),
    "wiki-s-fwl-first-order": partial(wiki_s_fwl, second_order=False),
    "wiki-s-sparse": wiki_s_sparse,
}
