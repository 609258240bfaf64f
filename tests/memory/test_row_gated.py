"""``RowGatedFastWeights`` against a loop in numpy, and against the dense delta rule."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.memory import RowGatedFastWeights, RowGatedState, SparseFastWeights
from driftwise.memory.delta_rule import Writes, chunked


def make(**options: Any) -> RowGatedFastWeights:
    sizes: dict[str, Any] = {"num_heads": 2, "top_k": 2, "key_size": 3, "value_size": 5}
    memory = RowGatedFastWeights(4, 3, **sizes | options).double()
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return memory


def sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def loop(
    memory: RowGatedFastWeights, x: np.ndarray, weights: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Row by row of the batch, step by step, head by head, value row by value row."""
    slow = {name: tensor.detach().numpy() for name, tensor in memory.state_dict().items()}
    heads, k, v = slow["initial"].shape
    outputs, weights = np.zeros((*x.shape[:2], memory.output_size)), weights.copy()
    for row in range(x.shape[0]):
        for t in range(x.shape[1]):
            generated = slow["generate.weight"] @ x[row, t] + slow["generate.bias"]
            features = []
            for head, own in enumerate(np.split(generated, heads)):
                parts = np.split(own, np.cumsum([k, k, v, v]))
                key, query = (part * sigmoid(part) for part in parts[:2])
                key, query = (part / np.sqrt((part * part).sum()) for part in (key, query))
                value, logits, rate = parts[2], parts[3], sigmoid(parts[4][0])
                fast = weights[row, head]  # (k, v)
                if starts[row, t]:
                    fast[:] = slow["initial"][head]
                error = np.array([value[m] - fast[:, m] @ key for m in range(v)])
                chosen = np.argsort(logits)[-memory.top_k :]
                for m in chosen:
                    share = np.exp(logits[m]) / np.exp(logits[chosen]).sum()
                    fast[:, m] += rate * share * error[m] * key
                features += [fast.T @ query, error]
            outputs[row, t] = (
                slow["slow.weight"] @ x[row, t]
                + slow["slow.bias"]
                + slow["fast.weight"] @ np.concatenate(features)
            )
    return outputs, weights


@given(length=st.integers(1, 9), top_k=st.integers(1, 5), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=25)
def test_equals_the_loop_in_numpy(length: int, top_k: int, seed: int) -> None:
    torch.manual_seed(seed)
    memory = make(top_k=top_k)
    starts = torch.rand(2, length) < 0.3
    x = torch.randn(2, length, 4, dtype=torch.float64)
    weights = torch.randn_like(memory.initial_state(2).weights)
    y, state = memory(x, RowGatedState(weights), starts)
    expected_y, expected_weights = loop(memory, x.numpy(), weights.numpy(), starts.numpy())
    np.testing.assert_allclose(y.detach(), expected_y, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(state.weights.detach(), expected_weights, rtol=1e-9, atol=1e-11)


def test_a_write_touches_only_the_chosen_rows() -> None:
    memory = make(value_size=20, top_k=3)
    state = RowGatedState(torch.randn_like(memory.initial_state(6).weights))
    _, after = memory.step(torch.randn(6, 4, dtype=torch.float64), state)
    touched = (after.weights != state.weights).any(-2)  # (row, head, value row)
    assert touched.sum(-1).tolist() == [[3, 3]] * 6


def test_all_rows_chosen_alike_are_the_dense_delta_rule() -> None:
    """... of ``SparseFastWeights`` with one slot, at a rate divided by the number of rows."""
    heads, k, v = 2, 3, 5
    memory = make(num_heads=heads, top_k=v)
    dense = SparseFastWeights(
        4, 3, num_heads=heads, num_slots=1, top_k=1, key_size=k, value_size=v, chunk_size=4
    ).double()
    rate = torch.tensor([0.9, 0.4], dtype=torch.float64)
    with torch.no_grad():
        made = (memory.generate.weight, memory.generate.bias)
        weight, bias = (part.unflatten(0, (heads, -1)) for part in made)
        weight[:, 2 * k + v :] = bias[:, 2 * k + v :] = 0.0  # selector and rates see nothing
        bias[:, -1] = rate.logit()
        common = [*range(2 * k + v), -1]  # key, query, value, rate
        dense.generate.weight.copy_(weight[:, common].flatten(0, 1))
        dense.generate.bias.copy_(bias[:, common].flatten())
        dense.generate.bias.unflatten(0, (heads, -1))[:, -1] = (rate / v).logit()
        dense.initial.copy_(memory.initial.unsqueeze(1))
        dense.slow.load_state_dict(memory.slow.state_dict())
        dense.fast.load_state_dict(memory.fast.state_dict())
    x, starts = torch.randn(3, 11, 4, dtype=torch.float64), torch.rand(3, 11) < 0.2
    y, state = memory(x, None, starts)
    expected, dense_state = dense(x, None, starts)
    torch.testing.assert_close(y, expected, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(
        state.weights, dense_state.weights.squeeze(2), rtol=1e-11, atol=1e-12
    )


@pytest.mark.parametrize("top_k", [2, 5])
def test_each_row_is_a_delta_rule_of_its_own(top_k: int) -> None:
    """At its own rate, zero where it was not chosen: one triangular solve for each row."""
    memory = make(num_heads=1, top_k=top_k)
    x = torch.randn(2, 9, 4, dtype=torch.float64)
    key, query, value, logits, rate = memory.generate(x).unsqueeze(2).split([3, 3, 5, 5, 1], -1)
    key, query = (part * part.sigmoid() for part in (key, query))
    key, query = (part / part.norm(dim=-1, keepdim=True) for part in (key, query))
    smallest = logits.sort(-1, descending=True).values[..., top_k - 1, None]
    gate = logits.masked_fill(logits < smallest, float("-inf")).softmax(-1)
    everywhere = torch.ones(2, 9, 1, 1, dtype=torch.float64)
    _, state = memory(x)
    for row in range(5):
        writes = Writes(
            key=key,
            address=everywhere,
            value=value[..., row, None],
            rate=rate.sigmoid().squeeze(-1) * gate[..., row],
            query=query,
            read_address=everywhere,
        )
        _, _, weights = chunked(writes, None, memory.initial[:, None, :, row, None], chunk_size=4)
        torch.testing.assert_close(
            weights[:, :, 0, :, 0], state.weights[..., row], rtol=1e-11, atol=1e-12
        )


def test_gradcheck() -> None:
    memory = make()
    x = torch.randn(1, 4, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn_like(memory.initial_state(1).weights).requires_grad_()
    starts = torch.tensor([[False, False, True, False]])

    def run(x: Any, weights: Any, *_: Any) -> Any:
        y, state = memory(x, RowGatedState(weights), starts)
        return y, state.weights

    inputs = (x, weights, *memory.parameters())
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 13}, "top_k must be at most value_size=12, got 13"),
        ({"top_k": 0}, "top_k must be at least 1, got 0"),
        ({"value_size": 0}, "value_size must be at least 1, got 0"),
        ({"key_size": 0}, "key_size must be at least 1, got 0"),
        ({"num_heads": -1}, "num_heads must be at least 1, got -1"),
        ({"output_size": 0}, "output_size must be at least 1, got 0"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RowGatedFastWeights(4, **options)


def test_a_size_that_is_no_integer() -> None:
    with pytest.raises(TypeError, match=r"top_k must be an integer, got 2\.0"):
        RowGatedFastWeights(4, top_k=2.0)  # type: ignore[arg-type]
