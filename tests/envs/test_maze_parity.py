"""Vector mazes are scalar ones, bit for bit; saved states go on bit for bit."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.envs import Schedule, ShiftingMaze, ShiftingMazeVector, check_vector_env

DRIFTS: list[Any] = [
    "MoveGoal",
    "RedrawLayout",
    "PermuteActions",
    "BlockCorridor",
    ["RedrawLayout", "MoveGoal", "PermuteActions", "BlockCorridor"],
]


def check(num_envs: int, num_steps: int, mode: AutoresetMode, **arguments: Any) -> None:
    check_vector_env(
        ShiftingMazeVector(num_envs, autoreset_mode=mode, **arguments),
        lambda: ShiftingMaze(**arguments),
        num_steps=num_steps,
    )


@pytest.mark.parametrize("drift", DRIFTS, ids=str)
def test_every_schedule_with_every_drift(schedule: Schedule, drift: Any) -> None:
    # The second block of an episode begins at step 250.
    arguments = {"schedule": schedule, "drift": drift, "max_episode_steps": 260}
    check(2, 330, AutoresetMode.NEXT_STEP, **arguments)


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize(
    "arguments",
    [
        {"layout": "corridors", "size": 11, "random_start": True, "schedule": "Hazard(0.1)"},
        {"wall_penalty": 0.1, "schedule": "Never"},
        {"size": 5, "schedule": "Reactive(1)", "terminate_on_horizon": True},
        {"schedule": "Hazard(1.0)", "drift": DRIFTS[1], "time_scale": None},
        {"schedule": "Periodic(20, phase=-1)", "time_scale": 10},
    ],
    ids=str,
)
def test_every_feature(mode: AutoresetMode, arguments: dict[str, Any]) -> None:
    check(3, 130, mode, max_episode_steps=50, **arguments)


@given(
    num_envs=st.integers(1, 4),
    seed=st.integers(0, 2**31),
    resets=st.lists(st.integers(0, 2**30), max_size=10),
    stepwise=st.booleans(),
    horizon=st.sampled_from([None, 270]),
)
@settings(deadline=None, max_examples=20)
def test_worlds_out_of_step(
    num_envs: int, seed: int, resets: list[int], stepwise: bool, horizon: int | None
) -> None:
    """Sub-environments that begin at different times run as they would alone."""
    schedule = "Reactive(2)" if stepwise else "Hazard(0.1)"
    arguments: dict[str, Any] = {
        "max_episode_steps": horizon,
        "schedule": schedule,
        "drift": DRIFTS[-1],
    }
    envs = ShiftingMazeVector(num_envs, autoreset_mode="Disabled", **arguments)
    alone = [ShiftingMaze(**arguments) for _ in range(num_envs)]
    observations, _ = envs.reset(seed=seed)
    for index, env in enumerate(alone):
        assert np.array_equal(env.reset(seed=seed + index)[0], observations[index])
    rng = np.random.default_rng(seed)
    for number in [*resets, 0]:
        over = np.zeros(num_envs, dtype=bool)
        for _ in range(number % 97):
            actions = rng.integers(4, size=num_envs)
            best = envs.optimal_actions()
            actions = np.where(rng.random(num_envs) < 0.5, best, actions)
            step = envs.step(actions)
            for index, env in enumerate(alone):
                assert env.optimal_action() == best[index]
                expected = env.step(actions[index])
                assert np.array_equal(step[0][index], expected[0])
                assert tuple(part[index] for part in step[1:4]) == expected[1:4]
                assert {key: value[index] for key, value in step[4].items()} == expected[4]
            over = step[3]
            if over.any():
                break
        mask = np.array([number >> (8 + index) & 1 for index in range(num_envs)], dtype=bool) | over
        if mask.any():
            observations, infos = envs.reset(options={"reset_mask": mask})
            for index, env in enumerate(alone):
                if mask[index]:
                    observation, info = env.reset()
                    assert np.array_equal(observations[index], observation)
                    assert {key: infos[key][index] for key in info} == info


def run(env: Any, steps: int) -> list[Any]:
    """Outputs of steps with fixed actions; a scalar environment is reset where it ends."""
    rng, outputs = np.random.default_rng(steps), []
    vector = isinstance(env, ShiftingMazeVector)
    for _ in range(steps):
        output = env.step(rng.integers(4, size=3) if vector else int(rng.integers(4)))
        outputs.append(output)
        if not vector and output[3]:
            outputs.append(env.reset())
    return outputs


@pytest.mark.parametrize("schedule", ["Hazard(0.1)", "Reactive(1)"])
@pytest.mark.parametrize(
    "kind", [ShiftingMaze, lambda **arguments: ShiftingMazeVector(3, **arguments)]
)
@pytest.mark.parametrize("at", [0, 1, 129, 130, 131, 250, 333])
def test_resuming_elsewhere(kind: Any, schedule: str, at: int) -> None:
    horizon = 130 if at != 250 else 280
    arguments = {"schedule": schedule, "drift": DRIFTS[-1], "max_episode_steps": horizon}
    env, other = kind(**arguments), kind(**arguments)
    env.reset(seed=9, options={"change_times": [3, 99]})
    run(env, at)
    text = json.dumps({key: value.tolist() for key, value in env.get_state().items()})
    expected = run(env, 200)
    other.set_state(json.loads(text))
    np.testing.assert_equal(run(other, 200), expected)
    other.reset(seed=1)
    run(other, 17)
    other.set_state(json.loads(text))
    np.testing.assert_equal(run(other, 200), expected)


def test_resuming_out_of_step() -> None:
    """Some wait for their next episode while others are in the midst of theirs."""
    arguments: dict[str, Any] = {"schedule": "Hazard(0.3)", "max_episode_steps": 255}
    env, other = (ShiftingMazeVector(3, **arguments) for _ in range(2))
    env.reset(seed=0)
    run(env, 100)
    env.reset(options={"reset_mask": np.array([True, False, False])})
    for _ in range(12):
        run(env, 71)
        state = env.get_state()
        expected = run(env, 40)
        other = ShiftingMazeVector(3, **arguments)
        other.set_state(state)
        np.testing.assert_equal(run(other, 40), expected)
        np.testing.assert_equal(other.get_state(), env.get_state())


BROKEN: list[tuple[str, Any, str]] = [
    ("position", [0], r"state\['position'\] must not be in a wall"),
    ("position", [81], r"state\['position'\] must be from 0 to 80, got 81 to 81"),
    ("goal", [[0]], r"state\['goal'\] must not be in a wall"),
    ("walls", np.zeros((1, 81, 1), bool), r"state\['walls'\] must have walls all around"),
    ("walls", np.full((1, 81, 1), 2), r"state\['walls'\] must hold finite numbers of dtype bool"),
    ("directions", [[[0], [1], [2], [4]]], r"state\['directions'\] must be from 0 to 3, got 0"),
    ("last", [1], r"state\['last'\] must be from 0 to 0, got 1 to 1"),
    ("goal", [[10, 10]], "must have equal last axes"),
    ("clock", 251, r"state\['clock'\] must be from 0 to 250, got 251"),
]


@pytest.mark.parametrize(("key", "value", "message"), BROKEN, ids=str)
def test_states_with_impossible_numbers(key: str, value: Any, message: str) -> None:
    for env in (ShiftingMaze(schedule="Never"), ShiftingMazeVector(1, schedule="Never")):
        env.reset(seed=0)
        before: Any = env.get_state()
        changed = {key: value, **({"first": [251]} if key == "clock" else {})}
        with pytest.raises(ValueError, match=message) as caught:
            env.set_state({**before, **changed})
        assert "\n" not in str(caught.value)
        np.testing.assert_equal(env.get_state(), before)


def test_states_of_other_mazes() -> None:
    env, other = ShiftingMaze(), ShiftingMaze(drift="PermuteActions")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"^state must be of an environment with MazeSettings\("):
        other.set_state(env.get_state())
    same = ShiftingMaze(
        drift=["MoveGoal()"], schedule={"type": "Periodic", "period": 75, "jitter": 25}
    )
    same.set_state(env.get_state())
    assert repr(same.settings) == repr(env.settings)
