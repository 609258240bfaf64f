from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from driftwise.memory import GRU, LSTM, SequenceMemory
from driftwise.memory.segments import run_segments


def sigmoid(x: Any) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def lstm_in_numpy(memory: Any, x: Any, starts: Any) -> np.ndarray:
    """One LSTM layer, one row and one step at a time, from the textbook equations."""
    w_x, w_h, b_x, b_h = (weight.detach().numpy() for weight in memory.rnn.all_weights[0])
    outputs = np.zeros((*x.shape[:2], memory.hidden_size))
    for row in range(x.shape[0]):
        hidden = cell = np.zeros(memory.hidden_size)
        for t in range(x.shape[1]):
            if starts[row, t]:
                hidden = cell = np.zeros(memory.hidden_size)
            gates = w_x @ x[row, t] + b_x + w_h @ hidden + b_h
            i, f, g, o = np.split(gates, 4)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
            hidden = sigmoid(o) * np.tanh(cell)
            outputs[row, t] = hidden
    return outputs


def gru_in_numpy(memory: Any, x: Any, starts: Any) -> np.ndarray:
    w_x, w_h, b_x, b_h = (weight.detach().numpy() for weight in memory.rnn.all_weights[0])
    outputs = np.zeros((*x.shape[:2], memory.hidden_size))
    for row in range(x.shape[0]):
        hidden = np.zeros(memory.hidden_size)
        for t in range(x.shape[1]):
            if starts[row, t]:
                hidden = np.zeros(memory.hidden_size)
            r_x, z_x, n_x = np.split(w_x @ x[row, t] + b_x, 3)
            r_h, z_h, n_h = np.split(w_h @ hidden + b_h, 3)
            z = sigmoid(z_x + z_h)
            hidden = (1 - z) * np.tanh(n_x + sigmoid(r_x + r_h) * n_h) + z * hidden
            outputs[row, t] = hidden
    return outputs


@pytest.mark.parametrize(
    ("memory", "oracle"), [(LSTM, lstm_in_numpy), (GRU, gru_in_numpy)], ids=["LSTM", "GRU"]
)
@given(data=st.data())
@settings(deadline=None, max_examples=20)
def test_equals_the_textbook(memory: Any, oracle: Any, data: Any) -> None:
    rows, length = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 35))
    flags = st.lists(st.booleans(), min_size=rows * length, max_size=rows * length)
    starts = torch.tensor(data.draw(flags)).view(rows, length)
    memory = memory(3, 4).double()
    x = torch.randn(rows, length, 3, dtype=torch.float64)
    y, _ = memory(x, None, starts)
    np.testing.assert_allclose(
        y.detach(), oracle(memory, x.numpy(), starts.numpy()), rtol=1e-11, atol=1e-13
    )


@pytest.mark.parametrize("num_layers", [1, 2])
def test_without_resets_it_is_torch_itself(num_layers: Any) -> None:
    x = torch.randn(3, 9, 5)
    memory = LSTM(5, 4, num_layers)
    y, state = memory(x)
    expected, (hidden, cell) = memory.rnn(x)
    assert torch.equal(y, expected)
    assert torch.equal(state.hidden, hidden.transpose(0, 1))
    assert torch.equal(state.cell, cell.transpose(0, 1))
    assert state.hidden.shape == state.cell.shape == (3, num_layers, 4)

    gru = GRU(5, 4, num_layers)
    with torch.no_grad():  # test_gru_recurrence.py has the other case
        y, state = gru(x)
        expected, hidden = gru.rnn(x)
    assert torch.equal(y, expected)
    assert torch.equal(state.hidden, hidden.transpose(0, 1))


