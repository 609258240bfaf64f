"""Training runs, as functions that return their configuration.

Times are of one core of an AMD EPYC (Turin), from the speeds in docs/language_models.md. Those for
one large GPU are in gpu_recipes.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..corpora.named import from_name
from ..losses import HebbianConfig, SoftmaxConfig
from ..models import (
    DropoutConfig,
    FastBlockConfig,
    LSTMConfig,
    SparseLayersConfig,
    TransformerConfig,
    small_lstm,
    small_transformer,
)
from ..optimizers import OptimizerConfig
from .config import TrainConfig
from .gpu_recipes import GPU_RECIPES

LSTM_RATES = OptimizerConfig("adamw", matrix_lr=4e-3, table_lr=4e-3, vector_lr=4e-3)


def tiny() -> TrainConfig:
    """A first run of half a minute: Shakespeare, or where that is not there, made-up words."""
    corpus, softmax = "tinyshakespeare", SoftmaxConfig(cutoffs=(1_000,), div_value=2.0)
    try:
        from_name(corpus)
    except FileNotFoundError:
        corpus, softmax = "drifting", SoftmaxConfig()
    return TrainConfig(
        model=LSTMConfig(hidden_size=128, embedding_size=128, softmax=softmax),
        corpus=corpus,
        num_steps=300,
        optimizer=LSTM_RATES,
        warmup=20,
        evaluate_every=100,
        checkpoint_every=100,
        valid_tokens=10_000,
    )


def ptb_lstm() -> TrainConfig:
    """Penn Treebank with 2.6 million parameters: 13 epochs, about 20 minutes."""
    return TrainConfig(model=small_lstm(), optimizer=LSTM_RATES, clip_norm=0.25, num_steps=6_000)


def ptb_transformer() -> TrainConfig:
    """Penn Treebank with 2.5 million parameters: 6 epochs, about 20 minutes."""
    return TrainConfig(model=small_transformer(), num_steps=2_700, evaluate_every=300)


def wikitext2_lstm(hebbian: bool = False) -> TrainConfig:
    """WikiText-2 with an adaptive softmax, perhaps with Hebbian rows: 8 epochs, about an hour."""
    model = LSTMConfig(
        hidden_size=256,
        embedding_size=256,
        num_layers=2,
        softmax=SoftmaxConfig(
            cutoffs=(4_000, 12_000),
            div_value=2.0,
            hebbian=HebbianConfig() if hebbian else None,
        ),
        dropout=DropoutConfig(input=0.1, hidden=0.2, output=0.3),
    )
    return TrainConfig(
        model=model,
        corpus="wikitext-2",
        optimizer=LSTM_RATES,
        clip_norm=0.25,
        num_steps=8_000,
        evaluate_every=1_000,
    )


def drifting_lstm() -> TrainConfig:
    """The built-in language that drifts: 3 epochs, half a minute."""
    return TrainConfig(
        model=LSTMConfig(hidden_size=64, embedding_size=64),
        corpus="drifting",
        optimizer=LSTM_RATES,
        num_steps=1_500,
        sample_tokens=0,
    )


def drifting_transformer() -> TrainConfig:
    """The same with a Transformer of two blocks that sees 128 words: about two minutes."""
    model = TransformerConfig(num_layers=2, hidden_size=64, num_heads=2, window=128, max_length=256)
    return replace(drifting_lstm(), model=model, optimizer=OptimizerConfig())


def with_fast_block(recipe: Callable[[], TrainConfig]) -> TrainConfig:
    """A recipe with a block before the softmax that adapts, and longer lanes for it to do so.

    The gradient sums of the block begin anew with each batch, since these corpora have no documents
    that would reset them. Steps and tokens are those of the recipe, which on the Penn Treebank take
    about 90 minutes with the LSTM and 40 with the Transformer.
    """
    config = recipe()
    return replace(
        config,
        model=replace(config.model, fast_block=FastBlockConfig(chunk_size=64)),
        batch_size=config.batch_size // 2,
        length=config.length * 2,
        carry="body",
    )


def with_sparse_layer(recipe: Callable[[], TrainConfig]) -> TrainConfig:
    """A recipe with a layer of sparse fast weights behind the last layer."""
    config = recipe()
    layers = SparseLayersConfig(after=(config.model.num_layers - 1,))
    return replace(config, model=replace(config.model, sparse_layers=layers))


BASES: dict[str, Callable[[], TrainConfig]] = {
    "ptb-lstm": ptb_lstm,
    "ptb-transformer": ptb_transformer,
    "drifting-lstm": drifting_lstm,
    "drifting-transformer": drifting_transformer,
}
RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "tiny": tiny,
    **BASES,
    **{f"{name}-fwl": partial(with_fast_block, recipe) for name, recipe in BASES.items()},
    **{f"{name}-sparse": partial(with_sparse_layer, recipe) for name, recipe in BASES.items()},
    "wikitext2-lstm": wikitext2_lstm,
    "wikitext2-lstm-hebbian": partial(wikitext2_lstm, hebbian=True),
    **GPU_RECIPES,
}
