"""Which slots are addressed, against a sort of all of them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from driftwise.memory import SparseFastWeights
from driftwise.memory.addresses import arg_top_k, slot_grid, sparse_address


@pytest.mark.parametrize("k", [1, 2, 4, 5])
@pytest.mark.parametrize("rows", [3, 400])
@pytest.mark.parametrize("slots", [5, 64, 300])
def test_arg_top_k(k: int, rows: int, slots: int) -> None:
    """On both sides of every threshold between the ways to find them."""
    logits = torch.randn(rows, 2, slots)
    expected = logits.numpy().argsort(-1)[..., ::-1][..., :k]
    np.testing.assert_array_equal(arg_top_k(logits, k), expected)


@given(num_slots=st.integers(1, 500))
def test_a_grid_is_as_nearly_square_as_can_be(num_slots: int) -> None:
    rows, columns = slot_grid(num_slots)
    assert rows * columns == num_slots and rows <= columns
    assert not any(num_slots % n == 0 for n in range(rows + 1, math.isqrt(num_slots) + 1))


@given(data=st.data())
def test_the_largest_of_a_grid_are_those_of_all_its_slots(data: st.DataObject) -> None:
    rows, columns = data.draw(st.integers(2, 6), "rows"), data.draw(st.integers(2, 9), "columns")
    k = data.draw(st.integers(1, rows * columns), "k")
    torch.manual_seed(data.draw(st.integers(0, 1000), "seed"))
    logits = torch.randn(4, 3, rows + columns, dtype=torch.float64)
    every = (logits[..., :rows, None] + logits[..., None, rows:]).flatten(-2)
    for straight_through in (False, True):
        flags = {"straight_through": straight_through}
        slot, strength = sparse_address(logits, rows * columns, k, columns=columns, **flags)
        expected = sparse_address(every, rows * columns, k, **flags)
        torch.testing.assert_close(slot, expected[0])
        torch.testing.assert_close(strength, expected[1], rtol=1e-12, atol=1e-12)


def test_logits_of_many_slots() -> None:
    """Of 1,024 slots, a product address has 64 logits; writes go where the largest meet."""
    memory = SparseFastWeights(8, num_heads=2, num_slots=1024, address="product")
    assert memory.generate.out_features == 2 * (8 + 8 + 12 + 2 * (32 + 32) + 1)
    x, state = torch.randn(5, 8), memory.initial_state(5)
    _, after = memory.step(x, state)
    write = memory.generate(x).unflatten(-1, (2, -1))[..., 28 : 28 + 64]
    every = (write[..., :32, None] + write[..., None, 32:]).flatten(-2)
    touched = (after.weights != 0).any(-1).any(-1)
    assert torch.equal(touched, every >= every.topk(2).values[..., 1:])