@torch.no_grad()
@pytest.mark.parametrize("memory", [LSTM, GRU])
def test_staggered_resets_take_few_calls(memory: Any) -> None:
    """log2(T) calls of torch's kernel, however many resets, and B T steps in all."""
    memory, calls = memory(3, 4), []
    memory.rnn.register_forward_hook(lambda _, args, __: calls.append(args[0].shape))
    starts = torch.rand(6, 100) < 0.1
    memory(torch.randn(6, 100, 3), None, starts)
    assert len(calls) <= 7
    assert sum(rows * length for rows, length, _ in calls) == 600
    calls.clear()
    memory(torch.randn(6, 100, 3), None, torch.zeros(6, 100, dtype=torch.bool))
    at_the_start = torch.zeros(6, 100, dtype=torch.bool)
    at_the_start[::2, 0] = True
    memory(torch.randn(6, 100, 3), None, at_the_start)
    assert [tuple(shape) for shape in calls] == [(6, 100, 3)] * 2


def test_segments_keep_a_learned_initial_state_differentiable() -> None:
    """An integrator that is the sum of its segment's inputs and of where the segment began."""
    first = torch.tensor([5.0], requires_grad=True)

    def run(x: Any, state: Any) -> Any:
        y = state[0].unsqueeze(1) + x.cumsum(1)
        return y, (y[:, -1],)

    x = torch.ones(2, 5, 1)
    state = (torch.tensor([[100.0], [200.0]], requires_grad=True),)
    starts = torch.tensor([[0, 0, 1, 0, 0], [1, 0, 0, 1, 1]]).bool()
    y, (after,) = run_segments(run, x, state, starts, lambda rows: (first.expand(rows, 1),))
    assert y[..., 0].tolist() == [[101, 102, 6, 7, 8], [6, 7, 8, 6, 6]]
    assert after.tolist() == [[8], [6]]
    gradients = torch.autograd.grad(y.sum(), (first, state[0]))
    assert [gradient.tolist() for gradient in gradients] == [[8.0], [[2.0], [0.0]]]


@pytest.mark.parametrize("memory", [LSTM(2, 3, 2), GRU(2, 3, 2)])
def test_gradcheck_with_resets(memory: Any) -> None:
    memory = memory.double()
    x = torch.randn(2, 5, 2, dtype=torch.float64, requires_grad=True)
    starts = torch.tensor([[0, 0, 1, 0, 0], [0, 1, 0, 0, 1]]).bool()
    state = [torch.randn_like(part).requires_grad_() for part in memory.initial_state(2)]

    def run(x: Any, *state: Any) -> Any:
        y, after = memory(x, memory.state_type(*state), starts)
        return y, *after

    assert torch.autograd.gradcheck(run, (x, *state))


@pytest.mark.parametrize("memory", [LSTM, GRU])
def test_bad_sizes(memory: Any) -> None:
    with pytest.raises(ValueError, match="hidden_size must be at least 1, got 0"):
        memory(3, 0)
    with pytest.raises(ValueError, match="input_size must be at least 1, got 0"):
        memory(0, 3)
    with pytest.raises(ValueError, match="input_size must be at least 1, got -1"):
        memory(-1, 3)
    with pytest.raises(TypeError, match=r"hidden_size must be an integer, got 3\.5"):
        memory(3, 3.5)
    assert type(memory(np.int64(3), np.int32(3)).input_size) is int
    with pytest.raises(ValueError, match="num_layers must be at least 1, got 0"):
        memory(3, 3, 0)
    with pytest.raises(TypeError, match=r"num_layers must be an integer, got 1\.5"):
        memory(3, 3, 1.5)


def test_float32_kernels_agree_with_the_step_form() -> None:
    """The CPU's fused float32 LSTM is another kernel than the float64 one."""
    memory = LSTM(5, 6, 2)
    x, starts = torch.randn(4, 30, 5), torch.rand(4, 30) < 0.2
    y, _ = memory(x, None, starts)
    expected, _ = SequenceMemory.forward(memory, x, None, starts)
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-6)
    assert isinstance(memory.rnn, nn.LSTM)


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_torch_stays_in_training_mode_in_which_alone_a_gpu_has_gradients(kind: type) -> None:
    memory = nn.Sequential(kind(3, 4)).eval()
    assert not memory[0].training and memory[0].rnn.training and memory[0].rnn.dropout == 0
