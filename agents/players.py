"""Everybody who can play a vector environment: agents, oracles, and whoever else wants to."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv, VectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm

from .bandits import make_policy
from .bandits.play import count_arms
from .memory_ppo import MemoryPPO
from .memory_reset import memory_starts
from .plain_spaces import check_same_spaces
from .vector_info import transition_info

_RANDOM_STREAM = 0x72616E


class Player(ABC):
    """Somebody who chooses the actions of all rows of a vector environment.

    A game is ``begin(env, seed)``, then ``act(obs)`` and ``observe(...)`` in turn. Your own player
    needs ``act`` alone if it needs no memory.
    """

    def begin(self, env: VectorEnv, seed: int | None) -> None:  # noqa: B027
        """Get ready for new episodes in all rows of ``env``, which was just reset.

        Args:
            env: the environment.
            seed: seed of the player's own random numbers; None: any.

        Raises:
            ValueError: if the player cannot play this environment.
        """

    @abstractmethod
    def act(self, obs: Any) -> NDArray[Any]:
        """Actions of all rows, (N, ...), for a batch of observations."""

    def probabilities(self, obs: Any) -> NDArray[np.float64] | None:
        """Probabilities (N, A) of the actions 0..A-1 in what ``act(obs)`` would do now.

        Changes nothing. None: not known.
        """
        return None

    def observe(  # noqa: B027
        self, rewards: NDArray[np.float64], dones: NDArray[np.bool_], info: dict[str, Any]
    ) -> None:
        """See what the last actions led to.

        Args:
            rewards: (N,).
            dones: (N,) rows whose episode just ended: their next observation starts another.
            info: what the environment said, as arrays (N, ...).
        """


class ModelPlayer(Player):
    """A model of stable-baselines3, with or without a memory.

    Args:
        model: a :class:`MemoryPPO`, whose ``memory_reset`` decides whether it remembers earlier
            episodes, or any other model, which forgets at the start of an episode.
        deterministic: take the most likely actions instead of samples. PPO trains the policy that
            samples, and where that one explores, the most likely actions may not.
    """

    def __init__(self, model: BaseAlgorithm, *, deterministic: bool = False) -> None:
        self.model, self.deterministic = model, deterministic

    def begin(self, env: VectorEnv, seed: int | None) -> None:
        """See :meth:`Player.begin`; actions are sampled with torch's own generator."""
        check_same_spaces(self.model, env.single_observation_space, env.single_action_space)
        self._state: Any = None
        self._starts = np.ones(env.num_envs, dtype=bool)

    def act(self, obs: Any) -> NDArray[Any]:
        """See :meth:`Player.act`."""
        arguments = (obs, self._state, self._starts, self.deterministic)
        if isinstance(self.model, MemoryPPO):
            # `model.predict` without its copies of the state, most of the time with many rows.
            actions, self._state = self.model.policy.predict(*arguments, in_place=True)
        else:
            actions, self._state = self.model.predict(*arguments)
        return actions

    def probabilities(self, obs: Any) -> NDArray[np.float64] | None:
        """See :meth:`Player.probabilities`; known of a :class:`MemoryPPO` with such actions."""
        space = self.model.action_space
        if not isinstance(self.model, MemoryPPO) or not isinstance(space, spaces.Discrete):
            return None
        return self.model.policy.action_probabilities(obs, self._state, self._starts)

    def observe(
        self, rewards: NDArray[np.float64], dones: NDArray[np.bool_], info: dict[str, Any]
    ) -> None:
        """See :meth:`Player.observe`."""
        mode = getattr(self.model, "memory_reset", "episode")
        self._starts = memory_starts(mode, dones, info.get("trial_start"))


class RandomPlayer(Player):
    """Uniformly random actions."""

    num_timesteps = 0  # Nobody has trained it, which a submission to the suite tells.

    def begin(self, env: VectorEnv, seed: int | None) -> None:
        """See :meth:`Player.begin`."""
        self._space = env.action_space
        if seed is not None:
            # Apart from the environment's stream of the same seed, of which the first world is
            # drawn: actions would know what is to come.
            seed = int(np.random.default_rng([seed, _RANDOM_STREAM]).integers(2**31))
        self._space.seed(seed)

    def act(self, obs: Any) -> NDArray[Any]:
        """See :meth:`Player.act`."""
        return np.asarray(self._space.sample())


class OraclePlayer(Player):
    """The optimal actions, as the environment itself tells them.

    A vector environment tells them with ``optimal_actions()``, the sub-environments of a
    ``SyncVectorEnv`` with ``optimal_action()`` each.
    """

    num_timesteps = 0

    def begin(self, env: VectorEnv, seed: int | None) -> None:
        """See :meth:`Player.begin`."""
        base: Any = env.unwrapped
        if hasattr(base, "optimal_actions"):
            self._optimal: Callable[[], Any] = base.optimal_actions
        elif isinstance(base, SyncVectorEnv) and base.envs[0].has_wrapper_attr("optimal_action"):
            self._optimal = lambda: base.call("optimal_action")
        else:
            raise ValueError(f"env must have optimal_actions() for an oracle, got {env}")

    def act(self, obs: Any) -> NDArray[Any]:
        """See :meth:`Player.act`."""
        return np.asarray(self._optimal())


class PolicyPlayer(Player):
    """A classic bandit policy.

    Args:
        name: its name in :data:`driftwise.agents.bandits.POLICIES`.
        **arguments: its arguments.
    """

    num_timesteps = 0

    def __init__(self, name: str, **arguments: Any) -> None:
        self.name, self.arguments = name, arguments

    def begin(self, env: VectorEnv, seed: int | None) -> None:
        """See :meth:`Player.begin`."""
        num_arms = count_arms(env)
        self._policy = make_policy(self.name, num_arms, env.num_envs, seed, **self.arguments)
        self._policy.bind(env)

    def act(self, obs: Any) -> NDArray[Any]:
        """See :meth:`Player.act`: a policy looks at no observation."""
        self._actions = self._policy.act()
        return self._actions

    def observe(
        self, rewards: NDArray[np.float64], dones: NDArray[np.bool_], info: dict[str, Any]
    ) -> None:
        """See :meth:`Player.observe`."""
        self._policy.update(self._actions, rewards, transition_info(info, dones))
        if dones.any():
            self._policy.reset(dones)


class FunctionPlayer(Player):
    """A function of the observations."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def act(self, obs: Any) -> NDArray[Any]:
        """See :meth:`Player.act`.

        Raises:
            ValueError: if the function returns something else than an array.
        """
        actions = self.function(obs)
        try:
            return np.asarray(actions)
        except ValueError:  # parts of different shapes, such as actions with a state
            raise ValueError(
                f"player must return an array of actions, got a {type(actions).__name__}"
            ) from None


Playable = Player | BaseAlgorithm | Callable[[Any], Any]
"""What :func:`as_player` takes."""


def as_player(playable: Playable, *, deterministic: bool = False) -> Player:
    """A player, a model of stable-baselines3, or a function of the observations, as a player.

    Args:
        playable: any of the three.
        deterministic: for a model, see :class:`ModelPlayer`.

    Raises:
        ValueError: if it is none of them.
    """
    if isinstance(playable, Player):
        return playable
    if isinstance(playable, BaseAlgorithm):
        return ModelPlayer(playable, deterministic=deterministic)
    if callable(playable):
        return FunctionPlayer(playable)
    raise ValueError(
        "player must be a Player, a model of stable-baselines3 or a function of the observations, "
        f"got {playable!r}"
    )
