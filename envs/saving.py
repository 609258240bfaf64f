"""Saved states: flat dicts of numpy arrays, checked before anything is restored from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

SETTINGS = "settings"


def pack_text(text: str) -> NDArray[np.uint8]:
    """Text as an array of bytes."""
    return np.frombuffer(text.encode(), dtype=np.uint8).copy()


def check_state(
    own: Mapping[str, NDArray[Any]],
    state: Mapping[str, Any],
    open_keys: tuple[str, ...] = (),
    *,
    what: str = "an environment",
    method: str = "get_state",
) -> dict[str, NDArray[Any]]:
    """Returns copies of the arrays of ``state`` if they fit into what has the state ``own``.

    Args:
        own: The state of that environment as it is.
        state: The state to restore.
        open_keys: Arrays whose last axis may have another length than its own.
        what: What has that state, for messages.
        method: What returns such states, for messages.

    Raises:
        ValueError: ``state`` is of an environment with other settings, or lacks an array, or one
            has another shape, other than numbers, or numbers that are not finite.
    """
    if not isinstance(state, Mapping):
        raise ValueError(f"state must be what {method}() returned, got {type(state).__name__}")
    if SETTINGS not in state:
        raise ValueError(f"state must be what {method}() returned, got the keys {sorted(state)}")
    try:
        expected, given = (
            np.asarray(part[SETTINGS], dtype=np.uint8).tobytes().decode(errors="replace")
            for part in (own, state)
        )
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"state[{SETTINGS!r}] must be what {method}() returned") from None
    if given != expected:
        expected, given = _difference(expected, given)
        raise ValueError(f"state must be of {what} with {expected}, got {given}")
    missing = [key for key in own if key not in state]
    if missing:
        raise ValueError(f"state must have the key {missing[0]!r}, got {sorted(state)}")
    arrays = {key: _as_dtype(key, state[key], array.dtype) for key, array in own.items()}
    for key, array in own.items():
        if array.size == arrays[key].size == 0 and key not in open_keys:
            arrays[key] = array.copy()  # the shape of nothing does not survive JSON
        fixed = array.ndim - (key in open_keys)
        shape = arrays[key].shape
        if len(shape) != array.ndim or shape[:fixed] != array.shape[:fixed]:
            wanted = (*array.shape[:fixed], "any length")[: array.ndim]
            raise ValueError(f"state[{key!r}] must have shape {wanted}, got {shape}")
    return arrays


def _difference(expected: str, given: str) -> tuple[str, str]:
    """Two texts of settings, those in JSON without what they have in common."""
    try:
        parts = [json.loads(text) for text in (expected, given)]
        differing = [key for key in parts[0] | parts[1] if parts[0].get(key) != parts[1].get(key)]
    except (ValueError, TypeError, AttributeError):
        return expected, given
    ours, theirs = ({key: part.get(key) for key in differing} for part in parts)
    return json.dumps(ours), json.dumps(theirs)


def _as_dtype(key: str, value: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """A copy of ``value`` with ``dtype``, which must not change a number."""
    try:
        array = np.array(value, dtype=dtype)
        right = np.array_equal(array, np.asarray(value)) and bool(np.isfinite(array).all())
    except (TypeError, ValueError, OverflowError):
        right = False
    if not right:
        raise ValueError(f"state[{key!r}] must hold finite numbers of dtype {dtype}")
    return array
