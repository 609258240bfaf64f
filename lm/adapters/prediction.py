"""Predictions: distributions over the vocabulary, of which few are ever written out.

The score of a target mostly needs much less than the whole distribution (an adaptive softmax skips
the clusters of other words, a cache looks at the stored words that match). What is written out, at
some positions, is what the score is checked against.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from ..losses import SoftmaxHead


class Prediction(ABC):
    """Distributions over V words at (B, T) positions."""

    @abstractmethod
    def log_prob(self, targets: Tensor) -> Tensor:
        """Log-probabilities (B, T) of targets (B, T)."""

    @abstractmethod
    def log_probs(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Whole distributions (n, V), as logarithms, at n positions (rows[i], columns[i])."""


class Dense(Prediction):
    """Distributions that are all written out.

    Args:
        values: (B, T, V) log-probabilities.
    """

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def log_prob(self, targets: Tensor) -> Tensor:
        """See :class:`Prediction`."""
        return self.values.gather(-1, targets.unsqueeze(-1)).squeeze(-1)

    def log_probs(self, rows: Tensor, columns: Tensor) -> Tensor:
        """See :class:`Prediction`."""
        return self.values[rows, columns]


class Softmax(Prediction):
    """What a softmax makes of hidden vectors.

    Args:
        head: The softmax.
        hidden: (B, T, D). With a graph behind them, so has :attr:`losses`.

    Attributes:
        losses: (B, T), those of the targets that were scored last; None before.
    """

    def __init__(self, head: SoftmaxHead, hidden: Tensor) -> None:
        self.head, self.hidden = head, hidden
        self.losses: Tensor | None = None

    def log_prob(self, targets: Tensor) -> Tensor:
        """See :class:`Prediction`."""
        with torch.set_grad_enabled(self.hidden.requires_grad):
            # Kept, since dynamic evaluation goes on from here: the softmax is computed once.
            self.losses = self.head.loss(self.hidden, targets)
        return -self.losses.detach()

    @torch.no_grad()
    def log_probs(self, rows: Tensor, columns: Tensor) -> Tensor:
        """See :class:`Prediction`."""
        return self.head.log_probs(self.hidden[rows, columns])


class StoredWords(Prediction):
    """Weights over words that are stored somewhere; the same word may be there many times.

    Args:
        log_weights: (B, T, P), whose exponentials sum to 1 at each position, or are all 0.
        words: (B, T, P) or (B, 1, P), the stored words; any where the weight is 0.
        vocab_size: V.
    """

    def __init__(self, log_weights: Tensor, words: Tensor, vocab_size: int) -> None:
        self.log_weights, self.words, self.vocab_size = log_weights, words, vocab_size

    def log_prob(self, targets: Tensor) -> Tensor:
        """See :class:`Prediction`; -inf for words that are not stored."""
        matches = self.words == targets.unsqueeze(-1)
        return self.log_weights.masked_fill(~matches, -torch.inf).logsumexp(-1)

    def log_probs(self, rows: Tensor, columns: Tensor) -> Tensor:
        """See :class:`Prediction`."""
        weights = self.log_weights[rows, columns].exp()
        words = self.words.expand_as(self.log_weights)[rows, columns]
        places = words.clamp(0, self.vocab_size - 1)  # what is no word has no weight
        return weights.new_zeros(len(rows), self.vocab_size).scatter_add(1, places, weights).log()


class Mixture(Prediction):
    """``(1 - weight) * first + weight * second``.

    Args:
        first: What is the prediction where the weight is 0.
        second: What is mixed in.
        weight: (B, T), from 0 to below 1.
    """

    def __init__(self, first: Prediction, second: Prediction, weight: Tensor) -> None:
        self.first, self.second, self.weight = first, second, weight

    def log_prob(self, targets: Tensor) -> Tensor:
        """See :class:`Prediction`."""
        return _mix(self.first.log_prob(targets), self.second.log_prob(targets), self.weight)

    def log_probs(self, rows: Tensor, columns: Tensor) -> Tensor:
        """See :class:`Prediction`."""
        first = self.first.log_probs(rows, columns)
        second = self.second.log_probs(rows, columns)
        return _mix(first, second, self.weight[rows, columns].unsqueeze(-1))


def _mix(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    return torch.logaddexp(first + torch.log1p(-weight), second + weight.log())
