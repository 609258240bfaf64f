"""The objective: a model and its loss in one forward pass, in training and in validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...memory import SparseFastWeights, State, map_state
from ..corpora import IGNORED, Batch, Lanes
from ..models import FastBlockLanguageModel, LanguageModel, LSTMLanguageModel
from .config import Carry
from .processes import Processes


class Read(NamedTuple):
    """What a model made of a piece of text.

    Attributes:
        loss: () sum of the losses of all targets that are not ignored, in nats.
        hidden: (B, T, D) what it predicted from.
        state: The state behind the piece.
        penalty: () what training adds to the loss.
    """

    loss: Tensor
    hidden: Tensor
    state: State
    penalty: Tensor


class Objective(nn.Module):
    """Reads a piece of text and sums up the losses: one module, for data parallelism to wrap.

    Args:
        model: The model.
        activation_coef: Weight of :func:`activation_penalty` in training.
        change_coef: Weight of :func:`change_penalty` in training; for LSTMs.
    """

    def __init__(
        self, model: LanguageModel, activation_coef: float = 0.0, change_coef: float = 0.0
    ) -> None:
        super().__init__()
        self.model = model
        self.activation_coef, self.change_coef = activation_coef, change_coef

    def forward(self, inputs: Tensor, targets: Tensor, starts: Tensor | None, state: State) -> Read:
        """Read (B, T) tokens from ``state`` on; no starts, and the initial state, where None."""
        model, real = self.model, targets != IGNORED
        penalty = torch.zeros((), device=inputs.device)
        if model.training and self.change_coef:
            assert isinstance(model, LSTMLanguageModel)
            outputs, state = model.outputs(inputs, state, starts)
            hidden = model.to_hidden(outputs)
            penalty = penalty + self.change_coef * change_penalty(outputs, real, starts)
        else:
            hidden, state = model(inputs, state, starts)
        if model.training and self.activation_coef:
            penalty = penalty + self.activation_coef * activation_penalty(hidden, real)
        losses = model.head.loss(hidden, targets.where(real, 0))
        return Read(losses.where(real, 0.0).sum(), hidden, state, penalty)


def activation_penalty(hidden: Tensor, real: Tensor) -> Tensor:
    """Mean square of the features that go into the softmax, summed over the real positions (AR).

    Activation regularisation (Merity et al. 2017, arXiv:1708.01009): divided by the number of
    positions it is the mean over everything, as there.
    """
    return hidden.float().square().mean(-1).where(real, 0.0).sum()


def change_penalty(outputs: Tensor, real: Tensor, starts: Tensor | None) -> Tensor:
    """Mean square of the change of the last layer's outputs from step to step (TAR), summed up.

    Temporal activation regularisation, of outputs before dropout. Pairs of positions that a start
    parts do not count. The sum is over T - 1 pairs for T positions, and scaled up by what is
    missing: divided by the number of positions it is the mean over all pairs.
    """
    length = outputs.shape[1]
    if length == 1:
        return outputs.new_zeros(())
    counts = real[:, 1:] if starts is None else real[:, 1:] & ~starts[:, 1:]
    changes = outputs.float().diff(dim=1).square().mean(-1)
    return changes.where(counts, 0.0).sum() * (length / (length - 1))


def arguments(
    batch: Batch, state: State, model: LanguageModel, device: torch.device
) -> tuple[Tensor, Tensor, Tensor | None, State]:
    """What :meth:`Objective.forward` takes, on the device.

    Where nothing is reset there are no starts: models have faster ways then. But a learned initial
    state has a gradient in every batch, with or without another process that has seen a reset, or
    because all rows begin with it.
    """
    inputs, targets, starts = batch
    if state is None:  # which is a reset of all rows
        starts = starts.clone()
        starts[:, 0] = False
    learned = any(isinstance(part, SparseFastWeights) for part in model.modules())
    needed = starts.any() or (learned and state is not None)
    resets = starts.to(device, non_blocking=True) if needed else None
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
