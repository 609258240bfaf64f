"""What holds for every memory: the contract, and one-line errors for bad input."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from driftwise.memory import (
    GRU,
    LSTM,
    FeedForward,
    NoMemory,
    RowGatedFastWeights,
    SequenceMemory,
    SparseFastWeights,
    Stack,
    augment,
    check_memory,
    clone,
    flatten_state,
    map_state,
)
from driftwise.memory.comparison import named

SMALL: dict[str, Any] = {"num_heads": 2, "num_slots": 4, "key_size": 3, "value_size": 2}

pytestmark = pytest.mark.usefixtures("implementation")


def augmented_mlp() -> SequenceMemory:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    return augment(model, ["0", "2"], input_size=3, output_size=2, **SMALL)


MEMORIES: dict[str, Callable[[], SequenceMemory]] = {
    "lstm": lambda: LSTM(3, 4),
    "lstm_2_layers": lambda: LSTM(3, 4, 2),
    "gru": lambda: GRU(3, 4),
    "gru_2_layers": lambda: GRU(3, 4, 2),
    "none": lambda: NoMemory(3, 4),
    "feed_forward": lambda: FeedForward(3, 4),
    "sparse": lambda: SparseFastWeights(3, 4, **SMALL),
    "sparse_decay": lambda: SparseFastWeights(3, 4, decay=True, **SMALL),
    "sparse_additive": lambda: SparseFastWeights(3, rule="additive", **SMALL),
    "sparse_additive_decay": lambda: SparseFastWeights(3, rule="additive", decay=True, **SMALL),
    "all_slots": lambda: SparseFastWeights(3, 4, top_k=4, **SMALL),
    "one_of_many_slots": lambda: SparseFastWeights(3, 4, top_k=1, **SMALL),
    "random_addresses": lambda: SparseFastWeights(3, 4, address="random", **SMALL),
    "two_reads": lambda: SparseFastWeights(3, 4, num_reads=2, **SMALL),
    "three_reads": lambda: SparseFastWeights(3, 4, num_reads=3, address="random", **SMALL),
    "dense": lambda: SparseFastWeights(3, 4, **SMALL | {"num_slots": 1, "top_k": 1}),
    "row_gated": lambda: RowGatedFastWeights(3, 4, num_heads=2, key_size=3, value_size=5),
    "stack": lambda: Stack([SparseFastWeights(3, **SMALL), SparseFastWeights(3, **SMALL)]),
    "mixed_stack": lambda: Stack([SparseFastWeights(3, **SMALL), LSTM(3, 3), NoMemory(3, 3)]),
    "augmented": augmented_mlp,
}

each_memory = pytest.mark.parametrize("name", MEMORIES)


def make(name: str, chunk_size: int = 4) -> SequenceMemory:
    """A memory in float64 with random parameters: none at the special values of initialisation."""
    torch.manual_seed(0)
    memory = MEMORIES[name]().double()
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.4)
    for module in memory.modules():
        if isinstance(module, SparseFastWeights):
            module.chunk_size = chunk_size
    return memory


def everything(
    memory: SequenceMemory, run: Callable[[Tensor, Any], Any], x: Tensor, state: Any
) -> dict[str, Tensor]:
    """Outputs, new state, and gradients of a sum of squares of both."""
    x = x.clone().requires_grad_()
    state = map_state(lambda part: part.clone().requires_grad_(), state)
    y, after = run(x, state)
    found: dict[str, Tensor] = {"y": y} | flatten_state(after)
    loss = torch.stack([((part + 1.0) ** 2).sum() for part in found.values()]).sum()
    sources: dict[str, Tensor] = {"x": x} | flatten_state(state) | dict(memory.named_parameters())
    gradients = torch.autograd.grad(loss, list(sources.values()), allow_unused=True)
    for (name, source), gradient in zip(sources.items(), gradients, strict=True):
        found[f"d{name}"] = torch.zeros_like(source) if gradient is None else gradient
    return found


@each_memory
def test_keeps_the_contract(name: str) -> None:
    check_memory(make(name))


@each_memory
@given(data=st.data())
@settings(deadline=None, max_examples=12)
def test_whole_pieces_and_steps_agree(name: str, data: st.DataObject) -> None:
    """Drawn lengths, chunk sizes, splits and resets; values and gradients."""
    length = data.draw(st.integers(1, 17), "length")
    memory = make(name, data.draw(st.integers(1, 20), "chunk size"))
    cuts = data.draw(st.sets(st.integers(1, length)), "cuts")
    flags = st.lists(st.booleans(), min_size=length, max_size=length)
    starts = torch.tensor([data.draw(flags, f"starts {row}") for row in range(2)])
    torch.manual_seed(data.draw(st.integers(0, 1000), "seed"))
    x = torch.randn(2, length, 3, dtype=torch.float64)
    with torch.no_grad():
        state = memory(torch.randn(2, 3, 3, dtype=torch.float64))[1]

    def steps(x: Tensor, state: Any) -> Any:
        outputs = []
        for t in range(length):
            y, state = memory.step(x[:, t], state, starts[:, t])
            outputs.append(y)
        return torch.stack(outputs, 1), state

    def pieces(x: Tensor, state: Any) -> Any:
        outputs, begin = [], 0
        for end in sorted(cuts | {length}):
            y, state = memory(x[:, begin:end], state, starts[:, begin:end])
            outputs.append(y)
            begin = end
        return torch.cat(outputs, 1), state

    expected = everything(memory, steps, x, state)
    for run in (pieces, lambda x, state: memory(x, state, starts)):
        found = everything(memory, run, x, state)
        for part, value in expected.items():
            torch.testing.assert_close(found[part], value, rtol=1e-9, atol=1e-10)


@each_memory
def test_bad_input_is_named(name: str) -> None:
    memory = make(name)
    x, state = torch.randn(2, 5, 3, dtype=torch.float64), memory.initial_state(2)
    x_t = x[:, 0]
    with pytest.raises(
        TypeError, match=r"x must be a floating point tensor, got dtype torch.int64"
    ):
        memory.step(x_t.long(), state)
    with pytest.raises(TypeError, match="x must be a floating point tensor, got a ndarray"):
        memory(x.numpy())
    with pytest.raises(TypeError, match=r"x must have dtype torch.float64 like the parameters"):
        memory(x.float(), state)
    double = map_state(lambda part: part.detach().double(), state)
    for single in (copy.deepcopy(memory).float(), MEMORIES[name]()):
        with pytest.raises(TypeError, match=r"x must have dtype torch.float32 like the parameters"):
            single(x, double)
        with pytest.raises(TypeError, match=r"state must have dtype torch.float32, as .*float64"):
            single.step(x_t.float(), double)
    with pytest.raises(ValueError, match=r"x must have shape \(B, input_size=3\), got \(2, 4\)"):
        memory.step(torch.zeros(2, 4, dtype=torch.float64), state)
    with pytest.raises(ValueError, match=r"x must have shape \(B, T, input_size=3\), got \(2, 3\)"):
        memory(x_t, state)
    with pytest.raises(ValueError, match=r"x must have at least one time step, got .*\(2, 0, 3\)"):
        memory(x[:, :0], state)
    with pytest.raises(ValueError, match=r"state must have the batch size of x, 2, got .*\(5, "):
        memory(x, memory.initial_state(5))
    with pytest.raises(ValueError, match=r"state must have the batch size of x, 2, got .*\(5, "):
        memory.step(x_t, memory.initial_state(5))
    with pytest.raises(TypeError, match=r"state must be of type .*, got a dict"):
        memory(x, {})
    with pytest.raises(TypeError, match=r"starts must be a bool tensor, got dtype torch.float64"):
        memory(x, state, torch.zeros(2, 5, dtype=torch.float64))
    with pytest.raises(TypeError, match="start must be a bool tensor, got a list"):
        memory.step(x_t, state, [True, False])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"starts must have shape \(2, 5\) like x, got \(2,\)"):
        memory(x, state, torch.zeros(2, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"start must have shape \(2,\) like x, got \(2, 5\)"):
        memory.step(x_t, state, torch.zeros(2, 5, dtype=torch.bool))


@each_memory
def test_states_of_another_shape_are_named(name: str) -> None:
    memory = make(name)
    wider = map_state(
        lambda part: torch.cat((part, part), 1) if part.shape[1] else part.new_zeros(2, 1),
        memory.initial_state(2),
    )
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    path, part = next(iter(flatten_state(memory.initial_state(2)).items()))
    inner = ", ".join(map(str, part.shape[1:]))
    message = rf"state\.{path} must have shape \(B, {inner}\), got \(2, "
    with pytest.raises(ValueError, match=message):
        memory.step(x[:, 0], wider)
    with pytest.raises(ValueError, match=message):
        memory(x, wider)


def test_states_of_another_structure_are_named() -> None:
    class Named(NoMemory):
        """A state in a dict."""

        state_type = dict

        def initial_state(self, batch_size: int) -> Any:
            return {"a": torch.zeros(batch_size, 2), "b": torch.zeros(batch_size)}

    memory, x = Named(3, 4), torch.randn(2, 3)
    a, b = memory.initial_state(2).values()
    memory.step(x, {"b": b, "a": a})
    with pytest.raises(ValueError, match=r"state must have 2 parts, .* got 1"):
        memory.step(x, {"a": a})
    with pytest.raises(
        ValueError, match=r"state must have the keys \['a', 'b'\], got \['a', 'c'\]"
    ):
        memory.step(x, {"a": a, "c": b})
    with pytest.raises(TypeError, match=r"state\.b must be of type Tensor, .* got a list"):
        memory.step(x, {"a": a, "b": [b]})
    with pytest.raises(ValueError, match=r"state\.b must have shape \(B\), got \(\)"):
        memory.step(x, {"a": a, "b": torch.tensor(0.0)})


@each_memory
def test_no_rows_are_no_error(name: str) -> None:
    memory, x = make(name), torch.zeros(0, 5, 3, dtype=torch.float64)
    starts = torch.zeros(0, 5, dtype=torch.bool)
    y, state = memory.step(x[:, 0], memory.initial_state(0), starts[:, 0])
    assert y.shape == (0, memory.output_size)
    assert all(part.shape[0] == 0 for part in flatten_state(state).values())
    y, state = memory(x, None, starts)
    assert y.shape == (0, 5, memory.output_size)


@each_memory
def test_states_need_not_be_contiguous(name: str) -> None:
    memory, x = make(name), torch.randn(2, 3, dtype=torch.float64)
    with torch.no_grad():
        state = memory(torch.randn(2, 3, 3, dtype=torch.float64))[1]
        expected = named(*memory.step(x, clone(state)))
        for in_place in (False, True):
            other = map_state(lambda part: clone(part.transpose(0, 1)).transpose(0, 1), state)
            found = named(*memory.step(x, other, in_place=in_place))
            for part, value in expected.items():
                torch.testing.assert_close(found[part], value, rtol=1e-12, atol=1e-12)


@each_memory
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_both_forms_agree_in_half_precision(name: str, dtype: torch.dtype) -> None:
    """A memory of half the precision stays within its rounding of the one in float64."""
    memory = make(name)
    for parameter in memory.parameters():
        parameter.data = parameter.data.to(dtype).double()
    x = torch.randn(2, 9, 3).to(dtype)
    starts = torch.rand(2, 9) < 0.3
    expected, _ = memory(x.double(), None, starts)
    half = copy.deepcopy(memory).to(dtype)
    y, state = half(x, None, starts)
    outputs, step_state = [], half.initial_state(2)
    for t in range(9):
        y_t, step_state = half.step(x[:, t], step_state, starts[:, t])
        outputs.append(y_t)
    for found in (y, torch.stack(outputs, 1)):
        assert found.dtype is dtype
        error = (found.double() - expected).norm() / expected.norm()
        assert error < 8 * torch.finfo(dtype).eps
    for part in (*flatten_state(state).values(), *flatten_state(step_state).values()):
        assert part.dtype is dtype


@each_memory
def test_autocast(name: str) -> None:
    memory = make(name).float()
    x, starts = torch.randn(2, 9, 3), torch.rand(2, 9) < 0.3
    expected, _ = memory(x, None, starts)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, state = memory(x, None, starts)
        _, state = memory(x, state, starts)
        memory.step(x[:, 0], state, starts[:, 0])
    error = (y.double() - expected.double()).norm() / expected.norm()
    assert error < 8 * torch.finfo(torch.bfloat16).eps
    y.float().square().sum().backward()
    assert all(
        weight.grad.isfinite().all() for weight in memory.parameters() if weight.grad is not None
    )


@each_memory
def test_what_was_before_a_reset_may_be_nan(name: str) -> None:
    memory = make(name)
    state = map_state(lambda part: part.detach() * float("nan"), memory.initial_state(2))
    start = torch.tensor([True, True])
    x = torch.randn(2, 1, 3, dtype=torch.float64)
    y, after = memory.step(x[:, 0], state, start)
    assert y.isfinite().all()
    assert all(part.isfinite().all() for part in flatten_state(after).values())


@each_memory
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_keeps_the_contract_on_a_gpu(name: str) -> None:
    check_memory(make(name).cuda(), lengths=[1, 5, 11])
