"""Row-gated fast weights: sparse on the side of the values, as an ablation in step form."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .addresses import arg_top_k
from .contract import SequenceMemory, check_sizes
from .sparse_fast_weights import start_as_averages


class RowGatedState(NamedTuple):
    """Fast weights of every head, (B, heads, key, value)."""

    weights: Tensor


class RowGatedFastWeights(SequenceMemory):
    """One dense fast matrix per head, of which each step writes a few value rows.

    The textbook reading of sparse fast weights, and the ablation of :class:`SparseFastWeights`: it
    is sparse on the other side. From its input the layer generates, for every head, a key k and a
    query q (unit length, after SiLU), a value v, a rate beta in (0, 1), and a logit for each of the
    M numbers of the value. Of these, a is the softmax over the K largest, zero elsewhere. With one
    matrix F (key, value) for each head it writes

        F_t = F_{t-1} + beta k ⊗ (a ∘ (v - F_{t-1}ᵀ k))

    and then reads ``F_tᵀ q``. The output is as in :class:`SparseFastWeights`: a linear map of the
    input, plus one of the reads and of the errors ``v - F_{t-1}ᵀ k``.

    What it shows: a write is kept off most *rows*, but every key still shares one space of k
    dimensions with all others, in the rows that it does write. Capacity does not grow with what is
    left alone, and a read is dense. Nor is there a chunked form of use: row m follows the delta
    rule at a rate of its own, beta a_m, so that each row would need its own triangular solve where
    slots on the side of the keys share one. :meth:`forward` is the loop over steps.

    With ``top_k=1`` the one weight is always 1: nothing tells the selector what to choose.

    Args:
        input_size: D, width of the input.
        output_size: width of the output; the input's where None.
        num_heads: independent memories side by side.
        top_k: K, value rows that a step writes in each head.
        key_size: width of keys and queries.
        value_size: M, width of values.

    Raises:
        TypeError: a size is not an integer.
        ValueError: a size is below 1, or ``top_k`` above ``value_size``.
    """

    state_type = RowGatedState

    def __init__(
        self,
        input_size: int,
        output_size: int | None = None,
        *,
        num_heads: int = 4,
        top_k: int = 2,
        key_size: int = 8,
        value_size: int = 12,
    ) -> None:
        super().__init__(input_size, input_size if output_size is None else output_size)
        check_sizes(
            input_size=self.input_size,
            output_size=self.output_size,
            num_heads=num_heads,
            top_k=top_k,
            key_size=key_size,
            value_size=value_size,
        )
        if top_k > value_size:
            raise ValueError(f"top_k must be at most value_size={value_size}, got {top_k}")
        self.num_heads, self.top_k = num_heads, top_k
        self.key_size, self.value_size = key_size, value_size

        self._widths = [key_size, key_size, value_size, value_size, 1]
        self.generate = nn.Linear(input_size, num_heads * sum(self._widths))
        self.slow = nn.Linear(input_size, self.output_size)
        self.fast = nn.Linear(2 * num_heads * value_size, self.output_size, bias=False)
        self.initial = nn.Parameter(torch.zeros(num_heads, key_size, value_size))
        bias = self.generate.bias.detach().unflatten(0, (num_heads, -1))
        key_bias, query_bias, _, _, rate_bias = bias.split(self._widths, -1)
        start_as_averages(key_bias, query_bias, rate_bias)

    def initial_state(self, batch_size: int) -> RowGatedState:
        """The learned initial fast weights for each of ``batch_size`` rows."""
        return RowGatedState(self.initial.expand(batch_size, *self.initial.shape).clone())

    def step(
        self,
        x: Tensor,
        state: RowGatedState | None,
        start: Tensor | None = None,
        *,
        in_place: bool = False,
    ) -> tuple[Tensor, RowGatedState]:
        """One step (see :class:`SequenceMemory`)."""
        (weights,) = self.reset_rows(self._check_step(x, state, start), start)
        made = self.generate(x).unflatten(-1, (self.num_heads, -1))
        key, query, value, logits, rate = made.split(self._widths, -1)
        key, query = (F.normalize(F.silu(part), dim=-1) for part in (key, query))

        error = value - (key.unsqueeze(-2) @ weights).squeeze(-2)
        gated = rate.sigmoid() * self._gate(logits) * error
        weights = weights + key.unsqueeze(-1) * gated.unsqueeze(-2)
        read = (query.unsqueeze(-2) @ weights).squeeze(-2)
        y = self.slow(x) + self.fast(torch.cat((read, error), -1).flatten(-2))
        return y, RowGatedState(weights)

    def _gate(self, logits: Tensor) -> Tensor:
        """Softmax over the K largest of logits (..., M), zero elsewhere."""
        rows = arg_top_k(logits.detach(), self.top_k)
        chosen = logits.gather(-1, rows).softmax(-1)
        return torch.zeros_like(logits).scatter(-1, rows, chosen)
