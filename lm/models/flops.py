"""What a model costs in multiplications and additions, as a formula."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from ...memory import SparseFastWeights, fast_weight_flops
from ..losses import AdaptiveSoftmax, SoftmaxHead
from .build import build_model
from .config import ModelConfig
from .factor import TiedProjection
from .fast_block import FastBlockLanguageModel
from .language_model import LanguageModel


class ModelFlops(NamedTuple):
    """Floating point operations of one position, forward, a multiply-add being two.

    Matrix products are counted, elementwise operations are not. Training is taken to cost three
    times as much: each product has two in the backward pass, by its input and by its weight.

    Attributes:
        body: Products with the weights of embeddings, layers and sparse layers.
        attention: Scores and weighted sums over the positions seen, on average.
        memories: Writes and reads of sparse fast weights, slot by slot.
        block: The adaptive block without the softmax (:func:`driftwise.memory.fast_weight_flops`).
        head: The softmax: once, or three times with an adaptive block (slow loss, its gradient, and
            the loss of the prediction).
    """

    body: float
    attention: float
    memories: float
    block: float
    head: float

    @property
    def forward(self) -> float:
        """All of it."""
        return sum(self)

    @property
    def training(self) -> float:
        """Forward and backward."""
        return 3.0 * sum(self)


def flops_per_token(
    config: ModelConfig,
    vocab_size: int,
    length: int,
    *,
    carried: bool = True,
    tail_shares: Sequence[float] | None = None,
) -> ModelFlops:
    """Count the matrix products of a model, as an average over the positions of a sequence.

    Args:
        config: The model.
        vocab_size: V.
        length: T, positions in one call.
        carried: Whether a state comes in that is full.
        tail_shares: Share of the positions with their target in each cluster of an adaptive
            softmax; its capacities where None, which is more than there are.

    Raises:
        ValueError: ``length`` is below 1, there is not one share for each cluster, or the
            configuration is unusable.
    """
    with torch.device("meta"):
        model = build_model(config, vocab_size)
    return model_flops(model, length, carried=carried, tail_shares=tail_shares)


def model_flops(
    model: LanguageModel,
    length: int,
    *,
    carried: bool = True,
    tail_shares: Sequence[float] | None = None,
    adapting: bool = True,
) -> ModelFlops:
    """:func:`flops_per_token` of a model that is there.

    Args:
        model: The model.
        length: As there, and so are ``carried`` and ``tail_shares``.
        carried: As there.
        tail_shares: As there.
        adapting: Whether an adaptive block adapts, or only runs with its slow weights.

    Raises:
        ValueError: As there.
    """
    if length < 1:
        raise ValueError(f"length must be at least 1, got {length}")
    head = _head(model.head, tail_shares)
    block = 0.0
    body: LanguageModel = model
    if isinstance(model, FastBlockLanguageModel):
        body = model.body
        cost = fast_weight_flops(model.layer, length, carried=carried)
        adapting = adapting and model.adaptive
        block = cost.total if adapting else cost.static
        head *= 3.0 if adapting else 1.0
    again = body.passes if carried else 1.0
    memories = [part for part in body.modules() if isinstance(part, SparseFastWeights)]
    return ModelFlops(
        body=again * _body(body),
        attention=again * body.attention_flops(length, carried),
        memories=sum(
            6.0 * part.num_heads * part.top_k * part.key_size * part.value_size for part in memories
        ),
        block=block,
        head=head,
    )


def _body(body: LanguageModel) -> float:
    """Two for each weight of a matrix, the tied projection and those of adaptive inputs twice."""
    tables = {id(parameter) for parameter in body.head.parameters()}
    tables |= {id(part.weight) for part in body.modules() if isinstance(part, nn.Embedding)}
    total = 2.0 * sum(p.numel() for p in body.parameters() if p.ndim == 2 and id(p) not in tables)
    for part in body.modules():
        if isinstance(part, TiedProjection) and part.weight is not None:
            total += 2.0 * part.weight.numel()
    if isinstance(body.head, AdaptiveSoftmax) and body.embedding is None:
        total += 2.0 * sum(p.numel() for p in body.head.projections.parameters())
    return total


def _head(head: SoftmaxHead, tail_shares: Sequence[float] | None) -> float:
    if not isinstance(head, AdaptiveSoftmax):
        return 2.0 * head.hidden_size * head.vocab_size
    shares = head.capacities if tail_shares is None else tail_shares
    if len(shares) != len(head.cutoffs):
        raise ValueError(f"tail_shares must be {len(head.cutoffs)} numbers, got {len(shares)}")
    total = 2.0 * head.hidden_size * (head.cutoffs[0] + len(head.cutoffs))
    for share, tail, projection in zip(shares, head.tails, head.projections, strict=True):
        weights = (*projection.parameters(), *tail.parameters())
        total += 2.0 * share * sum(p.numel() for p in weights)
    return total
