"""The oracle of an environment whose actions change their meaning."""

import gymnasium as gym
import pytest

from driftwise.envs import ShiftingActions


class _Favourite(gym.Wrapper):
    """Thinks that one action is the best everywhere."""

    def optimal_action(self) -> int:
        return 2


def test_the_best_action_is_told_in_terms_of_the_agents_actions() -> None:
    env = ShiftingActions(
        _Favourite(gym.make("FrozenLake-v1")), schedule="Hazard(0.3)", random_start=True
    )
    env.reset(seed=0)
    told = set()
    for _ in range(100):
        best = env.optimal_action()
        _, _, terminated, truncated, info = env.step(best)
        assert info["shifts"]["actions"]["values"][best] == 2
        told.add(best)
        if terminated or truncated:
            env.reset()
    assert told == {0, 1, 2, 3}


def test_the_best_action_needs_discrete_actions() -> None:
    env = ShiftingActions(_Favourite(gym.make("Pendulum-v1")), effect="Flip()")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="actions must be discrete"):
        env.optimal_action()
