"""Fast weight layers: four forms of one definition, and what training and streaming need."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from driftwise.memory import (
    BlockParameters,
    FastWeightLayer,
    TargetMemory,
    autograd_dynamic_evaluation,
    check_target_memory,
    detach,
    fast_weight_flops,
    flatten_state,
    parameter_groups,
)


class Softmax(nn.Module):
    def __init__(self, size: int, words: int) -> None:
        super().__init__()
        self.unembed = nn.Linear(size, words)

    def forward(self, h: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(self.unembed(h), targets, reduction="none")


def make(input_size: int = 5, size: int = 3, words: int = 7, **options: Any) -> FastWeightLayer:
    """A layer in float64 with random parameters, and steps that matter."""
    head = Softmax(input_size if options.get("residual") else size, words)
    options = {"initial_step_size": 0.05} | options
    layer = FastWeightLayer(input_size, size, head=head, **options).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return layer


def random_state(layer: FastWeightLayer, rows: int) -> BlockParameters:
    return BlockParameters(*(0.3 * torch.randn_like(part) for part in layer.initial_state(rows)))


def everything(layer: FastWeightLayer, run: Callable[..., Any], *inputs: Any) -> dict[str, Tensor]:
    """Predictions, new state, and the gradients of a sum of squares of both."""
    x, targets, weights, state, starts = inputs
    x = x.clone().requires_grad_()
    state = BlockParameters(*(part.clone().requires_grad_() for part in state))
    y, after = run(x, targets, weights, state, starts)
    found = {"y": y} | flatten_state(after)
    loss = torch.stack([((part + 1.0) ** 2).sum() for part in found.values()]).sum()
    sources = {"x": x} | flatten_state(state) | dict(layer.named_parameters())
    gradients = torch.autograd.grad(loss, list(sources.values()), allow_unused=True)
    for (name, source), gradient in zip(sources.items(), gradients, strict=True):
        found[f"d{name}"] = torch.zeros_like(source) if gradient is None else gradient
    return found


@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_the_four_forms_are_one(data: st.DataObject) -> None:
    """Steps, chunks, full attention, pieces with the state carried, and autograd on the weights."""
    torch.manual_seed(data.draw(st.integers(0, 1000), "seed"))
    rows, length = data.draw(st.integers(1, 3), "rows"), data.draw(st.integers(1, 9), "length")
    layer = make(
        data.draw(st.integers(1, 5), "input size"),
        data.draw(st.integers(2, 4), "size"),
        second_order=data.draw(st.booleans(), "second order"),
        residual=data.draw(st.booleans(), "residual"),
        normaliser=data.draw(st.sampled_from([0.5, 1.0, 3.0]), "normaliser"),
    )
    chunk_size = data.draw(st.integers(1, length + 1), "chunk size")
    cuts = data.draw(st.sets(st.integers(1, length)), "cuts")
    x = torch.randn(rows, length, layer.input_size, dtype=torch.float64)
    targets = torch.randint(7, (rows, length))
    weights = torch.rand(rows, length, dtype=torch.float64).round(decimals=1)
    weights = weights if data.draw(st.booleans(), "weighted") else None
    starts = torch.rand(rows, length) < data.draw(st.sampled_from([0.0, 0.2, 1.0]), "resets")
    inputs = (x, targets, weights, random_state(layer, rows), starts)

    def pieces(*sequence: Any) -> Any:
        outputs, begin, state = [], 0, sequence[3]
        for end in sorted(cuts | {length}):
            part = [s if s is None else s[:, begin:end] for s in (*sequence[:3], sequence[4])]
            y, state = layer(*part[:3], state, part[3])
            outputs.append(y)
            begin = end
        return torch.cat(outputs, 1), state

    wanted = everything(layer, lambda *a: autograd_dynamic_evaluation(layer, *a), *inputs)
    steps = everything(layer, lambda *a: TargetMemory.forward(layer, *a), *inputs)
    layer.chunk_size = None
    full = everything(layer, layer, *inputs)
    layer.chunk_size = chunk_size
    chunks, in_pieces = everything(layer, layer, *inputs), everything(layer, pieces, *inputs)
    for found in (steps, full, chunks, in_pieces):
        for name, value in wanted.items():
            error = (found[name] - value).norm() / value.norm().clamp(min=1.0)
            assert error < 1e-10, name


@pytest.mark.parametrize("options", [{}, {"residual": True}, {"second_order": False}], ids=str)
def test_keeps_the_contract(options: dict[str, Any]) -> None:
    check_target_memory(make(chunk_size=3, **options), torch.arange(7), lengths=[1, 4, 7])


def test_position_t_runs_the_block_with_weights_moved_by_the_losses_before_it() -> None:
    """The unit test of the official release, in words of torch."""
    layer, x, targets = make(), torch.randn(1, 8, 5).double(), torch.randint(7, (1, 8))
    y, _ = layer(x, targets)
    moved, t = make(), 5
    moved.load_state_dict(layer.state_dict())
    layer.head(layer.slow(x[0, :t]), targets[0, :t]).sum().backward()
    with torch.no_grad():
        for name, eta in layer.step_sizes._asdict().items():
            getattr(moved, name).sub_(eta * getattr(layer, name).grad)
    torch.testing.assert_close(moved.slow(x[:, t]), y[:, t])
    assert (layer.slow(x[:, t]) - y[:, t]).norm() > 0.1


def test_first_order_predicts_the_same_and_treats_what_is_written_as_constant() -> None:
    layer, x, targets = make(), torch.randn(1, 6, 5).double(), torch.randint(7, (1, 6))
    predictions, reached = [], []
    for layer.second_order in (True, False):
        source = x.clone().requires_grad_()
        y, _ = layer(source, targets)
        (gradient,) = torch.autograd.grad(y[:, -1].sum(), source)
        predictions.append(y)
        reached.append(gradient[0].norm(dim=1) > 0)
    assert torch.equal(*predictions)
    assert reached[0].all()
    assert reached[1].tolist() == [False] * 5 + [True]


def test_a_constant_normaliser_is_part_of_the_step_sizes() -> None:
    one, three = make(normaliser=1.0), make(normaliser=3.0)
    three.load_state_dict(one.state_dict())
    with torch.no_grad():
        three.log_step_size += torch.tensor(3.0).log()
    x, targets = torch.randn(2, 6, 5).double(), torch.randint(7, (2, 6))
    torch.testing.assert_close(three(x, targets)[0], one(x, targets)[0])


def test_steps_of_zero_leave_the_slow_block() -> None:
    layer, x, targets = make(), torch.randn(2, 6, 5).double(), torch.randint(7, (2, 6))
    with torch.no_grad():
        layer.log_step_size.fill_(float("-inf"))
    y, _ = layer(x, targets)
    torch.testing.assert_close(y, layer.slow(x))
    y.sum().backward()
    assert torch.equal(layer.log_step_size.grad, torch.zeros(6).double())


def test_a_residual_layer_changes_nothing_before_training() -> None:
    layer = FastWeightLayer(6, 3, head=Softmax(6, 7), residual=True, initial_step_size=1.0)
    x, targets = torch.randn(2, 40, 6), torch.randint(7, (2, 40))
    y, state = layer(x, targets)
    assert torch.equal(y, x)
    assert torch.equal(layer.read(x[:, 0], state), x[:, 0])
    layer.head(y.flatten(0, 1), targets.flatten()).sum().backward()
    assert layer.residual.grad.norm() > 0


def test_works_without_gradients_and_in_inference_mode() -> None:
    layer, x, targets = make(chunk_size=4), torch.randn(2, 6, 5).double(), torch.randint(7, (2, 6))
    wanted, state = layer(x, targets)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            y, _ = layer(x.clone(), targets.clone())
            after = layer.write(x[:, 0].clone(), targets[:, 0].clone(), None, detach(state))
        assert not y.requires_grad
        torch.testing.assert_close(y, wanted)
        torch.testing.assert_close(after, layer.write(x[:, 0], targets[:, 0], None, state))


def test_a_frozen_layer_adapts() -> None:
    layer = make().requires_grad_(False)
    x, targets = torch.randn(2, 6, 5).double(), torch.randint(7, (2, 6))
    y, _ = layer(x, targets)
    torch.testing.assert_close(autograd_dynamic_evaluation(layer, x, targets)[0], y)


def test_detach_cuts_a_stream() -> None:
    layer, x, targets = make(), torch.randn(2, 3, 5).double(), torch.randint(7, (2, 3))
    x.requires_grad_()
    _, state = layer(x, targets)
    for carried, reached in ((state, True), (detach(state), False)):
        y, _ = layer(torch.randn(2, 3, 5).double(), targets, None, carried)
        (gradient,) = torch.autograd.grad(y.sum(), x, allow_unused=True, retain_graph=True)
        assert (gradient is not None) is reached


def test_sums_are_kept_in_float32_in_half_precision() -> None:
    layer = FastWeightLayer(16, head=Softmax(16, 7), chunk_size=8)
    x, targets = torch.randn(2, 200, 16), torch.randint(7, (2, 200))
    wanted, sums = layer(x, targets)
    with torch.autocast("cpu", torch.bfloat16):
        y, state = layer(x, targets)
    y16, state16 = layer.bfloat16()(x.bfloat16(), targets)
    for prediction, kept in ((y, state), (y16, state16)):
        assert all(part.dtype is torch.float32 for part in kept)
        assert (prediction - wanted).norm() < 0.02 * wanted.norm()
        for part, exact in zip(kept, sums, strict=True):
            assert (part - exact).norm() < 0.05 * exact.norm()
    assert layer.read(x[:, 0].bfloat16(), state16).dtype is torch.bfloat16


def test_only_a_head_that_is_a_module_becomes_part_of_the_layer() -> None:
    head = Softmax(3, 7)
    assert "head.unembed.weight" in FastWeightLayer(5, 3, head=head).state_dict()
    outside = FastWeightLayer(5, 3, head=head.forward)
    assert set(outside.state_dict()) == {*BlockParameters._fields, "log_step_size"}


def test_parameter_groups_give_step_sizes_a_rate_of_their_own() -> None:
    layer = make()
    rest, steps = parameter_groups(nn.Sequential(nn.Linear(2, 5), layer), lr=1e-3)
    assert [id(p) for p in steps["params"]] == [id(layer.log_step_size)]
    assert (rest["lr"], steps["lr"], steps["weight_decay"]) == (1e-3, 1e-2, 0.0)
    assert len(rest["params"]) == 2 + len(list(layer.parameters())) - 1
    assert parameter_groups(layer, 1e-3, step_size_lr=0.5)[1]["lr"] == 0.5
    torch.optim.AdamW([rest, steps])
    layer.log_step_size.requires_grad_(False)
    assert len(parameter_groups(layer, lr=1e-3)) == 1


def test_learns_to_adapt() -> None:
    """Which of the words follows which is drawn anew for every sequence: only reading tells."""
    torch.manual_seed(0)
    words, rows, length = 8, 16, 64
    layer = FastWeightLayer(words, 16, head=Softmax(16, words), chunk_size=32)
    optimizer = torch.optim.Adam(parameter_groups(layer, 1e-2, step_size_lr=0.1))
    for _ in range(60):
        follower = torch.rand(rows, words).argsort(1)
        seen = torch.randint(words, (rows, length))
        targets = follower.gather(1, seen)
        x = words**0.5 * F.one_hot(seen, words).float()
        y, _ = layer(x, targets)
        loss = layer.head(y.flatten(0, 1), targets.flatten()).unflatten(0, (rows, length))
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
    assert loss[:, :4].mean() > 1.0  # nothing read yet; log(8) = 2.1
    assert loss[:, -16:].mean() < 0.3


@given(data=st.data())
@settings(deadline=None, max_examples=10)
def test_flops_are_those_that_torch_counts(data: st.DataObject) -> None:
    width, size, rows = (data.draw(st.integers(2, 6), name) for name in ("D", "S", "B"))
    length = data.draw(st.integers(1, 20), "length")
    options = {"residual": data.draw(st.booleans(), "residual")}
    options["chunk_size"] = data.draw(st.none() | st.integers(1, 20), "chunk size")
    layer = make(width, size, **options)
    x, targets = torch.randn(rows, length, width).double(), torch.randint(7, (rows, length))
    carried = data.draw(st.booleans(), "carried")
    state = layer.initial_state(rows) if carried else None
    flops = fast_weight_flops(layer, length, carried=carried, head=2.0 * layer.output_size * 7)
    with FlopCounterMode(display=False) as counter:
        y, _ = layer(x, targets, None, state)
        layer.head(y.flatten(0, 1), targets.flatten())
    assert counter.get_total_flops() == pytest.approx(rows * length * flops.total)
    with FlopCounterMode(display=False) as counter:
        layer.head(layer.slow(x).flatten(0, 1), targets.flatten())
    assert counter.get_total_flops() == pytest.approx(rows * length * flops.static)


def test_flops_of_the_published_layout() -> None:
    """64 D² + 20 C D and three passes of the softmax; sums for the normalisation on top."""
    layer = FastWeightLayer(64, head=Softmax(64, 7), chunk_size=32)
    flops = fast_weight_flops(layer, 128, head=2.0 * 64 * 1000)
    assert flops.total - flops.norm == 64 * 64**2 + 20 * 32 * 64 + 6 * 64 * 1000
    assert flops.norm == 4 * 32 * 64
    with pytest.raises(ValueError, match="length must be at least 1, got 0"):
        fast_weight_flops(layer, 0)


def bad_call(*inputs: Any, **options: Any) -> Callable[[FastWeightLayer], Any]:
    return lambda layer: layer(*inputs, **options)


X, TARGETS = torch.randn(2, 6, 5).double(), torch.zeros(2, 6, dtype=torch.long)
BAD_CALLS: list[tuple[Callable[[FastWeightLayer], Any], str]] = [
    (bad_call(X[..., :3], TARGETS), r"x must have shape \(B, T, input_size=5\)"),
    (bad_call(X, TARGETS[:, :4]), r"targets must have shape \(2, 6, \.\.\.\) like x, got \(2, 4\)"),
    (bad_call(X, [1]), "targets must be a tensor, got a list"),
    (bad_call(X, TARGETS, TARGETS), "weights must be a floating point tensor, got dtype torch.int"),
    (bad_call(X, TARGETS, X[:, :, 0].mT), r"weights must have shape \(2, 6\) like x, got \(6, 2\)"),
    (bad_call(X, TARGETS, state=(1,)), "state must be of type BlockParameters"),
    (bad_call(X, TARGETS, starts=TARGETS), "starts must be a bool tensor"),
    (lambda layer: layer.read(X, None), r"x must have shape \(B, input_size=5\)"),
    (lambda layer: layer.write(X[:, 0], TARGETS[:1, 0], None, None), "targets must have shape"),
]


@pytest.mark.parametrize(("call", "message"), BAD_CALLS, ids=[entry[1] for entry in BAD_CALLS])
def test_bad_arguments_of_calls(call: Callable[[FastWeightLayer], Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        call(make())


def test_bad_arguments_of_the_layer() -> None:
    head = Softmax(3, 7)
    with pytest.raises(TypeError, match=r"head must be a callable \(y, targets\) -> loss"):
        FastWeightLayer(5, head=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="chunk_size must be at least 1, got 0"):
        FastWeightLayer(5, head=head, chunk_size=0)
    for name in ("normaliser", "initial_step_size", "eps"):
        with pytest.raises(ValueError, match=f"{name} must be positive and finite, got 0"):
            FastWeightLayer(5, head=head, **{name: 0.0})  # type: ignore[arg-type]
    layer = FastWeightLayer(5, 3, head=lambda h, t: F.cross_entropy(head.unembed(h), t)).double()
    head.double()
    with pytest.raises(ValueError, match=r"head must return the loss of each of 12 predictions"):
        layer(X, TARGETS)
