"""Sparse fast weights: a memory of many slots, of which each step writes and reads a few."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .addresses import slot_grid, sparse_address
from .chained_reads import NextQuery
from .contract import SequenceMemory, check_sizes
from .delta_rule import Writes, chunked, log_decay
from .kernels import (
    FastWeightSizes,
    fast_weights,
    fast_weights_step,
    has_kernel,
    has_slot_kernel,
    num_logits,
    slot_weights,
)
from .slot_access import SlotAccess, read_slots, step_slots

_Form = Callable[[Tensor, Any, Tensor | None], tuple[Tensor, Tensor]]


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
    only the K largest entries are not zero (see ``selection``). With kappa = a ⊗ k and rho = b ⊗ q,
    both in R^(G k), it writes

        F_t = F_{t-1} + beta kappa ⊗ (v - F_{t-1}ᵀ kappa)

    and then reads ``F_tᵀ rho``. A write touches K of G slots, so what the other slots hold is safe
    from it. Capacity grows with G while the cost of a step grows little: by what it takes to make
    G logits and to find the largest. ``num_slots=1, top_k=1`` is the dense delta rule (DeltaNet;
    Schlag et al. 2021). The output is the sum of the slow path, a linear map of the input, and the
    fast path, a linear map of the reads and of the errors ``v - F_{t-1}ᵀ kappa``: the surprise of
    this step, from which a layer above can set its own rate.

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
            projection of the input, a control that shows what learning them is worth. Its entries
            have the spread of the initial weights of ``nn.Linear``, so that such addresses are as
            sharp as learned ones before training. Or ``"product"``: the slots of a head are those
            of a grid, as nearly square as can be, and a slot's logit is the sum of its row's and
            its column's (product keys; Lample et al. 2019, arXiv:1907.05242). Learned, too, from
            some 2 sqrt(G) logits in the place of G: for many slots.
        selection: what the K selected slots share an access by. ``"renormalised"``: the softmax of
            their logits, scaled to unit length, and the gradients of that. ``"straight_through"``:
            all alike, with the gradients of their probabilities, the softmax over all G slots; so
            with K = 1 always, where the renormalised address would be the constant 1 and the
            choice would not be learned.
        num_reads: reads of a step, one after another. Query and read address of each but the first
            are made of the input and of the read before it, so that what was found says where to
            look next (recursive reading, as in the Fast Weight Memory; Schlag et al. 2021): from
            here one gets there, and from there? All of them go into the output. Each further one
            costs about as much as the whole layer with one.
        chunk_size: steps that the parallel form solves together.

    Raises:
        TypeError: for sizes that are no integers.
        ValueError: for sizes below 1, ``top_k`` above ``num_slots``, a prime ``num_slots`` with
            product addresses, or an unknown ``rule``, ``address`` or ``selection``.
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
        selection: str = "renormalised",
        num_reads: int = 1,
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
            num_reads=num_reads,
            chunk_size=chunk_size,
        )
        if top_k > num_slots:
            raise ValueError(f"top_k must be at most num_slots={num_slots}, got {top_k}")
        if rule not in ("delta", "additive"):
            raise ValueError(f"rule must be 'delta' or 'additive', got {rule!r}")
        if address not in ("learned", "product", "random"):
            raise ValueError(f"address must be 'learned', 'product' or 'random', got {address!r}")
        columns = 0
        if address == "product" and num_slots > 1:
            rows, columns = slot_grid(num_slots)
            if rows == 1:
                raise ValueError(
                    "num_slots must be that of a grid of rows and columns for address='product', "
                    f"got the prime {num_slots}"
                )
        if selection not in ("renormalised", "straight_through"):
            raise ValueError(
                f"selection must be 'renormalised' or 'straight_through', got {selection!r}"
            )
        self.num_heads, self.num_slots, self.top_k = num_heads, num_slots, top_k
        self.num_reads = num_reads
        self.key_size, self.value_size = key_size, value_size
        self.rule, self.decay, self.address, self.chunk_size = rule, decay, address, chunk_size

        self._sizes = FastWeightSizes(
            num_slots,
            top_k,
            key_size,
            value_size,
            additive=rule == "additive",
            decay=decay,
            straight_through=selection == "straight_through" or top_k == 1,
            columns=columns,
        )
        logits = 2 * num_logits(self._sizes)
        self._widths = [2 * key_size, value_size, logits, 1, int(decay)]
        generated = [2 * key_size, value_size, 0 if address == "random" else logits, 1, int(decay)]
        self.generate = nn.Linear(input_size, num_heads * sum(generated))
        self.slow = nn.Linear(input_size, self.output_size)
        features = (num_reads + 1) * num_heads * value_size
        self.fast = nn.Linear(features, self.output_size, bias=False)
        queries = (num_heads, key_size + generated[2] // 2)
        self.next_queries = nn.ModuleList(
            NextQuery(self.input_size, num_heads * value_size, queries)
            for _ in range(num_reads - 1)
        )
        self.initial = nn.Parameter(torch.zeros(num_heads, num_slots, key_size, value_size))
        bias = self.generate.bias.detach().unflatten(0, (num_heads, -1))
        key_biases, _, _, rate_bias, _ = bias.split(generated, -1)
        key_bias, query_bias = key_biases.split(key_size, -1)
        start_as_averages(key_bias, query_bias, rate_bias)
        if address == "random":
            projection = torch.randn(num_heads * num_slots, input_size)
            self.register_buffer("projection", projection * (3 * input_size) ** -0.5)

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

        With ``in_place=True`` and without ``decay`` it also touches no others; otherwise all are
        copied or faded, at a cost that follows their number.
        """
        weights = self._check_step(x, state, start).weights
        made = self._made(x)
        fused = has_kernel(self._sizes, made, weights, self.initial)
        if fused and torch.is_grad_enabled():
            starts = None if start is None else start.unsqueeze(1)
            given = (x.unsqueeze(1), made.unsqueeze(1), weights, starts)
            out, weights = self._run(self._fused, *given)
            return self._output(x, out.squeeze(1)), FastWeightState(weights)
        # A state that was made here for `state=None` may be written to in any case.
        if in_place or state is None:
            weights = weights.contiguous()
        else:
            weights = weights.clone(memory_format=torch.contiguous_format)
        if fused:
            out = fast_weights_step(self._sizes, made, weights, self.initial, start)
        else:
            access, additive = self._read_off(made), self.rule == "additive"
            out, weights = step_slots(access, weights, self.initial, start, additive=additive)
        out = self._read_on(x, made, out, lambda made: read_slots(self._read_off(made), weights))
        return self._output(x, out), FastWeightState(weights)

    def forward(
        self, x: Tensor, state: FastWeightState | None = None, starts: Tensor | None = None
    ) -> tuple[Tensor, FastWeightState]:
        """A whole sequence (see :class:`SequenceMemory`).

        In chunks of parallel work; on a CPU that has a C compiler, by a kernel that goes through
        the steps one by one, several times as fast. On a GPU with Triton, several slots and no
        decay, by one that does the same for every head of every row, with the addressed slots only.
        """
        self._check(2, x, state, starts)  # makes no state for None, which `chunked` does without
        made = self._made(x)
        weights = None if state is None else state.weights
        tensors = (made, self.initial) if weights is None else (made, self.initial, weights)
        form: _Form = self._by_torch
        if has_kernel(self._sizes, *tensors):
            form = self._fused
        elif has_slot_kernel(self._sizes, *tensors):
            form = self._slotwise
        if weights is None and form != self._by_torch:
            weights = self.initial.expand(len(x), *self.initial.shape)
        out, weights = self._run(form, x, made, weights, starts)
        return self._output(x, out), FastWeightState(weights)

    def _run(
        self, form: _Form, x: Tensor, made: Tensor, weights: Tensor | None, starts: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """All reads and the errors (B, T, H, (R + 1) v), and the weights at the end, by one form.

        A further read goes through the same writes again: each step reads what is there then.
        """
        out, end = form(made, weights, starts)
        first = slice(self.value_size)
        out = self._read_on(x, made, out, lambda made: form(made, weights, starts)[0][..., first])
        return out, end

    def _read_on(
        self, x: Tensor, made: Tensor, out: Tensor, read: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """The first read and the error (..., 2 v), with what it leads to beside them."""
        latest = out[..., : self.value_size]
        for next_query in self.next_queries:
            made = self._with_query(made, next_query(x, latest))
            latest = read(made)
            out = torch.cat((out, latest), -1)
        return out

    def _fused(self, made: Tensor, weights: Tensor, starts: Tensor | None) -> tuple[Tensor, Tensor]:
        """Reads and errors (B, T, H, 2 v), and the weights at the end, by the kernel."""
        return fast_weights(self._sizes, self._chunked, made, weights, self.initial, starts)

    def _slotwise(
        self, made: Tensor, weights: Tensor, starts: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The same by the kernel for GPUs."""
        parts = self._read_off(made)

        def reference(
            keys: Tensor,
            strength: Tensor,
            value: Tensor,
            rate: Tensor,
            weights: Tensor,
            initial: Tensor,
        ) -> tuple[Tensor, Tensor]:
            given = SlotAccess(keys, parts.slot, strength, value, rate, None)
            return self._by_chunks(given, weights, initial, starts)

        return slot_weights(
            self._sizes, reference, parts.slot, parts.keys, parts.strength, parts.value, parts.rate,
            weights, self.initial, starts,
        )  # fmt: skip

    def _by_torch(
        self, made: Tensor, weights: Tensor | None, starts: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The same in torch, on any device."""
        return self._chunked(made, weights, self.initial, starts)

    def _chunked(
        self, made: Tensor, weights: Tensor | None, initial: Tensor, starts: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        return self._by_chunks(self._read_off(made), weights, initial, starts)

    def _by_chunks(
        self,
        parts: SlotAccess,
        weights: Tensor | None,
        initial: Tensor,
        starts: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        key, query = parts.keys.unbind(-2)
        shape = (*parts.slot.shape[:-1], self.num_slots)
        dense = parts.strength.new_zeros(shape).scatter(-1, parts.slot, parts.strength)
        address, read_address = dense.unbind(-2)
        reads, errors, weights = chunked(
            Writes(key, address, parts.value, parts.rate, query, read_address, parts.log_decay),
            weights,
            initial,
            starts,
            additive=self.rule == "additive",
            chunk_size=self.chunk_size,
        )
        return torch.cat((reads, errors), -1), weights

    def _made(self, x: Tensor) -> Tensor:
        """What the slow weights make of inputs (..., D): (..., H, W), in parts of `_widths`."""
        made = self.generate(x).unflatten(-1, (self.num_heads, -1))
        if self.address == "random" and self.num_slots > 1:
            first, last = made.tensor_split([2 * self.key_size + self.value_size], -1)
            logits = F.linear(x, self.projection).unflatten(-1, (self.num_heads, -1))
            made = torch.cat((first, logits, logits, last), -1)
        return made

    def _with_query(self, made: Tensor, query: Tensor) -> Tensor:
        """The same writes, with another query and (if the slow weights choose) read address."""
        logits = self._widths[2] // 2
        widths = [self.key_size, self.key_size, self.value_size + logits, logits]
        key, _, written, address, last = made.split([*widths, made.shape[-1] - sum(widths)], -1)
        query, chosen = query.tensor_split([self.key_size], -1)
        address = chosen if self.address != "random" else address
        return torch.cat((key, query, written, address, last), -1)

    def _read_off(self, made: Tensor) -> SlotAccess:
        keys, value, logits, rate, decay = made.split(self._widths, -1)
        slot, strength = sparse_address(
            logits.unflatten(-1, (2, logits.shape[-1] // 2)),
            self.num_slots,
            self.top_k,
            columns=self._sizes.columns,
            straight_through=self._sizes.straight_through,
        )
        return SlotAccess(
            keys=F.normalize(F.silu(keys.unflatten(-1, (2, self.key_size))), dim=-1),
            slot=slot,
            strength=strength,
            value=value,
            rate=rate.squeeze(-1).sigmoid(),
            log_decay=log_decay(decay.squeeze(-1)) if self.decay else None,
        )

    def _output(self, x: Tensor, reads_and_errors: Tensor) -> Tensor:
        return self.slow(x) + self.fast(reads_and_errors.flatten(-2))


def start_as_averages(key_bias: Tensor, query_bias: Tensor, rate_bias: Tensor) -> None:
    """Give the heads initial rates from 0.05 to 0.5, and keys and queries a common part.

    An untrained layer then reads running averages of its values, over short and long times, which
    is useful at once; agents learn faster from there than from unrelated keys. The biases, one row
    per head, are changed in place.
    """
    query_bias.copy_(key_bias.normal_())
    rate_bias += torch.linspace(-3.0, 0.0, len(rate_bias)).unsqueeze(-1)
