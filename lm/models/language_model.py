"""The contract of language models.

Letters used for shapes in this folder: B rows, T positions, D width of hidden vectors, V words.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from ...memory import State, flatten_state, map_state
from ..losses import SoftmaxHead
from ..losses.head import check_ids


class LanguageModel(nn.Module, ABC):
    """A network that reads words and predicts, with a state that it hands from call to call.

    Position t reads word t, and what it makes of it, a hidden vector, is what the softmax ``head``
    predicts word t+1 from. A subclass writes :meth:`initial_state` and :meth:`_run`. The contract:

    - However a text is cut into pieces with the state carried from one to the next, hidden vectors
      and gradients are those of one pass.
    - A start resets a row *before* it reads its word. Nothing earlier reaches what follows.
    - Hidden vector t depends on words up to t and on no later ones; rows do not see one another.
    - Everything that is remembered is in the state: a ``NamedTuple`` of tensors or of such, batch
      first, to which all helpers of :mod:`driftwise.memory` apply. The state passed in is left as
      it is.

    Dropout, in training mode, is drawn anew in every call.

    Args:
        max_length: Longest sequence of one call; None where there is no limit.

    Attributes:
        head: The softmax, of the width of the hidden vectors: ``head.loss(hidden, targets)`` and
            ``head.log_probs(hidden)``. A subclass makes it.
        max_length: As given.
    """

    head: SoftmaxHead

    def __init__(self, max_length: int | None = None) -> None:
        super().__init__()
        self.max_length = max_length
        # The structure and shapes of an initial state, made when the first state is checked.
        self._state_like: State = None

    @property
    def hidden_size(self) -> int:
        """D."""
        return self.head.hidden_size

    @property
    def vocab_size(self) -> int:
        """V."""
        return self.head.vocab_size

    @property
    def passes(self) -> float:
        """How often a position is read where a text goes on for long: once, or again in between."""
        return 1.0

    def attention_flops(self, length: int, carried: bool) -> float:
        """Floating point operations of attention for one position, on average.

        Args:
            length: T, positions in one call.
            carried: Whether a state comes in that is full.
        """
        return 0.0

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """The state before the first word, for ``batch_size`` rows."""

    @abstractmethod
    def _run(self, inputs: Tensor, state: State, starts: Tensor | None) -> tuple[Tensor, State]: ...

    def forward(
        self, inputs: Tensor, state: State = None, starts: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Read words.

        Args:
            inputs: (B, T) int64 ids, T at least 1.
            state: State of batch size B before the first word; None means the initial state.
            starts: (B, T) bool, where a row is reset before it reads inputs[:, t]. None resets
                nowhere.

        Returns:
            Hidden vectors (B, T, D), of which [:, t] is to predict the word after inputs[:, t], and
            the state after the last word.

        Raises:
            TypeError: An argument has the wrong type or dtype.
            ValueError: An argument has the wrong shape, a sequence is longer than ``max_length``,
                or (on the CPU) an id is out of range.
        """
        self._check(inputs, state, starts)
        return self._run(inputs, state, starts)

    def _check(self, inputs: Tensor, state: State, starts: Tensor | None) -> None:
        if not isinstance(inputs, Tensor) or inputs.dtype != torch.int64:
            kind = inputs.dtype if isinstance(inputs, Tensor) else f"a {type(inputs).__name__}"
            raise TypeError(f"inputs must be an int64 tensor, got {kind}")
        if inputs.ndim != 2 or not inputs.shape[1]:
            raise ValueError(
                f"inputs must have shape (B, T) with T at least 1, got {tuple(inputs.shape)}"
            )
        if self.max_length is not None and inputs.shape[1] > self.max_length:
            raise ValueError(
                f"inputs must have at most max_length={self.max_length} positions, got "
                f"{inputs.shape[1]}; read longer texts in pieces, with the state carried"
            )
        check_ids("inputs", inputs, self.vocab_size)
        if starts is not None:
            if not isinstance(starts, Tensor) or starts.dtype != torch.bool:
                kind = starts.dtype if isinstance(starts, Tensor) else f"a {type(starts).__name__}"
                raise TypeError(f"starts must be a bool tensor, got {kind}")
            if starts.shape != inputs.shape:
                raise ValueError(
                    f"starts must have shape {tuple(inputs.shape)} like inputs, "
                    f"got {tuple(starts.shape)}"
                )
        if state is not None:
            self._check_state(state, inputs.shape[0])

    def _check_state(self, state: State, batch_size: int) -> None:
        if self._state_like is None:
            self._state_like = map_state(
                lambda part: torch.empty(part.shape, device="meta"), self.initial_state(1)
            )
        like = flatten_state(self._state_like)
        parts = flatten_state(state)
        if type(state) is not type(self._state_like) or parts.keys() != like.keys():
            raise TypeError(
                f"state must be a {type(self._state_like).__name__} as initial_state() makes it, "
                f"got a {type(state).__name__} with {sorted(parts)}"
            )
        for name, part in parts.items():
            expected = (batch_size, *like[name].shape[1:])
            if part.shape != expected:
                raise ValueError(
                    f"state must have the batch size and sizes of inputs and model: {name} must be "
                    f"{expected}, got {tuple(part.shape)}"
                )
