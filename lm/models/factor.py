"""Embeddings narrower than the model: one matrix up to it and, transposed, down from it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TiedProjection(nn.Module):
    """A matrix P (hidden, embedding): ``up`` is x Pᵀ, ``down`` is h P. Without one for equal sizes.

    Args:
        embedding_size: Width of embeddings and softmax.
        hidden_size: Width of the model.
    """

    def __init__(self, embedding_size: int, hidden_size: int) -> None:
        super().__init__()
        self.weight: nn.Parameter | None = None
        if embedding_size != hidden_size:
            scale = max(embedding_size, hidden_size) ** -0.5
            self.weight = nn.Parameter(torch.randn(hidden_size, embedding_size) * scale)

    def up(self, x: Tensor) -> Tensor:
        """(..., embedding) to (..., hidden)."""
        return x if self.weight is None else F.linear(x, self.weight)

    def down(self, h: Tensor) -> Tensor:
        """(..., hidden) to (..., embedding)."""
        return h if self.weight is None else F.linear(h, self.weight.mT)
