"""When the world of a drifting wrapper changes: in steps, in episodes, and never too late."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest

from driftwise.envs import (
    AtSteps,
    DriftingWrapper,
    Periodic,
    ShiftingActions,
    ShiftingRewards,
)


def cart(wrap: type[DriftingWrapper] = ShiftingActions, **arguments: Any) -> DriftingWrapper:
    return wrap(gym.make("CartPole-v1", disable_env_checker=True), **arguments)


def test_steps_count_over_episodes_or_within_them() -> None:
    for per_episode in (False, True):
        env = cart(schedule=AtSteps((3, 12)), per_episode=per_episode)
        info, step = env.reset(seed=0)[1], 0
        assert info["steps_since_change"] == 0 and not info["changed"]
        ends = 0
        for lifetime in range(60):
            terminated, truncated, info = env.step(0)[2:]
            count = step if per_episode else lifetime
            assert info["changed"] == (count in (3, 12))
            assert info["context"] == (count >= 3) + (count >= 12)
            assert info["steps_since_change"] == count - max(s for s in (0, 3, 12) if s <= count)
            assert info["change_size"] == float(count in (3, 12))  # both actions exchange places
            step += 1
            if terminated or truncated:
                info, step, ends = env.reset()[1], 0, ends + 1
                # The info of a reset describes the first step.
                assert info["changed"] == (not per_episode and lifetime + 1 in (3, 12))
        assert ends >= 2
        info = env.reset(seed=0)[1]  # a seed starts all over
        assert info["context"] == info["steps_since_change"] == 0


def test_episodes_count() -> None:
    """Nothing moves within an episode; a change comes with its first step, and is told once."""
    env = cart(
        schedule=AtSteps((2, 3, 7)), between_episodes=True, notify="values", values=[[0, 1], [1, 0]]
    )
    observation, info = env.reset(seed=0)
    since = 0
    for episode in range(10):
        swapped = (episode >= 2) + (episode >= 3) + (episode >= 7)
        for step in range(300):
            now = episode in (2, 3, 7) and step == 0
            since = 0 if now else since
            assert observation["changed"] == now
            assert observation["values"].tolist() == [[0, 1], [1, 0]][swapped % 2]
            observation, _, terminated, truncated, info = env.step(0)
            assert (info["context"], info["changed"]) == (swapped % 2, now)
            assert (info["steps_since_change"], info["change_size"]) == (since, float(now))
            since += 1
            if terminated or truncated:
                observation, info = env.reset()
                assert info["changed"] == (episode + 1 in (2, 3, 7))
                break


def test_many_episodes() -> None:
    """Beyond the blocks in which changes are drawn; saved in the middle of all."""
    env = cart(schedule=Periodic(70), values=[[0, 1], [1, 0]], between_episodes=True)
    env.reset(seed=0)
    state = env.get_state()
    for episode in range(1, 450):
        if episode in (199, 200, 201):
            env.set_state(state)
            assert env.step(0)[-1]["context"] == (episode - 1) // 70 % 2
        info = env.reset()[1]
        assert info["context"] == episode // 70 % 2
        state = env.get_state()
    with pytest.raises(ValueError, match=r"state\['age'\] must not be negative"):
        env.set_state({**state, "age": state["age"] - 1})


def test_long_lives() -> None:
    """Beyond the blocks in which changes are drawn."""
    env = cart(schedule=Periodic(70), values=[[0, 1], [1, 0]])
    env.reset(seed=0)
    for step in range(700):
        terminated, truncated, info = env.step(0)[2:]
        assert info["context"] == step // 70 % 2
        assert info["change_size"] == float(step > 0 and step % 70 == 0)
        if terminated or truncated:
            env.reset()


def test_a_stack_reports_together() -> None:
    env = ShiftingRewards(cart(schedule=AtSteps((2, 5))), "Scale(0.5, 2)", schedule=AtSteps((4, 5)))
    env.reset(seed=0)
    infos = [env.step(0)[-1] for _ in range(7)]
    assert [info["changed"] for info in infos] == [step in (2, 4, 5) for step in range(7)]
    assert [info["context"] for info in infos] == [0, 0, 1, 1, 2, 4, 4]
    assert [info["steps_since_change"] for info in infos] == [0, 1, 0, 1, 0, 0, 1]
    for info in infos:
        shifts = info["shifts"]
        assert shifts.keys() == {"actions", "rewards"}
        assert info["change_size"] == max(part["change_size"] for part in shifts.values())
    with pytest.raises(ValueError, match="name must differ from those of the wrappers inside"):
        ShiftingRewards(env)
    own = {"schedule": "Never()", "drift": "Permute()"}
    info = env.reset(options={"shifts": {"actions": {"values": [1, 0], **own}}, "low": -0.01})[1]
    assert info["shifts"]["actions"]["values"].tolist() == [1, 0]
    assert env.get_state().keys() > {"clock", "env/clock"}
