"""Where means come from and how they move, against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from driftwise.envs import (
    AtSteps,
    Cycle,
    Drift,
    Hazard,
    Mirror,
    Never,
    OrnsteinUhlenbeck,
    Permute,
    RandomWalk,
    Rotting,
    ShiftingBanditVector,
    Sinusoid,
    SwapBest,
    World,
)

N = 3000


def worlds_of(num_steps: int = 60, num_envs: int = N, **arguments: Any) -> World:
    envs = ShiftingBanditVector(num_envs, **arguments)
    envs.reset(seed=0)
    return envs.foresee(num_steps)


def assert_mean(samples: np.ndarray, expected: float) -> None:
    """Independent samples (n, ...) have this mean, to 4.5 standard errors."""
    samples = samples.reshape(len(samples), -1)
    errors = samples.std(axis=0) / np.sqrt(len(samples))
    np.testing.assert_array_less(np.abs(samples.mean(axis=0) - expected), 4.5 * errors + 1e-12)


@pytest.mark.parametrize(
    ("arms", "mean", "variance"), [("bernoulli", 0.5, 1 / 12), ("gaussian", 0.0, 1.0)]
)
def test_resample_draws_from_the_prior(arms: str, mean: float, variance: float) -> None:
    world = worlds_of(arms=arms, schedule=Hazard(0.5))
    for step in (0, 1, 30):
        assert_mean(world.means[step], mean)
        assert_mean((world.means[step] - mean) ** 2, variance)
    centred = world.means[:2] - mean
    changed = world.changed[1]
    assert_mean(centred[0, changed] * centred[1, changed], 0.0)  # nothing is carried over
    assert_mean(centred[0, :, 0] * centred[0, :, 1], 0.0)  # arms are independent


def test_rewards_follow_the_means() -> None:
    for arms, noise_std in (("bernoulli", 1.0), ("gaussian", 0.3)):
        envs = ShiftingBanditVector(N, arms=arms, noise_std=noise_std)
        envs.reset(seed=1)
        means = envs.foresee().means
        for step in range(20):
            rewards = envs.step(np.arange(N) % 5)[1]
            expected = means[step, np.arange(N), np.arange(N) % 5]
            assert_mean(rewards - expected, 0.0)
            variance = expected * (1 - expected) if arms == "bernoulli" else noise_std**2
            assert_mean((rewards - expected) ** 2 - variance, 0.0)


@pytest.mark.parametrize("drift", [Permute(), SwapBest()])
def test_exchanges_are_uniform(drift: Drift) -> None:
    """Each other arm is equally likely to hold the best mean after a change."""
    world = worlds_of(2, drift=drift, schedule=Hazard(1.0), num_arms=4)
    ahead = (world.optimal_action[1] - world.optimal_action[0]) % 4
    for distance in (1, 2, 3):
        assert_mean((ahead == distance).astype(float), 1 / 3)


def test_next_context_is_uniform_among_the_others() -> None:
    world = worlds_of(3, num_contexts=5, schedule=Hazard(1.0))
    for context in range(5):
        assert_mean((world.context[0] == context).astype(float), 0.2)
    for step in (1, 2):
        ahead = (world.context[step] - world.context[step - 1]) % 5
        for distance in range(1, 5):
            assert_mean((ahead == distance).astype(float), 0.25)


def test_barcodes_are_distinct_and_balanced() -> None:
    envs = ShiftingBanditVector(N, num_contexts=4, cue="barcode", cue_size=3)
    envs.reset(seed=0)
    codes = envs._world.codes * np.sqrt(3)
    np.testing.assert_allclose(np.abs(codes), 1.0, rtol=1e-6)
    numbers = ((codes > 0) @ [1, 2, 4]).astype(int)  # (N, 4), each one of eight codes
    assert all(len(set(row)) == 4 for row in numbers)
    for code in range(8):
        for context in range(4):
            assert_mean((numbers[:, context] == code).astype(float), 1 / 8)
    for code in range(7):  # also jointly: distinct, and otherwise independent
        pair = (numbers[:, 0] == code) & (numbers[:, 3] == code + 1)
        assert_mean(pair.astype(float), 1 / 56)


def test_random_walk() -> None:
    std = 0.1
    free = worlds_of(250, 1500, arms="gaussian", schedule=Never(), drift=RandomWalk(std)).means
    steps = np.diff(free, axis=0)
    assert_mean(steps[7], 0.0)
    assert_mean(steps[199] ** 2, std**2)
    assert_mean(steps[3] * steps[4], 0.0)
    assert_mean((free[240] - free[0]) ** 2, 240 * std**2)
    folded = worlds_of(250, 1500, schedule=Never(), drift=RandomWalk(std)).means
    for step in (0, 1, 100, 249):  # reflection keeps the uniform law
        assert_mean(folded[step], 0.5)
        assert_mean((folded[step] - 0.5) ** 2, 1 / 12)
        assert_mean((folded[step] < 0.1).astype(float), 0.1)
    inside = np.abs(folded[100] - 0.5) < 0.05  # far from the walls: a free walk
    assert_mean((folded[101] - folded[100])[inside] ** 2, std**2)


@pytest.mark.parametrize("arms", ["bernoulli", "gaussian"])
def test_ornstein_uhlenbeck(arms: str) -> None:
    drift = OrnsteinUhlenbeck(reversion=0.1, std=0.7, center=0.4)
    latent = worlds_of(250, 1500, arms=arms, schedule=Never(), drift=drift).means
    if arms == "bernoulli":
        latent = np.log(latent / (1 - latent))
    for step in (0, 1, 100, 249):
        assert_mean(latent[step], 0.4)
        assert_mean((latent[step] - 0.4) ** 2, 0.49)
    for lag in (1, 10, 30):
        product = (latent[150] - 0.4) * (latent[150 + lag] - 0.4)
        assert_mean(product, 0.49 * 0.9**lag)


def test_sinusoid_is_stationary() -> None:
    amplitude = 0.3
    drift = Sinusoid(period=50, amplitude=amplitude)
    means = worlds_of(120, schedule=Never(), drift=drift).means
    variance = (1 - 2 * amplitude) ** 2 / 12 + amplitude**2 / 2
    for step in (0, 13, 119):
        assert_mean(means[step], 0.5)
        assert_mean((means[step] - 0.5) ** 2, variance)
    assert ((means >= 0) & (means <= 1)).all()
    np.testing.assert_allclose(means[50:100], means[:50], rtol=0, atol=1e-12)


def test_sinusoid_swings_around_means_that_are_set() -> None:
    envs = ShiftingBanditVector(
        1, num_arms=2, schedule=Never(), drift=Sinusoid(period=50, amplitude=0.3)
    )
    envs.reset(seed=0, options={"means": [0.5, 0.65]})
    swing = 0.3 * np.sin(2 * np.pi * np.arange(60) / 50)
    expected = np.array([0.5, 0.65]) + swing[:, None]
    np.testing.assert_allclose(envs.foresee(60).means[:, 0], expected, rtol=0, atol=1e-12)


def test_cycle_goes_through_the_contexts_in_order() -> None:
    world = worlds_of(6, 3, drift=Cycle(3), schedule=AtSteps((1, 2, 4, 5)))
    assert (world.context == np.array([0, 1, 2, 2, 0, 1])[:, None]).all()
    np.testing.assert_array_equal(world.means[0], world.means[4])
    assert (world.means[0] != world.means[1]).all()


@pytest.mark.parametrize(("arms", "total"), [("bernoulli", 1.0), ("gaussian", 0.0)])
def test_mirror_turns_each_arm_as_often_as_any(arms: str, total: float) -> None:
    world = worlds_of(2, arms=arms, drift=Mirror(), schedule=Hazard(1.0), num_arms=3)
    turned = world.means[1] == total - world.means[0]
    assert (turned | (world.means[1] == world.means[0])).all() and turned.any(axis=1).all()
    # 1/2, and a third of the cases in which none of three would have turned.
    assert_mean(turned.astype(float), 1 / 2 + 1 / 8 / 3)


@pytest.mark.parametrize("num_arms", [2, 5])
@pytest.mark.parametrize(("arms", "total"), [("bernoulli", 1.0), ("gaussian", 0.0)])
def test_dependent_arms(arms: str, total: float, num_arms: int, drift: Drift) -> None:
    arguments: dict[str, Any] = {"arms": arms, "num_arms": num_arms, "dependent": True}
    if isinstance(drift, (Rotting, Mirror)):
        name = type(drift).__name__
        with pytest.raises(ValueError, match=f"dependent arms cannot be combined with {name}"):
            ShiftingBanditVector(2, drift=drift, **arguments)
        return
    means = worlds_of(300, num_envs=3, schedule=Hazard(0.1), drift=drift, **arguments).means
    for even in range(0, num_arms - 1, 2):
        np.testing.assert_array_equal(means[..., even + 1], total - means[..., even])


@pytest.mark.parametrize("num_arms", [2, 3, 4, 5])
def test_exchanges_of_dependent_arms(num_arms: int) -> None:
    arguments: dict[str, Any] = {"num_arms": num_arms, "dependent": True, "schedule": Hazard(1.0)}
    before, after = worlds_of(2, drift=Permute(), **arguments).means
    assert (before != after).all()  # no arm keeps its own
    sides = np.stack([after, 1 - after], -1)
    came = np.isclose(sides[:, :, None], before[:, None, :, None], rtol=0, atol=1e-12).any((1, 3))
    assert came.all()  # every mean is still there, or its mirror image
    before, after = worlds_of(2, drift=SwapBest(), **arguments).means
    rows, best = np.arange(N), before.argmax(axis=1)
    now = np.isclose(after, before[rows, best][:, None], rtol=0, atol=1e-12)
    now[rows, best] = False
    assert (now.sum(axis=1) == 1).all()
    others = now.argmax(axis=1)
    np.testing.assert_allclose(after[rows, best], before[rows, others], rtol=0, atol=1e-12)
    for ahead in range(1, num_arms):
        assert_mean(((others - best) % num_arms == ahead).astype(float), 1 / (num_arms - 1))


def test_mean_values_are_dealt_in_random_order() -> None:
    values = [0.9, 0.1, 0.1, 0.2]
    world = worlds_of(2, num_arms=4, mean_values=values, schedule=Hazard(1.0))
    assert np.array_equal(np.sort(world.means[1]), np.tile(np.sort(values), (N, 1)))
    for arm in range(4):
        assert_mean((world.means[0, :, arm] == 0.9).astype(float), 0.25)
        assert_mean((world.means[1, :, arm] == 0.9).astype(float), 0.25)
    contexts = worlds_of(40, 200, num_arms=4, mean_values=values, num_contexts=3)
    assert (np.sort(contexts.means) == np.sort(values)).all()


def test_worlds_do_not_depend_on_their_company() -> None:
    few, many = worlds_of(300, 2), worlds_of(300, 50)
    for one, other in zip(few, many, strict=True):
        np.testing.assert_array_equal(one, other[:, :2])
