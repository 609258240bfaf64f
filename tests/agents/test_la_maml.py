"""La-MAML and its relatives against the update written out in float64; the contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from driftwise.agents.classifiers import LA_MAML_METHODS, LaMAML, check_learner, make_learner
from driftwise.agents.continual import MLP

RATES = {"inner_lr": 0.2, "learning_rate": 0.3, "mask_learning_rate": 0.5}


@pytest.fixture
def as_float64(monkeypatch):
    """Images become float64 on their way to the network."""
    from driftwise.agents.classifiers import la_maml

    monkeypatch.setattr(la_maml, "as_images", lambda x, *_: torch.as_tensor(x).double())


def make(method: str, **settings: Any) -> LaMAML:
    torch.manual_seed(1)
    net = MLP(4, hidden_size=6).double()
    return LaMAML(net, method, 4, **{**RATES, "glances": 2, "parts": 3, "memory": 5, **settings})


def batches(count: int, size: int = 3):
    random = np.random.default_rng(0)
    return [
        (random.random((size, 1, 28, 28), np.float32), random.integers(4, size=size))
        for _ in range(count)
    ]


def cross_entropy(weights: list[np.ndarray], x: np.ndarray, y: np.ndarray):
    """Loss and gradient of the network 784-h-h-m, by hand."""
    w1, b1, w2, b2, w3, b3 = weights
    x = x.reshape(len(x), -1)
    z1 = x @ w1.T + b1
    h1 = np.maximum(z1, 0)
    z2 = h1 @ w2.T + b2
    h2 = np.maximum(z2, 0)
    logits = h2 @ w3.T + b3
    logits = logits - logits.max(1, keepdims=True)
    p = np.exp(logits)
    p /= p.sum(1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    d3 = (p - np.eye(p.shape[1])[y]) / len(y)
    d2 = (d3 @ w3) * (z2 > 0)
    d1 = (d2 @ w2) * (z1 > 0)
    return loss, [d1.T @ x, d1.sum(0), d2.T @ h1, d2.sum(0), d3.T @ h2, d3.sum(0)]


def clipped(gradient: list[np.ndarray], most: float) -> list[np.ndarray]:
    norm = np.sqrt(sum((g**2).sum() for g in gradient))
    return [g * min(1.0, most / (norm + 1e-6)) for g in gradient]


def by_hand(learner: LaMAML, method: str, stream, most: float) -> list[np.ndarray]:
    """What the weights become, with nothing taken from the learner but its random draws."""
    theta = [p.detach().numpy().copy() for p in learner.net.parameters()]
    kind, learned, outer = LA_MAML_METHODS[method]
    if kind == "sparse":
        a = [m.detach().numpy().copy() for m in learner.mask.logits.values()]
    else:
        a = [np.full_like(t, RATES["inner_lr"]) for t in theta]
    random = torch.Generator().manual_seed(0)
    memory: list[tuple[np.ndarray, int]] = []
    draws = torch.Generator().manual_seed(0)
    seen = 0

    def sizes():
        if kind == "sparse":
            return [RATES["inner_lr"] * (m >= 0) for m in a]
        return [np.maximum(r, 0) for r in a]

    for x, y in stream:
        for glance in range(2):
            order = torch.randperm(len(x), generator=random).numpy()
            count = len(x) if memory else 0
            rows = torch.randint(max(len(memory), 1), (count,), generator=draws).tolist()
            old = [memory[row] for row in rows]
            if glance == 0:
                for image, label in zip(x, y, strict=True):  # algorithm R, one by one
                    place = seen
                    uniform = torch.rand(1, generator=draws, dtype=torch.float64).item()
                    seen += 1
                    if place >= 5:
                        place = int(uniform * seen)
                    kept = (np.rint(image * 255).astype(np.float32) / np.float32(255), int(label))
                    if place == len(memory):
                        memory.append(kept)
                    elif place < 5:
                        memory[place] = kept
            bx = np.concatenate([*(image[None] for image, _ in old), x]).astype(np.float64)
            by = np.array([*(label for _, label in old), *y])
            if kind is None:
                g_theta = cross_entropy(theta, bx, by)[1]
                g_a = [np.zeros_like(t) for t in theta]
            else:
                fast, steps = theta, [np.zeros_like(t) for t in theta]
                g_theta = [np.zeros_like(t) for t in theta]
                g_a = [np.zeros_like(t) for t in theta]
                for i in range(3):
                    inner = cross_entropy(
                        fast, x[order[i : i + 1]].astype(float), y[order[i : i + 1]]
                    )
                    fast = [f - s * g for f, s, g in zip(fast, sizes(), inner[1], strict=True)]
                    steps = [b + g for b, g in zip(steps, inner[1], strict=True)]
                    out = cross_entropy(fast, bx, by)[1]
                    g_theta = [b + o / 3 for b, o in zip(g_theta, out, strict=True)]
                    g_a = [b - o * s / 3 for b, o, s in zip(g_a, out, steps, strict=True)]
                if kind == "sparse":
                    g_a = [0.5 * RATES["inner_lr"] * g for g in g_a]
                elif kind == "per_parameter":  # an ordinary ReLU
                    g_a = [g * (r > 0) for g, r in zip(g_a, a, strict=True)]
            g_theta, g_a = clipped(g_theta, most), clipped(g_a, most)
            if learned:
                rate = RATES["mask_learning_rate"]
                a = [r - rate * g for r, g in zip(a, g_a, strict=True)]
            rates = sizes() if outer else [RATES["learning_rate"]] * len(theta)
            theta = [t - r * g for t, r, g in zip(theta, rates, g_theta, strict=True)]
    return theta


@pytest.mark.parametrize("method", LA_MAML_METHODS)
@pytest.mark.parametrize("most", [0.3, 100.0])
def test_updates_are_those_written_out(as_float64, method: str, most: float) -> None:
    learner, stream = make(method, max_grad_norm=most), batches(4)
    expected = by_hand(learner, method, stream, most)
    for x, y in stream:
        learner.update(x, y)
    for name, found, wanted in zip(learner.theta, learner.net.parameters(), expected, strict=True):
        np.testing.assert_allclose(found.detach().numpy(), wanted, 1e-9, 1e-11, err_msg=name)


def test_weights_under_a_closed_mask_stay_in_both_loops_or_in_one() -> None:
    for method, stays in (("sparse_la_maml", True), ("sparse_la_maml_inner", False)):
        torch.manual_seed(0)
        learner = LaMAML(
            MLP(4), method, 4, mask_kwargs={"sparsity": 1.0, "logit_scale": 1e6}, glances=1
        )
        before = [p.detach().clone() for p in learner.net.parameters()]
        assert learner.sparsity()["total"] == 1
        for x, y in batches(3):
            learner.update(x, y)
        same = [torch.equal(p, q) for p, q in zip(before, learner.net.parameters(), strict=True)]
        assert all(same) if stays else not any(same)


def test_step_sizes_that_close_stay_closed_in_la_maml_and_not_with_relu_through() -> None:
    closed = {}
    for method in ("la_maml", "sparse_relu_la_maml"):
        torch.manual_seed(0)
        learner = LaMAML(MLP(4), method, 4, inner_lr=0.1, glances=1)
        with torch.no_grad():
            for rate in learner.mask.rates.values():
                rate.fill_(-1e-3)
        for x, y in batches(3):
            learner.update(x, y)
        closed[method] = learner.sparsity()["total"]
    assert closed["la_maml"] == 1 and closed["sparse_relu_la_maml"] < 1


@pytest.mark.parametrize("method", LA_MAML_METHODS)
def test_keeps_the_contract(method: str) -> None:
    def fresh() -> LaMAML:
        torch.manual_seed(0)
        return LaMAML(MLP(5, 8), method, 5, glances=2, memory=20, kind={"method": method})

    check_learner(fresh)


def test_learns_without_losing_the_old() -> None:
    """Two sets of noisy prototypes, one after the other, by a mask over the inner loop."""
    random = np.random.default_rng(0)
    prototypes = random.random((6, 1, 28, 28)) < 0.3

    def draw(labels):
        noise = random.uniform(0, 0.2, (len(labels), 1, 28, 28))
        return (0.8 * prototypes[labels] + noise).astype(np.float32)

    learner = make_learner(
        "sparse_la_maml_inner", 6, width=8, inner_lr=0.02, learning_rate=0.05, parts=2
    )
    for first in (0, 3):
        for _ in range(15):
            labels = random.integers(first, first + 3, size=8)
            learner.update(draw(labels), labels)
    labels = np.repeat(np.arange(6), 4)
    right = learner.predict(draw(labels)).argmax(1).numpy() == labels
    assert right[:12].mean() > 0.7 and right[12:].mean() > 0.7


def test_divergence_names_the_tensor() -> None:
    learner = LaMAML(MLP(4), "c_maml", 4, inner_lr=1e30, learning_rate=1e38)
    with pytest.raises(FloatingPointError, match=r"'\d\.\w+' became \w+ in an update"):
        for x, y in batches(3):
            learner.update(x, y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inner_lr": 0.0}, r"inner_lr must be above 0, got 0\.0"),
        ({"learning_rate": -1.0}, "learning_rate must be above 0, got -1"),
        ({"mask_learning_rate": float("nan")}, "mask_learning_rate must be above 0, got nan"),
        ({"glances": 0}, "glances must be at least 1, got 0"),
        ({"parts": 0}, "parts must be at least 1, got 0"),
        ({"memory": 0}, "memory must be at least 1, got 0"),
        ({"mask_optimizer": "lion"}, "mask_optimizer must be sgd or adam, got 'lion'"),
        ({"mask_kwargs": {"tensors": []}}, "mask_kwargs must be some of .* got 'tensors'"),
        ({"method": "elephant"}, "method must be one of er, c_maml, sync, la_maml"),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LaMAML(MLP(4), **{"method": "la_maml", "class_order": 4, **settings})


def test_networks_that_are_no_functions_and_states_of_others() -> None:
    with pytest.raises(ValueError, match=r"must be functional, but 0 \(BatchNorm2d\) writes"):
        LaMAML(nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(784, 4)), "er", 4)
    learner = LaMAML(MLP(4), "la_maml", 4, kind={"method": "la_maml"})
    with pytest.raises(ValueError, match="state must be that of"):
        learner.load_state_dict(LaMAML(MLP(4), "sync", 4, kind={"method": "sync"}).state_dict())
    with pytest.raises(ValueError, match="for the 4 classes of class_order, got 5"):
        learner.load_state_dict(LaMAML(MLP(5), "la_maml", 5).state_dict())
    with pytest.raises(ValueError, match="x must hold at least 1 image, got 0"):
        learner.update(np.zeros((0, 1, 28, 28), np.float32), np.zeros(0, int))


def test_the_loss_that_is_returned_is_that_of_the_last_glance() -> None:
    torch.manual_seed(0)
    learner = LaMAML(MLP(4), "er", 4, glances=1)
    (x, y), *_ = batches(1)
    expected = F.cross_entropy(learner.net(torch.from_numpy(x)), torch.from_numpy(y)).item()
    assert learner.update(x, y)["loss"] == pytest.approx(expected)
