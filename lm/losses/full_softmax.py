"""The softmax over all words at once."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ...memory import HebbianSoftmax
from .config import HebbianConfig
from .head import SoftmaxHead, make_rows


class FullSoftmax(SoftmaxHead):
    """One row for every word, as wide as the hidden vectors.

    Args:
        hidden_size: D.
        vocab_size: V.
        bias: Whether the logits have a bias, which begins at zero.
        hebbian: Whether rows memorise activations, and how.
        logit_cap: As in :class:`SoftmaxHead`.
        max_logits: As there.

    Attributes:
        rows: The rows, ``rows.weight`` of shape (V, D).
    """

    def __init__(
        self,
        hidden_size: int,
        vocab_size: int,
        *,
        bias: bool = False,
        hebbian: HebbianConfig | None = None,
        logit_cap: float | None = None,
        max_logits: int = 2**26,
    ) -> None:
        super().__init__(hidden_size, vocab_size, logit_cap=logit_cap, max_logits=max_logits)
        self.rows = make_rows(hidden_size, vocab_size, bias, hebbian)

    def embed(self, ids: Tensor) -> Tensor:
        """The rows of ``ids``."""
        return F.embedding(ids, self.rows.weight)

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (..., V) after hidden vectors (..., D)."""
        return self._capped(self.rows(hidden))

    def forward(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Losses (N,) of (N, D) hidden vectors (see :class:`SoftmaxHead`)."""
        return F.cross_entropy(self.logits(hidden), targets, reduction="none")

    @property
    def logits_per_position(self) -> int:
        """V."""
        return self.vocab_size

    @property
    def row_weights(self) -> list[Tensor]:
        """Those of the words."""
        return [self.rows.weight]

    def _log_probs(self, hidden: Tensor) -> Tensor:
        return self.logits(hidden).log_softmax(-1)

    def _memorise(self, hidden: Tensor, targets: Tensor) -> None:
        if isinstance(self.rows, HebbianSoftmax):
            self.rows.write(hidden, targets)
