"""What an adapter is: it predicts a segment, is scored, and only then learns what came.

Letters used for shapes in this folder: B lanes, T positions of a segment, D width of hidden
vectors, V words of the vocabulary.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor

from .prediction import Prediction


class Segment(NamedTuple):
    """The next T positions of B lanes, without their targets.

    Attributes:
        inputs: (B, T) int64, what the model reads.
        starts: (B, T) bool, where everything that was read before is to be forgotten first.
        seen: (B, T) int64, the target of the position before each: what is known by then.
            :data:`~driftwise.lm.corpora.IGNORED` where there is none.
    """

    inputs: Tensor
    starts: Tensor
    seen: Tensor


class Adapter(ABC):
    """A reader that may learn from what it has read.

    Four rules make its score a valid one. The interface enforces what it can, and
    :func:`check_adapter` and :class:`~driftwise.lm.evaluation.StreamEvaluator` check the rest:

    - *Causal*: the prediction of position t depends on nothing but positions up to t of its own
      lane (``inputs``, ``starts``, ``seen``). Lanes are different places of one text: what another
      lane reads now comes later in the text.
    - *Normalised*: it is a distribution over the whole vocabulary, and the score of the target is
      what that distribution says.
    - *Score before update*: targets come with :meth:`update`, after the score is committed.
    - *One pass*: every position is scored once; :meth:`begin` forgets all of an earlier stream.

    Attributes:
        vocab_size: V.
        max_lanes: Lanes that it can read side by side; None for any number. One that has a single
            lane gets segments that are cut where documents start, so that a start is always at
            position 0.
    """

    vocab_size: int
    max_lanes: int | None = None

    @abstractmethod
    def begin(self, batch_size: int) -> None:
        """Begin a stream of ``batch_size`` lanes, as if nothing had been read before."""

    @abstractmethod
    def predict(self, segment: Segment) -> Prediction | Tensor:
        """Predict the targets of a segment.

        Returns:
            A :class:`Prediction`, or log-probabilities (B, T, V).
        """

    @abstractmethod
    def update(self, targets: Tensor) -> None:
        """Learn the targets (B, T) of the segment that was predicted last.

        Called once for each segment, after its score is committed. Targets may be
        :data:`~driftwise.lm.corpora.IGNORED`, where a lane has ended.
        """

    def flops_per_token(self, length: int) -> float:
        """Floating point operations for each token in segments of ``length``; NaN if not known."""
        return math.nan

    def describe(self) -> str:
        """What its numbers depend on, for the record."""
        return type(self).__name__
