"""Each wrapper does to its environment what the plain environment does by hand."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.envs import (
    Cycle,
    Delay,
    Drift,
    DriftingParameters,
    Drop,
    Effect,
    Flip,
    Hazard,
    Interpolate,
    Mirror,
    Never,
    OrnsteinUhlenbeck,
    Permutation,
    RandomWalk,
    Resample,
    Scale,
    ShiftingActions,
    ShiftingObservations,
    ShiftingRewards,
    Sinusoid,
)
from driftwise.envs.drifting.settings import DriftSettings

FAST = Hazard(0.1)
TAXI = max(env_id for env_id in gym.registry if env_id.startswith("Taxi-v"))
MOVES = [
    Resample(),
    Interpolate(7),
    RandomWalk(0.05),
    OrnsteinUhlenbeck(),
    Sinusoid(15, 0.2),
    Mirror(),
]


def make(env_id: str) -> gym.Env[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return gym.make(env_id)


class Count(gym.Env[int, int]):
    """Pays 1, 2, 4, ... at steps 0, 1, 2, ..., so that sums tell what was paid when."""

    observation_space = gym.spaces.Discrete(2)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, length: int) -> None:
        self.length, self.paid = length, 1

    def reset(self, **kwargs: Any) -> tuple[int, dict[str, Any]]:
        super().reset(**kwargs)
        self.paid = 1
        return 0, {}

    def step(self, action: int) -> tuple[int, int, bool, bool, dict[str, Any]]:
        self.paid *= 2
        return 0, self.paid // 2, self.paid == 2**self.length, False, {}


def values_of(info: dict[str, Any]) -> Any:
    (report,) = info["shifts"].values()
    return report["values"]


@pytest.mark.parametrize("drift", MOVES, ids=str)
def test_parameters_are_those_set_by_hand(drift: Drift) -> None:
    """CartPole's masses and length, with what follows from them written out here."""
    ranges = {
        "gravity": (5.0, 15.0),
        "length": (0.3, 0.8),
        "masspole": (0.05, 0.2),
        "masscart": (0.5, 2.0),
    }
    env = DriftingParameters(make("CartPole-v1"), ranges, schedule=FAST, drift=drift)
    plain = make("CartPole-v1")
    bare: Any = plain.unwrapped
    np.testing.assert_array_equal(env.reset(seed=4)[0], plain.reset(seed=4)[0])
    moved = 0
    for step in range(150):
        action = step // 2 % 2
        observation, reward, terminated, truncated, info = env.step(action)
        values = values_of(info)
        for name, (low, high) in ranges.items():
            assert low <= values[name] <= high
            setattr(bare, name, values[name])
        bare.total_mass = values["masspole"] + values["masscart"]
        bare.polemass_length = values["masspole"] * values["length"]
        expected = plain.step(action)
        np.testing.assert_array_equal(observation, expected[0])
        assert (reward, terminated, truncated) == expected[1:4]
        moved += info["change_size"] > 0
        if terminated or truncated:
            np.testing.assert_array_equal(env.reset()[0], plain.reset()[0])
    assert moved > (100 if drift.continuous and not isinstance(drift, Interpolate) else 5)


def test_pendulum_and_given_values() -> None:
    env = DriftingParameters(
        make("Pendulum-v1"),
        values={"g": [10.0, 1.0 / 3.0, 7.0], "l": [1.0, 1.2, 0.7]},
        drift=Cycle(3),
        schedule=FAST,
    )
    plain = make("Pendulum-v1")
    bare: Any = plain.unwrapped
    env.reset(seed=1)
    plain.reset(seed=1)
    seen = []
    for _ in range(100):
        observation, reward, _, _, info = env.step(np.array([0.5], dtype=np.float32))
        seen.append((info["context"], *values_of(info).values()))
        bare.g, bare.l = seen[-1][1:]
        expected = plain.step(np.array([0.5], dtype=np.float32))
        np.testing.assert_array_equal(observation, expected[0])
        assert reward == expected[1]
    assert set(seen) == {(0, 10.0, 1.0), (1, 1.0 / 3.0, 1.2), (2, 7.0, 0.7)}
    assert all((b[0] - a[0]) % 3 in (0, 1) for a, b in pairwise(seen))


