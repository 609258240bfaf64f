"""Configurations of language models: plain data, so that a run's folder holds the whole of it."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from ...memory.contract import check_sizes
from ..losses import SoftmaxConfig

Config = TypeVar("Config")


@dataclass(frozen=True)
class DropoutConfig:
    """Shares that training leaves out. What is left out is so for a whole sequence of one call.

    (Attention apart, whose shares torch draws for each position.)
    """

    embedding: float = 0.0
    """Of the words of the vocabulary, each with all its occurrences."""
    input: float = 0.0
    """Of the features of the embedded words."""
    hidden: float = 0.0
    """Of the features between LSTM layers, or of what each part of a Transformer block adds."""
    output: float = 0.0
    """Of the features that go into the softmax."""
    recurrent: float = 0.0
    """Of the weights from the hidden state to the gates of each LSTM layer (DropConnect)."""
    attention: float = 0.0
    """Of what each position of a Transformer attends to."""


@dataclass(frozen=True)
class SparseLayersConfig:
    """Layers of sparse fast weights (:class:`driftwise.memory.SparseFastWeights`) in a model."""

    after: tuple[int, ...]
    """Layers, from 0, behind which one is added to the residual stream."""
    num_heads: int = 4
    """Independent memories side by side."""
    num_slots: int = 16
    """Slots of each head."""
    top_k: int = 2
    """Slots that a step writes, and slots that it reads."""
    key_size: int = 16
    """Width of keys and queries."""
    value_size: int = 16
    """Width of values."""
    decay: bool = False
    """Whether heads forget, at a cost that grows with the slots."""
    chunk_size: int = 32
    """Steps that the parallel form solves together."""


@dataclass(frozen=True)
class FastBlockConfig:
    """A block before the softmax that adapts (:class:`driftwise.memory.FastWeightLayer`)."""

    size: int | None = None
    """Width of the block; that of its input by default, and always without ``residual``."""
    residual: bool = False
    """Whether the block adds to its input, by a matrix that starts at zero, or replaces it."""
    chunk_size: int | None = 128
    """Positions that attend to one another; None takes each sequence whole."""
    normaliser: float = 1.0
    """A constant that every loss is divided by inside."""
    initial_step_size: float = 1e-4
    """Where the six step sizes start."""
    second_order: bool = True
    """Whether gradients flow through what is written."""
    adaptive: bool = True
    """Whether it adapts. False is the control: the same block with step sizes of zero."""


@dataclass(frozen=True)
class LSTMConfig:
    """An LSTM language model, that of Rae et al. (2018) at full size."""

    hidden_size: int = 2048
    """Width of the LSTM layers."""
    embedding_size: int = 512
    """Width of embeddings and softmax. Where it differs from ``hidden_size``, one matrix leads from
    it to the LSTM and, transposed, back."""
    num_layers: int = 1
    """LSTM layers."""
    projection: bool = True
    """Whether there is such a matrix. Else the first layer reads embeddings as they are, and the
    last one is as wide as they are (Merity et al. 2018)."""
    softmax: SoftmaxConfig = field(default_factory=SoftmaxConfig)
    """The softmax, and whether it is tied to the embedding."""
    dropout: DropoutConfig = field(default_factory=DropoutConfig)
    """What training leaves out."""
    sparse_layers: SparseLayersConfig | None = None
    """Layers of sparse fast weights."""
    fast_block: FastBlockConfig | None = None
    """A block before the softmax that adapts."""
    architecture: typing.Literal["lstm"] = "lstm"
    """Tells the configurations apart."""


@dataclass(frozen=True)
class TransformerConfig:
    """A decoder-only Transformer with the parts that small ones have been found to learn best with.

    Rotary positions, normalised queries and keys, squared ReLU, RMS norms without parameters, and
    output projections that start at zero.
    """

    num_layers: int = 12
    """Blocks."""
    hidden_size: int = 768
    """Width of the residual stream."""
    num_heads: int = 6
    """Heads of attention; the hidden size over it is the size of one, an even number."""
    window: int = 1024
    """Earlier positions that attention reaches back to, across calls: what the state keeps."""
    max_length: int = 1024
    """Longest sequence of one call, whose memory grows with its square."""
    embedding_size: int | None = None
    """Width of embeddings and softmax; that of the residual stream by default. Where it differs,
    one matrix leads to the first block and, transposed, back from the last."""
    softmax: SoftmaxConfig = field(default_factory=lambda: SoftmaxConfig(logit_cap=30.0))
    """The softmax, and whether it is tied to the embedding."""
    dropout: DropoutConfig = field(default_factory=DropoutConfig)
    """What training leaves out."""
    sparse_layers: SparseLayersConfig | None = None
    """Layers of sparse fast weights."""
    fast_block: FastBlockConfig | None = None
    """A block before the softmax that adapts."""
    architecture: typing.Literal["transformer"] = "transformer"
    """Tells the configurations apart."""


ModelConfig: TypeAlias = LSTMConfig | TransformerConfig


def config_from_dict(plain: Mapping[str, Any]) -> ModelConfig:
    """Inverse of ``dataclasses.asdict``, also after a way through JSON.

    Raises:
        ValueError: The architecture or a field is unknown.
    """
    kinds: dict[Any, type[ModelConfig]] = {"lstm": LSTMConfig, "transformer": TransformerConfig}
    architecture = plain.get("architecture")
    if architecture not in kinds:
        raise ValueError(f"architecture must be one of {list(kinds)}, got {architecture!r}")
    return _from_dict(kinds[architecture], plain)


def _from_dict(kind: type[Config], plain: Mapping[str, Any]) -> Config:
    types = typing.get_type_hints(kind)
    unknown = sorted(plain.keys() - types.keys())
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {unknown[0]!r}, it has {sorted(types)}")
    values = {}
    for name, value in plain.items():
        nested = [
            part
            for part in (types[name], *typing.get_args(types[name]))
            if dataclasses.is_dataclass(part)
        ]
        if nested and isinstance(value, Mapping):
            value = _from_dict(typing.cast(type, nested[0]), value)
        elif isinstance(value, list):
            value = tuple(value)
        values[name] = value
    return kind(**values)


def check_config(config: ModelConfig) -> None:
    """Raise an error that names a field out of range, or a size that is no integer."""
    for name in (
        "hidden_size",
        "num_layers",
        "embedding_size",
        "num_heads",
        "window",
        "max_length",
    ):
        size = getattr(config, name, None)
        if size is not None:
            check_sizes(**{name: size})
    for name, share in dataclasses.asdict(config.dropout).items():
        if not 0 <= share < 1:
            raise ValueError(f"dropout.{name} must be from 0 to below 1, got {share}")
    foreign = "attention" if isinstance(config, LSTMConfig) else "recurrent"
    if getattr(config.dropout, foreign):
        raise ValueError(f"dropout.{foreign} must be 0 in a model without such a part")
    if isinstance(config, LSTMConfig) and not config.projection and config.num_layers == 1:
        raise ValueError(
            "num_layers must be at least 2 without projection: a single layer is as wide as the "
            "embeddings, whatever hidden_size is"
        )
    if isinstance(config, TransformerConfig) and config.hidden_size % (2 * config.num_heads):
        raise ValueError(
            f"hidden_size must be num_heads={config.num_heads} times an even number, "
            f"got {config.hidden_size}"
        )
    if config.sparse_layers is not None:
        after, last = config.sparse_layers.after, config.num_layers - 1
        if not after or sorted(set(after)) != list(after) or not 0 <= after[0] <= after[-1] <= last:
            raise ValueError(
                f"sparse_layers.after must be increasing numbers from 0 to {last}, got {after}"
            )
    block = config.fast_block
    if block is not None and block.size is not None and not block.residual:
        raise ValueError("fast_block.size needs fast_block.residual: the softmax has its own width")
