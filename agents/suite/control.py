"""The drifting-control worlds of the suite: classic environments in the wrappers that shift them.

Each has ``optimal_action()``, an oracle that knows what the agent has to find out. Its return is
the highest that is possible, by construction, so that the scores of these worlds end at a true 1.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import register, registry
from gymnasium.wrappers import FlattenObservation
from numpy.typing import NDArray

from ...envs import DriftingParameters, ObservePreviousStep, ShiftingActions

NAMESPACE = "driftwise-8"
CARTPOLE = f"{NAMESPACE}/DriftingCartPole-v1"
FROZEN_LAKE = f"{NAMESPACE}/ShiftingFrozenLake-v1"


def register_control() -> None:
    """Registers both environments; doing it again changes nothing."""
    for env_id, maker in ((CARTPOLE, make_drifting_cartpole), (FROZEN_LAKE, make_shifting_lake)):
        if env_id not in registry:
            # No checks at every step: these worlds are trained on for millions of them.
            place = f"{__name__}:{maker.__name__}"
            register(env_id, place, disable_env_checker=True, order_enforce=False)


def make_drifting_cartpole(render_mode: str | None = None) -> gym.Env[Any, Any]:
    """A pole to be balanced, whose physics drift, and on which left and right change places.

    Gravity, the pole's length and the motor's force are drawn anew at every step with probability
    0.01, and what the two actions do is exchanged with probability 0.005; episodes of at most 500
    steps begin in a world of their own. Observation: cart and pole, and the step before.
    """
    cartpole = gym.make("CartPole-v1", render_mode=render_mode, disable_env_checker=True)
    drifting = DriftingParameters(
        BalancedPole(cartpole),
        {"gravity": (5.0, 15.0), "length": (0.25, 1.0), "force_mag": (5.0, 15.0)},
        schedule="Hazard(probability=0.01)",
        random_start=True,
        per_episode=True,
    )
    shifting = ShiftingActions(
        drifting, schedule="Hazard(probability=0.005)", random_start=True, per_episode=True
    )
    return ObservePreviousStep(shifting)


def make_shifting_lake(render_mode: str | None = None) -> gym.Env[Any, Any]:
    """A walk across the ice between four holes, with actions whose directions change.

    Gymnasium's ``FrozenLake-v1`` on its 4 x 4 map, without slipping, in episodes of at most 100
    steps. In each, the four actions lead in directions that have to be found out, and all of them
    in others from then on, at every step with probability 0.02. Observation: the place, and
    the step before. The reward is 1 at the goal.
    """
    lake = gym.make(
        "FrozenLake-v1", is_slippery=False, render_mode=render_mode, disable_env_checker=True
    )
    shifting = ShiftingActions(
        ShortestWay(lake),
        schedule="Hazard(probability=0.02)",
        random_start=True,
        per_episode=True,
    )
    return ObservePreviousStep(FlattenObservation(shifting))


class BalancedPole(gym.Wrapper[Any, Any, Any, Any]):
    """A CartPole with an oracle: a controller that holds the pole up for 500 steps, the maximum.

    It pushes to where position, speed, angle and angular speed, weighted, point. The weights are
    chosen by hand: in 100,000 simulated worlds the pole never fell. Heavier ones on position and
    speed let it fall in a few, when a long pole and a weak motor come all at once.
    """

    WEIGHTS = np.array([0.04, 0.1, 1.0, 0.4])

    def optimal_action(self) -> int:
        """Push to the left (0) or to the right (1)."""
        state: Any = self.env.get_wrapper_attr("state")
        return int(self.WEIGHTS @ state > 0)


class ShortestWay(gym.Wrapper[Any, Any, Any, Any]):
    """A FrozenLake with an oracle: the optimal policy, by value iteration."""

    DISCOUNT = 0.99  # Prefers short ways; without slipping, any discount gives the same paths.

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self._policy = action_values(env.get_wrapper_attr("P"), self.DISCOUNT).argmax(axis=1)

    def optimal_action(self) -> int:
        """The first of the directions that lead along a shortest way."""
        return int(self._policy[self.env.get_wrapper_attr("s")])


def action_values(
    transitions: dict[int, dict[int, list[tuple[float, int, float, bool]]]], discount: float
) -> NDArray[np.float64]:
    """Optimal values of all actions in all states, (S, A), by value iteration.

    Args:
        transitions: the model of Gymnasium's toy-text environments, (probability, next state,
            reward, whether the episode ends) for every state and action.
        discount: below 1.
    """
    states, actions = len(transitions), len(transitions[0])
    values = np.zeros((states, actions))
    while True:
        best = values.max(axis=1)
        new = np.array(
            [
                [
                    sum(p * (r + discount * (not end) * best[s]) for p, s, r, end in outcomes)
                    for outcomes in (transitions[state][action] for action in range(actions))
                ]
                for state in range(states)
            ]
        )
        if np.array_equal(new, values):
            return values
        values = new
