from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from driftwise.memory import (
    clone,
    detach,
    flatten_state,
    map_state,
    select_rows,
    unflatten_state,
    where_rows,
    write_rows,
)


class Pair(NamedTuple):
    a: Tensor
    b: Tensor


def make_state(rows: int = 4) -> Any:
    pair = Pair(torch.randn(rows, 2), torch.randn(rows, 2, 3))
    return (pair, {"counts": torch.arange(rows)}, [torch.randn(rows, 1)])


def assert_same(state: Any, other: Any) -> None:
    first, second = flatten_state(state), flatten_state(other)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], rtol=0, atol=0)


def test_map_state_keeps_containers_and_their_types() -> None:
    state = make_state()
    doubled = map_state(lambda tensor: 2 * tensor, state)
    assert [type(part) for part in doubled] == [Pair, dict, list]
    assert torch.equal(doubled[0].b, 2 * state[0].b)
    assert torch.equal(doubled[1]["counts"], 2 * state[1]["counts"])
    assert_same(map_state(torch.add, state, state), doubled)


@pytest.mark.parametrize(
    "other",
    [Pair(torch.zeros(1), torch.zeros(1)), (torch.zeros(1),), [torch.zeros(1), torch.zeros(1)]],
)
def test_map_state_names_different_structures(other: Any) -> None:
    with pytest.raises(ValueError, match="states must have the same structure"):
        map_state(torch.add, (torch.zeros(1), torch.zeros(1)), other)
    with pytest.raises(ValueError, match="states must have the same structure"):
        map_state(torch.add, {"a": torch.zeros(1)}, {"b": torch.zeros(1)})


@pytest.mark.parametrize("helper", [detach, clone, flatten_state])
def test_what_is_no_tensor_is_named(helper: Any) -> None:
    with pytest.raises(TypeError, match=r"tree of tensors .* got a float"):
        helper((torch.zeros(1), 1.0))


def test_detach_and_clone() -> None:
    weight = torch.ones(1, 3, requires_grad=True)
    state = Pair(weight * 2, weight.expand(4, 3))
    assert all(part.requires_grad for part in clone(state))
    assert not any(part.requires_grad for part in detach(state))
    copied = clone(detach(state))
    copied.b[0] += 1.0  # an expanded tensor would change in every row
    assert copied.b.tolist() == [[2.0] * 3, [1.0] * 3, [1.0] * 3, [1.0] * 3]
    assert weight.tolist() == [[1.0] * 3]


@pytest.mark.parametrize(
    ("rows", "numbers"),
    [
        (slice(1, 3), [1, 2]),
        ([3, 0], [3, 0]),
        (torch.tensor([2, 2]), [2, 2]),
        (torch.tensor([True, False, False, True]), [0, 3]),
    ],
)
def test_select_rows(rows: Any, numbers: Any) -> None:
    state = make_state()
    selected = select_rows(state, rows)
    for name, tensor in flatten_state(state).items():
        assert torch.equal(flatten_state(selected)[name], torch.stack([tensor[n] for n in numbers]))


def test_write_rows_is_pure_and_inverts_select_rows() -> None:
    state, rows = make_state(), torch.tensor([3, 1])
    before = clone(state)
    other = make_state(2)
    written = write_rows(state, rows, other)
    assert_same(state, before)
    assert_same(select_rows(written, rows), other)
    assert_same(select_rows(written, [0, 2]), select_rows(state, [0, 2]))


def test_write_rows_keeps_the_dtype() -> None:
    (written,) = write_rows((torch.zeros(2, 2),), [1], (torch.ones(1, 2, dtype=torch.bfloat16),))
    assert written.dtype is torch.float32
    assert written.tolist() == [[0.0, 0.0], [1.0, 1.0]]


def test_write_rows_is_differentiable_in_both() -> None:
    old = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    new = torch.randn(1, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: write_rows((a,), [1], (b,))[0], (old, new))


def test_where_rows_picks_and_forgets_what_is_not_picked() -> None:
    old = torch.full((3, 2), float("nan"), requires_grad=True)
    new = torch.ones(3, 2, requires_grad=True)
    (picked,) = where_rows(torch.tensor([True, True, True]), (new,), (old,))
    (gradient,) = torch.autograd.grad(picked.sum(), old)
    assert picked.tolist() == [[1.0, 1.0]] * 3
    assert gradient.tolist() == [[0.0, 0.0]] * 3
    mask = torch.tensor([True, False, False])
    counts = where_rows(mask, (torch.arange(3),), (torch.zeros(3, dtype=torch.long),))
    assert counts[0].tolist() == [0, 0, 0]


def test_flatten_names_and_order() -> None:
    assert list(flatten_state(make_state())) == ["0.a", "0.b", "1.counts", "2.0"]


def test_flatten_refuses_what_has_no_unique_name() -> None:
    with pytest.raises(TypeError, match="bare tensor"):
        flatten_state(torch.zeros(1))
    with pytest.raises(ValueError, match=r"two tensors of the state have the name 'a\.b'"):
        flatten_state({"a.b": torch.zeros(1), "a": {"b": torch.zeros(1)}})


def test_a_state_survives_a_file(tmp_path: Any) -> None:
    state = make_state(5)
    save_file(flatten_state(clone(detach(state))), tmp_path / "state.safetensors")
    loaded = unflatten_state(make_state(1), load_file(tmp_path / "state.safetensors"))
    assert type(loaded[0]) is Pair
    assert_same(loaded, state)


def test_unflatten_says_what_does_not_fit() -> None:
    like, tensors = make_state(), flatten_state(make_state())
    with pytest.raises(ValueError, match=r"must be named \['0.a', '0.b', '1.counts', '2.0'\]"):
        unflatten_state(like, {"0.a": tensors["0.a"]})
    with pytest.raises(ValueError, match=r"'0.b' must have shape \(B, 2, 3\), got \(4, 3, 2\)"):
        unflatten_state(like, tensors | {"0.b": torch.zeros(4, 3, 2)})
    with pytest.raises(ValueError, match="must have one batch size"):
        unflatten_state(like, tensors | {"0.a": torch.zeros(3, 2)})
