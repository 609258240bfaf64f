"""The kernel of sparse fast weights against the sequential reference, autograd, and itself."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from driftwise.memory import SparseFastWeights
from driftwise.memory.delta_rule import Writes, sequential
from driftwise.memory.kernels import has_kernel, without_kernels
from driftwise.memory.kernels.fused_fast_weights import PIECE, STEPS_PER_THREAD


@pytest.fixture(autouse=True)
def needs_a_compiler() -> None:
    memory = make()
    if not has_kernel(memory._sizes, memory.initial):
        pytest.skip("kernels need a C compiler")


@pytest.fixture
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def make(dtype: torch.dtype = torch.float64, **options: Any) -> SparseFastWeights:
    sizes: dict[str, Any] = {"num_heads": 2, "num_slots": 5, "key_size": 3, "value_size": 2}
    memory = SparseFastWeights(4, 3, **sizes | options).to(dtype)
    with torch.no_grad():
        memory.initial.normal_(std=0.3)
        # Addresses that differ: untrained logits are nearly equal.
        memory.generate.weight.mul_(2)
    return memory


def oracle(
    memory: SparseFastWeights, made: Tensor, weights: Tensor, initial: Tensor, starts: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The equations one by one, and autograd for their gradients."""
    parts = memory._read_off(made)
    dense = torch.zeros(*parts.slot.shape[:-1], memory.num_slots, dtype=made.dtype)
    addresses = dense.scatter(-1, parts.slot, parts.strength).unbind(-2)
    (key, query), (write, read) = parts.keys.unbind(-2), addresses
    writes = Writes(key, write, parts.value, parts.rate, query, read, parts.log_decay)
    additive = memory.rule == "additive"
    reads, errors, weights = sequential(writes, weights, initial, starts, additive=additive)
    return torch.cat((reads, errors), -1), weights


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_values_and_gradients_are_those_of_the_equations(data: st.DataObject) -> None:
    address = data.draw(st.sampled_from(["learned", "product", "random"]), "address")
    grids = st.sampled_from([1, 4, 6, 12])
    slots = data.draw(grids if address == "product" else st.integers(1, 6), "slots")
    memory = make(
        num_slots=slots,
        top_k=data.draw(st.integers(1, min(slots, 5)), "top_k"),
        key_size=data.draw(st.sampled_from([1, 3, 16]), "key_size"),
        value_size=data.draw(st.sampled_from([1, 2, 12]), "value_size"),
        rule=data.draw(st.sampled_from(["delta", "additive"]), "rule"),
        decay=data.draw(st.booleans(), "decay"),
        address=address,
        selection=data.draw(st.sampled_from(["renormalised", "straight_through"]), "selection"),
    )
    length = data.draw(st.integers(1, 2 * PIECE + 3), "length")
    x = torch.randn(3, length, 4, dtype=torch.float64)
    starts = None
    if data.draw(st.booleans(), "starts"):
        starts = torch.rand(3, length) < 0.2
    made = memory._made(x).detach().requires_grad_()
    weights = torch.randn(3, *memory.initial.shape, dtype=torch.float64, requires_grad=True)
    inputs = (made, weights, memory.initial)
    ours = memory._fused(made, weights, starts)
    theirs = oracle(memory, *inputs, starts)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    grads = [torch.randn_like(y) for y in ours]
    found = torch.autograd.grad(ours, inputs, grads, allow_unused=True, materialize_grads=True)
    right = torch.autograd.grad(theirs, inputs, grads, allow_unused=True, materialize_grads=True)
    for one, other in zip(found, right, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_a_long_sequence_in_single_precision() -> None:
    """Writes are undone by subtraction on the way back; the errors of that must not add up."""
    memory = make(torch.float32, num_slots=4, key_size=16, value_size=12)
    x = torch.randn(2, 500, 4, requires_grad=True)
    exact = make(num_slots=4, key_size=16, value_size=12)
    exact.load_state_dict({name: value.double() for name, value in memory.state_dict().items()})
    wide = x.detach().double().requires_grad_()
    y, _ = memory(x)
    z, _ = exact(wide)
    torch.testing.assert_close(y.double(), z, rtol=1e-4, atol=1e-5)
    y.square().sum().backward()
    z.square().sum().backward()
    assert x.grad is not None and wide.grad is not None
    assert (x.grad - wide.grad).abs().max() < 1e-5 * wide.grad.abs().max()


@pytest.mark.usefixtures("two_threads")
def test_threads_change_no_bit() -> None:
    memory = make(torch.float32, key_size=8, value_size=8, decay=True)
    # Even, for torch's own functions, whose vectors then fill what each of two threads is given.
    length = 2 * STEPS_PER_THREAD // (3 * memory.num_heads) + 2
    x = torch.randn(3, length, 4)
    results = []
    for threads in (2, 1):
        torch.set_num_threads(threads)
        made = memory._made(x).detach().requires_grad_()
        weights = memory.initial.detach().expand(3, *memory.initial.shape)
        out, final = memory._fused(made, weights, None)
        grad = torch.autograd.grad(out.square().sum() + final.sum(), (made, memory.initial))
        results.append((out, final, *grad))
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_gradients_of_gradients() -> None:
    memory = make(num_heads=1, num_slots=3, decay=True)
    made = memory._made(torch.randn(2, 4, 4, dtype=torch.float64)).detach().requires_grad_()
    weights = torch.randn(2, *memory.initial.shape, dtype=torch.float64, requires_grad=True)

    def run(made: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        return memory._fused(made, weights, None)

    assert torch.autograd.gradgradcheck(run, (made, weights))


def test_unused_outputs_have_no_gradient() -> None:
    memory = make()
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    _, state = memory(x)
    (one,) = torch.autograd.grad(state.weights.sum(), x)
    made = memory._made(x)
    start = memory.initial.expand(2, *memory.initial.shape)
    (other,) = torch.autograd.grad(oracle(memory, made, start, memory.initial, None)[1].sum(), x)
    torch.testing.assert_close(one, other)


def test_functional_transforms_go_around_the_kernel() -> None:
    memory = make()
    parameters = {name: value.detach() for name, value in memory.named_parameters()}
    x = torch.randn(5, 2, 3, 4, dtype=torch.float64)

    def loss(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(memory, parameters, (x,))[0].square().sum()

    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, x)
    memory.zero_grad()
    memory(x.flatten(0, 1))[0].square().sum().backward()
    for name, value in memory.named_parameters():
        torch.testing.assert_close(each[name].sum(0), value.grad)


def test_logits_without_an_order_give_nan_and_no_crash() -> None:
    memory = make(num_slots=70, top_k=3)
    x = torch.full((2, 5, 4), float("nan"), dtype=torch.float64, requires_grad=True)
    y, _ = memory(x)
    y.sum().backward()
    assert y.isnan().all()


def test_half_precision_goes_around_the_kernel() -> None:
    memory = make(torch.bfloat16)
    assert not has_kernel(memory._sizes, memory.initial)


def test_kernels_can_be_switched_off() -> None:
    memory = make()
    with without_kernels():
        assert not has_kernel(memory._sizes, memory.initial)
        with without_kernels():
            pass
        assert not has_kernel(memory._sizes, memory.initial)
    assert has_kernel(memory._sizes, memory.initial)


def test_kernels_can_be_switched_off_from_outside() -> None:
    code = "from driftwise.memory.kernels import kernels_wanted; print(kernels_wanted())"
    environment = os.environ | {"DRIFTWISE_KERNELS": "0"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_compilation_goes_around_the_kernel() -> None:
    memory = make(torch.float32)
    x = torch.randn(2, 40, 4)
    y, _ = torch.compile(memory, backend="eager", fullgraph=True)(x)
    torch.testing.assert_close(y, memory(x)[0], rtol=1e-4, atol=1e-5)
