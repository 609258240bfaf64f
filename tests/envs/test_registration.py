"""Every registered id passes both checkers, with the horizon that was asked for."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import driftwise
from driftwise.envs import (
    ENVIRONMENTS,
    ShiftingBandit,
    ShiftingMaze,
    check_vector_env,
    register_envs,
)

IDS = [env_id for env_id in gym.registry if env_id.startswith("driftwise/")]
assert sorted(IDS) == sorted(ENVIRONMENTS)
assert driftwise.__version__


def make_or_skip(make: Callable[..., Any], env_id: str, **arguments: Any) -> Any:
    """What `make` makes, unless that needs data that is not on this machine."""
    try:
        return make(env_id, **arguments)
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("env_id", IDS)
def test_gymnasiums_own_checker(env_id: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Rewards of Gaussian arms, and hence their place in the observation, are unbounded.
        warnings.filterwarnings("ignore", message=".*infinity. This is probably too")
        # Gymnasium's Pendulum takes torques from -2 to 2.
        warnings.filterwarnings("ignore", message=".*symmetric and normalized space")
        check_env(make_or_skip(gym.make, env_id).unwrapped)


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("env_id", IDS)
def test_our_checker(env_id: str, mode: AutoresetMode) -> None:
    horizon = min(ENVIRONMENTS[env_id][0], 250)  # so that episodes end
    arguments = {"autoreset_mode": mode, "max_episode_steps": horizon}
    envs = make_or_skip(gym.make_vec, env_id, num_envs=2, **arguments)
    check_vector_env(envs, lambda: gym.make(env_id, max_episode_steps=horizon), num_steps=270)


@pytest.mark.parametrize("env_id", ["driftwise/ShiftingBandit-v0", "driftwise/StationaryBandit-v0"])
def test_horizons(env_id: str) -> None:
    default = ENVIRONMENTS[env_id][0]
    scalars = [
        (gym.make(env_id), default),
        (gym.make(env_id, max_episode_steps=37), 37),
        (gym.make(env_id, max_episode_steps=500), 500),
        (ShiftingBandit(), 200),
        (ShiftingBandit(max_episode_steps=500), 500),
    ]
    for env, horizon in scalars:
        env.reset(seed=0)
        over = [env.step(0)[2:4] for _ in range(horizon)]
        assert over == [(False, False)] * (horizon - 1) + [(False, True)]
    cases: list[tuple[dict[str, Any], int]] = [({}, default), ({"max_episode_steps": 500}, 500)]
    for kwargs, horizon in cases:
        envs = gym.make_vec(env_id, num_envs=2, **kwargs)
        assert envs.spec is not None and envs.spec.kwargs["max_episode_steps"] == horizon
        envs.reset(seed=0)
        over = [tuple(envs.step(np.zeros(2, int))[3]) for _ in range(horizon)]
        assert over == [(False, False)] * (horizon - 1) + [(True, True)]


@pytest.mark.parametrize("horizon", [1, 37, 199, 200, 201, 400, 450])
def test_make_and_make_vec_play_the_same_worlds(horizon: int) -> None:
    env_id = "driftwise/RecurringBandit-v0"
    envs = gym.make_vec(env_id, num_envs=2, max_episode_steps=horizon)
    check_vector_env(
        envs, lambda: gym.make(env_id, max_episode_steps=horizon), num_steps=2 * horizon + 20
    )


def test_endless_worlds() -> None:
    """None and -1 mean different things to ``gym.make`` and to ``gym.make_vec``."""
    env_id = "driftwise/ShiftingBandit-v0"
    for env, ends in (
        (gym.make(env_id, max_episode_steps=None), True),
        (gym.make(env_id, max_episode_steps=-1), False),
        (ShiftingBandit(max_episode_steps=None), False),
    ):
        env.reset(seed=0)
        assert any(env.step(0)[3] for _ in range(200)) == ends
    envs = gym.make_vec(env_id, num_envs=2, max_episode_steps=None)
    envs.reset(seed=0)
    assert not any(envs.step(np.zeros(2, int))[3].any() for _ in range(450))


def test_the_last_regret_is_in_final_info() -> None:
    envs = gym.make_vec(
        "driftwise/ShiftingBandit-v0",
        num_envs=2,
        max_episode_steps=1,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    means = [0.1, 0.9, 0.5, 0.5, 0.5]
    envs.reset(seed=0, options={"means": means})
    infos = envs.step(np.array([0, 2]))[4]
    assert infos["final_info"]["regret"].tolist() == [0.9 - 0.1, 0.9 - 0.5]
    assert infos["regret"].tolist() == [0.0, 0.0]


def test_make_and_make_vec_know_the_horizon_alike() -> None:
    for make in (gym.make, gym.make_vec, partial(gym.make_vec, vectorization_mode="sync")):
        env = make("driftwise/ShiftingBandit-v0", observe_time=True, max_episode_steps=40)
        assert env.reset(seed=0)[0].shape[-1] == 8
        for _ in range(9):
            observation = env.step(env.action_space.sample() * 0)[0]
        assert observation[..., -1] == pytest.approx(9 / 40)
        late: dict[str, Any] = {"schedule": "AtSteps((260,))"}
        for env_id in ("driftwise/ShiftingMaze-v0", "driftwise/DriftingCartPole-v0"):
            arguments = {**late, "per_episode": True} if "CartPole" in env_id else late
            with pytest.raises(ValueError, match="schedule must change before max_episode_steps=2"):
                make(env_id, **arguments)
            make(env_id, max_episode_steps=261, **arguments).close()
        with pytest.raises(ValueError, match="must be even"):
            make("driftwise/TwoStep-v0", max_episode_steps=61)
    gym.make("driftwise/ShiftingMaze-v0", max_episode_steps=-1, **late).close()
    with pytest.raises(ValueError, match=r"change_times'\] must be below max_episode_steps=250"):
        gym.make("driftwise/ShiftingMaze-v0").reset(options={"change_times": [250]})
    # Made in the same way, from what it says of itself.
    env = gym.make("driftwise/ShiftingMaze-v0", max_episode_steps=300)
    assert gym.make(env.spec).unwrapped.settings.max_episode_steps == 300
    # Nobody is going to end the episodes of a class.
    assert ShiftingMaze(max_episode_steps=None, **late).settings.max_episode_steps is None


def test_the_end_of_make_is_a_truncation() -> None:
    arguments: dict[str, Any] = {"terminate_on_horizon": True}
    with pytest.raises(ValueError, match="=True cannot go with gymnasium"):
        gym.make("driftwise/ShiftingBandit-v0", **arguments)
    envs = gym.make_vec("driftwise/ShiftingBandit-v0", num_envs=2, **arguments)
    assert envs.reset(seed=0)[0].shape == (2, 7)


def test_specs_are_json() -> None:
    for env_id in IDS:
        assert json.loads(gym.spec(env_id).to_json())["id"] == env_id


def test_registering_twice_is_silent() -> None:
    before = dict(gym.registry)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_envs()
    assert dict(gym.registry) == before


def test_import_is_light() -> None:
    code = (
        "import sys, driftwise, driftwise.envs, gymnasium as gym;"
        "gym.make_vec('driftwise/ShiftingBandit-v0', num_envs=2).reset(seed=0);"
        "print(sorted({'torch', 'scipy', 'matplotlib', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_id() -> None:
    with pytest.raises(gym.error.NameNotFound, match="driftwise"):
        gym.make("driftwise/ShiftyBandit-v0")
