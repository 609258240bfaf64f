"""States of learners: loaded whole or not at all, and of one class order only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...envs.arguments import in_short
from ...memory.contract import kind_of


def as_class_order(class_order: int | Sequence[int] | Tensor) -> Tensor:
    """A class order as an int64 tensor (m,); that of 0, 1, 2, ... for a number.

    Raises:
        ValueError: it is empty, not of numbers from 0 on, or has a class twice.
    """
    given = class_order
    if isinstance(given, Integral) and not isinstance(given, bool):
        given = range(int(given))
    order = np.array(given.cpu().numpy() if isinstance(given, Tensor) else given)
    whole = order.ndim == 1 and len(order) > 0 and order.dtype.kind in "iu"
    if not whole or order.min() < 0 or len(np.unique(order)) != len(order):
        raise ValueError(
            f"class_order must be different class numbers, got {in_short(class_order)}"
        )
    return torch.from_numpy(order.astype(np.int64))


def check_class_order(saved: Tensor, expected: Tensor, what: str = "state") -> None:
    """Raise a ``ValueError`` if ``what`` was saved for another class order than is expected."""
    if len(saved) != len(expected):
        raise ValueError(
            f"{what} must be for the {len(expected)} classes of class_order, got {len(saved)}"
        )
    different = (saved != expected).nonzero()
    if len(different):
        i = int(different[0])
        raise ValueError(
            f"{what} must be of the same class order: at position {i} it has class "
            f"{saved[i].item()}, class_order has {expected[i].item()}"
        )


def load_or_stay(
    load: Callable[[dict[str, Any]], None], state: dict[str, Any], own: dict[str, Any]
) -> None:
    """Load a state into the learner whose state is ``own``, all of it or nothing.

    Raises:
        ValueError: it does not fit; ``own`` was put back.
    """
    _check_saved(state, own)
    try:
        load(state)
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        load(own)
        raise ValueError(f"state must be what state_dict() returned, got: {error}") from error


def _check_saved(state: Any, own: Mapping[str, Any]) -> None:
    """Raise a ``ValueError`` if a state cannot be that of the learner whose state is ``own``."""
    if not isinstance(state, Mapping) or state.keys() != own.keys():
        got = sorted(state) if isinstance(state, Mapping) else f"a {type(state).__name__}"
        raise ValueError(f"state must be what state_dict() returned, got {got}")
    for name in ("mask", "optimizer", "replay"):
        if name in own and (state[name] is None) != (own[name] is None):
            wanted = "None" if own[name] is None else "a state"
            raise ValueError(f"state[{name!r}] must be {wanted}, got {in_short(state[name])}")
    if "class_order" in own:  # as with all learners whose labels are places in an order
        _check_order(state, own)
    if state["kind"] != own["kind"]:
        raise ValueError(f"state must be that of {own['kind']}, got that of {state['kind']}")


def _check_order(state: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """The same for the class order, and for which of its classes have been seen."""
    for name in ("class_order", "seen"):
        if not isinstance(state[name], Tensor):
            raise ValueError(f"state[{name!r}] must be a tensor, got {kind_of(state[name])}")
        if state[name].dtype != own[name].dtype:
            raise ValueError(
                f"state[{name!r}] must be of {own[name].dtype}, got {state[name].dtype}"
            )
    check_class_order(state["class_order"], own["class_order"])
    if state["seen"].shape != own["seen"].shape:
        raise ValueError(
            f"state['seen'] must have shape {tuple(own['seen'].shape)}, "
            f"got {tuple(state['seen'].shape)}"
        )
