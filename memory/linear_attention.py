"""Causal linear attention over strictly earlier positions of the same segment, chunk by chunk.

Letters: B batch, t (and i < t) time within the chunk, K key, V value. Earlier chunks are in states
that start at zero: S (B, K, V), the sum of key_i ⊗ value_i, and s (B, V), the sum of value_i.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .segments import segment_masks


class Past:
    """What the positions of one chunk see of what came before them: nothing across a start.

    What a start cuts off is multiplied by zero: a NaN or an infinity before it still spoils what
    follows.

    Args:
        like: (B, T, ...) tensor of the chunk's length, device and dtype.
        starts: (B, T) bool, where a segment starts; None where none does.
    """

    def __init__(self, like: Tensor, starts: Tensor | None) -> None:
        self.sees_state = self.reaches_end = None
        if starts is None:
            self.sees = like.new_ones(1, like.shape[1], like.shape[1]).tril(-1)  # (1 or B, t, i)
            return
        same, before_any = segment_masks(starts)
        self.sees = same.tril(-1).to(like.dtype)
        self.sees_state = before_any.unsqueeze(-1).to(like.dtype)  # (B, t, 1)
        self.reaches_end = same[:, -1].unsqueeze(-1).to(like.dtype)  # (B, i, 1)

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor,
        matrix: Tensor | None,
        vector: Tensor | None,
    ) -> Tensor:
        """Sum of (query_t · key_i + bias) value_i over all i < t, earlier chunks included.

        Args:
            query: (B, T, K).
            key: (B, T, K).
            value: (B, T, V).
            bias: A number.
            matrix: S before the chunk; None where it is zero.
            vector: s before the chunk; None where it is zero.

        Returns:
            (B, T, V).
        """
        read = (self.sees * (query @ key.mT + bias)) @ value
        if matrix is None or vector is None:
            return read
        matrix, vector = matrix.to(query.dtype), vector.to(query.dtype).unsqueeze(1)
        return read + _times(self.sees_state, query @ matrix + bias * vector)

    def total(self, value: Tensor, vector: Tensor | None) -> Tensor:
        """Sum of value_i (B, T, V) over all i < t, earlier chunks (s) included."""
        total = self.sees @ value
        if vector is None:
            return total
        return total + _times(self.sees_state, vector.to(value.dtype).unsqueeze(1))

    def carry(self, key: Tensor | None, value: Tensor, state: Tensor | None) -> Tensor:
        """The state after the chunk: S, or s where ``key`` is None.

        Sums of thousands of terms are kept in float32 at least.
        """
        value = _times(self.reaches_end, value)
        new = value.sum(1) if key is None else key.mT @ value
        if state is None:
            return new.to(torch.promote_types(new.dtype, torch.float32))
        if self.sees_state is not None:
            kept = self.sees_state[:, -1]  # no start in the whole chunk
            state = state * kept.view(-1, *(1,) * (state.ndim - 1)).to(state.dtype)
        return state + new


def _times(mask: Tensor | None, value: Tensor) -> Tensor:
    return value if mask is None else mask * value
