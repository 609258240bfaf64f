"""What every memory with a state has, and the contract of those that run over a sequence.

Letters used for shapes in this folder: B batch, T time, D input features, O output features.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .state import State, map_state, tensors, where_rows


class Memory(nn.Module, ABC):
    """A network with a state: the part that all kinds of memories share.

    Args:
        input_size: D, the width of x_t; 0 where x_t is not a vector (an image, say), so that only
            the leading dimensions can be checked.
        output_size: O, the width of y_t; 0 where y_t is not a vector.

    Attributes:
        input_size: As given.
        output_size: As given.
        state_type: The type of the state, checked on every call.
    """

    state_type: ClassVar[type] = tuple

    def __init__(self, input_size: int, output_size: int) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("output_size", output_size)):
            if not isinstance(size, Integral) or size < 0:
                raise ValueError(f"{name} must be a positive integer, got {size!r}")
        self.input_size = int(input_size)
        self.output_size = int(output_size)
        # The structure and shapes of an initial state, made when the first state is checked.
        self._state_like: State = None

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """The state before the first step: a ``NamedTuple`` of tensors, or a tuple of such.

        Every tensor is batch first, of shape (batch_size, ...), with the device and dtype of the
        parameters, in memory of its own that ``in_place`` may write to (no expanded parameter).
        Where the initial state is learned, gradients flow through it.
        """

    def reset_rows(self, state: State, start: Tensor | None) -> State:
        """Put the rows where ``start`` is true back to the initial state, differentiably."""
        if start is None:
            return state
        return where_rows(start, self.initial_state(start.shape[0]), state)

    def _check(self, leading: int, x: Tensor, state: State, starts: Tensor | None) -> None:
        """Check arguments with so many leading dimensions: 1 is a step, 2 a sequence."""
        layout = "(B, {})" if leading == 1 else "(B, T, {})"
        if not isinstance(x, Tensor) or not x.is_floating_point():
            raise TypeError(f"x must be a floating point tensor, got {kind_of(x)}")
        shape = x.shape
        if self.input_size:
            fits = len(shape) == leading + 1 and shape[-1] == self.input_size
        else:
            fits = len(shape) > leading
        if not fits:
            width = f"input_size={self.input_size}" if self.input_size else "..."
            raise ValueError(f"x must have shape {layout.format(width)}, got {tuple(shape)}")
        if leading == 2 and shape[1] == 0:
            raise ValueError(f"x must have at least one time step, got shape {tuple(shape)}")
        weight = next(self.parameters(), x)
        if x.dtype is not weight.dtype and not torch.is_autocast_enabled(x.device.type):
            raise TypeError(f"x must have dtype {weight.dtype} like the parameters, got {x.dtype}")
        self._check_beside(shape[:leading], state, starts, x)

    def _check_beside(
        self, leading: torch.Size, state: State, starts: Tensor | None, like: Tensor
    ) -> None:
        """Check what comes with an input that begins with (B,) or (B, T).

        ``like`` is a tensor of the dtype and on the device that the state should be.
        """
        if starts is not None:
            name = "start" if len(leading) == 1 else "starts"
            if not isinstance(starts, Tensor) or starts.dtype is not torch.bool:
                raise TypeError(f"{name} must be a bool tensor, got {kind_of(starts)}")
            if starts.shape != leading:
                raise ValueError(
                    f"{name} must have shape {tuple(leading)} like x, got {tuple(starts.shape)}"
                )
        if state is not None:
            self._check_state(state, leading[0], like)

    def _check_state(self, state: State, batch_size: int, like: Tensor) -> None:
        if not isinstance(state, self.state_type):
            raise _wrong_type("state", self.state_type, state)
        if self._state_like is None:
            self._state_like = map_state(
                lambda part: torch.empty(part.shape, device="meta"), self.initial_state(1)
            )
        if not _check_part("state", state, self._state_like, batch_size, like.dtype):
            self._check_state_dtype(state, like)

    def _check_state_dtype(self, state: State, like: Tensor) -> None:
        """The slow half of the dtype check, for where x and state differ: is that meant?"""
        if torch.is_autocast_enabled(like.device.type):
            return
        for part, initial in zip(tensors(state), tensors(self.initial_state(1)), strict=True):
            if part.dtype is not initial.dtype:
                raise TypeError(
                    f"state must have dtype {initial.dtype}, as initial_state() makes it, "
                    f"got {part.dtype}"
                )


class SequenceMemory(Memory):
    """A network with a state that it reads and writes at every time step.

    A subclass writes :meth:`initial_state` and :meth:`step`; :meth:`forward` then works as a loop
    over steps, until the subclass replaces it by a faster form. The contract, all of which
    :func:`driftwise.memory.check_memory` tests:

    - ``forward`` equals repeated ``step``, in values and in gradients, however a sequence is cut
      into pieces with the state carried from one to the next.
    - A start resets a row *before* it sees x_t: to the initial state, through which gradients
      flow where it is learned. Nothing earlier reaches what follows.
    - x_t is written first and read then, so that y_t depends on x_1 ... x_t and on no later input.
    - Rows of a batch do not see one another.
    - Everything the memory remembers is in the state. The state passed in is left as it is,
      unless the caller permits ``in_place``.

    Args:
        input_size: As in :class:`Memory`.
        output_size: As there.
    """

    @abstractmethod
    def step(
        self, x: Tensor, state: State, start: Tensor | None = None, *, in_place: bool = False
    ) -> tuple[Tensor, State]:
        """Write x_t, then read.

        Args:
            x: (B, D) input.
            state: State of batch size B; None means the initial state.
            start: (B,) bool, rows that are reset before they see x. None resets no row.
            in_place: Permission to overwrite the tensors of ``state``, for fast rollouts without
                gradients. The state passed in must not be used afterwards.

        Returns:
            The (B, O) output and the new state.

        Raises:
            TypeError: An argument has the wrong type or dtype.
            ValueError: An argument has the wrong shape.
        """

    def forward(
        self, x: Tensor, state: State = None, starts: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run over a sequence; equals repeated :meth:`step`.

        Args:
            x: (B, T, D) inputs, T at least 1.
            state: State of batch size B before the first input; None means the initial state.
            starts: (B, T) bool, where a row is reset before it sees x[:, t]. None resets nowhere.

        Returns:
            The (B, T, O) outputs and the state after the last input.

        Raises:
            TypeError: An argument has the wrong type or dtype.
            ValueError: An argument has the wrong shape.
        """
        state = self._check_sequence(x, state, starts)
        outputs = []
        for t in range(x.shape[1]):
            y, state = self.step(x[:, t], state, None if starts is None else starts[:, t])
            outputs.append(y)
        return torch.stack(outputs, dim=1), state

    def _check_step(self, x: Tensor, state: State, start: Tensor | None) -> State:
        """Check the arguments of :meth:`step`; return the state, or the initial one for None.

        Compares only types and sizes, no values: a few microseconds, and no wait for a device.
        """
        self._check(1, x, state, start)
        return self.initial_state(x.shape[0]) if state is None else state

    def _check_sequence(self, x: Tensor, state: State, starts: Tensor | None) -> State:
        """Check the arguments of :meth:`forward`, like :meth:`_check_step`."""
        self._check(2, x, state, starts)
        return self.initial_state(x.shape[0]) if state is None else state


