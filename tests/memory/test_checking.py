"""``check_memory`` passes a memory written by a user, and catches every kind of broken one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from driftwise.memory import LSTM, SequenceMemory, check_memory, map_state


class AverageState(NamedTuple):
    mean: Tensor


class MovingAverage(SequenceMemory):
    """Remembers an exponential average of its inputs, at a rate and from a start it learns."""

    state_type = AverageState

    def __init__(self, size: int) -> None:
        super().__init__(size, size)
        self.rate = nn.Parameter(torch.zeros(size))
        self.first = nn.Parameter(torch.randn(size))

    def initial_state(self, batch_size: int) -> AverageState:
        return AverageState(self.first.repeat(batch_size, 1))

    def step(
        self, x: Tensor, state: Any, start: Tensor | None = None, *, in_place: bool = False
    ) -> tuple[Tensor, AverageState]:
        state = self._check_step(x, state, start)
        (mean,) = self.reset_rows(state, start)
        mean = mean + self.rate.sigmoid() * (x - mean)
        return mean, AverageState(mean)


class ForgetsReset(MovingAverage):
    def reset_rows(self, state: Any, start: Any) -> Any:
        return state


class ResetsToZero(MovingAverage):
    """... instead of the learned initial state."""

    def reset_rows(self, state: Any, start: Any) -> Any:
        if start is None:
            return state
        return map_state(lambda part: part * ~start[:, None], state)


class ResetsWithoutGradient(MovingAverage):
    def reset_rows(self, state: Any, start: Any) -> Any:
        first = self.first.detach()
        return state if start is None else AverageState(torch.where(start[:, None], first, *state))


class ResetsAfter(MovingAverage):
    def step(self, x: Any, state: Any, start: Any = None, *, in_place: bool = False) -> Any:
        y, state = super().step(x, state)
        return y, self.reset_rows(state, start)


class MixesRows(MovingAverage):
    def step(self, x: Any, state: Any, start: Any = None, *, in_place: bool = False) -> Any:
        y, state = super().step(x, state, start)
        return y + 1e-6 * x.mean(0), state


class Forward(MovingAverage):
    """Subclasses break the sequence form only."""

    def forward(self, x: Any, state: Any = None, starts: Any = None) -> Any:
        return SequenceMemory.forward(self, x, state, starts)


class LeaksTheFuture(Forward):
    def forward(self, x: Any, state: Any = None, starts: Any = None) -> Any:
        y, state = super().forward(x, state, starts)
        return y + 1e-6 * x.sum(1, keepdim=True), state


class LeaksTheFutureConsistently(MovingAverage):
    """... in steps that remember what ``forward`` saw: equal in both forms, and not causal."""

    ahead = 0.0

    def forward(self, x: Any, state: Any = None, starts: Any = None) -> Any:
        self.ahead = x[:, -1].detach()
        return super().forward(x, state, starts)

    def step(self, x: Any, state: Any, start: Any = None, *, in_place: bool = False) -> Any:
        y, state = super().step(x, state, start)
        return y + self.ahead, state


class WrongGradient(Forward):
    def forward(self, x: Any, state: Any = None, starts: Any = None) -> Any:
        y, state = super().forward(x, state, starts)
        return y + 1e-6 * (self.rate - self.rate.detach()), state


class WrongAtChunkEdges(Forward):
    chunk_size = 16

    def forward(self, x: Any, state: Any = None, starts: Any = None) -> Any:
        y, state = super().forward(x, state, starts)
        y[:, self.chunk_size :] += 1e-6
        return y, state


class DropsTheState(Forward):
    def forward(self, x: Any, state: Any = None, starts: Any = None) -> Any:
        return super().forward(x, None, starts)


class HidesState(MovingAverage):
    calls = 0

    def step(self, x: Any, state: Any, start: Any = None, *, in_place: bool = False) -> Any:
        self.calls += 1
        y, state = super().step(x, state, start)
        return y * (1 + 1e-6 * self.calls), state


class OverwritesState(MovingAverage):
    def step(self, x: Any, state: Any, start: Any = None, *, in_place: bool = False) -> Any:
        y, after = super().step(x, state, start)
        if not torch.is_grad_enabled():
            state.mean.copy_(after.mean)
        return y, after


class InPlaceIsDifferent(MovingAverage):
    def step(self, x: Any, state: Any, start: Any = None, *, in_place: bool = False) -> Any:
        return super().step(x, state, None if in_place else start)


class InPlaceWritesParameters(MovingAverage):
    """The initial state of one row is a view of the parameter, and not a copy."""

    def initial_state(self, batch_size: int) -> AverageState:
        if batch_size > 1:
            return super().initial_state(batch_size)
        return AverageState(self.first[None])

    def step(self, x: Any, state: Any, start: Any = None, *, in_place: bool = False) -> Any:
        y, after = super().step(x, state, start)
        if in_place:
            state.mean.copy_(after.mean)
        return y, after


class ForgetsInCopies(MovingAverage):
    """One learned tensor is not loaded."""

    def load_state_dict(self, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        return super().load_state_dict({"rate": state_dict["rate"]}, strict=False)


class GrowsState(MovingAverage):
    def step(self, x: Any, state: Any, start: Any = None, *, in_place: bool = False) -> Any:
        y, after = super().step(x, AverageState(state.mean[:, : self.input_size]), start)
        return y, AverageState(torch.cat((after.mean, y), 1))


class WrongWidth(MovingAverage):
    def step(self, x: Any, state: Any, start: Any = None, *, in_place: bool = False) -> Any:
        y, after = super().step(x, state, start)
        return y[:, 1:], after


class OtherStateType(MovingAverage):
    def step(self, x: Any, state: Any, start: Any = None, *, in_place: bool = False) -> Any:
        y, after = super().step(x, AverageState(*state), start)
        return y, tuple(after)


class InitialStateByRow(MovingAverage):
    def initial_state(self, batch_size: int) -> AverageState:
        return AverageState(self.first * torch.arange(1, batch_size + 1)[:, None])


BROKEN: list[tuple[Callable[[int], SequenceMemory], str]] = [
    (ForgetsReset, "a start must put back the initial state"),
    (ResetsToZero, "a start must put back the initial state"),
    (ResetsWithoutGradient, "a start must put back the initial state.*gradient of first"),
    (ResetsAfter, "a start must put back the initial state"),
    (MixesRows, "a row must not depend on other rows"),
    (LeaksTheFuture, "forward must equal repeated step"),
    (LeaksTheFutureConsistently, "a sequence in pieces must equal the whole"),
    (WrongGradient, "forward must equal repeated step.*gradient of rate is off by"),
    (WrongAtChunkEdges, r"forward must equal repeated step \(length 17, no resets\); y is off by"),
    (DropsTheState, "forward must equal repeated step"),
    (HidesState, "two equal calls must give the same"),
    (OverwritesState, "must stay as they are unless in_place is permitted"),
    (InPlaceIsDifferent, "in_place=True must give the same"),
    (InPlaceWritesParameters, "in_place=True must leave the parameters alone"),
    (ForgetsInCopies, "load_state_dict must restore the memory"),
    (GrowsState, r"state.mean of forward must have shape \(3, 2\); got \(3, 4\)"),
    (WrongWidth, r"y of forward must have shape \(3, 1, 2\); got \(3, 1, 1\)"),
    (OtherStateType, "forward must return a state of type AverageState; got a tuple"),
    (InitialStateByRow, "initial_state must be the same for every row|cut off|selected"),
]


def test_a_memory_of_thirty_lines_passes() -> None:
    memory = MovingAverage(3)
    before = {name: tensor.clone() for name, tensor in memory.state_dict().items()}
    check_memory(memory)
    assert all(torch.equal(memory.state_dict()[name], before[name]) for name in before)
    assert memory.first.dtype == torch.float32
    assert memory.first.grad is None


@pytest.mark.parametrize(("memory", "message"), BROKEN)
def test_a_broken_memory_is_caught(memory: Callable[[int], SequenceMemory], message: str) -> None:
    with pytest.raises(AssertionError, match=message) as caught:
        check_memory(memory(2))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{memory.__name__}: ")


def test_dropout_is_reported_as_not_deterministic() -> None:
    class Noisy(MovingAverage):
        def step(self, x: Any, state: Any, start: Any = None, *, in_place: bool = False) -> Any:
            y, state = super().step(x, state, start)
            return nn.functional.dropout(y, training=self.training), state

    with pytest.raises(AssertionError, match="two equal calls must give the same"):
        check_memory(Noisy(8))
    check_memory(Noisy(8).eval())


def test_random_numbers_of_the_caller_are_left_alone() -> None:
    memory = LSTM(2, 2)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check_memory(memory, lengths=[2])
    assert torch.equal(torch.rand(2), expected)


def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match="memory must be a SequenceMemory, got a LSTM"):
        check_memory(nn.LSTM(2, 2))  # type: ignore[arg-type]
    for lengths in ([], [0, 3]):
        with pytest.raises(ValueError, match="lengths must be at least one number, each at least"):
            check_memory(LSTM(2, 2), lengths=lengths)
    with pytest.raises(ValueError, match="batch_size must be at least 2 to compare rows, got 1"):
        check_memory(LSTM(2, 2), batch_size=1)
    memory = MovingAverage(2)
    memory.input_size = 0
    with pytest.raises(ValueError, match="input_size must be given"):
        check_memory(memory)
    check_memory(memory, input_size=2)
