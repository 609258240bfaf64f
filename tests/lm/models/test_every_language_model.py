"""What holds for every language model: pieces, resets, causality, rows, one-line errors."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from driftwise.lm.losses import HebbianConfig, SoftmaxConfig
from driftwise.lm.models import (
    DropoutConfig,
    FastBlockConfig,
    LanguageModel,
    LSTMConfig,
    ModelConfig,
    SparseLayersConfig,
    TransformerConfig,
    build_model,
)
from driftwise.lm.models.dropout import word_dropout
from driftwise.memory import clone, detach, flatten_state, map_state, select_rows, unflatten_state

V = 13
ADAPTIVE = SoftmaxConfig(cutoffs=(4, 8), div_value=2.0, hebbian=HebbianConfig())
UNTIED = SoftmaxConfig(tied=False, bias=True)
SHARES = DropoutConfig(0.02, 0.02, 0.02, 0.02, 0.02)


def sparse(*after: int) -> SparseLayersConfig:
    return SparseLayersConfig(after, 2, num_slots=4, key_size=3, value_size=2, chunk_size=3)


def transformer(window: int = 4, **options: Any) -> TransformerConfig:
    return TransformerConfig(2, 8, 2, window, 20, **options)


CONFIGS: dict[str, ModelConfig] = {
    "lstm": LSTMConfig(5, 5, 2),
    "lstm_projected": LSTMConfig(6, 4, softmax=ADAPTIVE),
    "lstm_untied_sparse": LSTMConfig(6, 4, 2, softmax=UNTIED, sparse_layers=sparse(0, 1)),
    "awd_lstm": LSTMConfig(
        6, 4, 3, False, SoftmaxConfig(bias=True), SHARES, sparse_layers=sparse(0, 2)
    ),
    "transformer": transformer(),
    "transformer_of_wide_window": transformer(30, softmax=ADAPTIVE),
    "transformer_of_narrow_window": transformer(1, embedding_size=6, softmax=UNTIED),
    "transformer_sparse": transformer(sparse_layers=sparse(1)),
    "lstm_block": LSTMConfig(5, 5, fast_block=FastBlockConfig(chunk_size=3, initial_step_size=0.1)),
    "transformer_block": transformer(
        softmax=ADAPTIVE,
        fast_block=FastBlockConfig(4, residual=True, chunk_size=None, initial_step_size=0.1),
    ),
    "first_order_block": LSTMConfig(
        5, 4, fast_block=FastBlockConfig(second_order=False, initial_step_size=0.1)
    ),
}
each_model = pytest.mark.parametrize("name", CONFIGS)


def make(name: str) -> LanguageModel:
    """A model in float64 with random parameters: none at the special values of initialisation."""
    torch.manual_seed(0)
    model = build_model(CONFIGS[name], V).double()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if not key.endswith("log_step_size"):
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return model.eval()


def text(rows: int, length: int, chance: float = 0.3) -> tuple[Tensor, Tensor]:
    return torch.randint(V, (rows, length)), torch.rand(rows, length) < chance


def everything(
    model: LanguageModel, run: Callable[[Any], tuple[Tensor, Any]], state: Any
) -> dict[str, Tensor]:
    """Hidden vectors, new state, and gradients of a sum of squares of both."""
    state = map_state(lambda p: p.clone().requires_grad_(p.is_floating_point()), state)
    hidden, after = run(state)
    found = {"hidden": hidden} | {
        key: part if part.is_floating_point() else part.double()
        for key, part in flatten_state(after).items()
    }
    loss = torch.stack([((part + 1.0) ** 2).sum() for part in found.values()]).sum()
    sources = {key: part for key, part in flatten_state(state).items() if part.requires_grad}
    sources |= dict(model.named_parameters())
    gradients = torch.autograd.grad(loss, list(sources.values()), allow_unused=True)
    for (key, source), gradient in zip(sources.items(), gradients, strict=True):
        found[f"d{key}"] = torch.zeros_like(source) if gradient is None else gradient
    return found


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for part, value in expected.items():
        torch.testing.assert_close(found[part], value, rtol=1e-9, atol=1e-9, msg=part)


@each_model
@given(data=st.data())
@settings(deadline=None, max_examples=8)
def test_pieces_are_the_whole(name: str, data: st.DataObject) -> None:
    """Drawn lengths, splits and resets, from a state that holds something; and from None."""
    length = data.draw(st.integers(1, 14), "length")
    cuts = data.draw(st.sets(st.integers(1, length)), "cuts")
    flags = st.lists(st.booleans(), min_size=length, max_size=length)
    starts = torch.tensor([data.draw(flags, f"starts {row}") for row in range(2)])
    torch.manual_seed(data.draw(st.integers(0, 1000), "seed"))
    model, inputs = make(name), text(2, length)[0]
    with torch.no_grad():
        state = model(*text(2, 3)[:1])[1]

    def pieces(state: Any) -> tuple[Tensor, Any]:
        outputs, begin = [], 0
        for end in sorted(cuts | {length}):
            hidden, state = model(inputs[:, begin:end], state, starts[:, begin:end])
            outputs.append(hidden)
            begin = end
        return torch.cat(outputs, 1), state

    assert_same(
        everything(model, pieces, state),
        everything(model, lambda state: model(inputs, state, starts), state),
    )
    fresh = model.initial_state(2)
    assert_same(
        everything(model, lambda _: pieces(None), fresh),
        everything(model, lambda _: model(inputs, None, starts), fresh),
    )


@each_model
def test_none_means_the_initial_state_and_no_starts(name: str) -> None:
    model, inputs = make(name), text(3, 9)[0]
    found, after = model(inputs)
    for state, starts in (
        (model.initial_state(3), None),
        (None, torch.zeros(3, 9, dtype=torch.bool)),
        (model.initial_state(3), torch.zeros(3, 9, dtype=torch.bool)),
    ):
        other, other_after = model(inputs, state, starts)
        torch.testing.assert_close(other, found, rtol=1e-10, atol=1e-10)
        assert flatten_state(other_after).keys() == flatten_state(after).keys()


@each_model
def test_documents_do_not_see_one_another(name: str) -> None:
    """Three documents in a row are three texts, also after a state that holds something."""
    model, (inputs, _) = make(name), text(2, 11)
    state = model(*text(2, 6)[:1])[1]
    starts = torch.zeros(2, 11, dtype=torch.bool)
    starts[:, [0, 1, 5]] = True
    found, after = model(inputs, state, starts)
    parts = [model(part) for part in inputs.split((1, 4, 6), 1)]
    expected = torch.cat([hidden for hidden, _ in parts], 1)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    following = text(2, 5)[0]
    torch.testing.assert_close(
        model(following, after)[0], model(following, parts[-1][1])[0], rtol=1e-10, atol=1e-10
    )


@each_model
def test_hidden_vectors_are_of_earlier_words_of_their_own_row(name: str) -> None:
    model, (inputs, starts) = make(name), text(3, 10)
    hidden, _ = model(inputs, None, starts)
    other, other_starts = inputs.clone(), starts.clone()
    other[:, 6:] = (inputs[:, 6:] + 1) % V
    other_starts[:, 6:] = ~starts[:, 6:]
    found, _ = model(other, None, other_starts)
    torch.testing.assert_close(found[:, :6], hidden[:, :6], rtol=1e-11, atol=1e-11)
    assert not torch.allclose(found[:, 6], hidden[:, 6])
    rows = [2, 0]
    found, _ = model(inputs[rows], None, starts[rows])
    torch.testing.assert_close(found, hidden[rows], rtol=1e-11, atol=1e-11)


@each_model
def test_states_are_plain_trees(name: str) -> None:
    """Rows selected, flattened and back; what is passed in stays; copies compute the same."""
    model, (inputs, starts) = make(name), text(3, 7)
    state = detach(model(inputs)[1])
    kept = clone(state)
    expected, _ = model(inputs, state, starts)
    for part, before in zip(
        flatten_state(state).values(), flatten_state(kept).values(), strict=True
    ):
        assert torch.equal(part, before)
    restored = unflatten_state(model.initial_state(1), flatten_state(state))
    found, _ = copy.deepcopy(model)(inputs, restored, starts)
    assert torch.equal(found, expected)
    found, _ = model(inputs[1:], select_rows(state, slice(1, None)), starts[1:])
    torch.testing.assert_close(found, expected[1:], rtol=1e-11, atol=1e-11)
    stored = model.state_dict().values()
    assert len({part.data_ptr() for part in stored}) == len(stored)  # safetensors wants no shared
    other = build_model(CONFIGS[name], V).double().eval()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(inputs, state, starts)[0], expected)


@each_model
def test_every_parameter_learns(name: str) -> None:
    """Training steps lower the loss of a fixed text; no parameter is left out of the graph."""
    torch.manual_seed(1)
    model, (inputs, starts) = build_model(CONFIGS[name], V), text(4, 12, 0.05)
    targets = torch.cat((inputs[:, 1:], inputs[:, :1]), 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    losses = []
    for _ in range(30):
        hidden, _ = model(inputs, None, starts)
        loss = model.head.loss(hidden, targets).mean()
        optimizer.zero_grad()
        loss.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.3


@each_model
def test_half_precision_loses_only_precision(name: str) -> None:
    """Under autocast, in pieces with the state carried; gradients too."""
    model, (inputs, starts) = make(name).float(), text(2, 8, 0.1)

    def run() -> tuple[Tensor, list[Tensor]]:
        first, state = model(inputs[:, :5], None, starts[:, :5])
        second, _ = model(inputs[:, 5:], state, starts[:, 5:])
        hidden = torch.cat((first, second), 1)
        loss = model.head.loss(hidden, inputs).mean()
        return hidden, list(torch.autograd.grad(loss, list(model.parameters())))

    exact, exact_gradients = run()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, gradients = run()
    assert (found.float() - exact).norm() < 0.1 * exact.norm()
    assert all(part.dtype == torch.float32 for part in gradients)
    error = sum((a - b).square().sum() for a, b in zip(gradients, exact_gradients, strict=True))
    assert error.sqrt() < 0.2 * sum(g.square().sum() for g in exact_gradients).sqrt()


@pytest.mark.parametrize("name", ["lstm", "transformer"])
def test_dropout_is_of_training_alone(name: str) -> None:
    config = CONFIGS[name]
    drop = DropoutConfig(input=0.3, hidden=0.3, output=0.5)
    torch.manual_seed(0)
    plain = build_model(config, V)
    dropping = build_model(type(config)(**{**vars(config), "dropout": drop}), V)
    dropping.load_state_dict(plain.state_dict())
    inputs, _ = text(2, 6)
    first, second = dropping(inputs)[0], dropping(inputs)[0]
    assert not torch.equal(first, second)
    dropped = first == 0
    assert dropped.any() and torch.equal(dropped.all(1), dropped.any(1))  # the same at all times
    assert torch.equal(dropping.eval()(inputs)[0], plain.eval()(inputs)[0])


def test_word_dropout_leaves_out_words_everywhere() -> None:
    ids = torch.randint(V, (8, 40))
    x = word_dropout(torch.ones(8, 40, 3), ids, V, 0.5, True)
    for word in range(V):
        assert torch.equal(x[ids == word], x[ids == word][:1].expand_as(x[ids == word]))
    assert set(x.unique().tolist()) == {0.0, 2.0}


@each_model
def test_bad_input_is_named(name: str) -> None:
    model, (inputs, starts) = make(name), text(2, 5)
    state = model.initial_state(2)
    with pytest.raises(TypeError, match=r"inputs must be an int64 tensor, got torch.int32"):
        model(inputs.int())
    with pytest.raises(TypeError, match="inputs must be an int64 tensor, got a list"):
        model([[1, 2]])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"inputs must have shape \(B, T\) with T .* got \(2,\)"):
        model(inputs[:, 0])
    with pytest.raises(ValueError, match=r"inputs must have shape .* got \(2, 0\)"):
        model(inputs[:, :0])
    with pytest.raises(ValueError, match="inputs must be from 0 to 12, got -1 to -1"):
        model(torch.full((2, 5), -1))
    with pytest.raises(TypeError, match=r"starts must be a bool tensor, got torch.int64"):
        model(inputs, state, starts.long())
    with pytest.raises(ValueError, match=r"starts must have shape \(2, 5\) like inputs, got .*4"):
        model(inputs, state, starts[:, :4])
    with pytest.raises(ValueError, match="state must have the batch size and sizes of inputs"):
        model(inputs, model.initial_state(3))
    with pytest.raises(TypeError, match=r"state must be a \w+State as initial_state\(\) makes it"):
        model(inputs, {"hidden": torch.zeros(2, 5)})


def test_a_sequence_longer_than_the_positions_is_refused() -> None:
    message = "inputs must have at most max_length=20 positions, got 21; read longer texts in piece"
    for name in ("transformer", "transformer_block"):
        with pytest.raises(ValueError, match=message):
            make(name)(*text(1, 21)[:1])
