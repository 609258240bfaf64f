"""The recurrence of a GRU against ``torch.nn.GRU``, which runs wherever it does not."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from driftwise.memory import GRU
from driftwise.memory.gru_recurrence import gru, has_recurrence, recurrence


@given(
    layers=st.integers(1, 2),
    length=st.integers(1, 7),
    batch=st.integers(1, 3),
    width=st.integers(1, 4),
    size=st.integers(1, 5),
    seed=st.integers(0, 1000),
)
@settings(deadline=None)
def test_values_and_gradients_are_those_of_torch(
    layers: int, length: int, batch: int, width: int, size: int, seed: int
) -> None:
    torch.manual_seed(seed)
    rnn = nn.GRU(width, size, layers).double()
    x = torch.randn(length, batch, width, dtype=torch.float64, requires_grad=True)
    hidden = torch.randn(layers, batch, size, dtype=torch.float64, requires_grad=True)
    inputs = (x, hidden, *rnn.parameters())
    ours, theirs = gru(rnn, x, hidden), rnn(x, hidden)
    directions = [torch.randn_like(y) for y in theirs]
    found, right = (torch.autograd.grad(ys, inputs, directions) for ys in (ours, theirs))
    for one, other in zip((*ours, *found), (*theirs, *right), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


def test_gradients_of_gradients() -> None:
    made = torch.randn(4, 2, 9, dtype=torch.float64, requires_grad=True)
    hidden = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(9, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(recurrence, (made, hidden, weight, bias))


def test_it_takes_what_it_can_and_torch_the_rest() -> None:
    rnn, x, hidden = nn.GRU(3, 4), torch.randn(5, 2, 3), torch.zeros(1, 2, 4)
    assert has_recurrence(rnn, x, hidden)
    assert not has_recurrence(nn.GRU(3, 4).double(), x, hidden)
    assert not has_recurrence(nn.GRU(3, 4).half(), x.half(), hidden.half())
    with torch.no_grad():
        assert not has_recurrence(rnn, x, hidden)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not has_recurrence(rnn, x, hidden)
    seen = []
    torch.func.vmap(lambda row: seen.append(has_recurrence(rnn, row, hidden)) or row)(x)
    assert seen == [False]


def test_a_memory_gives_the_same_with_and_without_gradients() -> None:
    torch.manual_seed(0)
    memory, x = GRU(4, 6, num_layers=2), torch.randn(3, 20, 4)
    starts = torch.rand(3, 20) < 0.2
    with torch.no_grad():
        expected, expected_state = memory(x, None, starts)
    y, state = memory(x, None, starts)
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(state.hidden, expected_state.hidden, rtol=1e-5, atol=1e-6)
