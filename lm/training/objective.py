"""The objective: a model and its loss in one forward pass, in training and in validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...memory import SparseFastWeights, State, map_state
from ..corpora import IGNORED, Batch, Lanes
from ..models import FastBlockLanguageModel, LanguageModel
from .config import Carry
from .processes import Processes


class Read(NamedTuple):
    """What a model made of a piece of text.

    Attributes:
        loss: () sum of the losses of all targets that are not ignored, in nats.
        hidden: (B, T, D) what it predicted from.
        state: The state behind the piece.
    """

    loss: Tensor
    hidden: Tensor
    state: State


class Objective(nn.Module):
    """Reads a piece of text and sums up the losses: one module, for data parallelism to wrap.

    Args:
        model: The model.
    """

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor, targets: Tensor, starts: Tensor | None, state: State) -> Read:
        """Read (B, T) tokens from ``state`` on; no starts, and the initial state, where None."""
        hidden, state = self.model(inputs, state, starts)
        real = targets != IGNORED
        losses = self.model.head.loss(hidden, targets.where(real, 0))
        return Read(losses.where(real, 0.0).sum(), hidden, state)


def arguments(
    batch: Batch, state: State, model: LanguageModel, device: torch.device
) -> tuple[Tensor, Tensor, Tensor | None, State]:
    """What :meth:`Objective.forward` takes, on the device.

    Where nothing is reset there are no starts: models have faster ways then. But a learned initial
    state has a gradient in every batch, with or without another process that has seen a reset.
    """
    inputs, targets, starts = batch
    if state is None:  # which is a reset of all rows
        starts = starts.clone()
        starts[:, 0] = False
    learned = any(isinstance(part, SparseFastWeights) for part in model.modules())
    resets = starts.to(device, non_blocking=True) if learned or starts.any() else None
    moved = (part.to(device, non_blocking=True) for part in (inputs, targets))
    return *moved, resets, state


def carried(state: State, model: LanguageModel, carry: Carry) -> State:
    """The state that the next batch begins with, cut from the graph that made it."""
    if carry == "none":
        return None
    if carry == "body" and isinstance(model, FastBlockLanguageModel):
        state = state._replace(block=model.layer.initial_state(len(state.waiting)))
    # Contiguous, so that a compiled model meets one layout only.
    return map_state(lambda part: part.detach().contiguous(), state)


@torch.no_grad()
def static_loss(
    read: Callable[..., Read],
    model: LanguageModel,
    lanes: Lanes,
    *,
    carry: Carry,
    processes: Processes,
    max_steps: int | None = None,
) -> tuple[float, int]:
    """Loss of a model that reads a split with its weights as they are; in evaluation mode.

    Args:
        read: The :class:`Objective`, or what wraps it, under autocast if wanted.
        model: The model in it.
        lanes: Where to read, at its beginning.
        carry: What of the state goes from batch to batch.
        processes: Whose lanes are summed up, and where this one computes.
        max_steps: Batches to read; all where None.

    Returns:
        Nats per token, and the number of tokens.
    """
    training, device = model.training, processes.device
    model.eval()
    state: State = None
    sums = torch.zeros(2, dtype=torch.float64, device=device)
    for step, batch in enumerate(lanes):
        if step == max_steps:
            break
        seen = read(*arguments(batch, state, model, device))
        sums += torch.stack((seen.loss.double(), (batch.targets != IGNORED).sum().to(sums)))
        state = carried(seen.state, model, carry)
    model.train(training)
    nats, tokens = processes.sum(sums).tolist()
    return nats / tokens, int(tokens)
