"""Classics of meta-reinforcement learning as settings of the shifting bandit: closed forms."""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from driftwise.envs import InformativeArm, ShiftingBandit, ShiftingBanditVector

INFORMATIVE: dict[str, Any] = {"num_arms": 11, "arms": "gaussian", "noise_std": 0.0}


def test_asking_the_informative_arm() -> None:
    """Rewards are exact: the last arm names the target, which pays 5; the others pay 1."""
    envs = gym.make_vec("driftwise/InformativeArmBandit-v0", 1000)
    envs.reset(seed=0)
    _, told, _, _, infos = envs.step(np.full(1000, 10))
    target = np.rint(told * 10).astype(int) - 1
    assert np.array_equal(target, infos["optimal_action"])
    assert (np.abs(np.bincount(target, minlength=10) - 100) < 4 * np.sqrt(90)).all()
    assert told == pytest.approx(0.1 * (target + 1)) and infos["regret"] == pytest.approx(5 - told)
    for _ in range(2):
        _, rewards, _, _, infos = envs.step(target)
        assert (rewards == 5.0).all() and (infos["regret"] == 0.0).all()
    _, rewards, _, _, infos = envs.step((target + 3) % 10)
    assert (rewards == 1.0).all() and (infos["regret"] == 4.0).all()
    assert envs.step(target)[3].all()  # the fifth and last


def test_expected_reward_of_the_random_policy() -> None:
    envs, rng = gym.make_vec("driftwise/InformativeArmBandit-v0", 4000), np.random.default_rng(0)
    envs.reset(seed=1)
    rewards = sum(envs.step(rng.integers(11, size=4000))[1] for _ in range(5))
    error = np.std(rewards) / np.sqrt(4000)
    assert np.mean(rewards) == pytest.approx(5 * (5 + 9 + 0.55) / 11, abs=4 * error)


@pytest.mark.parametrize("schedule", ["Hazard(0.3)", "Reactive(2)"])
def test_targets_move_to_others(schedule: str) -> None:
    envs = ShiftingBanditVector(500, drift=InformativeArm(), schedule=schedule, **INFORMATIVE)
    before = envs.reset(seed=2)[1]["optimal_action"]
    counts = np.zeros(10)
    for _ in range(40):
        infos = envs.step(envs.optimal_actions())[4]
        moved = (infos["optimal_action"] - before) % 10
        assert np.array_equal(moved > 0, infos["changed"]) and infos["optimal_action"].max() < 10
        counts += np.bincount(moved, minlength=10)
        before = infos["optimal_action"]
    mean = counts[1:].mean()
    assert mean > 100 and (np.abs(counts[1:] - mean) < 4 * np.sqrt(mean)).all()


def test_prescribed_targets() -> None:
    env = ShiftingBandit(drift="InformativeArm(target=2, others=1, hint=0.5)", **INFORMATIVE)
    means = [1.0] * 3 + [2.0] + [1.0] * 6 + [2.0]
    assert env.reset(seed=0, options={"means": means})[1]["optimal_action"] == 3
    assert [env.step(arm)[1] for arm in (3, 10, 0)] == [2.0, 2.0, 1.0]
    with pytest.raises(ValueError, match="means must be those of InformativeArm"):
        env.reset(options={"means": [1.0] * 11})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_arms": 2}, "num_arms must be at least 3"),
        ({"arms": "bernoulli"}, 'needs arms="gaussian"'),
        ({"dependent": True}, "dependent"),
        ({"drift": "InformativeArm(target=1)"}, "target must be above others"),
        ({"drift": "InformativeArm(hint='a')"}, "hint"),
    ],
    ids=str,
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        ShiftingBandit(**{"drift": "InformativeArm", **INFORMATIVE, **arguments})


def test_barcodes_name_their_good_arm() -> None:
    """Contexts last ten pulls, return under the same code, and have one arm at 0.9 of ten."""
    env: Any = gym.make("driftwise/BarcodeBandit-v0").unwrapped
    observation, _ = env.reset(seed=0)
    world, arms, visits = env.foresee(200), {}, []
    for step in range(200):
        code = tuple(observation[-10:].tolist())
        assert np.abs(observation[-10:]) == pytest.approx(np.full(10, 10**-0.5))
        means = world.means[step]
        assert sorted(means.tolist()) == [0.1] * 9 + [0.9]
        assert arms.setdefault(code, int(means.argmax())) == means.argmax()
        if step % 10 == 0:
            visits.append(code)
        assert code == visits[-1] and world.changed[step] == (step % 10 == 0 and step > 0)
        observation, _, _, _, info = env.step(int(means.argmax()))
        assert info["regret"] == 0.0
    assert len(arms) <= 8 and len(visits) == 20
    assert all(first != then for first, then in itertools.pairwise(visits))


def test_recall_pays() -> None:
    """Exact gaps per pull: 0.9 for who recalls, 0.18 for who pulls at random."""
    envs = gym.make_vec("driftwise/BarcodeBandit-v0", 500)
    rng = np.random.default_rng(0)
    for recalls, expected in ((True, 0.9), (False, 0.18)):
        envs.reset(seed=3)
        rewards = np.zeros(500)
        for _ in range(200):
            actions = rng.integers(10, size=500)
            if recalls:
                actions = envs.unwrapped.optimal_actions()
            rewards += envs.step(actions)[1] / 200
        error = rewards.std() / np.sqrt(500)
        assert rewards.mean() == pytest.approx(expected, abs=4 * error)
