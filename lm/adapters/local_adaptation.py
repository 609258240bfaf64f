"""MbPA: for every position, a few gradient steps of the output layer on similar moments."""

from __future__ import annotations

import torch
from torch import Tensor

from ..losses import SoftmaxHead
from ..models import LanguageModel
from .contract import Segment
from .memory import StreamMemory
from .prediction import Dense, Prediction
from .recent_pairs import RecentPairs

# Numbers held at once: positions are taken in groups of so many times K V.
GROUP = 2**21


class LocalAdaptation(StreamMemory):
    """Memory-based parameter adaptation (Sprechmann et al. 2018, arXiv:1802.10542).

    For position t, the K pairs (h_k, x_{k+1}) of the ``window`` last ones whose keys are nearest to
    h_t, with weights w_k ∝ 1 / (distance² + eps) that sum to 1. The output layer is adapted to
    them, used once, and discarded. What is adapted is a matrix ``Delta`` (V, D) on top of the
    softmax, ``p(w | h) ∝ p_model(w | h) exp(Delta_w · h)``, which starts at zero; for a plain
    softmax this is the same as to adapt its rows::

        repeat: Delta <- (1 - lr pull) Delta + lr / s * sum_k w_k (onehot(x_{k+1}) - p(h_k)) h_kᵀ

    with s the mean squared length of the K keys. Delta is a sum of K terms a_k h_kᵀ at all times:
    the steps are made on the vectors a_k (V,), for all positions at once, and Delta is never
    formed.

    Args:
        window: Pairs to keep.
        k: K.
        steps: Gradient steps.
        lr: Their size.
        pull: Strength of the pull back to the trained weights.
        eps: Of the kernel, in units of s.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(
        self,
        window: int = 2_000,
        k: int = 16,
        steps: int = 1,
        lr: float = 1.0,
        pull: float = 0.0,
        eps: float = 0.1,
    ) -> None:
        if k < 1 or steps < 1 or not lr >= 0 or not pull >= 0 or not eps > 0:
            raise ValueError(
                "k and steps must be at least 1, lr and pull at least 0, and eps above 0, got "
                f"{k}, {steps}, {lr}, {pull} and {eps}"
            )
        self.k, self.steps, self.lr, self.pull, self.eps = k, steps, lr, pull, eps
        self.pairs = RecentPairs(window)

    def attach(self, model: LanguageModel) -> None:
        """See :class:`StreamMemory`."""
        self._head: SoftmaxHead = model.head

    def begin(self, batch_size: int) -> None:
        """See :class:`StreamMemory`."""
        self.pairs.begin(batch_size)

    def revise(self, prediction: Prediction, hidden: Tensor, segment: Segment) -> Prediction:
        """See :class:`StreamMemory`."""
        keys, words, visible = self.pairs.view(hidden, segment)
        rows = torch.arange(len(hidden), device=hidden.device).repeat_interleave(hidden.shape[1])
        columns = torch.arange(hidden.shape[1], device=hidden.device).repeat(len(hidden))
        groups = max(1, GROUP // (self.k * self._head.vocab_size))
        revised = [
            self._adapt(prediction.log_probs(r, c), hidden[r, c], keys[r], words[r], visible[r, c])
            for r, c in zip(rows.split(groups), columns.split(groups), strict=True)
        ]
        return Dense(torch.cat(revised).view(*hidden.shape[:2], -1))

    def _adapt(
        self, log_probs: Tensor, queries: Tensor, keys: Tensor, words: Tensor, visible: Tensor
    ) -> Tensor:
        """Revised log-probabilities (N, V) of N positions, each with P pairs of its own."""
        count = min(self.k, keys.shape[1])
        distances = torch.cdist(queries.unsqueeze(1), keys).squeeze(1).square()
        distances, places = distances.masked_fill(~visible, torch.inf).topk(count, largest=False)
        near = keys.gather(1, places.unsqueeze(-1).expand(-1, -1, keys.shape[-1]))
        found = distances < torch.inf
        answers = words.gather(1, places).masked_fill(~found, 0)
        scale = (near.square().sum(-1) * found).sum(1, keepdim=True) / found.sum(1, keepdim=True)
        scale = scale.nan_to_num(1.0).clamp(min=1e-12)
        weights = found / (distances.masked_fill(~found, 0.0) + self.eps * scale)
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-12)

        base = self._head.log_probs(near)  # (N, K, V)
        inner = near @ near.mT  # (N, K, K)
        a = torch.zeros_like(base)
        rate = (self.lr * weights / scale).unsqueeze(-1)
        for _ in range(self.steps):
            error = -(base + inner @ a).softmax(-1)
            error.scatter_add_(2, answers.unsqueeze(-1), torch.ones_like(error[..., :1]))
            a = (1 - self.lr * self.pull) * a + rate * error
        moved = (near @ queries.unsqueeze(-1) * a).sum(1)
        return (log_probs + moved).log_softmax(-1)

    def write(self, targets: Tensor) -> None:
        """See :class:`StreamMemory`."""
        self.pairs.write(targets)

    def flops_per_token(self, length: int) -> float:
        """See :class:`StreamMemory`; the softmax of every neighbour is most of it."""
        width, words = self._head.hidden_size, self._head.vocab_size
        search = 2.0 * width * (self.pairs.window + length)
        steps = 2.0 * self.k * self.k * words * self.steps
        return search + 2.0 * self.k * width * words + steps + 2.0 * self.k * words
