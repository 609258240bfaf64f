"""Which parameters a mask is for, and how much of each it closes at first."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from numbers import Real

import torch
from torch import Tensor, nn

from .functional import Parameters, check_parameters

MASK_SETTINGS = {
    "sparsity": ("sparse", "generated"),
    "logit_scale": ("sparse", "generated"),
    "noise_size": ("generated",),
}
"""Kinds of masks that have each of the settings which a learner leaves open."""


def check_mask_kwargs(mask_kwargs: object) -> None:
    """Raise an error unless these are settings of an ``UpdateMask`` left open by a learner."""
    if not isinstance(mask_kwargs, Mapping):
        raise TypeError(f"mask_kwargs must be settings by name, got {mask_kwargs!r}")
    for name in mask_kwargs:
        if name not in MASK_SETTINGS:
            raise ValueError(
                f"mask_kwargs must be some of {', '.join(MASK_SETTINGS)}, got {name!r}"
            )


def check_settings_of(kind: str, **settings: object) -> None:
    """Raise a ``ValueError`` if a setting is given (not None) that masks of a kind do not have."""
    for name, value in settings.items():
        if value is not None and kind not in MASK_SETTINGS[name]:
            raise ValueError(
                f"{name} must be left open for masks of kind {kind!r}, which have none; it is of "
                f"{' and '.join(MASK_SETTINGS[name])} masks"
            )


def chosen_parameters(module: nn.Module, tensors: Collection[str] | None) -> Parameters:
    """The parameters that may change, by name; tensors without entries are left out."""
    parameters = {name: p for name, p in check_parameters(module).items() if p.numel()}
    if not parameters:
        raise ValueError("module must have parameters that are not empty, it has none")
    if tensors is None:
        return parameters
    for name in tensors:
        if name not in parameters:
            raise ValueError(f"tensors: {name!r} is not one of {', '.join(parameters)}")
    if not tensors:
        raise ValueError("tensors must name at least one parameter, got none")
    return {name: p for name, p in parameters.items() if name in tensors}


def shares_by_name(sparsity: float | Mapping[str, float], chosen: Parameters) -> dict[str, float]:
    """The initial sparsity of each tensor."""
    if isinstance(sparsity, Mapping):
        if different := sorted(set(chosen).symmetric_difference(sparsity)):
            raise ValueError(
                f"sparsity must name every tensor of the mask and no other, but {different[0]!r} "
                f"is {'missing' if different[0] in chosen else 'not one of them'}"
            )
        shares = dict(sparsity)
    else:
        shares = dict.fromkeys(chosen, sparsity)
    for name, share in shares.items():
        if isinstance(share, bool) or not isinstance(share, Real):
            raise TypeError(f"sparsity must be a number, got {share!r} for {name!r}")
        if not 0 <= share <= 1:
            raise ValueError(f"sparsity must be from 0 to 1, got {share} for {name!r}")
    return shares


def logit_bound(p: Tensor, logit_scale: float | None) -> float:
    """B of the uniform logits of a tensor."""
    if logit_scale is not None:
        return logit_scale
    return math.sqrt(6 / (p.numel() / p.shape[0])) if p.ndim > 1 else 0.5


def shifted_logits(p: Tensor, bound: float, share: float) -> Tensor:
    """Uniform logits, shifted so that this share of them, to the nearest entry, lies below 0."""
    logits = torch.empty_like(p).uniform_(-bound, bound)
    ordered = logits.flatten().sort().values
    margin = bound / len(ordered)  # half of the mean distance
    below = round(share * len(ordered))
    low = ordered[below - 1] if below else ordered[0] - margin
    high = ordered[below] if below < len(ordered) else ordered[-1] + margin
    return logits - (low + high) / 2
