"""Helpers for memory states: trees of tensors whose first dimension is the batch.

A state is a ``NamedTuple`` of tensors, or a tuple, list or dict of such (a stack of memories has a
tuple of states). Every helper keeps the containers and their types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import torch
from torch import Tensor

State: TypeAlias = Any
"""A tree of tensors, batch first in each. Python's types cannot say more without recursion."""


def map_state(fn: Callable[..., Any], state: State, *others: State) -> State:
    """Apply ``fn`` to every tensor of ``state`` (and to its counterparts in ``others``).

    Args:
        fn: Called with one tensor of each tree; what it returns takes the tensor's place.
        state: The tree that gives the structure.
        *others: Further trees of the same structure.

    Raises:
        TypeError: A node is neither a tensor nor a tuple, list or dict.
        ValueError: The trees differ in structure.
    """
    if isinstance(state, Tensor):
        return fn(state, *others)
    if isinstance(state, dict):
        if any(not isinstance(other, dict) or other.keys() != state.keys() for other in others):
            raise ValueError(f"states must have the same structure: keys {list(state)} differ")
        return {
            key: map_state(fn, node, *(other[key] for other in others))
            for key, node in state.items()
        }
    if isinstance(state, (tuple, list)):
        if any(type(other) is not type(state) or len(other) != len(state) for other in others):
            raise ValueError(
                f"states must have the same structure: a {type(state).__name__} of "
                f"{len(state)} parts meets {[type(other).__name__ for other in others]}"
            )
        parts = [map_state(fn, *nodes) for nodes in zip(state, *others, strict=True)]
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    raise _not_a_state(state)


def tensors(state: State) -> Iterator[Tensor]:
    """Yield the tensors of a state, in order. Raises ``TypeError`` like :func:`map_state`."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, (tuple, list, dict)):
        for node in state.values() if isinstance(state, dict) else state:
            yield from tensors(node)
    else:
        raise _not_a_state(state)


def detach(state: State) -> State:
    """Cut the state from the graph that made it (truncated back-propagation through time)."""
    return map_state(Tensor.detach, state)


def clone(state: State) -> State:
    """Copy every tensor, into memory of its own (also where the original was broadcast)."""
    return map_state(lambda tensor: tensor.clone(memory_format=torch.contiguous_format), state)


def select_rows(state: State, rows: Any) -> State:
    """Take batch rows of a state.

    Args:
        state: A state of batch size B.
        rows: What indexes a first dimension: a slice, a list or tensor of ints, a (B,) bool mask.
    """
    return map_state(lambda tensor: tensor[rows], state)


def write_rows(state: State, rows: Any, values: State) -> State:
    """Return a copy of ``state`` in which ``rows`` hold ``values``; differentiable in both.

    Args:
        state: A state of batch size B.
        rows: As in :func:`select_rows`, selecting R rows.
        values: A state of the same structure and batch size R.
    """

    def write(tensor: Tensor, value: Tensor) -> Tensor:
        written = tensor.clone()
        written[rows] = value.to(tensor.dtype)  # under autocast the two may differ
        return written

    return map_state(write, state, values)


def where_rows(mask: Tensor, state: State, otherwise: State) -> State:
    """Rows of ``state`` where the (B,) bool ``mask`` is true, rows of ``otherwise`` elsewhere.

    Differentiable in both; what is not taken leaves no trace, not even if it is NaN.
    """

    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(mask.view(-1, *(1,) * (a.ndim - 1)), a, b)

    return map_state(pick, state, otherwise)


def flatten_state(state: State) -> dict[str, Tensor]:
    """Name every tensor of a state by its path, joined by dots: ``{"0.h": ..., "1.h": ...}``.

    Named tuples give their field names, tuples and lists the position, dicts the key. The tensors
    are the state's own; ``safetensors`` wants ``flatten_state(clone(detach(state)))``.

    Raises:
        TypeError: The state is a bare tensor, which has no name.
        ValueError: Two tensors have the same name (dict keys with dots in them).
    """
    if isinstance(state, Tensor):
        raise TypeError("a state must be a NamedTuple, tuple, list or dict, got a bare tensor")
    named: dict[str, Tensor] = {}
    for name, tensor in _named_tensors(state, ""):
        if name in named:
            raise ValueError(f"two tensors of the state have the name {name!r}")
        named[name] = tensor
    return named


def unflatten_state(like: State, named: dict[str, Tensor]) -> State:
    """Inverse of :func:`flatten_state`.

    Args:
        like: A state of the wanted structure, such as ``memory.initial_state(1)``. Only its
            structure and the shapes behind the batch dimension count.
        named: Tensors by name; the batch size is theirs.

    Raises:
        ValueError: A name is missing or unknown, or a shape or batch size does not fit.
    """
    expected = flatten_state(like)
    if expected.keys() != named.keys():
        raise ValueError(f"state tensors must be named {sorted(expected)}, got {sorted(named)}")
    batch_sizes = {tensor.shape[:1] for tensor in named.values()}
    if len(batch_sizes) > 1:
        raise ValueError(
            f"state tensors must have one batch size, got {sorted(map(tuple, batch_sizes))}"
        )
    for name, tensor in named.items():
        if tensor.shape[1:] != expected[name].shape[1:]:
            raise ValueError(
                f"state tensor {name!r} must have shape (B, "
                f"{', '.join(map(str, expected[name].shape[1:]))}), got {tuple(tensor.shape)}"
            )
    remaining = iter([named[name] for name in expected])
    return map_state(lambda _: next(remaining), like)


def _named_tensors(state: State, prefix: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(state, Tensor):
        yield prefix[:-1], state
        return
    if isinstance(state, dict):
        parts = iter(state.items())
    elif isinstance(state, (tuple, list)):
        parts = zip(getattr(state, "_fields", range(len(state))), state, strict=True)
    else:
        raise _not_a_state(state)
    for key, node in parts:
        yield from _named_tensors(node, f"{prefix}{key}.")


def _not_a_state(node: object) -> TypeError:
    return TypeError(
        "a state must be a tree of tensors in tuples, lists or dicts, "
        f"got a {type(node).__name__} in it"
    )