def test_change_size_is_a_share_of_the_range() -> None:
    ranges = {"gravity": (5.0, 15.0), "length": (0.3, 0.8)}
    env = DriftingParameters(make("CartPole-v1"), ranges, schedule=Hazard(0.5))
    last = values_of(env.reset(seed=0)[1])
    for _ in range(300):
        terminated, truncated, info = env.step(0)[2:]
        values = values_of(info)
        moves = [abs(values[k] - last[k]) / (high - low) for k, (low, high) in ranges.items()]
        assert info["change_size"] == pytest.approx(max(moves), abs=1e-12)
        assert info["changed"] == (info["change_size"] > 0)
        last = values
        if terminated or truncated:
            env.reset()


def test_parameters_are_put_back() -> None:
    cases: list[tuple[str, dict[str, tuple[float, float]]]] = [
        ("CartPole-v1", {"length": (0.3, 0.8), "masspole": (0.05, 0.5)}),
        ("Acrobot-v1", {"LINK_LENGTH_1": (0.5, 1.5)}),
    ]
    for env_id, ranges in cases:
        env = make(env_id)
        bare: Any = env.unwrapped
        before = dict(vars(bare))
        wrapped = DriftingParameters(env, ranges, schedule=Hazard(1.0))
        assert dict(vars(bare)) == before  # nothing has happened yet
        wrapped.reset(seed=0)
        wrapped.step(0)
        assert any(getattr(bare, name) != before.get(name) for name in ranges)
        if env_id == "CartPole-v1":
            assert bare.polemass_length == bare.masspole * bare.length != 0.05
        wrapped.close()
        kept = {key: value for key, value in vars(bare).items() if key in before}
        for name in (*ranges, "polemass_length", "total_mass"):
            assert kept.get(name) == before.get(name) and (name in vars(bare)) == (name in before)


def test_properties_can_drift() -> None:
    class Scaled(Count):
        """With a parameter behind a property, and one that cannot be set."""

        _mass, fixed = 2.0, property(lambda self: 1.0)
        mass = property(lambda self: self._mass, lambda self, mass: setattr(self, "_mass", mass))

    bare = Scaled(50)
    env = DriftingParameters(bare, {"mass": (1, 3)}, schedule=Hazard(1.0))
    env.reset(seed=0)
    assert values_of(env.step(0)[-1]) == {"mass": 2.0}
    assert bare.mass != 2.0
    env.close()
    assert bare.mass == 2.0
    with pytest.raises(ValueError, match=r"'fixed' of .* cannot be set"):
        DriftingParameters(bare, {"fixed": (0, 3)})


def test_update_is_told_of_every_move() -> None:
    seen = []
    env = DriftingParameters(
        make("Pendulum-v1"),
        {"m": (0.5, 1.5)},
        schedule=Hazard(1.0),
        update=lambda env: seen.append(env.m),
    )
    env.reset(seed=0)
    told = [values_of(env.step(env.action_space.sample())[-1])["m"] for _ in range(5)]
    assert told == list(dict.fromkeys(seen))[:5]
    env.close()
    assert seen[-1] == 1.0


def test_actions_are_those_of_the_permuted() -> None:
    env, plain = ShiftingActions(make(TAXI), schedule=FAST), make(TAXI)
    info, bare_info = env.reset(seed=2)[1], plain.reset(seed=2)[1]
    previous, changes = np.arange(6), 0
    for step in range(150):
        np.testing.assert_array_equal(
            np.sort(np.flatnonzero(info["action_mask"])).size, bare_info["action_mask"].sum()
        )
        action = step % 6
        mask = info["action_mask"]
        observation, reward, terminated, truncated, info = env.step(action)
        meant = values_of(info)
        assert mask[action] == bare_info["action_mask"][meant[action]]
        expected = plain.step(int(meant[action]))
        bare_info = expected[-1]
        assert (observation, reward, terminated, truncated) == expected[:4]
        if info["changed"]:
            changes += 1
            assert (meant != previous).all() and info["change_size"] == 1.0
        else:
            assert (meant == previous).all()
        previous = meant
        if terminated or truncated:
            info, bare_info = env.reset()[1], plain.reset()[1]
    assert changes > 5


