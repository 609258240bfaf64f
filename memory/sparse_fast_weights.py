"""Sparse fast weights: a memory of many slots, of which each step writes and reads a few."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .contract import SequenceMemory
from .delta_rule import Writes, chunked


class FastWeightState(NamedTuple):
    """Fast weights of every head and slot, (B, heads, slots, key, value)."""

    weights: Tensor


class SparseFastWeights(SequenceMemory):
    r"""A layer with slow weights, and fast weights that it writes sparsely at every step.

    Our reconstruction of the layer of Sparse Meta Networks (Munkhdalai 2020, arXiv:2009.01803): that
    paper's equations are not public. What is public is kept (fast weights of the layer's own,
    generated sparsely at each step, accumulated through time); the rest is ours.

    From its input the layer generates, for every head, a unit key k, a value v, a rate beta, a
    query q, and two addresses over G slots, of which only the K largest entries are not zero and
    which have unit length. With kappa = a ⊗ k and rho = b ⊗ q, both in R^(G k), it writes

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
        decay: let each head forget towards its initial weights by a factor gamma that it generates
            anew at every step, before it writes. Touches every slot.
        chunk_size: steps that the parallel form solves together.

    Raises:
        ValueError: for sizes below 1, ``top_k`` above ``num_slots``, or an unknown ``rule``.
    """

    state_type = FastWeightState

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
        chunk_size: int = 32,
        address_gradient: str = "renormalised",
        surprise: bool = True,
        rate_bias: tuple = (0., 0.),
        constant: float = 0.,
        aconst: float = 0.,
        init_scale: float = 1.,
    ) -> None:
        super().__init__(input_size, input_size if output_size is None else output_size)
        sizes = dict(num_heads=num_heads, num_slots=num_slots, top_k=top_k, key_size=key_size)
        for name, size in (sizes | dict(value_size=value_size, chunk_size=chunk_size)).items():
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        if top_k > num_slots:
            raise ValueError(f"top_k must be at most num_slots={num_slots}, got {top_k}")
        if rule not in ("delta", "additive"):
            raise ValueError(f"rule must be 'delta' or 'additive', got {rule!r}")
        self.num_heads, self.num_slots, self.top_k = num_heads, num_slots, top_k
        self.key_size, self.value_size = key_size, value_size
        self.rule, self.decay, self.chunk_size = rule, decay, chunk_size
        self.address_gradient, self.surprise = address_gradient, surprise

        addresses = num_slots if num_slots > 1 else 0
        self._widths = [key_size, key_size, value_size, addresses, addresses, 1, int(decay)]
        self.generate = nn.Linear(input_size, num_heads * sum(self._widths))
        self.slow = nn.Linear(input_size, self.output_size)
        self.fast = nn.Linear(num_heads * value_size * (1 + surprise), self.output_size, bias=False)
        with torch.no_grad():
            b = self.generate.bias.unflatten(0, (num_heads, -1)).split(self._widths, 1)
            w = self.generate.weight.unflatten(0, (num_heads, -1)).split(self._widths, 1)
            b[5][:, 0] += torch.linspace(*rate_bias, num_heads)
            for ww in w: ww.mul_(init_scale)
            if constant:
                b[0].normal_(std=constant); b[1].copy_(b[0])
            if aconst:
                b[3].normal_(std=aconst); b[4].copy_(b[3])
        self.initial = nn.Parameter(torch.zeros(num_heads, num_slots, key_size, value_size))

    def initial_state(self, batch_size: int) -> FastWeightState:
        """The learned initial fast weights for each of ``batch_size`` rows."""
        return FastWeightState(self.initial.expand(batch_size, *self.initial.shape).clone())

    def _writes(self, x: Tensor) -> Writes:
        """What to write and read for inputs (B, T, D)."""
        generated = self.generate(x).unflatten(-1, (self.num_heads, -1))
        key, query, value, address, read_address, rate, decay = generated.split(self._widths, -1)
        return Writes(
            key=F.normalize(F.silu(key), dim=-1),
            address=self._address(address),
            value=value,
            rate=rate.squeeze(-1).sigmoid(),
            query=F.normalize(F.silu(query), dim=-1),
            read_address=self._address(read_address),
            # gamma starts near 1: sigmoid(4) = 0.98
            log_decay=F.logsigmoid(decay.squeeze(-1) + 4.0) if self.decay else None,
        )

    def _address(self, logits: Tensor) -> Tensor:
        """Unit length; softmax weights on the K largest logits, zero elsewhere."""
        if self.num_slots == 1:
            return logits.new_ones(*logits.shape[:-1], 1)
        if self.top_k == self.num_slots:
            return _unit_softmax(logits)
        top = logits.topk(self.top_k, -1)
        hard = torch.zeros_like(logits).scatter(-1, top.indices, _unit_softmax(top.values))
        if self.address_gradient == "straight_through":
            soft = _unit_softmax(logits)
            return soft + (hard - soft).detach()
        return hard

    def step(
        self,
        x: Tensor,
        state: FastWeightState | None,
        start: Tensor | None = None,
        *,
        in_place: bool = False,
    ) -> tuple[Tensor, FastWeightState]:
        """One step, touching only the selected slots (see :class:`SequenceMemory`)."""
        state = self._check_step(x, state, start)
        write = self._writes(x[:, None])
        weights = state.weights if in_place else state.weights.clone()
        if start is not None and start.any():
            weights[start] = self.initial
        if write.log_decay is not None:
            gamma = write.log_decay[:, 0, :, None, None, None].exp()
            weights = self.initial + gamma * (weights - self.initial)
        slots = weights.view(-1, self.key_size, self.value_size)  # every slot of every row and head

        where, kappa = self._select(write.address[:, 0], write.key[:, 0])
        error = write.value[:, 0]
        if self.rule == "delta":
            error = error - torch.einsum("bhck,bhckv->bhv", kappa, slots[where])
        written = write.rate[:, 0, :, None] * error
        update = kappa.unsqueeze(-1) * written[:, :, None, None, :]
        slots.index_add_(0, where.flatten(), update.flatten(0, 2))
        where, rho = self._select(write.read_address[:, 0], write.query[:, 0])
        read = torch.einsum("bhck,bhckv->bhv", rho, slots[where])
        return self._output(x, read, error), FastWeightState(weights)

    def _select(self, address: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Row numbers (B, H, K) of the selected slots, and the part (B, H, K, k) of the key for each."""
        strength, slot = address.topk(min(self.top_k, self.num_slots), -1)
        batch, heads = address.shape[:2]
        offset = torch.arange(batch * heads, device=slot.device).view(batch, heads, 1)
        return slot + offset * self.num_slots, strength.unsqueeze(-1) * key.unsqueeze(-2)

    def forward(
        self, x: Tensor, state: FastWeightState | None = None, starts: Tensor | None = None
    ) -> tuple[Tensor, FastWeightState]:
        """A whole sequence in chunks of parallel work (see :class:`SequenceMemory`)."""
        self._check_sequence(x, state, starts)
        reads, errors, weights = chunked(
            self._writes(x),
            None if state is None else state.weights,
            self.initial,
            starts,
            additive=self.rule == "additive",
            chunk_size=self.chunk_size,
        )
        return self._output(x, reads, errors), FastWeightState(weights)

    def _output(self, x: Tensor, reads: Tensor, errors: Tensor) -> Tensor:
        if self.surprise:
            reads = torch.cat((reads, errors), -1)
        return self.slow(x) + self.fast(reads.flatten(-2))


def _unit_softmax(logits: Tensor) -> Tensor:
    """Softmax scaled to unit length; its own normaliser cancels."""
    return F.normalize((logits - logits.amax(-1, keepdim=True).detach()).exp(), dim=-1)
