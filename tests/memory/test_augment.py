import threading
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from driftwise.memory import (
    GRU,
    LSTM,
    NoMemory,
    SequenceMemory,
    SparseFastWeights,
    augment,
    check_memory,
)

SMALL: dict[str, Any] = {"num_heads": 2, "num_slots": 4, "key_size": 3, "value_size": 2}


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


def convnet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 3), nn.Flatten(), nn.Linear(4 * 4, 3)
    )


def transformer() -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    return nn.TransformerEncoder(layer, 2)


def open_gains(network: nn.Module) -> Any:
    """Turn the memories on, as training would."""
    with torch.no_grad():
        for gain in network.gains.parameters():  # type: ignore[union-attr]
            gain.normal_()
    return network


CASES = {
    "mlp": (mlp, ["0", "2"], False, (5, 7, 4)),
    "conv": (convnet, ["0", "2", "4"], False, (2, 3, 2, 6, 6)),
    "transformer": (transformer, ["layers.0.linear1", "layers.1.linear2"], True, (3, 7, 8)),
    "tokens_in_a_step": (transformer, ["layers.0.linear1"], False, (3, 5, 7, 8)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("memory", [SparseFastWeights, GRU])
def test_begins_as_the_model_bit_for_bit(case: str, memory: Any) -> None:
    build, layers, time_axis, shape = CASES[case]
    model = build()
    options = SMALL if memory is SparseFastWeights else {}
    network = augment(model, layers, memory=memory, time_axis=time_axis, **options)
    x = torch.randn(shape)
    expected = model(x) if time_axis else model(x.flatten(0, 1)).unflatten(0, shape[:2])
    y, state = network(x)
    assert torch.equal(y, expected)
    assert len(state) == len(layers)
    if not time_axis:
        y, _ = network.step(x[:, 0], network.initial_state(shape[0]))
        assert torch.equal(y, model(x[:, 0]))
    y, _ = open_gains(network)(x)
    assert (y - expected).abs().max() > 1e-3


def test_each_layer_is_slow_plus_gain_times_fast() -> None:
    model = convnet()
    network = open_gains(augment(model, ["2", "4"], **SMALL))
    x = torch.randn(2, 3, 2, 6, 6)
    y, _ = network(x)

    h = model[1](model[0](x.flatten(0, 1)))
    fast, _ = network.memories[0](h.mean((2, 3)).unflatten(0, (2, 3)))
    fast = network.gains[0] * fast.flatten(0, 1)
    h = model[3](model[2](h) + fast[:, :, None, None])
    fast, _ = network.memories[1](h.unflatten(0, (2, 3)))
    expected = model[4](h) + (network.gains[1] * fast).flatten(0, 1)
    torch.testing.assert_close(y, expected.unflatten(0, (2, 3)))


@pytest.mark.parametrize(
    ("build", "layers", "shape"),
    [
        (mlp, ["0", "2"], (4,)),
        (convnet, ["0", "4"], (2, 6, 6)),
        (transformer, ["layers.0.linear1", "layers.1.linear2"], (5, 8)),
    ],
    ids=["mlp", "conv", "tokens_in_a_step"],
)
def test_keeps_the_contract(build: Any, layers: list[str], shape: tuple[int, ...]) -> None:
    network = open_gains(augment(build(), layers, chunk_size=4, **SMALL))
    check_memory(network, input_size=shape)


def test_a_model_with_a_time_axis_carries_its_state_from_segment_to_segment() -> None:
    """Without attention the model is pointwise in time, and pieces must equal the whole."""

    class Pointwise(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.inside(x).tanh()

    network = open_gains(augment(Pointwise(), ["inside"], time_axis=True, chunk_size=4, **SMALL))
    x, starts = torch.randn(2, 9, 4), torch.rand(2, 9) < 0.2
    whole, _ = network(x, None, starts)
    first, state = network(x[:, :5], None, starts[:, :5])
    second, _ = network(x[:, 5:], state, starts[:, 5:])
    torch.testing.assert_close(torch.cat((first, second), 1), whole)
    with pytest.raises(
        NotImplementedError, match="step needs a model that is applied step by step"
    ):
        network.step(x[:, 0], state)


def test_the_fused_inference_path_of_a_transformer_does_not_skip_the_memories() -> None:
    network = open_gains(augment(transformer(), ["layers.0.linear1"], time_axis=True, **SMALL))
    x = torch.randn(3, 7, 8)
    expected, _ = network(x)
    with torch.no_grad():
        y, _ = network.eval()(x)
    torch.testing.assert_close(y, expected)


def test_parameters_are_shared_and_the_model_is_left_alone() -> None:
    model = mlp()
    x = torch.randn(2, 5, 4)
    before = model(x)
    network = open_gains(augment(model, ["0"], **SMALL))
    assert {id(weight) for weight in model.parameters()} <= {id(w) for w in network.parameters()}
    network(x)
    assert torch.equal(model(x), before)
    assert not any(module._forward_hooks for module in model.modules())
    network(x)[0].square().mean().backward()
    assert all(weight.grad is not None for weight in network.parameters())
    with torch.no_grad():
        next(model.parameters()).zero_()
    assert not next(network.model.parameters()).any()


def test_hooks_are_gone_after_an_error() -> None:
    model = mlp()
    network = augment(model, ["0", "2"], **SMALL)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        network(torch.randn(2, 5, 7))
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(network(torch.ones(1, 1, 4))[0], model(torch.ones(1, 1, 4)))


def test_nested_calls_do_not_touch_one_another() -> None:
    """A model that asks another augmentation of its own layer for advice while it runs."""

    class Asking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)
            self.ask: Any = lambda x: x

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(self.ask(x))

    model = Asking()
    inner = open_gains(augment(model.layer, [""], **SMALL))
    outer = open_gains(augment(model, ["layer"], **SMALL))
    x = torch.randn(3, 1, 4)
    advice = inner(x)[0]
    expected = outer(advice)[0]
    object.__setattr__(model, "ask", lambda x: inner(x.unsqueeze(1))[0].squeeze(1))
    assert torch.equal(outer(x)[0], expected)


def test_other_threads_see_the_plain_model() -> None:
    model = mlp()
    x = torch.randn(2, 4)
    expected, seen = model(x), []
    network = open_gains(augment(model, ["0"], **SMALL))

    def look(*_: Any) -> None:
        thread = threading.Thread(target=lambda: seen.append(model[0](x)))
        thread.start()
        thread.join()

    model[1].register_forward_hook(look)  # runs while the hooks of the call are in place
    network(x.unsqueeze(1))
    assert torch.equal(model[2](model[1](seen[0])), expected)


def test_unknown_layers_are_answered_with_the_known() -> None:
    with pytest.raises(ValueError, match=r"no 'fc', available are \['0', '2', '4'\]"):
        augment(convnet(), ["0", "fc"])
    with pytest.raises(ValueError, match=r"'1' is of type ReLU, not a linear or convolution layer"):
        augment(convnet(), ["1"])
    with pytest.raises(ValueError, match=r"'0' is of type Conv2d, not a linear layer; .* \['4'\]"):
        augment(convnet(), ["0"], time_axis=True)
    with pytest.raises(ValueError, match=r"layers must name at least one layer"):
        augment(convnet(), [])
    with pytest.raises(ValueError, match=r"layers must name every layer once, got \['0', '0'\]"):
        augment(mlp(), ["0", "0"])
    shared = nn.Linear(4, 4)
    with pytest.raises(ValueError, match="layers must name every layer once"):
        augment(nn.Sequential(shared, shared), ["0", "1"])


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Module, got a function"):
        augment(lambda x: x, ["0"])  # type: ignore[arg-type]
    for layers, kind in ((None, "NoneType"), ([nn.Linear(4, 6)], "Linear"), (mlp(), "Linear")):
        with pytest.raises(TypeError, match=f"layers must be names, .* got a {kind}"):
            augment(mlp(), layers)  # type: ignore[arg-type]
    for memory, kind in ((GRU(4, 6), "GRU"), (None, "NoneType")):
        with pytest.raises(TypeError, match=f"memory must be a class or function .* got a {kind}"):
            augment(mlp(), ["0"], memory=memory)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="memory must make a SequenceMemory, got a Linear"):
        augment(mlp(), ["0"], memory=nn.Linear)  # type: ignore[arg-type]


def test_a_lazy_layer_must_have_been_run() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.LazyLinear(3))
    with pytest.raises(ValueError, match="layers: '1' is lazy: run the model once first"):
        augment(model, ["1"])
    early = augment(model, ["0"], **SMALL)  # another layer may be, until the first call
    assert early(torch.randn(2, 3, 4))[0].shape == (2, 3, 3)
    check_memory(open_gains(augment(model, ["1"], chunk_size=4, **SMALL)), input_size=(4,))


