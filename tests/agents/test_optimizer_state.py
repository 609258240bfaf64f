"""States of optimisers are loaded whole, or refused before a step could go wrong with them."""

import copy

import pytest
import torch
from torch import nn

from driftwise.agents.optimizer_state import load_optimizer

OPTIMIZERS = {
    "adam": lambda p: torch.optim.Adam(p, 0.01),
    "fused": lambda p: torch.optim.Adam(p, 0.01, fused=True),
    "amsgrad": lambda p: torch.optim.Adam(p, 0.01, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01),
    "sgd": lambda p: torch.optim.SGD(p, 0.01),
    "momentum": lambda p: torch.optim.SGD(p, 0.01, momentum=0.9),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.01),
}


def trained(name, seed, steps=3):
    """An optimiser of two groups after some steps, and its parameters."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    groups = [{"params": net[0].parameters()}, {"params": net[1].parameters(), "lr": 0.1}]
    optimizer = OPTIMIZERS[name](groups)
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.randn(5, 3)).square().sum().backward()
        optimizer.step()
    return optimizer, net


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("steps", [0, 3])
def test_goes_on_as_the_one_it_was_taken_from(name, steps):
    (one, net), (other, twin) = trained(name, 0, steps), trained(name, 1)
    load_optimizer(other, copy.deepcopy(one.state_dict()))
    twin.load_state_dict(net.state_dict())
    for parameter, same in zip(net.parameters(), twin.parameters(), strict=True):
        parameter.grad = torch.ones_like(parameter)
        same.grad = torch.ones_like(same)
    one.step()
    other.step()
    for parameter, same in zip(net.parameters(), twin.parameters(), strict=True):
        assert torch.equal(parameter, same)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda s: s["state"][0].update(exp_avg=torch.zeros(3)), r"exp_avg .* cannot be \(3,\)"),
        (lambda s: s["state"][0].update(exp_avg=1.0), "exp_avg .* cannot be 1.0"),
        (lambda s: s["state"][0].pop("step"), "moments must be .*step.*, got"),
        (lambda s: s["state"][3].update(more=torch.zeros(2)), "moments must be .* got .*more"),
        (lambda s: s["state"].update({"x": {}}), "it has 4 parameters, got moments of 'x'"),
        (lambda s: s["param_groups"].pop(), "does not fit the optimiser|argument 2 is shorter"),
        (lambda s: s["param_groups"][0]["params"].pop(), "must have 2 parameters, got 1"),
        (
            lambda s: s["param_groups"][0].update(momentum=0.9),
            "group of parameters has no momentum",
        ),
        (lambda s: s["param_groups"][1].pop("lr"), "a group of parameters must have lr"),
        (lambda s: s["param_groups"][1].update(lr="x"), "lr must be like 0.1, got 'x'"),
        (lambda s: s["param_groups"][1].update(betas=[0.9]), "betas must be like"),
        (lambda s: s.pop("state"), "KeyError: 'state'"),
        (lambda s: s.update(state=None), "does not fit the optimiser: AttributeError"),
    ],
)
def test_what_does_not_fit_is_refused(break_it, message):
    (optimizer, _), (other, _) = trained("adam", 0), trained("adam", 1)
    before, state = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(other.state_dict())
    break_it(state)
    with pytest.raises(ValueError, match=message):
        load_optimizer(optimizer, state)
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for index, moments in before["state"].items():
        for name, value in moments.items():
            assert torch.equal(after["state"][index][name], value)


def test_another_kind_of_optimiser_is_refused():
    (adam, _), (sgd, _) = trained("adam", 0), trained("momentum", 0)
    for one, other in ((adam, sgd), (sgd, adam)):
        with pytest.raises(ValueError, match=r"a group of parameters (has no|must have)"):
            load_optimizer(one, other.state_dict())
