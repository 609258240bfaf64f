"""Continual MAML against a loop written out in float64; the stale graph; the contract."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from driftwise.agents.classifiers import check_learner
from driftwise.agents.continual import ONLINE_METHODS, OnlineConfig, OnlineMAML, online_maml
from driftwise.agents.few_shot import Conv4
from driftwise.envs import FewShotEpisodes, Glyphs, Osaka, OsakaEpisodes

BASE: dict[str, Any] = {"learning_rate": 0.05, "inner_lr": 0.3, "inner_steps": 2}
Weights = list[Tensor]


@pytest.fixture
def as_float64(monkeypatch):
    """Images become float64 on their way to the network."""
    monkeypatch.setattr(online_maml, "as_images", lambda x, *_: torch.as_tensor(x).double())


def make(method: str, **settings: Any) -> OnlineMAML:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    return OnlineMAML(net, method, OnlineConfig(**{**BASE, **settings}), 3)


def batches(count: int, seed: int = 0):
    random = np.random.default_rng(seed)
    return [
        (random.random((4, 1, 28, 28), np.float32), random.integers(3, size=4))
        for _ in range(count)
    ]


def forward(w: Weights, x: Tensor) -> Tensor:
    return F.linear(torch.tanh(F.linear(x.flatten(1), w[0], w[1])), w[2], w[3])


def loss_of(w: Weights, batch) -> Tensor:
    x, y = batch
    return F.cross_entropy(forward(w, torch.as_tensor(x).double()), torch.as_tensor(y))


def step_sizes(kind: str, a: Weights) -> Weights:
    if kind == "sparse":
        opened = [(m >= 0).double() for m in a]
        return [0.3 * (o + 0.5 * (m - m.detach())) for o, m in zip(opened, a, strict=True)]
    if kind == "relu":
        return [m.clamp(min=0).detach() + m - m.detach() for m in a]
    return a


def leaves(ws: Weights) -> Weights:
    return [w.detach().clone().requires_grad_() for w in ws]


def adapted(w: Weights, sizes: Weights, batch, steps: int, second: bool) -> Weights:
    for _ in range(steps):
        g = torch.autograd.grad(loss_of(w, batch), w, create_graph=second)
        w = [p - s * (d if second else d.detach()) for p, s, d in zip(w, sizes, g, strict=True)]
    return w


def by_hand(learner: OnlineMAML, stream) -> tuple[Weights, Weights, list[float], list[bool]]:
    """The weights, what the step sizes are learned by, the losses before learning, the flags."""
    c, kind = learner.config, learner.method.kind
    phi = leaves(list(learner.net.parameters()))
    a = [p.detach().clone() for p in learner.mask.parameters()]
    if kind == "dense":
        a = [torch.tensor(0.3, dtype=torch.float64) for _ in phi]
    a = leaves(a)
    learned = a if kind != "dense" else []
    adam = torch.optim.Adam(phi + learned, c.learning_rate)
    second = not c.first_order
    theta: Weights | None = None
    losses, flags, buffer, flagged = [], [], [], False
    old_phi, old_a = phi, a

    def descend(gradient, loss: float | None) -> None:
        w = 1.0 if loss is None or c.modulation is None else 1 - math.exp(-c.modulation * loss)
        for p, g in zip(phi + learned, gradient, strict=True):
            p.grad = w * g
        adam.step()

    for batch in stream:
        loss = loss_of(phi if theta is None else theta, batch)
        losses.append(loss.item())
        start = theta if c.prolonged and theta is not None and not flagged else phi
        before = (old_phi, old_a)
        old_phi, old_a = leaves(start), leaves(a)
        new = adapted(old_phi, step_sizes(kind, old_a), batch, c.inner_steps, second)
        flagged = (
            theta is not None
            and c.boundary is not None
            and loss_of(new, batch).item() + c.boundary <= loss.item()
        )
        if learner.method.meta and c.prolonged:
            if (flagged and buffer) or len(buffer) > online_maml.BUFFER:
                half = math.ceil(len(buffer) / 2)
                second_half = buffer[half:] or buffer
                total = 0.0
                for shown, asked in zip(buffer, second_half, strict=False):
                    fast = adapted(phi, step_sizes(kind, a), shown, c.inner_steps, second)
                    total = total + loss_of(fast, asked) / len(second_half)
                descend(torch.autograd.grad(total, phi + learned), total.item())
                buffer = []
            else:
                buffer.append(batch)
        elif learner.method.meta and theta is not None and not flagged:
            wanted = before[0] + (before[1] if learned else [])
            descend(torch.autograd.grad(loss, wanted), loss.item())
        theta = new
        flags.append(flagged)
    return phi, a, losses, flags


CASES: dict[str, dict[str, Any]] = {
    "second order": {},
    "first order": {"first_order": True},
    "modulated": {"modulation": 1.5, "boundary": 0.4},
    "prolonged": {"prolonged": True, "boundary": 0.4, "modulation": 1.0},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("method", [m for m in ONLINE_METHODS if m != "online_adam"])
def test_learning_is_that_written_out(as_float64, monkeypatch, method: str, case: str) -> None:
    monkeypatch.setattr(online_maml, "BUFFER", 5)
    learner, stream = make(method, **CASES[case]), batches(18)
    phi, a, losses, flags = by_hand(learner, stream)
    found, seen = [], []
    for batch in stream:
        found.append(learner.update(*batch)["loss"])
        seen.append(learner.flagged)
    np.testing.assert_allclose(found, losses, rtol=1e-8)
    assert seen == flags
    if "boundary" in CASES[case]:
        assert any(flags) and not all(flags)
    for p, q in zip(learner.net.parameters(), phi, strict=True):
        torch.testing.assert_close(p, q.detach(), rtol=1e-8, atol=1e-10, check_stride=False)
    if learner.method.meta:
        for p, q in zip(learner.mask.parameters(), a, strict=True):
            torch.testing.assert_close(p.detach(), q.detach(), rtol=1e-8, atol=1e-10)


def test_gradients_are_of_the_weights_that_were_adapted_not_of_what_adam_made_of_them(
    as_float64, monkeypatch
) -> None:
    """The stale graph: by finite differences at the weights of the time, and not at those now."""
    learner, stream = make("c_maml", learning_rate=0.3), batches(4)
    applied: list[Any] = []
    step = learner._step
    monkeypatch.setattr(
        learner, "_step", lambda g, loss: (applied.append([p.clone() for p in g]), step(g, loss))
    )
    for batch in stream[:2]:
        learner.update(*batch)
    then = [p.detach().clone() for p in learner.net.parameters()]  # adapted to batch 2 next
    rates = [p.detach().clone() for p in learner.mask.parameters()]
    learner.update(*stream[2])
    now = [p.detach().clone() for p in learner.net.parameters()]  # Adam has moved them since
    assert max((p - q).abs().max().item() for p, q in zip(then, now, strict=True)) > 0.1
    learner.update(*stream[3])

    random = torch.Generator().manual_seed(0)
    direction = [torch.randn(p.shape, generator=random, dtype=p.dtype) for p in then]

    def lesson(weights: Weights, by: float) -> float:
        moved = leaves([p + by * d for p, d in zip(weights, direction, strict=True)])
        return loss_of(adapted(moved, rates, stream[2], 2, False), stream[3]).item()

    slopes = [(lesson(w, 1e-5) - lesson(w, -1e-5)) / 2e-5 for w in (then, now)]
    ours = sum((g * d).sum().item() for g, d in zip(applied[-1], direction, strict=False))
    assert ours == pytest.approx(slopes[0], rel=1e-5)
    assert abs(slopes[1] - slopes[0]) > 0.01 * abs(slopes[0])


def test_online_adam_is_a_network_trained_by_adam(as_float64) -> None:
    learner, stream = make("online_adam"), batches(5)
    net = copy.deepcopy(learner.net)
    adam = torch.optim.Adam(net.parameters(), 0.05)
    for x, y in stream:
        logits = net(torch.from_numpy(x).double())
        torch.testing.assert_close(learner.predict(x), logits.log_softmax(1).detach())
        loss = F.cross_entropy(logits, torch.from_numpy(y))
        adam.zero_grad()
        loss.backward()
        adam.step()
        metrics = learner.update(x, y)
        assert metrics["loss"] == pytest.approx(loss.item())
        assert metrics["accuracy"] == (logits.argmax(1).numpy() == y).mean()
    for p, q in zip(learner.net.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(p, q)


def conv(method: str, **settings: Any) -> OnlineMAML:
    torch.manual_seed(0)
    config = OnlineConfig(**{**BASE, "width": 4, **settings})
    net = Conv4(4, config.width, channels_last=True)
    return OnlineMAML(net, method, config, 4, kind={"method": method})


@pytest.mark.parametrize("method", ONLINE_METHODS)
def test_keeps_the_contract(method: str) -> None:
    check_learner(lambda: conv(method), batch_size=6)


def test_keeps_the_contract_while_it_adapts_on_and_on() -> None:
    check_learner(lambda: conv("c_maml", prolonged=True, boundary=0.05), batch_size=6)


def test_the_accuracy_is_that_of_predicting_before_the_update() -> None:
    images = Glyphs(20)
    stream = Osaka(images, [], probabilities=[1.0], num_ways=4, num_shots=2, stay_probability=0.5)
    learner = conv("sparse_c_maml")
    for _ in range(8):
        batch = stream.next_batch()
        x = batch.images[:, None]
        right = learner.predict(x).argmax(1).numpy() == batch.labels
        assert learner.update(x, batch.labels)["accuracy"] == pytest.approx(right.mean())


def test_norms_do_not_adapt_and_closed_weights_neither() -> None:
    learner = conv("sparse_c_maml", sparsity=1.0)
    (x, y), *_ = batches(1)
    learner.update(x, y)
    assert all(torch.equal(p, learner.theta[name]) for name, p in learner.fast.items())
    dense = conv("maml")
    dense.update(x, y)
    for name, p in dense.fast.items():
        # A bias before a norm changes nothing, and so has no gradient but for rounding.
        if not name.endswith("conv.bias"):
            assert torch.equal(p, dense.theta[name]) == ("norm" in name)


def test_it_learns_to_adapt() -> None:
    """Pre-trained on few-shot episodes, it knows more of other classes after one batch."""
    images = Glyphs(60)
    episodes = OsakaEpisodes(images, num_ways=4, num_shots=3, num_queries=5)
    found = []
    learner = conv("sparse_relu_maml", width=8, learning_rate=5e-3, first_order=True)
    held_out = list(FewShotEpisodes(images, seed=5, num_ways=4, num_shots=3, num_episodes=10))
    for updates in (0, 30):
        for _ in range(updates):
            learner.pretrain([episodes.next_batch() for _ in range(2)])
        right = []
        for episode in held_out:
            learner.update(episode.images[:, None], episode.labels)
            answers = learner.predict(episode.query_images[:, None]).argmax(1).numpy()
            right.append((answers == episode.query_labels).mean())
        found.append(np.mean(right))
    assert found[1] > found[0] + 0.05, found  # of 600 answers, whose deviation is 0.02


def test_divergence_is_told() -> None:
    learner = conv("c_maml", inner_lr=1e38)
    with pytest.raises(FloatingPointError, match="became"):
        for x, y in batches(3):
            learner.update(x, y)
    learner = conv("online_adam", learning_rate=1e30)
    with pytest.raises(FloatingPointError, match="the loss became nan"):
        for x, y in batches(9):
            learner.update(x, y)


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("elephant", {}, "learner must be one of online_adam, maml"),
        ("c_maml", {"inner_lr": 0.0}, r"inner_lr must be above 0, got 0\.0"),
        ("c_maml", {"learning_rate": math.inf}, "learning_rate must be above 0, got inf"),
        ("c_maml", {"inner_steps": 0}, "inner_steps must be at least 1, got 0"),
        ("c_maml", {"boundary": -1.0}, "boundary must be above 0"),
        ("c_maml", {"prolonged": True}, "boundary must be given with prolonged=True"),
        ("online_adam", {"pretrain_updates": 1}, "pretrain_updates must be 0 for a learner that"),
        ("sparse_c_maml", {"sparsity": 2.0}, "sparsity must be a probability"),
    ],
)
def test_bad_settings(method: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(method, **settings)


@pytest.mark.parametrize("name", ["learning_rate", "first_order", "prolonged", "pretrain_updates"])
def test_settings_of_another_type(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} must be .*, got 'no'"):
        conv("c_maml", **{name: "no"})


def test_states_of_other_learners() -> None:
    with pytest.raises(ValueError, match="state must be that of"):
        conv("c_maml").load_state_dict(conv("maml").state_dict())
