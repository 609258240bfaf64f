import pytest
import torch
from torch import nn

from driftwise.memory import GRU, LSTM, SparseFastWeights, Stack


def test_is_a_residual_stack_with_norms() -> None:
    stack = Stack([GRU(4, 4), LSTM(4, 4)])
    x = torch.randn(2, 6, 4)
    y, (below, above) = stack(x)
    first, expected_below = stack.layers[0](stack.norms[0](x))
    second, expected_above = stack.layers[1](stack.norms[1](x + first))
    torch.testing.assert_close(y, stack.last_norm(x + first + second))
    torch.testing.assert_close(below.hidden, expected_below.hidden)
    torch.testing.assert_close(above.cell, expected_above.cell)


def test_bad_layers() -> None:
    with pytest.raises(ValueError, match=r"one common input and output size, got \[\]"):
        Stack([])
    with pytest.raises(ValueError, match=r"one common input and output size, got \[3, 4\]"):
        Stack([LSTM(3, 4), LSTM(4, 4)])
    with pytest.raises(TypeError, match=r"layers must be memories .*, got a torch\.nn\..*\.GRU"):
        Stack([nn.GRU(4, 4)])  # type: ignore[list-item]


def test_a_state_of_another_stack_is_refused() -> None:
    stack = Stack([SparseFastWeights(4), SparseFastWeights(4)])
    state = stack.initial_state(2)
    with pytest.raises(ValueError, match=r"state must have 2 parts, as .* makes it, got 1"):
        stack(torch.randn(2, 5, 4), state[:1])
    with pytest.raises(ValueError, match=r"state must have 2 parts, as .* makes it, got 1"):
        stack.step(torch.randn(2, 4), state[:1])
    with pytest.raises(
        TypeError, match=r"state\.0 must be of type FastWeightState, .* got a LSTMState"
    ):
        stack.step(torch.randn(2, 4), (LSTM(4, 4).initial_state(2), state[1]))
