"""A language model whose last block learns from the words that come in."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...memory import BlockParameters, FastWeightLayer, State, where_rows
from ..losses import SoftmaxHead
from .config import FastBlockConfig
from .language_model import LanguageModel


class FastBlockState(NamedTuple):
    """State of a :class:`FastBlockLanguageModel`.

    Attributes:
        body: State of the model below.
        block: Gradient sums of the block. To let it forget and the rest go on, put
            ``layer.initial_state(batch_size)`` here (``state._replace(block=...)``).
        latest: (B, D) what the body made of the latest word, whose target is the next word.
        waiting: (B,) bool, whether there is one.
    """

    body: State
    block: BlockParameters
    latest: Tensor
    waiting: Tensor


class FastBlockLanguageModel(LanguageModel):
    """A body, and a :class:`driftwise.memory.FastWeightLayer` between it and its softmax.

    The target of a prediction is the next word of the input: with word t comes the loss of position
    t-1, which moves the block before position t is predicted. So the model needs no targets beside
    its inputs, and cannot see one too early. The last position of a piece waits in the state for
    the first word of the next one; a start drops it.

    Args:
        body: The model that the block is put on; its softmax serves this one too.
        config: What the block is like.

    Attributes:
        body: As given.
        layer: The block.
        adaptive: Whether the block adapts; step sizes are zero for good where not.
    """

    def __init__(self, body: LanguageModel, config: FastBlockConfig) -> None:
        super().__init__(body.max_length)
        self.body = body
        self.layer = FastWeightLayer(
            body.hidden_size,
            config.size,
            head=body.head.loss,
            chunk_size=config.chunk_size,
            normaliser=config.normaliser,
            initial_step_size=config.initial_step_size,
            second_order=config.second_order,
            residual=config.residual,
        )
        self.adaptive = config.adaptive
        if not self.adaptive:
            with torch.no_grad():
                self.layer.log_step_size.fill_(-float("inf"))
            self.layer.log_step_size.requires_grad_(False)

    @property
    def head(self) -> SoftmaxHead:  # type: ignore[override]
        """That of the body, and registered there alone: a checkpoint has every tensor once."""
        return self.body.head

    def initial_state(self, batch_size: int) -> FastBlockState:
        """The body's, gradient sums of zero, and no position that waits."""
        like = self.layer.hidden_weight
        return FastBlockState(
            self.body.initial_state(batch_size),
            self.layer.initial_state(batch_size),
            like.new_zeros(batch_size, self.hidden_size),
            torch.zeros(batch_size, dtype=torch.bool, device=like.device),
        )

    def _run(
        self, inputs: Tensor, state: FastBlockState | None, starts: Tensor | None
    ) -> tuple[Tensor, FastBlockState]:
        x, body = self.body(inputs, None if state is None else state.body, starts)
        waiting = torch.ones_like(inputs[:, 0], dtype=torch.bool)
        if not self.adaptive:  # nobody would read what is written
            nothing = self.layer.initial_state(len(x))
            return self.layer.slow(x), FastBlockState(body, nothing, x[:, -1], waiting)
        block = None
        if state is not None:
            kept = state.waiting if starts is None else state.waiting & ~starts[:, 0]
            latest = state.latest.to(x.dtype)
            block = self.layer.write(latest, inputs[:, 0], kept.to(x.dtype), state.block)
        if inputs.shape[1] == 1:
            y, block = self._step(x, block, starts)
        else:
            # The target of the last position is not known yet: any will do, with a weight of zero.
            targets = torch.cat((inputs[:, 1:], inputs[:, -1:]), 1)
            weights = torch.ones_like(inputs, dtype=x.dtype)
            weights[:, -1] = 0
            y, block = self.layer(x, targets, weights, block, starts)
        return y, FastBlockState(body, block, x[:, -1], waiting)

    def _step(
        self, x: Tensor, block: BlockParameters | None, starts: Tensor | None
    ) -> tuple[Tensor, BlockParameters]:
        """One position, which writes nothing yet, and so needs no pass through the softmax."""
        initial: Any = self.layer.initial_state(len(x))
        if block is None:
            block = initial
        elif starts is not None:
            block = where_rows(starts[:, 0], initial, block)
        return self.layer.read(x[:, 0], block).unsqueeze(1), block
