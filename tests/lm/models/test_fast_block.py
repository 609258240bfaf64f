"""The block that learns while it reads: its targets are the words that come in."""

import copy
import dataclasses
import math

import pytest
import torch
from torch import Tensor

from driftwise.lm.losses import SoftmaxConfig
from driftwise.lm.models import (
    FastBlockConfig,
    LSTMConfig,
    TransformerConfig,
    build_model,
    model_flops,
)
from driftwise.memory import autograd_dynamic_evaluation, detach

V = 9
CONFIGS = {
    "replaces": LSTMConfig(5, 5, fast_block=FastBlockConfig(chunk_size=4)),
    "adds": TransformerConfig(
        1,
        8,
        2,
        6,
        softmax=SoftmaxConfig(cutoffs=(3,), logit_cap=5.0),
        fast_block=FastBlockConfig(3, residual=True),
    ),
}


def make(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    model = build_model(CONFIGS[name], V).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
        model.layer.log_step_size.fill_(math.log(0.1))
    return model


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_dynamic_evaluation_of_the_block(name: str) -> None:
    """Against gradient steps by autograd, the next words as targets, in one pass and in steps."""
    model, ids = make(name), torch.randint(V, (2, 9))
    starts = torch.zeros(2, 9, dtype=torch.bool)
    starts[0, 4] = starts[1, 0] = starts[1, 8] = True
    x, _ = model.body(ids, None, starts)
    expected, _ = autograd_dynamic_evaluation(
        model.layer, x[:, :-1], ids[:, 1:], starts=starts[:, :-1]
    )
    whole, _ = model(ids, None, starts)
    torch.testing.assert_close(whole[:, :-1], expected, rtol=1e-9, atol=1e-10)
    state, found = None, []
    for t in range(9):
        hidden, state = model(ids[:, t : t + 1], state, starts[:, t : t + 1])
        found.append(hidden)
    torch.testing.assert_close(torch.cat(found, 1)[:, :-1], expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", CONFIGS)
def test_step_sizes_of_zero_leave_the_slow_block(name: str) -> None:
    model, ids = make(name), torch.randint(V, (2, 7))
    with torch.no_grad():
        model.layer.log_step_size.fill_(-torch.inf)
    x, _ = model.body(ids)
    torch.testing.assert_close(model(ids)[0], model.layer.slow(x))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_control_is_the_block_with_step_sizes_of_zero(name: str) -> None:
    adapting, ids = make(name), torch.randint(V, (2, 7))
    block = dataclasses.replace(CONFIGS[name].fast_block, adaptive=False)
    control = build_model(dataclasses.replace(CONFIGS[name], fast_block=block), V).double()
    weights = adapting.state_dict() | {"layer.log_step_size": control.layer.log_step_size}
    control.load_state_dict(weights)
    adapting.load_state_dict(weights)
    whole, _ = adapting(ids)
    first, state = control(ids[:, :4])
    torch.testing.assert_close(torch.cat((first, control(ids[:, 4:], state)[0]), 1), whole)
    assert not control.layer.log_step_size.requires_grad
    cost = model_flops(control, 8)
    assert cost == model_flops(adapting, 8, adapting=False) != model_flops(adapting, 8)


def test_a_residual_block_changes_nothing_before_training() -> None:
    torch.manual_seed(0)
    model, ids = build_model(CONFIGS["adds"], V), torch.randint(V, (2, 7))
    first, state = model(ids)
    again, _ = model(ids, state)
    before, body = model.body(ids)
    assert torch.equal(first, before)
    assert torch.equal(again, model.body(ids, body)[0])


def test_the_block_can_forget_while_the_body_goes_on() -> None:
    model, ids = make("replaces"), torch.randint(V, (2, 7))
    _, state = model(ids)
    nothing = torch.zeros(2, dtype=torch.bool)
    forgotten = state._replace(block=model.layer.initial_state(2), waiting=nothing)
    found, _ = model(ids[:, :1], forgotten)
    expected = model.layer.slow(model.body(ids[:, :1], state.body)[0])
    torch.testing.assert_close(found, expected)


def test_the_softmax_is_shared_and_copies_keep_it_so() -> None:
    model = make("replaces")
    twin = copy.deepcopy(model)
    assert twin.head is twin.body.head and twin.layer.head.__self__ is twin.head
    names = [name for name, _ in model.named_parameters()]
    assert len(names) == len({id(p) for p in model.parameters()})
    assert not any(name.startswith("layer.head") for name in model.state_dict())


@pytest.mark.parametrize("name", CONFIGS)
def test_it_learns_through_a_softmax_in_chunks(name: str) -> None:
    """Values and second-order gradients, and both modes without gradients."""
    model, ids = make(name), torch.randint(V, (2, 8))
    chunked = copy.deepcopy(model)
    chunked.head.max_logits = 2 * V

    def outcome(model: torch.nn.Module) -> list[Tensor]:
        _, state = model(ids)
        hidden, _ = model(ids, state)
        loss = model.head.loss(hidden, ids).sum()
        return [hidden, *torch.autograd.grad(loss, list(model.parameters()))]

    expected = outcome(model)
    for a, b in zip(outcome(chunked), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            found, _ = chunked(ids, chunked(ids)[1])
        torch.testing.assert_close(found, expected[0], rtol=1e-9, atol=1e-11)


def test_training_reaches_step_sizes_through_a_carried_state() -> None:
    def gradient(ids: Tensor, state: object) -> Tensor:
        hidden, after = model(ids, state)
        loss = model.head.loss(hidden, ids).mean()
        (found,) = torch.autograd.grad(loss, model.layer.log_step_size)
        states.append(detach(after))
        return found

    model, states = make("replaces"), []
    ids = torch.randint(V, (2, 12)).split(6, 1)
    first, second = gradient(ids[0], None), None
    second = gradient(ids[1], states[0])
    assert first.abs().min() > 0 and second.abs().min() > 0
