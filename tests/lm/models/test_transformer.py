"""The Transformer against attention written as loops, and its positions."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from driftwise.lm.models import TransformerConfig, build_model
from driftwise.lm.models.attention import rotary_table, rotate, window_mask

V = 11


def model_of(window: int, **options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    model = build_model(TransformerConfig(2, 12, 2, window, 64, **options), V).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return model


def norm(x: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + torch.finfo(x.dtype).eps).sqrt()


def turned(x: Tensor, position: int) -> Tensor:
    """Pairs as complex numbers, turned by position times 10,000^(-i / (number of pairs))."""
    half = len(x) // 2
    frequency = 10_000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    y = torch.complex(x[:half], x[half:]) * torch.exp(1j * position * frequency)
    return torch.cat((y.real, y.imag))


def by_loops(model: torch.nn.Module, ids: list[int], starts: list[bool], window: int) -> Tensor:
    """Hidden vectors of one row, position by position and head by head."""
    x = [norm(model.head.rows.weight[i]) for i in ids]
    for block in model.blocks:
        normed = [norm(v) for v in x]
        q, k, v = (
            [(part.weight @ n).view(2, 6) for n in normed]
            for part in (block.query, block.key, block.value)
        )
        after = []
        for t in range(len(ids)):
            begin = max([0, t - window, *(s for s in range(t + 1) if starts[s])])
            out = []
            for head in range(2):
                query = turned(norm(q[t][head]), t)
                keys = [turned(norm(k[s][head]), s) for s in range(begin, t + 1)]
                scores = torch.stack([query @ key for key in keys]) / math.sqrt(6)
                values = torch.stack([v[s][head] for s in range(begin, t + 1)])
                out.append(scores.softmax(0) @ values)
            after.append(x[t] + block.attended.weight @ torch.cat(out))
        x = [y + block.outer.weight @ F.relu(block.inner.weight @ norm(y)).square() for y in after]
    return torch.stack([norm(v) for v in x])


@pytest.mark.parametrize("window", [1, 4, 20])
def test_equals_attention_written_as_loops(window: int) -> None:
    model = model_of(window)
    ids, starts = torch.randint(V, (2, 12)), torch.rand(2, 12) < 0.2
    found, _ = model(ids, None, starts)
    for row in range(2):
        expected = by_loops(model, ids[row].tolist(), starts[row].tolist(), window)
        torch.testing.assert_close(found[row], expected, rtol=1e-9, atol=1e-9)
    plain, _ = model(ids)
    expected = by_loops(model, ids[0].tolist(), [False] * 12, window)
    torch.testing.assert_close(plain[0], expected, rtol=1e-9, atol=1e-9)


def test_the_state_is_no_larger_than_the_window_and_positions_never_end() -> None:
    """After thousands of words the state has the same size, and the same words the same vectors."""
    model = model_of(5)
    state, ids = None, torch.randint(V, (1, 60))
    with torch.no_grad():
        first, state = model(ids, None)
        for _ in range(60):
            again, state = model(ids, state)
        # Two layers of five positions: what is further back than ten no longer matters.
        torch.testing.assert_close(again[:, 10:], first[:, 10:], rtol=1e-9, atol=1e-9)
        assert not torch.allclose(again[:, :3], first[:, :3])
    assert state.layers[0].keys.shape == (1, 2, 5, 6)


def test_rotations_depend_on_distances_alone() -> None:
    table = rotary_table(50, 6, torch.zeros(1, dtype=torch.float64))
    query, key = torch.randn(2, 6, dtype=torch.float64)
    scores = rotate(query.expand(50, 6), table) @ rotate(key.expand(50, 6), table).T
    for distance in (0, 3, 20):
        diagonal = scores.diagonal(-distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    assert not torch.allclose(scores[0, 0], scores[1, 0])


def test_a_table_in_half_precision_is_that_of_float64_rounded() -> None:
    exact = rotary_table(2000, 8, torch.zeros(1, dtype=torch.float64))
    half = rotary_table(2000, 8, torch.zeros(1, dtype=torch.bfloat16))
    for a, b in zip(half, exact, strict=True):
        assert torch.equal(a, b.bfloat16())


def test_masks_of_a_row_by_hand() -> None:
    starts = torch.tensor([[False, False, True]])
    known = torch.tensor([[False, True]])
    mask = window_mask(starts, known, 3, 2)[0, 0].long().tolist()
    assert mask == [[0, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 1]]


def test_blocks_compile_to_one_graph() -> None:
    """With a state and resets, as in training; the first graph serves every block."""
    model, graphs = model_of(4), 0
    ids, starts = torch.randint(V, (2, 8)), torch.rand(2, 8) < 0.2
    with torch.no_grad():
        _, state = model(ids)
        expected, _ = model(ids, state, starts)

        def counting(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
            nonlocal graphs
            graphs += 1
            return graph.forward

        for block in model.blocks:
            block.compile(fullgraph=True, backend=counting)
        found, _ = model(ids, state, starts)
    torch.testing.assert_close(found, expected)
    assert graphs == 1