@pytest.mark.parametrize("effect", [Permutation(), Flip()])
def test_box_actions(effect: Effect) -> None:
    """A made-up environment that shows what it gets."""

    class Echo(gym.Env[Any, Any]):
        action_space = gym.spaces.Box(-2.0, 2.0, (2, 3), np.float32)
        if isinstance(effect, Flip):
            action_space = gym.spaces.Box(
                np.float32([[-1, 0, -np.inf], [-3, 2, 0]]), np.float32([[1, 4, np.inf], [5, 3, 9]])
            )
        observation_space = action_space

        def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
            super().reset(**kwargs)
            return np.zeros((2, 3), dtype=np.float32), {}

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            return action, 0.0, False, False, {}

    env = ShiftingActions(Echo(), effect, schedule=Hazard(0.3))
    env.reset(seed=0)
    space = env.action_space
    space.seed(0)
    for _ in range(50):
        action = space.sample()
        got, _, _, _, info = env.step(action)
        values, flat = values_of(info), action.reshape(-1)
        if isinstance(effect, Permutation):
            expected = flat[values]
        else:
            mirrored = np.array(
                [-flat[0], 4 - flat[1], -flat[2], 2 - flat[3], 5 - flat[4], 9 - flat[5]]
            )
            expected = np.where(values < 0, mirrored.astype(np.float32), flat)
        np.testing.assert_array_equal(got, expected.reshape(2, 3))
        assert got in space and got.dtype == np.float32


@pytest.mark.parametrize("effect", [Permutation(), Drop(0.4), Scale(0.25, 3.0)], ids=str)
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_observations(env_id: str, effect: Effect) -> None:
    env, plain = ShiftingObservations(make(env_id), effect, schedule=FAST), make(env_id)
    bare, now = plain.reset(seed=3)[0], env.reset(seed=3)
    seen, ahead = now[0], values_of(now[1])
    seen_values = set()
    for step in range(120):
        action = plain.action_space.sample() if env_id == "Pendulum-v1" else step // 2 % 2
        after, _, terminated, truncated, info = env.step(action)
        # The observation on which the agent acted was seen in the world in which it acted.
        ahead = values_of(info)
        factor = np.asarray(ahead, dtype=np.float32)
        expected = bare[ahead] if isinstance(effect, Permutation) else bare * factor
        np.testing.assert_array_equal(seen, expected)
        assert seen in env.observation_space
        seen_values.add(tuple(ahead.tolist()))
        seen, bare = after, plain.step(action)[0]
        if terminated or truncated:
            seen, bare = env.reset()[0], plain.reset()[0]
    assert len(seen_values) >= 3


def test_one_part_of_the_observations() -> None:
    env = ShiftingObservations(make("Blackjack-v1"), part=1, schedule=FAST)
    plain = make("Blackjack-v1")
    assert env.observation_space == plain.observation_space
    for seed in range(40):
        (mine, dealers, ace), info = env.reset(seed=seed)
        expected = plain.reset(seed=seed)[0]
        assert (mine, dealers, ace) == (expected[0], values_of(info)[expected[1]], expected[2])
    space = gym.spaces.Dict({"near": gym.spaces.Box(-1, 1, (3,)), "far": gym.spaces.Discrete(3)})

    class Two(gym.Env[Any, int]):
        observation_space, action_space = space, gym.spaces.Discrete(2)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            super().reset(seed=seed)
            return {"near": np.array([0.25, 0.5, 1.0], np.float32), "far": 2}, {}

        def step(self, action: int) -> Any:
            return self.reset()[0], 0.0, False, False, {}

    inner = ShiftingObservations(Two(), "Scale(0.5, 2)", "near", random_start=True)
    env = ShiftingObservations(inner, part="far", name="far", random_start=True, notify="change")
    seen, info = env.reset(seed=1)
    shifts = info["shifts"]
    assert seen in env.observation_space
    scaled = np.array([0.25, 0.5, 1.0]) * shifts["observations"]["values"]
    np.testing.assert_allclose(seen["observation"]["near"], scaled, rtol=1e-6)
    assert seen["observation"]["far"] == shifts["far"]["values"][2]
    assert inner.observation_space["near"].high.max() == 2.0
    for part in (None, "middle", 0):
        with pytest.raises(ValueError, match=r"part must be 'far', 'near'|name one with part"):
            ShiftingObservations(Two(), part=part)
    with pytest.raises(ValueError, match="part must be None, as observations have no parts, got 0"):
        ShiftingObservations(make("CartPole-v1"), part=0)


