"""The neural cache: words that came after similar hidden vectors come again."""

from __future__ import annotations

from torch import Tensor

from ..models import LanguageModel
from .contract import Segment
from .memory import StreamMemory
from .prediction import Mixture, Prediction, StoredWords
from .recent_pairs import RecentPairs


class NeuralCache(StreamMemory):
    """The continuous cache of Grave, Joulin & Usunier (2017, arXiv:1612.04426).

    Over the ``window`` last pairs of a hidden vector h_i and the word x_{i+1} after it::

        p_cache(w) ∝ sum over i with x_{i+1} = w of exp(theta h_t · h_i)
        p(w)       = (1 - weight) p_model(w) + weight p_cache(w)

    Where nothing is stored yet, p is p_model.

    Args:
        window: Pairs to keep.
        theta: Sharpness; what fits depends on the length of hidden vectors.
        weight: Share of the cache, from 0 to below 1.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(self, window: int = 2_000, theta: float = 0.3, weight: float = 0.1) -> None:
        if not theta >= 0:
            raise ValueError(f"theta must be at least 0, got {theta}")
        self.theta, self.weight, self.pairs = theta, check_weight(weight), RecentPairs(window)

    def attach(self, model: LanguageModel) -> None:
        """See :class:`StreamMemory`."""
        self._vocab_size, self._hidden_size = model.vocab_size, model.hidden_size

    def begin(self, batch_size: int) -> None:
        """See :class:`StreamMemory`."""
        self.pairs.begin(batch_size)

    def revise(self, prediction: Prediction, hidden: Tensor, segment: Segment) -> Prediction:
        """See :class:`StreamMemory`."""
        keys, words, visible = self.pairs.view(hidden, segment)
        scores = self.theta * (hidden @ keys.mT)
        scores = scores.masked_fill(~visible, -float("inf"))
        stored = StoredWords(log_softmax_or_nothing(scores), words.unsqueeze(1), self._vocab_size)
        return Mixture(prediction, stored, self.weight * visible.any(-1).to(hidden.dtype))

    def write(self, targets: Tensor) -> None:
        """See :class:`StreamMemory`."""
        self.pairs.write(targets)

    def flops_per_token(self, length: int) -> float:
        """See :class:`StreamMemory`."""
        return 2.0 * self._hidden_size * (self.pairs.window + length)


def log_softmax_or_nothing(scores: Tensor) -> Tensor:
    """``log_softmax`` over the last dimension; -inf where all scores are."""
    total = scores.logsumexp(-1, keepdim=True)
    return scores - total.masked_fill(total == -float("inf"), 0.0)


def check_weight(weight: float) -> float:
    """The weight of what is mixed in, or a ValueError."""
    if not 0 <= weight < 1:
        raise ValueError(f"weight must be from 0 to below 1, got {weight}")
    return weight
