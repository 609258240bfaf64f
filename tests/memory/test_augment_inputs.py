"""What an augmented network takes and gives is the model's matter: ids, bytes, trees, options."""

from collections import OrderedDict
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from driftwise.memory import augment

SMALL: dict[str, Any] = {"num_heads": 2, "num_slots": 4, "key_size": 3, "value_size": 2}
B, T = 3, 9


class Pixels(nn.Module):
    """Takes bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, 4, 3), nn.Linear(4, 3)

    def forward(self, frames: Tensor) -> Tensor:
        assert frames.dtype is torch.uint8
        return self.head(self.conv(frames.to(self.head.weight) / 255).relu().mean((2, 3)))


class Outputs(NamedTuple):
    values: Tensor
    extra: None


class Trees(nn.Module):
    """Takes a dict with a tuple in it, gives a dict with a named tuple and a list in it."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.a, self.b = nn.Embedding(5, 4), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: dict[str, Any]) -> dict[str, Any]:
        word, nothing = x["pair"]
        assert nothing is None
        h = self.a(x["obs"] + self.words(word)).tanh()
        return OrderedDict(
            values=Outputs(self.b(h), None), best=[h.argmax(1)], count=3, one=h.new_ones(())
        )


class Options(nn.Module):
    """Takes a second input at every step, and options that hold for all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(
        self, x: Tensor, context: Tensor, *, scale: float = 1.0, shift: Any = None
    ) -> tuple[Tensor, None]:
        assert scale == 2.0 and shift.shape == (3,)
        return self.b(self.a(x).tanh() + context) * scale + shift, None


def words(*shape: int) -> Tensor:
    return torch.randint(5, (B, T, *shape))


CASES: dict[str, Any] = {
    "ids": lambda: (nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 3)), ["1"], (words(),), {}),
    "sentences": lambda: (
        nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 3)), ["1"], (words(6),), {},
    ),
    "bytes": lambda: (
        Pixels(), ["conv", "head"],
        (torch.randint(256, (B, T, 2, 5, 5), dtype=torch.uint8),), {},
    ),
    "trees": lambda: (
        Trees(), ["a", "b"], ({"obs": torch.randn(B, T, 4).double(), "pair": (words(), None)},), {},
    ),
    "options": lambda: (
        Options(), ["a", "b"], (torch.randn(B, T, 4).double(), torch.randn(B, T, 4).double()),
        {"scale": 2.0, "shift": torch.randn(3).double()},
    ),
}  # fmt: skip


def at(t: int | slice, tree: Any) -> Any:
    return tree_map_only(Tensor, lambda part: part[:, t] if part.ndim else part, tree)


def floats(tree: Any) -> list[Tensor]:
    return [x for x in tree_leaves(tree) if isinstance(x, Tensor) and x.is_floating_point()]


@pytest.mark.parametrize("case", CASES)
def test_begins_as_the_model_at_every_step(case: str) -> None:
    model, layers, (x, *inputs), options = CASES[case]()
    network = augment(model.double(), layers, **SMALL)
    whole, _ = network(x, None, None, *inputs, **options)
    state = network.initial_state(B)
    for t in range(T):
        expected = model(*at(t, (x, *inputs)), **options)
        y, state = network.step(at(t, x), state, None, *at(t, inputs), **options)
        assert type(y) is type(whole) is type(expected)
        torch.testing.assert_close(y, expected, rtol=0, atol=0)
        torch.testing.assert_close(at(t, whole), expected)


@pytest.mark.parametrize("case", CASES)
def test_forward_is_repeated_step_in_values_and_gradients(case: str) -> None:
    model, layers, given, options = CASES[case]()
    network = augment(model, layers, chunk_size=4, **SMALL).double()
    for gain in network.gains:
        nn.init.normal_(gain)
    starts = torch.zeros(B, T, dtype=torch.bool)
    starts[0, [0, 4, 5]] = starts[1, 3] = True
    _, before = network(given[0], None, starts, *given[1:], **options)
    before = tree_map_only(Tensor, lambda part: part.detach().requires_grad_(), before)
    inputs = [part.requires_grad_() for part in floats(given)]

    def run(call: Any, combine: Any, places: list[Any]) -> dict[str, Any]:
        """All that comes out where the steps are taken in these pieces, one after another."""
        pieces, state = [], before
        for place in places:
            x, *others = at(place, given)
            y, state = call(x, state, starts[:, place], *others, **options)
            pieces.append([part for part in floats(y) if part.ndim])
        y = [combine(parts, 1) for parts in zip(*pieces, strict=True)]
        after = tree_leaves(state)
        loss = torch.stack([(part**2 + part).sum() for part in [*y, *after]]).sum()
        sources = {"inputs": inputs, "before": tree_leaves(before)}
        sources["parameters"] = list(network.parameters())
        gradients = {
            name: torch.autograd.grad(loss, tensors, retain_graph=True) if tensors else ()
            for name, tensors in sources.items()
        }
        return {"y": y, "after": after} | gradients

    steps = run(network.step, torch.stack, list(range(T)))
    assert all(gradient.abs().max() > 0 for gradient in steps["parameters"])
    for places in ([slice(0, T)], [slice(0, 4), slice(4, 5), slice(5, T)]):
        found = run(network, torch.cat, places)
        torch.testing.assert_close(found, steps, rtol=1e-9, atol=1e-11)


def test_with_a_time_axis_everything_reaches_the_model_as_it_is() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.inside = nn.Embedding(5, 4), nn.Linear(4, 4)

        def forward(self, x: dict[str, Tensor], table: Tensor, *, mask: Tensor) -> Any:
            seen.append((x, table, mask))
            return self.inside(self.embed(x["ids"])) @ table, x["image"], None

    seen: list[Any] = []
    network = augment(Model(), ["inside"], time_axis=True, **SMALL)
    x = {"ids": words(), "image": torch.zeros(2, 2)}
    table, mask = torch.randn(4, 3), torch.ones(7)
    (y, image, nothing), state = network(x, None, None, table, mask=mask)
    assert seen[0][0] is x and seen[0][1] is table and seen[0][2] is mask
    assert y.shape == (B, T, 3) and image is x["image"] and nothing is None
    assert state[0].weights.shape[0] == B


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_recurrent_model_carries_its_own_state_by_name(dtype: torch.dtype) -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside, self.rnn = nn.Linear(4, 4), nn.LSTM(4, 3, batch_first=True)

        def forward(self, x: Tensor, hidden: Any = None) -> Any:
            return self.rnn(self.inside(x).tanh(), hidden)

    network = augment(Recurrent(), ["inside"], time_axis=True, **SMALL).to(dtype)
    nn.init.normal_(network.gains[0])
    x = torch.randn(B, T, 4, dtype=dtype)
    (whole, _), _ = network(x)
    (first, hidden), state = network(x[:, :5])
    (second, _), _ = network(x[:, 5:], state, hidden=hidden)
    torch.testing.assert_close(torch.cat((first, second), 1), whole)
    (alone, _), _ = network(x[:, 5:], state)
    assert (alone - second).abs().max() > 1e-3


def test_inputs_without_the_expected_dimensions_are_named() -> None:
    network = augment(nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 3)), ["1"], **SMALL)
    state = network.initial_state(B)
    with pytest.raises(TypeError, match=r"x must be a tensor, or a tuple, .* got a str"):
        network("text")
    with pytest.raises(TypeError, match=r"x must be a tensor, or a tuple, .* got a dict"):
        network.step({"obs": None}, state)
    with pytest.raises(ValueError, match=r"x must have shape \(B, T, ...\), .* got \(3,\)"):
        network(words()[:, 0])
    with pytest.raises(ValueError, match=r"x must have shape \(B, T, ...\), T at .* got \(3, 0\)"):
        network(words()[:, :0])
    with pytest.raises(ValueError, match=r"x must have shape \(B, ...\), got \(\)"):
        network.step(torch.tensor(1), state)
    with pytest.raises(ValueError, match=r"must begin with \(3, 9\), .* got shape \(3, 8\)"):
        network(words(), None, None, words()[:, :8])
    with pytest.raises(ValueError, match=r"starts must have shape \(3, 9\) like x, got \(3,\)"):
        network(words(), None, torch.ones(B, dtype=torch.bool))
    with pytest.raises(ValueError, match="state must have the batch size of x, 2, got a tensor"):
        network(words()[:2], state)
    with pytest.raises(TypeError, match=r"state must have dtype torch.float32, .* torch.float64"):
        network(words(), tree_map_only(Tensor, Tensor.double, state))


def test_outputs_that_lose_the_batch_are_named() -> None:
    class Mean(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return self.inside(x).mean(0)

    model = Mean(4, 4)
    model.inside = nn.Linear(4, 3)
    network = augment(model, ["inside"], **SMALL)
    with pytest.raises(
        RuntimeError, match=r"must return tensors that begin with \(27,\), .*\(3,\)"
    ):
        network(torch.randn(B, T, 4))
