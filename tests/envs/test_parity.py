"""Sub-environment i of ``reset(seed=s)`` is the scalar ``reset(seed=s + i)``, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.envs import (
    Drift,
    Hazard,
    Reactive,
    Rotting,
    Schedule,
    ShiftingBandit,
    ShiftingBanditVector,
    check_vector_env,
)


def check(num_envs: int, num_steps: int, mode: AutoresetMode, **arguments: Any) -> None:
    check_vector_env(
        ShiftingBanditVector(num_envs, autoreset_mode=mode, **arguments),
        lambda: ShiftingBandit(**arguments),
        num_steps=num_steps,
    )


# Two and a bit episodes; the second block of an episode begins at step 200.
LONG: dict[str, Any] = {"num_envs": 2, "num_steps": 470, "max_episode_steps": 231}


def test_every_schedule_with_every_drift(schedule: Schedule, drift: Drift) -> None:
    check(mode=AutoresetMode.NEXT_STEP, schedule=schedule, drift=drift, **LONG)


def test_every_drift_with_gaussian_arms(drift: Drift) -> None:
    check(mode=AutoresetMode.SAME_STEP, arms="gaussian", drift=drift, **LONG)


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize(
    "arguments",
    [
        {"num_contexts": 3, "cue": "one_hot", "schedule": Hazard(0.2)},
        {"num_contexts": 7, "cue": "barcode", "cue_size": 4, "observe_time": True},
        {"num_contexts": 4, "cue": "barcode", "cue_size": 70, "arms": "gaussian"},
        {"num_contexts": 5, "schedule": Reactive(1), "cue": "one_hot"},
        {"dependent": True, "num_arms": 7},
        {"dependent": True, "arms": "gaussian", "drift": "RandomWalk"},
        {"mean_values": [0.9, 0.1, 0.1, 0.2], "num_arms": 4},
        {"observe_time": True, "terminate_on_horizon": True},
        {"noise_std": 0.1, "arms": "gaussian", "num_arms": 20},
        {"num_arms": 2, "schedule": "Hazard(1.0)"},
    ],
    ids=lambda arguments: "-".join(arguments),
)
def test_every_feature(mode: AutoresetMode, arguments: dict[str, Any]) -> None:
    check(3, 130, mode, max_episode_steps=50, **arguments)


@given(
    num_envs=st.integers(1, 5),
    seed=st.integers(0, 2**31),
    resets=st.lists(st.integers(0, 2**30), max_size=12),
    stepwise=st.booleans(),
    horizon=st.sampled_from([None, 230]),
)
@settings(deadline=None, max_examples=25)
def test_worlds_out_of_step(
    num_envs: int, seed: int, resets: list[int], stepwise: bool, horizon: int | None
) -> None:
    """Sub-environments that begin at different times run as they would alone."""
    arguments: dict[str, Any] = {"max_episode_steps": horizon, "num_contexts": 3, "cue": "barcode"}
    if stepwise:
        arguments["schedule"] = Reactive(2)
    envs = ShiftingBanditVector(num_envs, autoreset_mode="Disabled", **arguments)
    alone = [ShiftingBandit(**arguments) for _ in range(num_envs)]
    observations, _ = envs.reset(seed=seed)
    for index, env in enumerate(alone):
        assert np.array_equal(env.reset(seed=seed + index)[0], observations[index])
    rng = np.random.default_rng(seed)
    for number in [*resets, 0]:
        for _ in range(number % 61):
            actions = rng.integers(5, size=num_envs)
            step = envs.step(actions)
            for index, env in enumerate(alone):
                expected = env.step(actions[index])
                assert np.array_equal(step[0][index], expected[0])
                assert tuple(part[index] for part in step[1:4]) == expected[1:4]
                assert {key: value[index] for key, value in step[4].items()} == expected[4]
            if (step[2] | step[3]).any():
                _reset(envs, alone, step[2] | step[3], step[0])
        mask = np.array([number >> (8 + index) & 1 for index in range(num_envs)], dtype=bool)
        if mask.any():
            _reset(envs, alone, mask, None)


def _reset(
    envs: ShiftingBanditVector,
    alone: list[ShiftingBandit],
    mask: np.ndarray,
    latest: np.ndarray | None,
) -> None:
    observations, infos = envs.reset(options={"reset_mask": mask})
    for index, env in enumerate(alone):
        if mask[index]:
            observation, info = env.reset()
            assert np.array_equal(observations[index], observation)
            assert {key: infos[key][index] for key in info} == info
        elif latest is not None:
            assert np.array_equal(observations[index], latest[index])
        assert all(infos[f"_{key}"][index] == mask[index] for key in ("regret", "context"))


def test_next_step_resets_out_of_step() -> None:
    """With NEXT_STEP, too, single sub-environments may start anew while others wait or run."""
    envs, alone = ShiftingBanditVector(3, max_episode_steps=9), ShiftingBandit(max_episode_steps=9)
    envs.reset(seed=5)
    actions = np.zeros(3, dtype=int)
    for _ in range(4):
        envs.step(actions)
    envs.reset(options={"reset_mask": np.array([True, False, False])}, seed=50)
    observation, _ = alone.reset(seed=50)
    waiting = False
    for time in range(40):
        got = envs.step(actions)
        if waiting:
            observation, info = alone.reset()
            expected = (observation, 0.0, False, False, info)
        else:
            expected = alone.step(0)
        waiting = expected[3]
        assert np.array_equal(got[0][0], expected[0]), time
        assert tuple(part[0] for part in got[1:4]) == expected[1:4]
        assert {key: value[0] for key, value in got[4].items()} == expected[4]


@pytest.mark.parametrize("drift", [Rotting(), "RandomWalk", "Resample"])
def test_the_rewards_noise_is_common(drift: Drift | str) -> None:
    """Two agents that pull the same arm at the same mean are paid the same."""
    envs = [ShiftingBandit(arms="gaussian", drift=drift) for _ in range(2)]
    for env in envs:
        env.reset(seed=11)
    for time in range(200):
        steps = [env.step(arm) for env, arm in zip(envs, (time % 5, (2 * time) % 5), strict=True)]
        if drift != Rotting():
            assert steps[0][4]["optimal_action"] == steps[1][4]["optimal_action"]
            gap = [step[1] + step[4]["regret"] for step in steps]  # best mean + noise
            assert gap[0] == pytest.approx(gap[1], abs=1e-12)
        assert steps[0][4]["changed"] == steps[1][4]["changed"]
