"""The recurrent baselines: LSTM and GRU."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from .contract import SequenceMemory, check_sizes
from .gru_recurrence import gru, has_recurrence
from .segments import Run, run_segments
from .state import State


class LSTMState(NamedTuple):
    """State of an :class:`LSTM`: hidden and cell state, each (B, num_layers, hidden_size)."""

    hidden: Tensor
    cell: Tensor


class GRUState(NamedTuple):
    """State of a :class:`GRU`: the hidden state, (B, num_layers, hidden_size)."""

    hidden: Tensor


class _TorchRecurrent(SequenceMemory):
    """What LSTM and GRU share: states start at zero, and torch's kernels run between resets."""

    rnn: nn.LSTM | nn.GRU

    def __init__(self, input_size: int, hidden_size: int, num_layers: int) -> None:
        check_sizes(input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        super().__init__(input_size, hidden_size)
        self.hidden_size, self.num_layers = self.output_size, int(num_layers)

    def train(self, mode: bool = True) -> _TorchRecurrent:
        """Torch's kernels stay in training mode, in which alone those of a GPU have gradients.

        That is for what learns in evaluation; without dropout of their own, the modes are the same.
        """
        super().train(mode)
        self.rnn.train()
        return self

    def _zeros(self, batch_size: int) -> Tensor:
        weight = next(self.rnn.parameters())
        return weight.new_zeros(batch_size, self.num_layers, self.hidden_size)

    def _run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over (B, T, D) without resets."""
        raise NotImplementedError

    def _runner(self) -> Run:
        """What runs over all pieces of one call, for subclasses that draw something for each."""
        return self._run

    def step(
        self, x: Tensor, state: State, start: Tensor | None = None, *, in_place: bool = False
    ) -> tuple[Tensor, State]:
        """One step (see :class:`SequenceMemory`)."""
        state = self.reset_rows(self._check_step(x, state, start), start)
        y, state = self._runner()(x.unsqueeze(1), state)
        return y.squeeze(1), state

    def forward(
        self, x: Tensor, state: State = None, starts: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """One call of torch's kernel, or log2(T) calls where ``starts`` cuts the sequence."""
        state, run = self._check_sequence(x, state, starts), self._runner()
        if starts is None:
            return run(x, state)
        return run_segments(run, x, state, starts, self.initial_state)


class LSTM(_TorchRecurrent):
    """``torch.nn.LSTM`` as a memory; the output is the hidden state of the last layer.

    Args:
        input_size: D, width of the input.
        hidden_size: Width of the hidden state and of the output.
        num_layers: Layers stacked on one another.

    Raises:
        TypeError: A size is not an integer.
        ValueError: A size is below 1.
    """

    state_type = LSTMState

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1) -> None:
        super().__init__(input_size, hidden_size, num_layers)
        sizes = self.input_size, self.hidden_size, self.num_layers
        self.rnn = nn.LSTM(*sizes, batch_first=True)

    def initial_state(self, batch_size: int) -> LSTMState:
        """Zeros."""
        return LSTMState(self._zeros(batch_size), self._zeros(batch_size))

    def _run(self, x: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        y, (hidden, cell) = self.rnn(x, tuple(part.transpose(0, 1).contiguous() for part in state))
        return y, LSTMState(hidden.transpose(0, 1), cell.transpose(0, 1))


class GRU(_TorchRecurrent):
    """``torch.nn.GRU`` as a memory; the output is the hidden state of the last layer.

    Args:
        input_size: D, width of the input.
        hidden_size: Width of the hidden state and of the output.
        num_layers: Layers stacked on one another.

    Raises:
        TypeError: A size is not an integer.
        ValueError: A size is below 1.
    """

    state_type = GRUState
    rnn: nn.GRU

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1) -> None:
        super().__init__(input_size, hidden_size, num_layers)
        sizes = self.input_size, self.hidden_size, self.num_layers
        self.rnn = nn.GRU(*sizes, batch_first=True)

    def initial_state(self, batch_size: int) -> GRUState:
        """Zeros."""
        return GRUState(self._zeros(batch_size))

    def _run(self, x: Tensor, state: GRUState) -> tuple[Tensor, GRUState]:
        hidden = state.hidden.transpose(0, 1)
        if has_recurrence(self.rnn, x, hidden):
            y, hidden = gru(self.rnn, x.transpose(0, 1), hidden)
            return y.transpose(0, 1), GRUState(hidden.transpose(0, 1))
        y, hidden = self.rnn(x, hidden.contiguous())
        return y, GRUState(hidden.transpose(0, 1))
