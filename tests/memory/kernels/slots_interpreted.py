"""The kernel for GPUs in Triton's interpreter, against the equations; run by a test of test_slots.

Triton decides when it is imported whether it interprets, so this is a process of its own.
"""

import itertools

import torch
from torch import Tensor

from driftwise.memory import SparseFastWeights
from driftwise.memory.delta_rule import Writes, sequential
from driftwise.memory.kernels import slot_check, slots


def make(dtype: torch.dtype, **options: object) -> SparseFastWeights:
    sizes = {"num_heads": 2, "num_slots": 5, "key_size": 3, "value_size": 2, "chunk_size": 4}
    memory = SparseFastWeights(4, 3, **sizes | options).to(dtype)
    with torch.no_grad():
        memory.initial.normal_(std=0.3)
        memory.generate.weight.mul_(2)
    return memory


def oracle(
    memory: SparseFastWeights, made: Tensor, weights: Tensor, starts: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The equations one by one, and autograd for their gradients."""
    parts = memory._read_off(made)
    dense = torch.zeros(*parts.slot.shape[:-1], memory.num_slots, dtype=made.dtype)
    write, read = dense.scatter(-1, parts.slot, parts.strength).unbind(-2)
    key, query = parts.keys.unbind(-2)
    writes = Writes(key, write, parts.value, parts.rate, query, read)
    additive = memory.rule == "additive"
    reads, errors, weights = sequential(writes, weights, memory.initial, starts, additive=additive)
    return torch.cat((reads, errors), -1), weights


def check(
    dtype: torch.dtype,
    length: int,
    resets: bool,
    outputs: tuple[int, ...] = (0, 1),
    **options: object,
) -> None:
    """Values, and gradients of these outputs."""
    torch.manual_seed(length)
    memory = make(dtype, **options)
    made = memory._made(torch.randn(2, length, 4, dtype=dtype)).detach().requires_grad_()
    weights = torch.randn(2, *memory.initial.shape, dtype=dtype, requires_grad=True)
    starts = None
    if resets:
        starts = torch.rand(2, length) < 0.3
        starts[0, 0] = starts[1, -1] = True
    ours = memory._slotwise(made, weights, starts)
    theirs = oracle(memory, made, weights, starts)
    close = 1e-11 if dtype == torch.float64 else 2e-5
    inputs = (made, weights, memory.initial)
    grads = [torch.randn_like(ours[i]) for i in outputs]
    found, right = (
        torch.autograd.grad(
            [out[i] for i in outputs], inputs, grads, allow_unused=True, materialize_grads=True
        )
        for out in (ours, theirs)
    )
    for one, other in zip((*ours, *found), (*theirs, *right), strict=True):
        torch.testing.assert_close(one, other, rtol=close, atol=close)


RULES = ({}, {"rule": "additive"}, {"selection": "straight_through"}, {"address": "random"})
for options, resets in itertools.product(RULES, (False, True)):
    check(torch.float64, 4, resets, **options)
check(torch.float32, 6, True, num_slots=6, top_k=3, key_size=4, value_size=5)
check(torch.float64, 3, True, num_slots=6, address="product")
check(torch.float64, 1, True, num_heads=1, top_k=1)
check(torch.float64, 3, False, (0,), num_slots=2, top_k=2, key_size=1, value_size=1)
check(torch.float64, 3, True, (1,))

# Rows in parts, where their slots would take too much memory together.
slots.KEPT_BYTES = 1
check(torch.float64, 3, True)

# Gradients of gradients come from the reference; half precision is computed in that of weights.
memory = make(torch.float64, num_heads=1, num_slots=2, key_size=1, value_size=1)
made = memory._made(torch.randn(1, 2, 4, dtype=torch.float64)).detach().requires_grad_()
weights = torch.randn(1, *memory.initial.shape, dtype=torch.float64, requires_grad=True)
assert torch.autograd.gradgradcheck(lambda *x: memory._slotwise(*x, None), (made, weights))
half = made.detach().bfloat16()
expected = memory._slotwise(made.detach(), weights, None)[0]
found = memory._slotwise(half, weights, None)[0]
assert found.dtype == torch.float64 and (found - expected).norm() < 0.05 * expected.norm()
assert slot_check.largest_difference(torch.device("cpu")) < 1e-5
print("all equal")
