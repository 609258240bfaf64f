"""Layers without memory: what they compute, and that they hold nothing."""

from typing import Any

import numpy as np
import pytest
import torch

from driftwise.memory import FeedForward, NoMemory


def test_no_memory_is_one_layer_with_an_empty_state() -> None:
    memory = NoMemory(3, 4)
    x = torch.randn(2, 5, 3)
    y, state = memory(x)
    weight, bias = memory.network[0].weight, memory.network[0].bias
    torch.testing.assert_close(y, torch.tanh(x @ weight.T + bias))
    assert state.nothing.shape == (2, 0)
    with pytest.raises(ValueError, match="state must have the batch size of x, 2"):
        memory(x, memory.initial_state(3))


def test_feed_forward_is_two_layers_as_wide_as_the_input() -> None:
    memory = FeedForward(3, 7).double()
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    y, state = memory(x)
    w1, b1, w2, b2 = (p.detach().numpy() for p in memory.parameters())
    hidden = x.numpy() @ w1.T + b1
    expected = hidden / (1 + np.exp(-hidden)) @ w2.T + b2
    np.testing.assert_allclose(y.detach().numpy(), expected, atol=1e-12)
    assert memory.output_size == 3
    assert state.nothing.shape == (2, 0)


@pytest.mark.parametrize("memory", [NoMemory(2, 3), FeedForward(2, 3)])
def test_gradcheck(memory: Any) -> None:
    memory = memory.double()
    x = torch.randn(2, 5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: memory(x)[0], (x,))


@pytest.mark.parametrize("memory", [NoMemory, FeedForward])
def test_bad_sizes(memory: Any) -> None:
    with pytest.raises(ValueError, match="hidden_size must be at least 1, got 0"):
        memory(3, 0)
    with pytest.raises(ValueError, match="input_size must be at least 1, got 0"):
        memory(0, 3)
    with pytest.raises(TypeError, match=r"hidden_size must be an integer, got 3\.5"):
        memory(3, 3.5)
    assert type(memory(np.int64(3), np.int32(3)).input_size) is int
