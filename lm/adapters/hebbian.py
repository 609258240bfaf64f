"""The Hebbian softmax at test time: rows of rare words go on memorising activations."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ...memory import HebbianSoftmax
from ..corpora import IGNORED
from ..losses import AdaptiveSoftmax, FullSoftmax
from ..models import LanguageModel
from .memory import WeightRule
from .prediction import Softmax


class HebbianRows(WeightRule):
    """After each segment, rows of its targets are pulled to the activations that they came after.

    The rule of Rae et al. (2018), made for training (:class:`driftwise.memory.HebbianSoftmax`),
    carried on over the test stream: dynamic evaluation of the output layer in closed form. Counts
    go on from those in the training data, so that frequent words stay as they are. With tied
    embeddings, the write also changes how the word is read.

    Args:
        counts: (V,) how often each word was seen in training. Rows that memorised in training
            already have counts of their own.
        gamma: Least mixing rate.
        T: Sightings, those in training included, from which on a row is left alone.

    Raises:
        ValueError: An argument is out of range, or the softmax is not one of this package.
    """

    def __init__(self, counts: Tensor, gamma: float = 0.1, T: float = 500.0) -> None:
        if not 0 <= gamma <= 1 or not T >= 0:
            raise ValueError(f"gamma must be from 0 to 1 and T at least 0, got {gamma} and {T}")
        self.counts, self.gamma, self.T = counts, gamma, T

    def attach(self, model: LanguageModel) -> None:
        """See :class:`WeightRule`."""
        self._head = head = model.head
        if isinstance(head, FullSoftmax):
            head.rows = self._hebbian(head.rows, self.counts)
        elif isinstance(head, AdaptiveSoftmax):
            edges = (*head.cutoffs, head.vocab_size)
            head.shortlist = self._hebbian(head.shortlist, self.counts[: edges[0]])
            for k, tail in enumerate(head.tails):
                head.tails[k] = self._hebbian(tail, self.counts[edges[k] : edges[k + 1]])
        else:
            raise ValueError(
                f"hebbian needs a full or adaptive softmax, got a {type(head).__name__}"
            )

    def _hebbian(self, rows: nn.Module, counts: Tensor) -> HebbianSoftmax:
        """The same rows, as ones that memorise."""
        if isinstance(rows, HebbianSoftmax):
            rows.gamma, rows.T = self.gamma, self.T
            return rows
        assert isinstance(rows, nn.Linear)
        count, width = rows.weight.shape
        made = HebbianSoftmax(
            width,
            count,
            weight=cast(nn.Parameter, rows.weight),
            bias=False,
            gamma=self.gamma,
            T=self.T,
        )
        made.bias = rows.bias
        made.counts.copy_(counts)
        return made

    @torch.no_grad()
    def write(self, prediction: Softmax, targets: Tensor) -> None:
        """See :class:`WeightRule`."""
        kept = targets != IGNORED
        self._head.memorise(prediction.hidden.detach()[kept], targets[kept])