@pytest.mark.parametrize("part", [nn.LSTM(4, 4), nn.GRUCell(4, 4), LSTM(4, 4)])
def test_models_with_a_state_of_their_own_are_refused(part: nn.Module) -> None:
    model = nn.Sequential(nn.Linear(4, 4), part)
    with pytest.raises(
        TypeError, match=r"model must keep no state of its own .* but '1' is of type"
    ):
        augment(model, ["0"])


def test_layers_called_twice_or_never_are_named() -> None:
    shared = nn.Linear(4, 4)
    twice = augment(nn.Sequential(shared, nn.ReLU(), shared), ["0"], **SMALL)
    with pytest.raises(RuntimeError, match=r"layer '0' was called twice .* make it two layers"):
        twice(torch.randn(2, 3, 4))
    never = augment(transformer(), ["layers.0.self_attn.out_proj"], time_axis=True, **SMALL)
    with pytest.raises(RuntimeError, match=r"'layers.0.self_attn.out_proj' was not called"):
        never(torch.randn(2, 3, 8))


def test_a_layer_that_loses_the_batch_is_named() -> None:
    model = nn.Sequential(nn.Flatten(0), nn.Unflatten(0, (1, -1)), nn.Linear(2 * 5 * 4, 3))
    with pytest.raises(RuntimeError, match=r"layer '2' must see an input that begins with \(10,\)"):
        augment(model, ["2"], **SMALL)(torch.randn(2, 5, 4))


def test_options_and_sizes() -> None:
    network = augment(mlp(), "0", memory=GRU, num_layers=2, input_size=4, output_size=3)
    assert isinstance(network, SequenceMemory)
    assert (network.input_size, network.output_size) == (4, 3)
    assert network.initial_state(5)[0].hidden.shape == (5, 2, 6)
    with pytest.raises(ValueError, match=r"x must have shape \(B, T, input_size=4\)"):
        network(torch.randn(2, 5, 7))
    with pytest.raises(ValueError, match=r"state must have 1 parts, as .* makes it, got 2"):
        network(torch.randn(2, 5, 4), network.initial_state(2) * 2)
    half = augment(mlp().to(torch.bfloat16), ["0"], memory=NoMemory)
    assert {weight.dtype for weight in half.parameters()} == {torch.bfloat16}
    with pytest.raises(ValueError, match="top_k must be at most num_slots=2, got 3"):
        augment(mlp(), ["0"], num_slots=2, top_k=3)
