"""``check_target_memory`` passes a memory written by a user, and catches every broken one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from driftwise.memory import LSTM, TargetMemory, check_target_memory
from driftwise.memory.target_memory import loss_gradients


class MapState(NamedTuple):
    weights: Tensor


def squared_error(y: Tensor, targets: Tensor) -> Tensor:
    return 0.5 * (y - targets).square().sum(-1)


class OnlineMap(TargetMemory):
    """A linear map that takes one gradient step after every prediction, at a rate it learns."""

    state_type = MapState

    def __init__(self, size: int) -> None:
        super().__init__(size, size, squared_error)
        self.log_rate = nn.Parameter(torch.tensor(-2.0))
        self.first = nn.Parameter(torch.randn(size, size))

    def initial_state(self, batch_size: int) -> MapState:
        return MapState(self.first.repeat(batch_size, 1, 1))

    def read(self, x: Tensor, state: Any) -> Tensor:
        self._check_read(x, state)
        state = self.initial_state(x.shape[0]) if state is None else state
        return torch.einsum("bij,bj->bi", state.weights, x)

    def write(self, x: Tensor, targets: Tensor, weights: Tensor | None, state: Any) -> MapState:
        self._check_write(x, targets, weights, state)
        state = self.initial_state(x.shape[0]) if state is None else state
        error = loss_gradients(self.head, self.read(x, state), targets)
        error = error if weights is None else weights[:, None] * error
        return MapState(state.weights - self.log_rate.exp() * error[:, :, None] * x[:, None, :])


class DividesByTheBatch(OnlineMap):
    """The release's normaliser: the total weight of the batch."""

    def write(self, x: Any, targets: Any, weights: Any, state: Any) -> Any:
        weights = torch.ones_like(x[:, 0]) if weights is None else weights
        return super().write(x, targets, weights / weights.abs().sum(), state)


class IgnoresWeights(OnlineMap):
    def write(self, x: Any, targets: Any, weights: Any, state: Any) -> Any:
        return super().write(x, targets, weights if weights is None else weights * 0 + 1, state)


class NoneIsZero(OnlineMap):
    def write(self, x: Any, targets: Any, weights: Any, state: Any) -> Any:
        weights = torch.zeros_like(x[:, 0]) if weights is None else weights
        return super().write(x, targets, weights, state)


class ScalesTheWeights(OnlineMap):
    """The sequence form is not the repeated step."""

    def forward(self, x: Any, targets: Any, weights: Any = None, *others: Any) -> Any:
        weights = torch.ones_like(x[..., 0]) if weights is None else weights
        return super().forward(x, targets, 1.000001 * weights, *others)


class SeesTheNextInput(OnlineMap):
    def forward(self, x: Any, *others: Any) -> Any:
        y, state = super().forward(x, *others)
        return y + 1e-6 * x.roll(-1, 1), state


class SeesItsTarget(OnlineMap):
    """Off by one: every prediction already knows its own target."""

    def forward(self, x: Any, targets: Any, weights: Any, state: Any, starts: Any) -> Any:
        y, after = super().forward(x, targets, weights, state, starts)
        return y + 1e-6 * (targets - y), after


class SeesItsWeight(OnlineMap):
    def forward(self, x: Any, targets: Any, weights: Any, state: Any, starts: Any) -> Any:
        y, after = super().forward(x, targets, weights, state, starts)
        return y * (1 + 1e-6 * weights.unsqueeze(-1)), after


class ForgetsReset(OnlineMap):
    def reset_rows(self, state: Any, start: Any) -> Any:
        return state


class MixesRows(OnlineMap):
    def read(self, x: Any, state: Any) -> Any:
        return super().read(x, state) + 1e-6 * x.mean(0)


class OverwritesState(OnlineMap):
    def write(self, x: Any, targets: Any, weights: Any, state: Any) -> Any:
        after = super().write(x, targets, weights, state)
        if not torch.is_grad_enabled():
            state.weights.copy_(after.weights)
        return after


BROKEN: list[tuple[Callable[[int], TargetMemory], str]] = [
    (DividesByTheBatch, "a row must not depend on other rows"),
    (IgnoresWeights, "a position of weight zero must write nothing"),
    (NoneIsZero, "weights=None must mean 1 everywhere"),
    (ScalesTheWeights, "forward must equal repeated step"),
    (SeesTheNextInput, "a prediction must not depend on its own target or weight, nor on anything"),
    (SeesItsTarget, "a prediction must not depend on its own target or weight"),
    (SeesItsWeight, "a prediction must not depend on its own target or weight"),
    (ForgetsReset, "a start must put back the initial state"),
    (MixesRows, "a row must not depend on other rows"),
    (OverwritesState, "x, state and starts must stay as they are"),
]


def test_a_memory_of_thirty_lines_passes() -> None:
    memory = OnlineMap(3)
    before = memory.first.detach().clone()
    check_target_memory(memory, torch.randn(5, 3).double())
    assert torch.equal(memory.first, before)
    assert memory.first.dtype == torch.float32


@pytest.mark.parametrize(("memory", "message"), BROKEN)
def test_a_broken_memory_is_caught(memory: Callable[[int], TargetMemory], message: str) -> None:
    with pytest.raises(AssertionError, match=message) as caught:
        check_target_memory(memory(2), torch.randn(5, 2).double(), lengths=[1, 4])
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{memory.__name__}: ")


def test_loss_gradients_are_those_of_the_head() -> None:
    y, targets = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    torch.testing.assert_close(loss_gradients(squared_error, y, targets), y - targets)
    with torch.no_grad():
        assert not loss_gradients(squared_error, y, targets).requires_grad
    found = loss_gradients(squared_error, y.requires_grad_(), targets)
    assert torch.equal(torch.autograd.grad(found.sum(), y)[0], torch.ones_like(y))


def test_bad_arguments() -> None:
    targets = torch.arange(4)
    with pytest.raises(TypeError, match="memory must be a TargetMemory, got a LSTM"):
        check_target_memory(LSTM(2, 2), targets)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch_size must be at least 2 to compare rows, got 1"):
        check_target_memory(OnlineMap(2), targets, batch_size=1)
    with pytest.raises(ValueError, match="targets must be a tensor of at least two different"):
        check_target_memory(OnlineMap(2), torch.zeros(3))
