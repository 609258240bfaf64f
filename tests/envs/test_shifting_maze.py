"""Mazes as they are played: against plain Python, and against exact expectations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from driftwise.envs import Periodic, Reactive, ShiftingMaze, ShiftingMazeVector

Search = Callable[..., dict[Any, int]]

MOVES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])


def look(env: ShiftingMaze) -> dict[str, Any]:
    """The maze of the next step, read from the saved state."""
    state: dict[str, Any] = env.get_state()
    size, row = env.settings.size, int(state["clock"]) % len(state["trace_slot"])
    slot = state["trace_slot"][row, 0]
    return {
        "walls": state["walls"][0, :, slot].reshape(size, size),
        "goal": divmod(int(state["goal"][0, slot]), size),
        "moves": MOVES[state["directions"][0, :, slot]],
        "place": divmod(int(state["position"][0]), size),
        "changes": int(state["trace_context"][row, 0]),
    }


KINDS: list[dict[str, Any]] = [
    {},
    {"drift": "BlockCorridor", "schedule": "Hazard(0.2)", "wall_penalty": 0.1},
    {"drift": ["RedrawLayout", "MoveGoal"], "schedule": "Hazard(0.2)", "layout": "corridors"},
    {"drift": "PermuteActions", "schedule": "Hazard(0.2)", "size": 13, "random_start": True},
    {"drift": ["MoveGoal", "BlockCorridor"], "schedule": "Reactive(2)", "size": 5},
]


@pytest.mark.parametrize("arguments", KINDS, ids=str)
def test_steps(search: Search, arguments: dict[str, Any]) -> None:
    env, rng = ShiftingMaze(max_episode_steps=None, **arguments), np.random.default_rng(3)
    penalty = arguments.get("wall_penalty", 0.0)
    observation, info = env.reset(seed=8)
    before = look(env)
    centre = env.settings.size // 2
    assert before["place"] == (centre, centre) or arguments.get("random_start")
    assert before["goal"] not in (before["place"], (centre, centre))
    assert observation[10:].tolist() == [0.0] * 6
    seen = {"hits": 0, "caught": 0, "on goal": 0, "changes": 0}
    for step in range(900):
        # Half of the moves go for the goal, the others anywhere.
        action = env.optimal_action() if rng.random() < 0.5 else int(rng.integers(4))
        walls, goal, place = before["walls"], before["goal"], before["place"]
        distance = search(walls, goal)
        assert len(distance) == (~walls).sum()
        view = walls[place[0] - 1 : place[0] + 2, place[1] - 1 : place[1] + 2]
        assert observation[:10].tolist() == [*view.reshape(-1), 1.0]

        targets = [tuple(place + move) for move in before["moves"]]
        targets = [place if walls[target] else target for target in targets]
        left = [distance[target] for target in targets]
        observation, reward, _, _, info = env.step(action)
        after = look(env)
        assert info["optimal_action"] == int(np.argmin(left))
        assert info["regret"] == left[action] - min(left)
        assert info["context"] == before["changes"]
        if place != goal:
            assert min(left) == distance[place] - 1
        else:
            seen["on goal"] += 1

        hit, bumped = targets[action] == goal, targets[action] == place
        assert reward == 10.0 * hit - penalty * bumped
        assert observation[10] == np.float32(reward)
        assert observation[11:15].tolist() == np.eye(4)[action].tolist()
        assert observation[15] == np.float32(min((step + 1) / 250, 1.0))
        caught = bool(after["walls"][targets[action]])
        if hit or caught:
            assert not after["walls"][after["place"]] and after["place"] != after["goal"]
        else:
            assert after["place"] == targets[action]
        changed = after["changes"] - before["changes"]
        assert changed in (0, 1)
        assert changed or all(np.array_equal(before[key], after[key]) for key in ("walls", "goal"))
        seen["hits"] += hit
        seen["caught"] += caught and not hit
        seen["changes"] += changed
        before = after
    assert seen["hits"] > 10 and seen["changes"] > 5
    if "RedrawLayout" in arguments.get("drift", ""):
        assert seen["caught"]
    if arguments.get("size") == 5:
        assert seen["on goal"]


def exact_reward(size: int, num_steps: int, oracle: bool) -> float:
    """Expected reward of an episode, by following the distribution of the agent's place."""
    middle = (size // 2, size // 2)
    inner = range(1, size - 1)
    free = [(r, c) for r in inner for c in inner if r % 2 or c % 2 or (r, c) == middle]
    number = {cell: index for index, cell in enumerate(free)}
    next_to = [
        [number.get((r + down, c + right), number[r, c]) for down, right in MOVES.tolist()]
        for r, c in free
    ]
    start, rewards = number[middle], []
    for goal in set(range(len(free))) - {start}:
        steps, queue = {goal: 0}, [goal]
        for cell in queue:
            new = [other for other in next_to[cell] if other not in steps]
            steps |= dict.fromkeys(new, steps[cell] + 1)
            queue += dict.fromkeys(new)
        moves = np.zeros((len(free), len(free)))
        for cell, others in enumerate(next_to):
            for other in [min(others, key=steps.__getitem__)] if oracle else others:
                moves[cell, other] += 1.0 if oracle else 0.25
        hits = moves[:, goal].copy()
        landing = (np.arange(len(free)) != goal) / (len(free) - 1)
        moves[:, goal] = 0.0
        moves += np.outer(hits, landing)
        place, reward = np.eye(len(free))[start], 0.0
        for _ in range(num_steps):
            reward += 10.0 * float(place @ hits)
            place = place @ moves
        rewards.append(reward)
    return float(np.mean(rewards))


# The published settings; the anchors are printed without decimals, or with one.
ANCHORS = [
    ("driftwise/StationaryMaze-v0", 9, 250, (17.0, 1.0), (520.0, 1.0)),
    ("driftwise/StationaryMaze13-v0", 13, 200, (5.5, 0.1), (270.0, 1.0)),
]


@pytest.mark.parametrize(("env_id", "size", "horizon", "random", "oracle"), ANCHORS)
def test_anchors(
    env_id: str,
    size: int,
    horizon: int,
    random: tuple[float, float],
    oracle: tuple[float, float],
) -> None:
    count = 4000
    envs: Any = gym.make_vec(env_id, count)
    rng = np.random.default_rng(0)
    for clever, (anchor, digit) in ((False, random), (True, oracle)):
        envs.reset(seed=0)
        rewards = np.zeros(count)
        for _ in range(horizon):
            actions = rng.integers(4, size=count)
            if clever:
                actions = envs.unwrapped.optimal_actions()
            _, reward, _, truncations, infos = envs.step(actions)
            rewards += reward
            assert not clever or (infos["regret"] == 0.0).all()
        assert truncations.all()
        error = rewards.std(ddof=1) / np.sqrt(count)
        assert rewards.mean() == pytest.approx(exact_reward(size, horizon, clever), abs=4 * error)
        assert rewards.mean() == pytest.approx(anchor, abs=digit + 4 * error)


def test_the_default_changes_every_50_to_100_steps() -> None:
    envs = ShiftingMazeVector(200)
    infos = envs.reset(seed=0)[1]
    since, goals = infos["steps_since_change"], []
    for _ in range(250):
        infos = envs.step(np.zeros(200, dtype=int))[4]
        assert ((infos["steps_since_change"] == 0) == infos["changed"])[since > 0].all()
        goals += (since + 1)[infos["changed"]].tolist()
        since = infos["steps_since_change"]
    assert min(goals) >= 50 and max(goals) <= 100 and 500 <= len(goals) <= 600
    assert envs.settings.schedule == Periodic(75, jitter=25)


def test_reactive_worlds_change_once_found_out() -> None:
    env = ShiftingMaze(schedule=Reactive(4))
    env.reset(seed=0)
    for step in range(100):
        info = env.step(env.optimal_action())[4]
        assert info["steps_since_change"] == step % 4 and info["regret"] == 0.0


def test_equal_seeds_give_equal_worlds() -> None:
    """Mazes and landing places are the same whatever the agents do."""
    envs = [ShiftingMaze(drift=["MoveGoal", "PermuteActions"]) for _ in range(2)]
    for seed in (1, None):
        for env in envs:
            env.reset(seed=seed)
        for step in range(250):
            first, second = (look(env) for env in envs)
            for key in ("walls", "goal", "moves", "changes"):
                assert np.array_equal(first[key], second[key])
            infos = [env.step(action % 4)[4] for env, action in zip(envs, (step, 3), strict=True)]
            assert infos[0]["changed"] == infos[1]["changed"]


PLAN = [
    [1, 1, 1, 1, 1],
    [1, 0, 0, 0, 1],
    [1, 1, 0, 1, 1],
    [1, 0, 0, 0, 1],
    [1, 1, 1, 1, 1],
]


def test_options() -> None:
    env = ShiftingMaze(size=5, schedule="Never", wall_penalty=0.5)
    options = {"layout": PLAN, "goal": (1, 1), "position": (3, 1), "actions": [3, 2, 1, 0]}
    observation, info = env.reset(seed=0, options=options)
    assert observation[:9].tolist() == [1, 1, 0, 1, 0, 0, 1, 1, 1]
    assert info["optimal_action"] == 0  # to the right
    rewards = [env.step(action)[1] for action in (1, 0, 3, 3, 3, 1)]
    assert rewards == [-0.5, 0.0, 0.0, 0.0, -0.5, 10.0]
    env.reset(options={"change_times": [2, 5], "drift": "BlockCorridor"})
    assert [env.step(0)[4]["changed"] for _ in range(7)] == [
        False,
        False,
        True,
        *[False] * 2,
        True,
        False,
    ]
    env.reset()  # options are for one episode, but for the drift and the schedule
    assert look(env)["walls"].sum() == 16 and not env.step(0)[4]["changed"]
    assert "BlockCorridor" in repr(env.settings)


def test_options_of_each_sub_environment() -> None:
    envs = ShiftingMazeVector(3, size=5, autoreset_mode="Disabled")
    envs.reset(seed=0, options={"goal": [(1, 1), (3, 3), (1, 3)], "layout": PLAN})
    assert envs.step(np.zeros(3, int))[4]["optimal_action"].tolist() == [0, 1, 0]
    mask = np.array([False, True, False])
    envs.reset(options={"reset_mask": mask, "goal": [(1, 1), (1, 2), (1, 1)], "position": (3, 3)})
    state: dict[str, Any] = envs.get_state()
    assert state["goal"][:, 0].tolist()[:2] == [6, 7] and state["position"][1] == 18


def test_a_goal_that_moves_under_the_agent() -> None:
    """Where there is a wall beside it, a bump is enough; else it must step away and back."""
    walled, open_ = ShiftingMaze(schedule="Never"), ShiftingMaze(schedule="Never")
    walled.reset(seed=0, options={"goal": (1, 2), "position": (1, 2)})
    _, reward, _, _, info = walled.step(0)
    assert (reward, info["regret"], info["optimal_action"]) == (10.0, 0.0, 0)
    open_.reset(seed=0, options={"goal": (3, 3), "position": (3, 3)})
    for action, paid in ((1, 0.0), (0, 10.0)):
        _, reward, _, _, info = open_.step(action)
        assert (reward, info["regret"]) == (paid, 0.0)


def test_random_corridors_leave_out_walls_that_would_bury_somebody() -> None:
    envs = ShiftingMazeVector(300, layout="corridors", schedule="Never")
    envs.reset(seed=0, options={"goal": (1, 2), "position": (2, 1)})
    walls: Any = envs.get_state()["walls"][..., 0].reshape(-1, 9, 9)
    assert not walls[:, 1, 2].any() and not walls[:, 2, 1].any() and walls[:, 1, 4].any()
