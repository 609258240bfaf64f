"""The model reads: by itself, with rules that move its weights, and with memories beside it."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from ...memory import State, detach
from ...memory.contract import check_sizes
from ..models import FastBlockLanguageModel, LanguageModel, model_flops
from .contract import Adapter, Segment
from .memory import StreamMemory, WeightRule
from .prediction import Prediction, Softmax


class Reader(Adapter):
    """A language model on a stream, with nothing or any of these added; all of them combine.

    Args:
        model: The model; its weights are left as they are, and it is put into evaluation mode. Its
            state is carried from segment to segment.
        rules: What moves the weights of a copy of the model after each segment, in this order.
            Where a document starts, the trained weights are put back.
        memories: What revises predictions, in this order.
        fast_block: Whether the adaptive block of a model that has one adapts, or stays slow.
        forget_every: With ``fast_block``: positions after which, between segments, the block
            forgets what it has summed up; 0 for never but at starts.
        context: Read each segment with this many positions in all, those before it read again, and
            no state; None carries the state.
        tail_shares: For :meth:`flops_per_token`: see :func:`~driftwise.lm.models.flops_per_token`.

    Raises:
        TypeError: A number is not an integer.
        ValueError: ``fast_block`` for a model without one, ``forget_every`` below 0, a context
            below 1 or beyond what the model reads at once.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        rules: Sequence[WeightRule] = (),
        memories: Sequence[StreamMemory] = (),
        fast_block: bool = False,
        forget_every: int = 0,
        context: int | None = None,
        tail_shares: Sequence[float] | None = None,
    ) -> None:
        if fast_block and not isinstance(model, FastBlockLanguageModel):
            raise ValueError("fast_block must be False for a model that was trained without one")
        if forget_every:
            check_sizes(forget_every=forget_every)
        if context is not None:
            check_sizes(context=context)
            if model.max_length is not None and context > model.max_length:
                raise ValueError(
                    f"context must be at most {model.max_length}, the longest sequence that the "
                    f"model reads at once (max_length), got {context}"
                )
        self.vocab_size = model.vocab_size
        self.model = copy.deepcopy(model) if rules else model
        self.rules, self.memories, self.fast_block = list(rules), list(memories), fast_block
        self.forget_every = forget_every
        self.context, self.tail_shares = context, tail_shares
        self.max_lanes = 1 if rules else None
        self._needs_gradient = any(rule.needs_gradient for rule in rules)
        for rule in self.rules:
            rule.attach(self.model)
        for memory in self.memories:
            memory.attach(self.model)
        self._trained = {
            name: value.clone() for name, value in self.model.state_dict().items() if rules
        }

    def begin(self, batch_size: int) -> None:
        """See :class:`Adapter`."""
        self.model.eval()
        self._restore()
        self._state: State = None
        self._past: tuple[Tensor, Tensor] | None = None
        self._since_forgetting = 0
        for memory in self.memories:
            memory.begin(batch_size)

    def predict(self, segment: Segment) -> Prediction:
        """See :class:`Adapter`."""
        if self.rules and bool(segment.starts[0, 0]):
            self._restore()
        with torch.set_grad_enabled(self._needs_gradient):
            hidden = self._read(segment)
        self._prediction = Softmax(self.model.head, hidden)
        prediction: Prediction = self._prediction
        with torch.no_grad():
            for memory in self.memories:
                prediction = memory.revise(prediction, hidden.detach(), segment)
        return prediction

    def update(self, targets: Tensor) -> None:
        """See :class:`Adapter`."""
        with torch.no_grad():
            for memory in self.memories:
                memory.write(targets)
        for rule in self.rules:
            rule.write(self._prediction, targets)

    def _read(self, segment: Segment) -> Tensor:
        inputs, starts, _ = segment
        if self.context is None:
            self._forget_in_time(inputs)
            hidden, state = self._forward(inputs, starts)
            self._state = detach(state)
            return hidden
        length = inputs.shape[1]
        if self._past is not None:
            inputs = torch.cat((self._past[0], inputs), 1)
            starts = torch.cat((self._past[1], starts), 1)
        keep = max(length, self.context)
        inputs, starts = inputs[:, -keep:], starts[:, -keep:]
        self._past = inputs, starts
        return self._forward(inputs, starts)[0][:, -length:]

    def _forward(self, inputs: Tensor, starts: Tensor) -> tuple[Tensor, State]:
        if isinstance(self.model, FastBlockLanguageModel) and not self.fast_block:
            x, state = self.model.body(inputs, self._state, starts)
            return self.model.layer.slow(x), state
        return self.model(inputs, self._state, starts)

    def _forget_in_time(self, inputs: Tensor) -> None:
        """Begin the sums of the block anew if that is due."""
        if not self.forget_every or not isinstance(self.model, FastBlockLanguageModel):
            return
        if self._since_forgetting >= self.forget_every:
            fresh = self.model.layer.initial_state(len(inputs))
            # The pair that waits is the last one of what is forgotten.
            waiting = torch.zeros_like(self._state.waiting)
            self._state = self._state._replace(block=fresh, waiting=waiting)
            self._since_forgetting = 0
        self._since_forgetting += inputs.shape[1]

    @torch.no_grad()
    def _restore(self) -> None:
        current = self.model.state_dict()
        for name, value in self._trained.items():
            current[name].copy_(value)

    def flops_per_token(self, length: int) -> float:
        """See :class:`Adapter`; products of matrices only, and three passes where it learns."""
        again = 1.0 if self.context is None else max(1.0, self.context / length)
        cost = model_flops(
            self.model,
            length if self.context is None else max(length, self.context),
            carried=self.context is None,
            tail_shares=self.tail_shares,
            adapting=self.fast_block,
        )
        # Positions that are read again need no softmax, but for the block that learns from it.
        reads = again * (cost.forward - cost.head) + cost.head * (again if self.fast_block else 1.0)
        total = reads * (3.0 if self._needs_gradient else 1.0)
        return total + sum(memory.flops_per_token(length) for memory in self.memories)
