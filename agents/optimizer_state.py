"""States of optimisers from files, checked before they are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .copied_state import copied

WRONG = "checkpoint does not fit the optimiser:"


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Load an optimiser's state, its own afterwards, also from a file.

    torch would load nearly anything, and fail in the next step, or (the fused one) write beyond
    moments that are shorter than their parameter.

    Raises:
        ValueError: if it is that of another kind of optimiser, or of other parameters; the
            optimiser is as before.
    """
    try:
        groups = list(zip(optimizer.param_groups, state["param_groups"], strict=True))
        index = 0
        for own, given in groups:
            _check_settings(own, given)
            like = _first_moments(optimizer, own)
            for parameter in own["params"]:
                _check_moments(state["state"].get(index, {}), like, parameter)
                index += 1
        if strange := [key for key in state["state"] if key not in range(index)]:
            raise ValueError(f"{WRONG} it has {index} parameters, got moments of {strange[0]!r}")
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{WRONG} {type(error).__name__}: {error}") from None
    optimizer.load_state_dict(copied(dict(state)))
    # Files keep no memory order, and the fused step takes moments to have their parameter's.
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter).copy_(value)


def _check_settings(own: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise a ValueError unless a group has the settings that there are, of their kinds."""
    if strange := sorted(given.keys() ^ own.keys()):
        has = "has no" if strange[0] in given else "must have"
        raise ValueError(f"{WRONG} a group of parameters {has} {strange[0]}")
    if len(given["params"]) != len(own["params"]):
        raise ValueError(
            f"{WRONG} a group must have {len(own['params'])} parameters, got {len(given['params'])}"
        )
    for name, value in own.items():
        if name != "params" and _kind(given[name]) != _kind(value):
            raise ValueError(f"{WRONG} {name} must be like {value!r}, got {given[name]!r}")


def _kind(setting: Any) -> Any:
    """What must be alike in two values of a setting."""
    if isinstance(setting, (list, tuple)):  # files know no tuples
        return [_kind(part) for part in setting]
    if setting is None or isinstance(setting, bool):  # switches that torch may leave open
        return bool
    return float if isinstance(setting, (int, float)) else type(setting)


def _first_moments(optimizer: torch.optim.Optimizer, group: Mapping[str, Any]) -> dict[str, Any]:
    """What an optimiser of these settings knows of one number after its first step."""
    first = group["params"][0]
    number = nn.Parameter(torch.zeros(1, dtype=first.dtype, device=first.device))
    number.grad = torch.zeros_like(number)
    # All other settings come with the group: defaults may hold what a constructor does not take.
    twin = type(optimizer)([{**group, "params": [number]}], lr=group["lr"])  # type: ignore[call-arg]
    twin.step()
    return dict(twin.state[number])


def _check_moments(given: Mapping[str, Any], like: Mapping[str, Any], parameter: Tensor) -> None:
    """Raise a ValueError unless moments are those of a parameter; it may have none yet."""
    if given and given.keys() != like.keys():
        raise ValueError(f"{WRONG} moments must be {sorted(like)}, got {sorted(given)}")
    for name, value in given.items():
        if not isinstance(like[name], Tensor):
            fits = type(value) is type(like[name])
        else:
            shape = parameter.shape if like[name].ndim else like[name].shape
            fits = isinstance(value, Tensor) and value.shape == shape
        if not fits:
            shown = tuple(value.shape) if isinstance(value, Tensor) else repr(value)
            raise ValueError(
                f"{WRONG} {name} of a parameter of shape {tuple(parameter.shape)} cannot be {shown}"
            )
