"""The drifting-control worlds of the suite: classic environments in the wrappers that shift them.

Each has ``optimal_action()``, an oracle that knows what the agent has to find out. Its return is
the highest that is possible, by construction, so that the scores of these worlds end at a true 1.
"""

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import register, registry
from gymnasium.wrappers import FlattenObservation
from numpy.typing import NDArray

from ...envs import DriftingParameters, ShiftingActions

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


class ObservePreviousStep(gym.Wrapper[NDArray[np.float32], Any, Any, Any]):
    """Appends the previous action (one-hot), the previous reward, and a start flag.

    An agent that does not see what it did cannot find out what its actions do. In the first
    observation of an episode, action and reward are 0 and the flag is 1.

    Args:
        env: an environment with vectors for observations and discrete actions from 0.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        vector, actions = env.observation_space, env.action_space
        assert isinstance(vector, spaces.Box) and isinstance(actions, spaces.Discrete)
        self._num_actions = int(actions.n)
        nothing = np.zeros(self._num_actions)
        low = np.concatenate([vector.low, nothing, [-np.inf, 0.0]])
        high = np.concatenate([vector.high, nothing + 1, [np.inf, 1.0]])
        self.observation_space = spaces.Box(low.astype(np.float32), high.astype(np.float32))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Starts an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._joined(observation, None, 0.0), info

    def step(
        self, action: Any
    ) -> tuple[NDArray[np.float32], SupportsFloat, bool, bool, dict[str, Any]]:
        """Takes a step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        shown = self._joined(observation, int(action), float(reward))
        return shown, reward, terminated, truncated, info

    def _joined(self, vector: Any, action: int | None, reward: float) -> NDArray[np.float32]:
        before = np.zeros(self._num_actions + 2)
        if action is None:
            before[-1] = 1.0
        else:
            before[action], before[-2] = 1.0, reward
        return np.concatenate([vector, before]).astype(np.float32)


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