def _check_part(name: str, part: State, like: State, batch_size: int, dtype: torch.dtype) -> bool:
    """Check a part of a state against its counterpart in an initial state.

    Returns:
        Whether the dtypes are clear: ``dtype``, or no floating point.
    """
    if isinstance(like, Tensor):
        if not isinstance(part, Tensor):
            raise _wrong_type(name, Tensor, part)
        shape = part.shape
        if shape[1:] != like.shape[1:] or not shape:
            inner = "".join(f", {size}" for size in like.shape[1:])
            raise ValueError(f"{name} must have shape (B{inner}), got {tuple(shape)}")
        if shape[0] != batch_size:
            raise ValueError(
                f"state must have the batch size of x, {batch_size}, "
                f"got a tensor of shape {tuple(shape)}"
            )
        return part.dtype is dtype or not part.is_floating_point()
    if not isinstance(part, type(like)):
        raise _wrong_type(name, type(like), part)
    if len(part) != len(like):
        raise ValueError(
            f"{name} must have {len(like)} parts, as initial_state() makes it, got {len(part)}"
        )
    keys: Any = range(len(like))
    if isinstance(like, dict):
        keys = like.keys()
        if part.keys() != keys:
            raise ValueError(f"{name} must have the keys {list(keys)}, got {list(part)}")
    clear = True
    for inner, key in zip(getattr(like, "_fields", keys), keys, strict=True):
        clear &= _check_part(f"{name}.{inner}", part[key], like[key], batch_size, dtype)
    return clear


def check_sizes(**sizes: int) -> None:
    """Raise an error that names the first size that is not an integer of at least 1."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, Integral):
            raise TypeError(f"{name} must be an integer, got {size!r}")
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")


def check_rates(**rates: float) -> None:
    """Raise an error that names the first step size that is not a number above 0, and finite."""
    for name, rate in rates.items():
        if isinstance(rate, bool) or not isinstance(rate, Real):
            raise TypeError(f"{name} must be a number, got {rate!r}")
        if not 0 < rate < math.inf:
            raise ValueError(f"{name} must be above 0, got {rate}")


def kind_of(value: object) -> str:
    """What an argument of the wrong type is, for an error message."""
    return f"dtype {value.dtype}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _wrong_type(name: str, expected: type, value: object) -> TypeError:
    return TypeError(
        f"{name} must be of type {expected.__name__}, as initial_state() makes it, "
        f"got {kind_of(value)}"
    )
