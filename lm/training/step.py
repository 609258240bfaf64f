"""One step of training: the gradient of a batch, clipped, and all that follows from it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ...memory import State
from ..corpora import IGNORED, Batch
from ..models import FastBlockLanguageModel, LanguageModel
from ..models.transformer import Block
from .config import TrainConfig
from .objective import Read, arguments, carried
from .processes import Processes, gradients_stay_here, whole


class Taken(NamedTuple):
    """What a step has seen, on the device.

    Attributes:
        nats: () float64, summed losses of this process.
        tokens: () targets of this process.
        norm: () length of the gradient of all processes, before it is clipped.
    """

    nats: Tensor
    tokens: Tensor
    norm: Tensor


class Step:
    """Trains a model on one batch at a time.

    Args:
        config: How.
        model: The model.
        objective: The :class:`Objective` of the model, or what wraps it.
        read: Calls it, under autocast if wanted.
        optimizers: What moves the weights, at the learning rates that they have.
        processes: Which of the rows this process has.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: LanguageModel,
        objective: nn.Module,
        read: Callable[..., Read],
        optimizers: Sequence[Optimizer],
        processes: Processes,
    ) -> None:
        self.config, self.model, self.objective, self.read = config, model, objective, read
        self.optimizers, self.processes = optimizers, processes
        self.trained = [p for p in model.parameters() if p.requires_grad]

    def take(self, batch: Batch, states: list[State]) -> Taken:
        """Move the weights by the gradient of a batch.

        Args:
            batch: The rows of this process.
            states: The state that each part of the rows goes on from; replaced by the next ones.
        """
        config, model, processes = self.config, self.model, self.processes
        # Gradients of the mean over all targets, of which processes may have unequal numbers.
        tokens = (batch.targets != IGNORED).sum().to(processes.device)
        scale = processes.world_size / processes.sum(tokens.clone())
        nats = torch.zeros((), dtype=torch.float64, device=processes.device)
        activations = []
        for number, part in enumerate(_parts(batch, config.micro_batches)):
            last = number + 1 == config.micro_batches
            with contextlib.nullcontext() if last else gradients_stay_here(self.objective):
                seen = self.read(*arguments(part, states[number], model, processes.device))
                ((seen.loss + seen.penalty) * scale).backward()
            states[number] = carried(seen.state, model, config.carry)
            if config.model.softmax.hebbian is not None:
                activations.append((seen.hidden.detach(), part.targets.to(processes.device)))
            nats += seen.loss.detach()
        limit = math.inf if config.clip_norm is None else config.clip_norm
        norm = whole(nn.utils.clip_grad_norm_(self.trained, limit))
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if activations:
            _memorise(model, activations)
        return Taken(nats, tokens, norm)


def compile_parts(model: LanguageModel) -> None:
    """Compile one Transformer block for all, and the softmax where it is differentiated once."""
    for part in model.modules():
        if isinstance(part, Block):
            part.compile()
    if not isinstance(model, FastBlockLanguageModel):
        model.head.compile()


def _parts(batch: Batch, count: int) -> list[Batch]:
    """The rows of a batch in equal parts."""
    split = (tensor.chunk(count) for tensor in batch)
    return [Batch(*part) for part in zip(*split, strict=True)]


def _memorise(model: LanguageModel, activations: list[tuple[Tensor, Tensor]]) -> None:
    """The Hebbian rule, with the hidden vectors and targets of the whole batch."""
    hidden = torch.cat([part.flatten(0, 1) for part, _ in activations]).float()
    targets = torch.cat([part.flatten() for _, part in activations])
    real = targets != IGNORED
    try:
        model.head.memorise(hidden[real], targets[real])
    except ValueError:
        if all(weight.isfinite().all() for weight in model.parameters()):
            raise
        # The run has diverged: the loop is about to stop it, and says since when.