def test_discrete_observations() -> None:
    env = ShiftingObservations(make("FrozenLake-v1"), schedule=Never(), random_start=True)
    plain = make("FrozenLake-v1")
    observation, info = env.reset(seed=0)
    assert observation == values_of(info)[plain.reset(seed=0)[0]]
    assert sorted(values_of(info)) == list(range(16)) and (values_of(info) != np.arange(16)).any()


@pytest.mark.parametrize("effect", [Flip(), Scale(0.25, 3.0)], ids=str)
def test_rewards(effect: Effect) -> None:
    env, plain = ShiftingRewards(make("Pendulum-v1"), effect, schedule=FAST), make("Pendulum-v1")
    env.reset(seed=0)
    plain.reset(seed=0)
    factors = set()
    for _ in range(100):
        action = plain.action_space.sample()
        _, reward, _, _, info = env.step(action)
        factors.add(float(values_of(info)[0]))
        assert reward == plain.step(action)[1] * values_of(info)[0]
    assert factors == {1.0, -1.0} if isinstance(effect, Flip) else len(factors) > 3


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 6), st.integers(1, 20), st.integers(0, 1000))
def test_delayed_rewards_come_in_time_and_in_full(most: int, length: int, seed: int) -> None:
    env = ShiftingRewards(Count(length), Delay(most), schedule=Hazard(0.3))
    env.reset(seed=seed)
    for _ in range(3):
        expected, rewards, over = np.zeros(length + most + 1, dtype=int), [], False
        while not over:
            _, reward, over, _, info = env.step(0)
            expected[len(rewards) + values_of(info)[0]] += 2 ** len(rewards)
            rewards.append(reward)
        expected[length - 1] += expected[length:].sum()
        assert rewards == expected[:length].tolist()
        assert sum(rewards) == 2**length - 1
        env.reset()


def test_truncation_pays_too_but_not_an_end_from_outside() -> None:
    def total(env: gym.Env[Any, Any]) -> float:
        env.reset(seed=0, options={"shifts": {"rewards": {"values": [9]}}})
        paid, over = 0.0, False
        while not over:
            _, reward, terminated, truncated, _ = env.step(0)
            paid, over = paid + float(reward), terminated or truncated
        return paid

    limit = gym.wrappers.TimeLimit
    delay: dict[str, Any] = {"effect": "Delay(9)", "schedule": Never()}
    assert total(ShiftingRewards(limit(Count(50), 12), **delay)) == 2**12 - 1
    assert total(limit(ShiftingRewards(Count(50), **delay), 12)) == 1 + 2 + 4


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["permutation", "flip", "drop", "delay", "scale"]), st.integers(2, 6), st.data()
)
def test_values_and_quantities_invert_each_other(kind: str, size: int, data: st.DataObject) -> None:
    """What options prescribe is what there is; what is drawn lies within the bounds."""
    effect: Effect = {
        "permutation": Permutation(),
        "flip": Flip(),
        "drop": Drop(data.draw(st.floats(0.01, 0.99))),
        "delay": Delay(data.draw(st.integers(1, 9))),
        "scale": Scale(0.3, data.draw(st.floats(1.5, 5.0))),
    }[kind]
    size = data.draw(st.integers(2, 6))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    values = effect.values(rng.random((7, size)))
    assert (effect.check("values", values, size) == values).all() and values.dtype == effect.dtype
    np.testing.assert_allclose(effect.values(effect.means(values)), values, rtol=1e-12)
    world_settings = DriftSettings.parse(effect, size, "name", None, {"schedule": Never()})
    for start in (None, *values):  # the neutral values, or prescribed ones: to the last bit
        world = world_settings.make_world(1)
        options = {} if start is None else {"values": start}
        world.begin(world.everyone, world_settings.parse_episode(world, options, world.everyone))
        expected = effect.neutral(size) if start is None else start
        assert (world.trace.values == expected).all()
    distances = effect.distance(values[1:], values[:-1])
    assert ((distances >= 0) & (distances <= 1)).all()
    assert ((distances == 0) == (values[1:] == values[:-1]).all(axis=1)).all()
