"""Layers of sparse fast weights in the residual stream of a language model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...memory import FastWeightState, SparseFastWeights
from .config import SparseLayersConfig


class SparseLayer(nn.Module):
    """``x + gain * memory(norm(x))``, with a gain for each feature that starts at zero.

    The model so begins as it is without the layer, as with :func:`driftwise.memory.augment`, which
    does the same on single linear layers; being part of the model, this one needs no hooks.

    Args:
        size: Width of the residual stream.
        config: Sizes of the memory.
    """

    def __init__(self, size: int, config: SparseLayersConfig) -> None:
        super().__init__()
        options = dataclasses.asdict(config)
        del options["after"]
        self.memory = SparseFastWeights(size, **options)
        self.gain = nn.Parameter(torch.zeros(size))

    def forward(
        self, x: Tensor, state: FastWeightState | None, starts: Tensor | None
    ) -> tuple[Tensor, FastWeightState]:
        """Run over (B, T, size); starts (B, T) reset before they read."""
        y, state = self.memory(F.rms_norm(x, x.shape[-1:]), state, starts)
        return x + self.gain * y, state


def sparse_layers(
    config: SparseLayersConfig | None, widths: Sequence[int]
) -> tuple[list[int | None], nn.ModuleList]:
    """For every layer of a model, of such widths, the number of the sparse layer behind it.

    Returns:
        The numbers, None where there is no sparse layer, and the sparse layers.
    """
    after = () if config is None else config.after
    numbers = [after.index(layer) if layer in after else None for layer in range(len(widths))]
    made = [] if config is None else [SparseLayer(widths[layer], config) for layer in after]
    return numbers, nn.ModuleList(made)


def initial_states(layers: nn.ModuleList, batch_size: int) -> tuple[FastWeightState, ...]:
    """The initial state of every sparse layer."""
    return tuple(cast(SparseLayer, layer).memory.initial_state(batch_size) for layer in layers)
