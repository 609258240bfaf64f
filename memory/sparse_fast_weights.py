"""Sparse fast weights: a memory of many slots, of which each step writes and reads a few."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .contract import SequenceMemory, check_sizes
from .delta_rule import Writes, chunked


class FastWeightState(NamedTuple):
    """Fast weights of every head and slot, (B, heads, slots, key, value)."""

    weights: Tensor


class SparseFastWeights(SequenceMemory):
    """A layer with slow weights, and fast weights that it writes sparsely at every step.

    Our reconstruction of the layer of Sparse Meta Networks (Munkhdalai 2020, arXiv:2009.01803):
    that paper's equations are not public. What is public is kept (fast weights of the layer's own,
    generated sparsely at each step, accumulated through time); the rest is ours.

    From its input the layer generates, for every head, a key k and a query q (unit length, after
    SiLU), a value v, a rate beta in (0, 1), and two addresses a and b over G slots. Of an address
    only the K largest entries are not zero: their softmax, scaled to unit length, through which
    alone gradients flow. With kappa = a ⊗ k and rho = b ⊗ q, both in R^(G k), it writes

        F_t = F_{t-1} + beta kappa ⊗ (v - F_{t-1}ᵀ kappa)

    and then reads ``F_tᵀ rho``. A write touches K of G slots, so what the other slots hold is safe
    from it, and capacity grows with G at nearly no cost in time. ``num_slots=1`` is the dense delta
    rule (DeltaNet; Schlag et al. 2021). The output is the sum of the slow path, a linear map of the
    input, and the fast path, a linear map of the reads and of the errors ``v - F_{t-1}ᵀ kappa``:
    the surprise of this step, from which a layer above can set its own rate.

    Args:
        input_size: D, width of the input.
        output_size: width of the output; the input's where None.
        num_heads: independent memories side by side.
        num_slots: G, slots of each head.
        top_k: K, slots that a step writes, and slots that it reads.
        key_size: width of keys and queries.
        value_size: width of values.
        rule: ``"delta"`` as above, or ``"additive"``, which adds ``beta kappa ⊗ v``.
        decay: let each head forget towards its learned initial weights, by a factor gamma that it
            generates at every step before it writes (as in Gated DeltaNet; Yang et al. 2025). It
            acts on all slots, so a step's cost then grows with G.
        address: ``"learned"``, or ``"random"``: both addresses come from one fixed random
            projection of the input, a control that shows what learning them is worth.
        chunk_size: steps that the parallel form solves together.

    Raises:
        ValueError: for sizes below 1, ``top_k`` above ``num_slots``, or an unknown ``rule`` or
            ``address``.
    """

    state_type = FastWeightState
    projection: Tensor

    def __init__(
        self,
        input_size: int,
        output_size: int | None = None,
        *,
        num_heads: int = 4,
        num_slots: int = 8,
        top_k: int = 2,
        key_size: int = 8,
        value_size: int = 12,
        rule: str = "delta",
        decay: bool = False,
        address: str = "learned",
        chunk_size: int = 32,
    ) -> None:
        super().__init__(input_size, input_size if output_size is None else output_size)
        check_sizes(
            input_size=self.input_size,
            output_size=self.output_size,
            num_heads=num_heads,
            num_slots=num_slots,
            top_k=top_k,
            key_size=key_size,
            value_size=value_size,
            chunk_size=chunk_size,
        )
        if top_k > num_slots:
            raise ValueError(f"top_k must be at most num_slots={num_slots}, got {top_k}")
        if rule not in ("delta", "additive"):
            raise ValueError(f"rule must be 'delta' or 'additive', got {rule!r}")
        if address not in ("learned", "random"):
            raise ValueError(f"address must be 'learned' or 'random', got {address!r}")
        self.num_heads, self.num_slots, self.top_k = num_heads, num_slots, top_k
        self.key_size, self.value_size = key_size, value_size
        self.rule, self.decay, self.address, self.chunk_size = rule, decay, address, chunk_size

        logits = num_slots if num_slots > 1 and address == "learned" else 0
        self._widths = [key_size, key_size, value_size, logits, logits, 1, int(decay)]
        self.generate = nn.Linear(input_size, num_heads * sum(self._widths))
        self.slow = nn.Linear(input_size, self.output_size)
        self.fast = nn.Linear(2 * num_heads * value_size, self.output_size, bias=False)
        self.initial = nn.Parameter(torch.zeros(num_heads, num_slots, key_size, value_size))
        bias = self.generate.bias.detach().unflatten(0, (num_heads, -1))
        key_bias, query_bias, _, _, _, rate_bias, _ = bias.split(self._widths, -1)
        start_as_averages(key_bias, query_bias, rate_bias)
        if address == "random":
            self.register_buffer("projection", torch.randn(num_heads * num_slots, input_size))

    def initial_state(self, batch_size: int) -> FastWeightState:
        """The learned initial fast weights for each of ``batch_size`` rows."""
        return FastWeightState(self.initial.expand(batch_size, *self.initial.shape).clone())

    def step(
        self,
        x: Tensor,
        state: FastWeightState | None,
        start: Tensor | None = None,
        *,
        in_place: bool = False,
    ) -> tuple[Tensor, FastWeightState]:
        """One step, which computes with the selected slots only (see :class:`SequenceMemory`).

        With ``in_place=True`` it also touches no others, so that, but for ``decay``, its cost does
        not follow their number; otherwise the state is copied first.
        """
        weights = self._check_step(x, state, start).weights
        made = self._generated(x)
        # A state that was made here for `state=None` may be written to in any case.
        if not in_place and state is not None:
            weights = weights.clone()
        if start is not None and start.any():
            weights[start] = self.initial
        if made.log_decay is not None:
            gamma = made.log_decay.exp()[:, :, None, None, None]
            weights = self.initial + gamma * (weights - self.initial)
        slots = weights.view(-1, self.key_size, self.value_size)  # of all rows and heads

        where, kappa = self._selected(made.address, made.key)
        held = slots.index_select(0, where).view(*kappa.shape[:2], -1, self.value_size)
        error = made.value
        if self.rule == "delta":
            error = error - (kappa.unsqueeze(-2) @ held).squeeze(-2)
        update = kappa.unsqueeze(-1) * (made.rate.unsqueeze(-1) * error).unsqueeze(-2)
        written = (held + update).view(-1, self.key_size, self.value_size)
        # Not index_add_, which is slower: the slots of one address are all different.
        slots.index_copy_(0, where, written)

        where, rho = self._selected(made.read_address, made.query)
        held = slots.index_select(0, where).view(*rho.shape[:2], -1, self.value_size)
        read = (rho.unsqueeze(-2) @ held).squeeze(-2)
        return self._output(x, read, error), FastWeightState(weights)

    def forward(
        self, x: Tensor, state: FastWeightState | None = None, starts: Tensor | None = None
    ) -> tuple[Tensor, FastWeightState]:
        """A whole sequence, in chunks of parallel work (see :class:`SequenceMemory`)."""
        self._check_sequence(x, state, starts)
        made = self._generated(x)
        reads, errors, weights = chunked(
            Writes(
                key=made.key,
                address=self._dense(made.address),
                value=made.value,
                rate=made.rate,
                query=made.query,
                read_address=self._dense(made.read_address),
                log_decay=made.log_decay,
            ),
            None if state is None else state.weights,
            self.initial,
            starts,
            additive=self.rule == "additive",
            chunk_size=self.chunk_size,
        )
        return self._output(x, reads, errors), FastWeightState(weights)

    def _generated(self, x: Tensor) -> "_Generated":
        """What the slow weights make of inputs (..., D)."""
        made = self.generate(x).unflatten(-1, (self.num_heads, -1))
        key, query, value, address, read_address, rate, decay = made.split(self._widths, -1)
        if self.address == "random":
            address = F.linear(x, self.projection).unflatten(-1, (self.num_heads, -1))
            read_address = address
        return _Generated(
            key=F.normalize(F.silu(key), dim=-1),
            query=F.normalize(F.silu(query), dim=-1),
            value=value,
            address=self._largest(address),
            read_address=self._largest(read_address),
            rate=rate.squeeze(-1).sigmoid(),
            # gamma begins near 1: sigmoid(4) = 0.98
            log_decay=F.logsigmoid(decay.squeeze(-1) + 4.0) if self.decay else None,
        )

    def _largest(self, logits: Tensor) -> "_Address":
        """The K largest of G logits: their numbers, and their softmax scaled to unit length."""
        if self.num_slots == 1:  # nothing to choose, and no logits
            slot = torch.zeros(*logits.shape[:-1], 1, dtype=torch.long, device=logits.device)
            return _Address(slot, logits.new_ones(slot.shape))
        slot = arg_top_k(logits.detach(), self.top_k)
        top = logits.gather(-1, slot)
        # Scaling to unit length cancels the softmax's own normaliser.
        return _Address(slot, F.normalize((top - top[..., :1].detach()).exp(), dim=-1))

    def _dense(self, address: "_Address") -> Tensor:
        """The address over all slots, (..., G)."""
        zeros = address.strength.new_zeros(*address.slot.shape[:-1], self.num_slots)
        return zeros.scatter(-1, address.slot, address.strength)

    def _selected(self, address: "_Address", key: Tensor) -> tuple[Tensor, Tensor]:
        """Row numbers (B H K) of the selected slots among all, and their joint key (B, H, K k)."""
        batch, heads, _ = address.slot.shape
        first = torch.arange(0, batch * heads * self.num_slots, self.num_slots, device=key.device)
        where = (address.slot + first.view(batch, heads, 1)).flatten()
        return where, (address.strength.unsqueeze(-1) * key.unsqueeze(-2)).flatten(-2)

    def _output(self, x: Tensor, reads: Tensor, errors: Tensor) -> Tensor:
        return self.slow(x) + self.fast(torch.cat((reads, errors), -1).flatten(-2))


class _Address(NamedTuple):
    """Selected slots and how strongly each: both (..., H, K)."""

    slot: Tensor
    strength: Tensor


class _Generated(NamedTuple):
    """One write and one read for every step and head: (..., H, ·), as in :class:`Writes`."""

    key: Tensor
    query: Tensor
    value: Tensor
    address: _Address
    read_address: _Address
    rate: Tensor
    log_decay: Tensor | None


def start_as_averages(key_bias: Tensor, query_bias: Tensor, rate_bias: Tensor) -> None:
    """Give the heads initial rates from 0.05 to 0.5, and keys and queries a common part.

    An untrained layer then reads running averages of its values, over short and long times, which
    is useful at once; agents learn faster from there than from unrelated keys. The biases, one row
    per head, are changed in place.
    """
    query_bias.copy_(key_bias.normal_())
    rate_bias += torch.linspace(-3.0, 0.0, len(rate_bias)).unsqueeze(-1)


def arg_top_k(logits: Tensor, k: int) -> Tensor:
    """Numbers of the k largest logits, the largest first, (..., k)."""
    if k > 4:
        return logits.topk(k, -1).indices
    # On a CPU, a few passes beat torch's topk on short rows by a factor of two to four.
    found: list[Tensor] = []
    for _ in range(k):
        if found:
            logits = logits.scatter(-1, found[-1], float("-inf"))
        found.append(logits.argmax(-1, keepdim=True))
    return torch.cat(found, -1)
