"""A moving average of the weights, to validate and to save in their place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from .processes import local


class WeightAverage:
    """``average <- d * average + (1 - d) * weights`` after each step, with d rising to ``decay``.

    Early averages are short, d = min(decay, (1 + t) / (10 + t)), so that they do not hold on to the
    first weights. Buffers are not averaged.

    Args:
        model: Whose weights, also shared out over processes.
        decay: d in the long run, between 0 and 1; None keeps no average.
    """

    def __init__(self, model: nn.Module, decay: float | None) -> None:
        self.decay, self.num_updates = decay, 0
        self._weights = [local(p.detach()) for p in model.parameters() if p.requires_grad]
        self._averages = [] if decay is None else [weight.clone() for weight in self._weights]

    @torch.no_grad()
    def update(self) -> None:
        """Take the present weights in."""
        if self.decay is not None:
            decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
            torch._foreach_lerp_(self._averages, self._weights, 1 - decay)
            self.num_updates += 1

    def restart(self, num_updates: int) -> None:
        """Take the present weights for the average after so many updates."""
        self.num_updates = num_updates
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
        for weight, average in zip(self._weights, self._averages, strict=False):
            kept = weight.clone()
            weight.copy_(average)
            average.copy_(kept)
