"""Vector wrappers equal the single ones, row by row, in every autoreset mode."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from driftwise.agents import SB3VecEnv
from driftwise.envs import (
    AtSteps,
    DriftingParameters,
    DriftingParametersVector,
    Hazard,
    Never,
    Recur,
    ShiftingActions,
    ShiftingActionsVector,
    ShiftingBandit,
    ShiftingBanditVector,
    ShiftingObservations,
    ShiftingObservationsVector,
    ShiftingRewards,
    ShiftingRewardsVector,
    check_vector_env,
)

PAIRS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "actions": (ShiftingActions, ShiftingActionsVector, {}),
    "observations": (ShiftingObservations, ShiftingObservationsVector, {"notify": "values"}),
    "drop": (ShiftingObservations, ShiftingObservationsVector, {"effect": "Drop()"}),
    "scale": (ShiftingRewards, ShiftingRewardsVector, {"effect": "Scale()", "notify": "change"}),
    "walk": (
        ShiftingRewards,
        ShiftingRewardsVector,
        {"effect": "Scale()", "drift": "RandomWalk(0.1)"},
    ),
    "delay": (ShiftingRewards, ShiftingRewardsVector, {"effect": "Delay(4)"}),
    "recur": (
        ShiftingActions,
        ShiftingActionsVector,
        {"drift": Recur(3), "random_start": True, "notify": "values"},
    ),
    "values": (ShiftingRewards, ShiftingRewardsVector, {"values": [[1], [-1], [1]]}),
}
BANDIT: dict[str, Any] = {"num_arms": 3, "max_episode_steps": 23}


# What the schedule counts.
TIMES: dict[str, dict[str, Any]] = {
    "steps": {},
    "per_episode": {"per_episode": True},
    "between_episodes": {"between_episodes": True},
}


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("name", PAIRS)
def test_rows_are_single_environments(name: str, mode: AutoresetMode, time: str) -> None:
    single, vector, arguments = PAIRS[name]
    arguments = {"schedule": Hazard(0.2), **TIMES[time], **arguments}
    envs = vector(ShiftingBanditVector(3, autoreset_mode=mode, **BANDIT), **arguments)
    check_vector_env(
        envs, lambda: single(ShiftingBandit(**BANDIT), **arguments), num_steps=70, info_keys=()
    )


@pytest.mark.parametrize("time", TIMES)
def test_episodes_of_different_lengths(time: str) -> None:
    """CartPoles fall at different times; long runs go through several blocks of draws."""
    arguments: dict[str, Any] = {"schedule": Hazard(0.1), **TIMES[time]}
    for mode in AutoresetMode:
        envs = ShiftingActionsVector(
            SyncVectorEnv([lambda: gym.make("CartPole-v1")] * 3, autoreset_mode=mode), **arguments
        )
        check_vector_env(
            envs,
            lambda: ShiftingActions(gym.make("CartPole-v1"), **arguments),
            num_steps=450,
            info_keys=("context", "changed", "steps_since_change"),
        )


def test_stacks() -> None:
    def stack(env: Any, actions: Any, rewards: Any) -> Any:
        return rewards(actions(env, schedule=Hazard(0.2)), "Delay(3)", schedule=Hazard(0.3))

    for mode in AutoresetMode:
        inner = ShiftingBanditVector(2, autoreset_mode=mode, **BANDIT)
        check_vector_env(
            stack(inner, ShiftingActionsVector, ShiftingRewardsVector),
            lambda: stack(ShiftingBandit(**BANDIT), ShiftingActions, ShiftingRewards),
            num_steps=60,
            info_keys=(),
        )


RANGES = {"gravity": (5.0, 15.0), "length": (0.3, 0.8), "masspole": (0.05, 0.2)}


@pytest.mark.parametrize("together", [False, True])
def test_parameters_of_cartpoles_computed_at_once(together: bool) -> None:
    """Each row equals a CartPole whose parameters are set by hand before every step."""
    envs = DriftingParametersVector(
        CartPoleVectorEnv(4), RANGES, together=together, schedule=Hazard(0.1)
    )
    observations, infos = envs.reset(seed=0)
    over, seen = np.zeros(4, dtype=bool), set()
    for step in range(150):
        before = np.array(envs.unwrapped.state).T.copy()
        actions = np.array([step // 2 % 2, step % 2, step // 3 % 2, (step + 1) // 2 % 2])
        observations, _, terminations, truncations, infos = envs.step(actions)
        values = infos["shifts"]["parameters"]["values"]
        for row in np.flatnonzero(~over):
            alone: Any = gym.make("CartPole-v1").unwrapped
            alone.reset()
            alone.state = before[row]
            for name in RANGES:
                setattr(alone, name, float(values[name][row]))
            alone.total_mass = alone.masspole + alone.masscart
            alone.polemass_length = alone.masspole * alone.length
            expected = alone.step(int(actions[row]))
            np.testing.assert_allclose(observations[row], expected[0], rtol=1e-6)
            assert terminations[row] == expected[2]
        seen.update(values["gravity"].tolist())
        assert (len({*values["gravity"].tolist()}) == 1) or not together
        over = terminations | truncations
    assert len(seen) > 8
    envs.close()
    base: Any = envs.unwrapped
    assert (base.gravity, base.length, base.polemass_length) == (9.8, 0.5, 0.05)


def test_rows_drift_as_single_wrappers_do() -> None:
    """The parameters of row i are those of the single wrapper, as long as no episode ends."""
    arguments: dict[str, Any] = {"ranges": RANGES, "schedule": Hazard(0.3)}
    envs = DriftingParametersVector(CartPoleVectorEnv(3), **arguments)
    infos = [envs.reset(seed=5)[1], *(envs.step(np.zeros(3, dtype=int))[-1] for _ in range(6))]
    for row in range(3):
        env = DriftingParameters(gym.make("CartPole-v1"), **arguments)
        alone = [env.reset(seed=5 + row)[1], *(env.step(0)[-1] for _ in range(6))]
        for name in RANGES:
            got = [info["shifts"]["parameters"]["values"][name][row] for info in infos]
            assert got == [info["shifts"]["parameters"]["values"][name] for info in alone]


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_sub_environments_are_set_one_by_one(mode: AutoresetMode, time: str) -> None:
    """As many single wrappers do the same, bit for bit, and all is put back in the end."""
    arguments: dict[str, Any] = {"schedule": Hazard(0.1), "random_start": True, **TIMES[time]}
    envs = SyncVectorEnv([lambda: gym.make("CartPole-v1")] * 3, autoreset_mode=mode)
    drifting = DriftingParametersVector(envs, RANGES, **arguments)
    check_vector_env(
        drifting,
        lambda: DriftingParameters(gym.make("CartPole-v1"), RANGES, **arguments),
        num_steps=450,
    )
    carts: list[Any] = [env.unwrapped for env in envs.envs]
    assert len({cart.gravity for cart in carts}) == 3
    drifting.close()
    assert {(cart.gravity, cart.length, cart.total_mass) for cart in carts} == {(9.8, 0.5, 1.1)}


def test_what_never_changes_is_what_is_wrapped() -> None:
    def run(envs: Any) -> list[Any]:
        out = [envs.reset(seed=2)[0]]
        for step in range(60):
            out += envs.step(np.array([0, step % 2]))[:4]
        return copy.deepcopy(out)

    expected = run(CartPoleVectorEnv(2))
    wraps: list[Callable[..., Any]] = [
        ShiftingActionsVector,
        ShiftingObservationsVector,
        ShiftingRewardsVector,
        lambda env, **kw: ShiftingRewardsVector(env, "Delay(3)", **kw),
        lambda env, **kw: DriftingParametersVector(env, RANGES, **kw),
        lambda env, **kw: DriftingParametersVector(env, RANGES, together=True, **kw),
    ]
    for wrap in wraps:
        got = run(wrap(CartPoleVectorEnv(2), schedule=Never()))
        for part, other in zip(got, expected, strict=True):
            np.testing.assert_array_equal(part, other)
            assert part.dtype == other.dtype


def test_options_and_seeds_of_rows() -> None:
    envs = DriftingParametersVector(CartPoleVectorEnv(2), {"gravity": (5, 15)}, schedule=Never())
    options = {"values": {"gravity": [6.0, 7.0]}, "change_times": [[1], [2]]}
    infos = envs.reset(seed=0, options={"shifts": {"parameters": options}})[1]
    assert infos["shifts"]["parameters"]["values"]["gravity"].tolist() == [6.0, 7.0]
    np.testing.assert_array_equal(envs.unwrapped.gravity, [6.0, 7.0])
    changed = [envs.step(np.array([0, 1]))[-1]["changed"].tolist() for _ in range(3)]
    assert changed == [[False, False], [True, False], [False, True]]

    bandits = ShiftingActionsVector(ShiftingBanditVector(2), schedule=AtSteps((1, 3)))
    bandits.reset(seed=[4, 5])
    for _ in range(4):
        infos = bandits.step(np.zeros(2, dtype=int))[-1]
    mask = np.array([False, True])
    infos = bandits.reset(seed=[None, 5], options={"reset_mask": mask})[1]
    shifts = infos["shifts"]["actions"]
    assert shifts["context"].tolist() == [2, 0] and shifts["values"][1].tolist() == [0, 1, 2, 3, 4]


def test_through_stable_baselines() -> None:
    """The adapter of the agents resets single rows, which changes nothing of what they meet."""
    envs = SB3VecEnv(
        gym.make_vec(
            "CartPole-v1",
            num_envs=2,
            vectorization_mode="sync",
            wrappers=[lambda env: DriftingParameters(env, RANGES, schedule=AtSteps((30,)))],
        )
    )
    envs.seed(0)
    envs.reset()
    for step in range(60):
        envs.step(np.array([0, 1]))
        assert envs.info_arrays["changed"].tolist() == [step == 30] * 2


def test_parts_of_rows_are_those_of_single_environments() -> None:
    arguments: dict[str, Any] = {"part": 0, "schedule": "Hazard(0.3)"}
    envs = gym.make_vec("Blackjack-v1", num_envs=3, vectorization_mode="sync")
    envs = ShiftingObservationsVector(envs, **arguments)
    single = [ShiftingObservations(gym.make("Blackjack-v1"), **arguments) for _ in range(3)]
    seen = envs.reset(seed=4)[0]
    for row, env in enumerate(single):
        expected = env.reset(seed=4 + row)[0]
        assert tuple(part[row] for part in seen) == expected
    assert envs.observation_space.contains(seen)


def test_integer_rewards_may_become_fractions() -> None:
    class Whole(CartPoleVectorEnv):
        def step(self, action: Any) -> Any:
            observations, rewards, *rest = super().step(action)
            return observations, 3 * rewards.astype(np.int64), *rest

    envs = ShiftingRewardsVector(Whole(2), "Scale(0.5, 2)", random_start=True)
    factors = envs.reset(seed=0)[1]["shifts"]["rewards"]["values"][:, 0]
    rewards = envs.step(np.zeros(2, int))[1]
    np.testing.assert_allclose(rewards, 3 * factors)


def test_a_refused_reset_changes_nothing() -> None:
    bandits = ShiftingActionsVector(ShiftingBanditVector(2), schedule="Hazard(0.2)")
    stack = ShiftingRewardsVector(bandits, "Delay(3)", schedule="Hazard(0.2)")
    stack.reset(seed=0)
    for _ in range(5):
        stack.step(np.zeros(2, int))
    before = stack.get_state()
    for options in ({"means": 2}, {"shifts": {"actions": {"context": 7}}}):
        with pytest.raises(ValueError, match=r"must|needs"):
            stack.reset(seed=7, options=options)
    after = stack.get_state()
    for key, value in before.items():
        np.testing.assert_array_equal(value, after[key], err_msg=key)


def test_bad_input() -> None:
    sync = gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync")
    same = ShiftingBanditVector(2, autoreset_mode=AutoresetMode.SAME_STEP)

    class Stubborn(CartPoleVectorEnv):
        """Heeds a single number only."""

        def step(self, action: Any) -> Any:
            if self.gravity < 0:
                raise RuntimeError
            return super().step(action)

    class Mixed(CartPoleVectorEnv):
        """Takes arrays, and lets a row's parameter act on all."""

        def step(self, action: Any) -> Any:
            self.force_mag = np.mean(self.gravity)
            return super().step(action)

    gravity = {"gravity": (5, 15)}
    apart = gym.make_vec("CartPole-v1", num_envs=1, vectorization_mode="async")
    drifting = SyncVectorEnv([lambda: DriftingParameters(gym.make("CartPole-v1"), gravity)])
    unlike = gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync")
    unlike.envs[1].unwrapped.gravity = 12.0  # type: ignore[attr-defined]
    cases: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: ShiftingActionsVector(gym.make("CartPole-v1")), TypeError, "use ShiftingActions"),
        (lambda: DriftingParametersVector(apart, gravity), ValueError, "env must run in this"),
        (
            lambda: DriftingParametersVector(drifting, gravity, name="again"),
            ValueError,
            "'gravity' drifts already",
        ),
        (
            lambda: DriftingParametersVector(unlike, gravity),
            ValueError,
            "must have the same gravity",
        ),
        (lambda: DriftingParametersVector(same, gravity), ValueError, "not reset in the same step"),
        (lambda: DriftingParametersVector(Stubborn(2), gravity), ValueError, "use together=True"),
        (lambda: DriftingParametersVector(Mixed(2), gravity), ValueError, "do what they do alone"),
        # An array for all rows does not fit where only some of them start anew.
        (
            lambda: DriftingParametersVector(CartPoleVectorEnv(4), {"low": (-0.1, 0.0)}),
            ValueError,
            "use together=True",
        ),
        (
            lambda: DriftingParametersVector(
                CartPoleVectorEnv(2), gravity, together=True, per_episode=True
            ),
            ValueError,
            "together=True cannot go with per_episode",
        ),
        (
            lambda: DriftingParametersVector(
                CartPoleVectorEnv(2), gravity, together=True, between_episodes=True
            ),
            ValueError,
            "together=True cannot go with between_episodes",
        ),
        (
            lambda: ShiftingActionsVector(sync, per_episode=True, between_episodes=True),
            ValueError,
            "between_episodes=True cannot go with per_episode=True",
        ),
        (
            lambda: DriftingParametersVector(
                DriftingParametersVector(CartPoleVectorEnv(2), gravity), gravity, name="again"
            ),
            ValueError,
            "'gravity' drifts already",
        ),
        (
            lambda: ShiftingRewardsVector(ShiftingRewardsVector(sync)),
            ValueError,
            "name must differ",
        ),
        (
            lambda: ShiftingActionsVector(sync).step(np.zeros(2, int)),
            gym.error.ResetNeeded,
            "reset",
        ),
    ]
    for build, error, message in cases:
        with pytest.raises(error, match=message) as caught:
            build()
        assert "\n" not in str(caught.value)
    apart.close()
    DriftingParametersVector(Stubborn(2), gravity, together=True).reset(seed=0)
    envs = ShiftingActionsVector(sync)
    with pytest.raises(gym.error.ResetNeeded):
        envs.reset(options={"reset_mask": np.array([True, False])})
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=r"actions must be in \[0, 2\)"):
        envs.step(np.array([0, -1]))
