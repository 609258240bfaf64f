"""Where the rules are enforced: one segment is predicted, scored, and only then learned."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..corpora import IGNORED, Batch
from .contract import Adapter, Segment
from .prediction import Dense, Prediction

TOLERANCE = 1e-3  # nats; float32 over a large vocabulary stays far below
LEAST = -80.0  # log-probabilities below are as good as zero

Positions = tuple[Tensor, Tensor]


def segment_of(batch: Batch, last: Tensor) -> Segment:
    """What may be known of a batch before it is scored.

    Args:
        batch: The batch.
        last: (B, 1) the targets before its first position.
    """
    return Segment(batch.inputs, batch.starts, torch.cat((last, batch.targets[:, :-1]), 1))


def predict(adapter: Adapter, segment: Segment) -> Prediction:
    """The prediction of an adapter, with its shape checked."""
    prediction = adapter.predict(segment)
    if isinstance(prediction, Tensor):
        expected = (*segment.inputs.shape, adapter.vocab_size)
        if prediction.shape != expected:
            raise ValueError(
                f"{adapter.describe()} must predict log-probabilities of shape {expected}, got "
                f"{tuple(prediction.shape)}"
            )
        prediction = Dense(prediction)
    return prediction


def commit(adapter: Adapter, segment: Segment, targets: Tensor, checked: Positions) -> Tensor:
    """Predict a segment, score it, and hand over its targets.

    At some positions, the whole distribution is taken down before the prediction meets any target.
    It must sum to 1, and say of the target what the score says.

    Args:
        adapter: The adapter, at this place of the stream.
        segment: What it may know.
        targets: (B, T), which it gets when the score is committed.
        checked: Rows and columns, (n,) each, of the positions to check.

    Returns:
        (B, T) log-probabilities of the targets; 0 where there is none.

    Raises:
        ValueError: The score is not what a distribution over the vocabulary says.
        FloatingPointError: The prediction is not a number.
    """
    prediction = predict(adapter, segment)
    rows, columns = checked
    distributions = prediction.log_probs(rows, columns)
    _check_distributions(adapter, distributions, len(rows))
    known = targets != IGNORED
    labels = targets.masked_fill(~known, 0)
    scores = prediction.log_prob(labels).detach()
    if scores.isnan().any():
        raise FloatingPointError(f"{adapter.describe()} diverged: its predictions are NaN")
    _check_scores(adapter, distributions, labels[rows, columns], scores[rows, columns])
    adapter.update(targets)
    return scores.masked_fill(~known, 0.0)


def _check_distributions(adapter: Adapter, distributions: Tensor, count: int) -> None:
    if distributions.shape != (count, adapter.vocab_size):
        raise ValueError(
            f"{adapter.describe()} must predict the whole vocabulary of {adapter.vocab_size} "
            f"words, got distributions of shape {tuple(distributions.shape)}"
        )
    totals = distributions.double().exp().sum(1)
    for total in totals.tolist():
        if math.isnan(total):
            raise FloatingPointError(f"{adapter.describe()} diverged: its predictions are NaN")
        if not abs(total - 1) <= TOLERANCE:
            raise ValueError(
                f"{adapter.describe()} must be normalised: its probabilities sum to {total:.4g} "
                "over the vocabulary"
            )


def _check_scores(adapter: Adapter, distributions: Tensor, targets: Tensor, scores: Tensor) -> None:
    said = distributions.gather(1, targets.unsqueeze(1)).squeeze(1).clamp(min=LEAST)
    for one, other in zip(said.tolist(), scores.clamp(min=LEAST).tolist(), strict=True):
        if not abs(one - other) <= TOLERANCE:
            raise ValueError(
                f"{adapter.describe()} must score before it learns: a target got the "
                f"log-probability {other:.6g}, and {one:.6g} in the distribution before"
            )
