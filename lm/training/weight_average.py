"""A moving average of the weights, to validate and to save in their place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from .processes import local


class WeightAverage:
    """``average <- d * average + (1 - d) * weights`` after each step.

    With a ``decay``, from the first step on, d rises to it: early averages are short,
    d = min(decay, (1 + t) / (10 + t)) after t steps, so that they do not hold on to the first
    weights.

    With ``patience`` n instead, it is the plain mean of all weights from the validation on at which
    the loss stopped to improve: was above the best of those more than n validations ago. With SGD
    at a constant learning rate this is NT-ASGD (Merity et al. 2018, arXiv:1708.02182; the condition
    as in their code). ``torch.optim.ASGD`` keeps such a mean, too, but among its moments and one
    step late, and takes each step at the learning rate of the step before.

    Buffers are not averaged.

    Args:
        model: Whose weights, also shared out over processes.
        decay: d in the long run, between 0 and 1.
        patience: n, at least 1. There is no average where both are None.

    Attributes:
        begun: Whether there is an average yet.
        num_updates: Weights that have been taken in.
        losses: Of the validations before it had begun, where it waits for them.
    """

    def __init__(
        self, model: nn.Module, decay: float | None = None, patience: int | None = None
    ) -> None:
        self._decay, self._patience = decay, patience
        self.begun, self.num_updates = decay is not None, 0
        self.losses: list[float] = []
        self._weights = [local(p.detach()) for p in model.parameters() if p.requires_grad]
        wanted = decay is not None or patience is not None
        self._averages = [weight.clone() for weight in self._weights] if wanted else []

    @torch.no_grad()
    def update(self) -> None:
        """Take the present weights in."""
        if self.begun:
            t = self.num_updates
            decay = t / (t + 1) if self._decay is None else min(self._decay, (1 + t) / (10 + t))
            torch._foreach_lerp_(self._averages, self._weights, 1 - decay)
            self.num_updates += 1

    def validated(self, loss: float) -> None:
        """Begin with the present weights, where this is the validation that was waited for."""
        if self._patience is not None and not self.begun:
            earlier = self.losses[: -self._patience]
            self.losses.append(loss)
            if earlier and loss > min(earlier):
                self.restart(1)

    def restart(self, num_updates: int) -> None:
        """Take the present weights for the average after so many updates."""
        self.begun, self.num_updates = True, num_updates
        for weight, average in zip(self._weights, self._averages, strict=True):
            average.copy_(weight)

    @contextlib.contextmanager
    def swapped_in(self) -> Iterator[None]:
        """The model has the averages for weights inside, and its own again afterwards."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        if self.begun:
            for weight, average in zip(self._weights, self._averages, strict=True):
                kept = weight.clone()
                weight.copy_(average)
                average.copy_(kept)
