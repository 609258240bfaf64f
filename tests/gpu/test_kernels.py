"""Kernels on a GPU: taken where they should be, with the numbers of their references."""

from typing import Any

import pytest
import torch
from torch import Tensor

from driftwise.memory import SparseFastWeights
from driftwise.memory.kernels import has_slot_kernel, without_kernels

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
DEVICE = "cuda"


def make(dtype: torch.dtype, **options: Any) -> SparseFastWeights:
    torch.manual_seed(0)
    memory = SparseFastWeights(32, **options).to(DEVICE, dtype)
    with torch.no_grad():
        memory.initial.normal_(std=0.3)
        memory.generate.weight.mul_(2)
    return memory


def run(memory: SparseFastWeights, x: Tensor, starts: Tensor | None) -> list[Tensor]:
    """Outputs, last state, and the gradients of all parameters and the input."""
    x = x.detach().requires_grad_()
    half = x.shape[1] // 2
    cuts = (None, None) if starts is None else (starts[:, :half], starts[:, half:])
    first, state = memory(x[:, :half], None, cuts[0])
    second, state = memory(x[:, half:], state, cuts[1])
    y = torch.cat((first, second), 1)
    loss = y.float().square().mean() + state.weights.square().mean()
    gradients = torch.autograd.grad(loss, [x, *memory.parameters()])
    return [y.detach(), state.weights.detach(), *gradients]


SIZES: dict[str, dict[str, Any]] = {
    "of agents": {},
    "of language models": {"num_slots": 16, "key_size": 16, "value_size": 16},
    "padded": {"num_heads": 3, "num_slots": 7, "top_k": 3, "key_size": 5, "value_size": 9},
    "one slot a step": {"num_slots": 64, "top_k": 1},
    "wide": {"num_slots": 4, "key_size": 64, "value_size": 64},
    "additive": {"rule": "additive"},
    "three reads": {"num_reads": 3},
}


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_slots_are_those_of_the_chunked_form(sizes: str, resets: bool) -> None:
    for dtype, close in ((torch.float64, 1e-9), (torch.float32, 2e-3)):
        memory = make(dtype, **SIZES[sizes])
        x = torch.randn(5, 150, 32, device=DEVICE, dtype=dtype)
        assert has_slot_kernel(memory._sizes, x, memory.initial)
        starts = torch.rand(5, 150, device=DEVICE) < 0.05 if resets else None
        found = run(memory, x, starts)
        with without_kernels():
            assert not has_slot_kernel(memory._sizes, x, memory.initial)
            expected = run(memory, x, starts)
        for one, other in zip(found, expected, strict=True):
            assert (one - other).norm() <= close * other.norm()


def test_the_same_twice() -> None:
    """What a store has not reached yet, a load would find now and then."""
    memory = make(torch.float32, num_slots=3, key_size=16, value_size=16)
    x = torch.randn(64, 300, 32, device=DEVICE)
    first = run(memory, x, None)
    for _ in range(5):
        for one, other in zip(run(memory, x, None)[:2], first[:2], strict=True):
            assert torch.equal(one, other)


def test_half_precision_loses_only_precision() -> None:
    memory = make(torch.float32)
    x = torch.randn(4, 100, 32, device=DEVICE)
    exact = run(memory, x, None)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        found = run(memory, x, None)
    for one, other in zip(found, exact, strict=True):
        assert (one.float() - other).norm() < 0.1 * other.norm()


def test_the_cost_follows_the_slots_that_are_touched() -> None:
    """Sixteen times the slots, and the recurrence takes about as long."""
    times = []
    for num_slots in (16, 256):
        memory = make(torch.float32, num_slots=num_slots, key_size=16, value_size=16)
        made = memory._made(torch.randn(32, 512, 32, device=DEVICE)).detach().requires_grad_()
        weights = memory.initial.detach().expand(32, *memory.initial.shape)
        taken = []
        for _ in range(12):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            out, _ = memory._slotwise(made, weights, None)
            out.sum().backward()
            end.record()
            torch.cuda.synchronize()
            taken.append(begin.elapsed_time(end))
        times.append(sorted(taken[2:])[5])
    assert times[1] < 1.5 * times[0], times
