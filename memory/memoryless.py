"""Layers that remember nothing, behind the contract of memories."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from .contract import SequenceMemory, check_sizes
from .state import State


class NoState(NamedTuple):
    """State of layers without memory: a (B, 0) tensor, which holds nothing but the batch size."""

    nothing: Tensor


class _Memoryless(SequenceMemory):
    """Applies ``network`` to every step alike."""

    state_type = NoState

    def __init__(self, input_size: int, output_size: int, network: nn.Module) -> None:
        super().__init__(input_size, output_size)
        self.network = network

    def initial_state(self, batch_size: int) -> NoState:
        """A tensor without elements."""
        return NoState(next(self.network.parameters()).new_zeros(batch_size, 0))

    def step(
        self, x: Tensor, state: State, start: Tensor | None = None, *, in_place: bool = False
    ) -> tuple[Tensor, NoState]:
        """One step (see :class:`SequenceMemory`)."""
        state = self._check_step(x, state, start)
        return self.network(x), state

    def forward(
        self, x: Tensor, state: State = None, starts: Tensor | None = None
    ) -> tuple[Tensor, NoState]:
        """All steps at once; resets change nothing."""
        state = self._check_sequence(x, state, starts)
        return self.network(x), state


class NoMemory(_Memoryless):
    """The control: ``y_t = tanh(W x_t + b)``, the same interface and shapes and nothing remembered.

    Args:
        input_size: D, width of the input.
        hidden_size: Width of the output.

    Raises:
        TypeError: A size is not an integer.
        ValueError: A size is below 1.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        check_sizes(input_size=input_size, hidden_size=hidden_size)
        linear = nn.Linear(input_size, hidden_size)
        super().__init__(input_size, hidden_size, nn.Sequential(linear, nn.Tanh()))


class FeedForward(_Memoryless):
    """``y_t = W2 silu(W1 x_t + b1) + b2``: what a stack makes of what its memories have read.

    Fast weights read out linearly; ratios and thresholds of what was read (a mean from a sum and a
    count, a bonus for what is uncertain) need such a layer.

    Args:
        input_size: D, width of input and output.
        hidden_size: Width in between.

    Raises:
        TypeError: A size is not an integer.
        ValueError: A size is below 1.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        check_sizes(input_size=input_size, hidden_size=hidden_size)
        layers = nn.Linear(input_size, hidden_size), nn.SiLU(), nn.Linear(hidden_size, input_size)
        super().__init__(input_size, input_size, nn.Sequential(*layers))
