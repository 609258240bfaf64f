"""Bad arguments, options and actions of mazes: one-line errors that name the argument."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from driftwise.envs import Hazard, Resample, ShiftingMaze, ShiftingMazeVector

ARGUMENTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"size": 8}, ValueError, "size must be odd and at most 181, got 8"),
    ({"size": 183}, ValueError, "size must be odd and at most 181, got 183"),
    ({"size": 3}, ValueError, "size must be at least 5, got 3"),
    ({"size": 9.0}, TypeError, "size must be an integer, got 9.0"),
    ({"layout": "spiral"}, ValueError, 'layout must be "pillars" or "corridors", got \'spiral\''),
    ({"schedule": None}, TypeError, "schedule must be a Schedule, a string or a mapping, got None"),
    (
        {"schedule": "AtSteps((10, 250))"},
        ValueError,
        r"schedule must change before max_episode_steps=250, got AtSteps\(steps=\(10, 250\)\)",
    ),
    (
        {"schedule": "Periodic(250)"},
        ValueError,
        r"schedule must change before max_episode_steps=250, got Periodic\(period=250",
    ),
    ({"schedule": "Periodic(300, phase=260)"}, ValueError, "schedule must change before"),
    ({"drift": "MoveWall"}, ValueError, "drift must be one of BlockCorridor, MoveGoal, .*, got"),
    ({"drift": ["MoveGoal", 3]}, TypeError, "drift must be a MazeDrift, a string or a mapping"),
    ({"drift": Resample()}, TypeError, "drift must be a MazeDrift"),
    ({"drift": []}, ValueError, r"drift must have at least one drift, got \[\]"),
    ({"wall_penalty": -0.1}, ValueError, "wall_penalty must be at least 0 and finite, got -0.1"),
    ({"wall_penalty": "1"}, TypeError, "wall_penalty must be a number, got '1'"),
    ({"random_start": 1}, TypeError, "random_start must be True or False, got 1"),
    ({"time_scale": 0}, ValueError, "time_scale must be at least 1, got 0"),
    ({"max_episode_steps": 0}, ValueError, "max_episode_steps must be at least 1, got 0"),
    (
        {"max_episode_steps": None, "terminate_on_horizon": True},
        ValueError,
        "terminate_on_horizon=True needs max_episode_steps, got None",
    ),
    ({"render_mode": "human"}, ValueError, "render_mode must be .*, got 'human'"),
    ({"num_arms": 3}, TypeError, "arguments must be among size, .*, got 'num_arms'"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), ARGUMENTS, ids=lambda v: str(v)[:40])
def test_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    for make in (ShiftingMaze, ShiftingMazeVector):
        with pytest.raises(error, match=message) as caught:
            make(**arguments)
        assert "\n" not in str(caught.value)


def test_schedules_within_the_horizon() -> None:
    for schedule in ("Periodic(249)", "Periodic(400, phase=249)", "Periodic(400, phase=-1)"):
        ShiftingMaze(schedule=schedule)
    ShiftingMaze(schedule="AtSteps((249,))")
    ShiftingMaze(schedule="AtSteps((900,))", max_episode_steps=None)


RING = np.ones((5, 5), dtype=int)
RING[1:4, 1:4] = 0
NO_CENTRE, APART, OPEN, SMALL = RING.copy(), RING.copy(), RING.copy(), 1 - 0 * RING
NO_CENTRE[2, 2] = 1
APART[1, 2] = APART[2, 1] = 1
OPEN[0, 2] = 0
SMALL[2, 1:4] = 0

OPTIONS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"gaol": (1, 1)}, ValueError, "options must have keys among layout, goal, .*, got 'gaol'"),
    (
        {"goal": (0, 3)},
        ValueError,
        r"options\['goal'\] must be a free cell, got a wall at \[0, 3\]",
    ),
    ({"goal": (1, 5)}, ValueError, r"options\['goal'\] must be \(row, column\) in \[0, 5\), got"),
    ({"goal": (-1, 1)}, ValueError, r"options\['goal'\] must be \(row, column\) in \[0, 5\)"),
    ({"goal": 7}, ValueError, r"options\['goal'\] must have shape \(2,\) or \(1, 2\), got \(\)"),
    ({"goal": (1.0, 2.0)}, TypeError, r"options\['goal'\] must be integers, got float64"),
    ({"goal": "exit"}, TypeError, r"options\['goal'\] must be an array of numbers, got 'exit'"),
    ({"position": (4, 4)}, ValueError, r"options\['position'\] must be a free cell, got a wall"),
    ({"layout": RING[1:]}, ValueError, r"options\['layout'\] must have shape \(5, 5\) or \(1, 5"),
    ({"layout": 2 * RING}, ValueError, r"options\['layout'\] must have 1 for a wall and 0 for"),
    ({"layout": OPEN}, ValueError, r"options\['layout'\] must have walls all around"),
    ({"layout": NO_CENTRE}, ValueError, r"options\['layout'\] must have a free centre"),
    ({"layout": APART}, ValueError, r"options\['layout'\] must .* 4 free cells, all connected"),
    ({"layout": SMALL}, ValueError, r"options\['layout'\] must have at least 4 free cells"),
    ({"actions": [0, 1, 2, 2]}, ValueError, r"options\['actions'\] must be an order of 0, 1, 2, 3"),
    ({"actions": [0, 1]}, ValueError, r"options\['actions'\] must have shape \(4,\)"),
    ({"change_times": [0]}, ValueError, r"options\['change_times'\] must be at least 1"),
    (
        {"change_times": [3, 250]},
        ValueError,
        r"options\['change_times'\] must be below max_episode_steps=250, got 250",
    ),
    ({"schedule": "AtSteps((999,))"}, ValueError, "schedule must change before"),
    ({"drift": "Permute"}, ValueError, r"options\['drift'\] must be one of BlockCorridor"),
    ({"layout": RING, "goal": (0, 0)}, ValueError, r"options\['goal'\] must be a free cell"),
]


@pytest.mark.parametrize(("options", "error", "message"), OPTIONS, ids=lambda v: str(v)[:40])
def test_options(options: dict[str, Any], error: type[Exception], message: str) -> None:
    for env in (ShiftingMaze(size=5), ShiftingMazeVector(1, size=5)):
        env.reset(seed=0)
        before = env.get_state()
        with pytest.raises(error, match=message) as caught:
            env.reset(seed=1, options=options)
        assert "\n" not in str(caught.value)
        np.testing.assert_equal(env.get_state(), before)


def test_a_goal_where_pillars_will_stand() -> None:
    plan = np.ones((9, 9), dtype=bool)
    plan[1:8, 1:8] = False
    env = ShiftingMaze(drift=["MoveGoal", "RedrawLayout"])
    with pytest.raises(ValueError, match=r"options\['layout'\] must have walls where Redraw"):
        env.reset(options={"layout": plan, "goal": (2, 2)})
    env.reset(options={"layout": plan, "goal": (2, 2), "drift": "MoveGoal"})


def test_steps() -> None:
    env, envs = ShiftingMaze(), ShiftingMazeVector(2)
    for never in (lambda: env.step(0), lambda: envs.step(np.zeros(2, int))):
        with pytest.raises(ResetNeeded, match=r"call reset\(\) first"):
            never()
    for never in (env.optimal_action, envs.optimal_actions):
        with pytest.raises(ResetNeeded, match=r"call reset\(\) first"):
            never()
    env.reset()
    envs.reset()
    with pytest.raises(ValueError, match=r"action must be in \[0, 4\), got 4"):
        env.step(4)
    with pytest.raises(ValueError, match=r"actions must be in \[0, 4\), got -1 at index 1"):
        envs.step(np.array([0, -1]))
    with pytest.raises(ValueError, match="cannot go with a reset_mask"):
        envs.reset(options={"reset_mask": np.array([True, False]), "schedule": Hazard(0.5)})


def test_the_horizon_cannot_be_guessed() -> None:
    arguments: dict[str, Any] = {"terminate_on_horizon": True}
    with pytest.raises(ValueError, match=r"terminate_on_horizon=True .* use ShiftingMaze\("):
        gym.make("driftwise/ShiftingMaze-v0", **arguments)
