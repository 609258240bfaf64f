"""A game with all that a film shows of it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray

from ...envs.rendering import Picture
from ..play_agent import Step, play_steps
from ..players import Playable, Player, as_player
from ..vector_info import info_of_rows
from ..worlds import find_spec, make_vector_env

Image = NDArray[np.uint8]

MAX_STEPS = 5000
"""Steps of a film, at most."""

_ROW = np.array([0])


class Moment(NamedTuple):
    """What there is to see after a step, or at the very beginning.

    Attributes:
        picture: the world; an image (height, width, 3) where it is none of ours.
        reward: what the step paid.
        done: whether an episode has ended with it.
        info: what the environment said of it.
        probabilities: (A,) with which the agent chose among its actions, where that is known.
    """

    picture: Picture | Image
    reward: float
    done: bool
    info: dict[str, Any]
    probabilities: NDArray[np.float64] | None


class Game(NamedTuple):
    """What somebody played.

    Attributes:
        name: who.
        moments: the beginning, and one of every step: T + 1.
    """

    name: str
    moments: list[Moment]

    @property
    def changes(self) -> list[int]:
        """Moments of steps just before which the world had changed, from the first to the last."""
        return [t for t, moment in enumerate(self.moments) if moment.info.get("changed", False)]

    def recent_change(self, t: int, within: int) -> int | None:
        """The last change up to moment t, if it is one of the last ``within`` moments."""
        for change in range(t, max(t - within, 0), -1):
            if change < len(self.moments) and self.moments[change].info.get("changed", False):
                return change
        return None

    def at(self, t: int) -> Moment:
        """Moment t, or the last: a game that is over stays as it ended."""
        return self.moments[min(t, len(self.moments) - 1)]


class FilmedEnv(VectorWrapper):
    """One world in same-step autoreset, and its pictures.

    A vector environment that resets itself has no picture of the last step of an episode: this
    one resets a world that does not, after the picture is taken.

    Args:
        env: a vector environment with one row, without autoreset, and drawn with ``rgb_array``.

    Attributes:
        pictures: of the last reset that was asked for, and of each step since.
        first_info: info of that reset.
    """

    def __init__(self, env: VectorEnv) -> None:
        super().__init__(env)
        self.metadata = {**env.metadata, "autoreset_mode": AutoresetMode.SAME_STEP}
        self.pictures: list[Picture | Image] = []
        self.first_info: dict[str, Any] = {}

    def reset(self, **arguments: Any) -> tuple[Any, dict[str, Any]]:
        """Start an episode and a new list of pictures."""
        obs, info = self.env.reset(**arguments)
        self.pictures = [self._picture()]
        self.first_info = info_of_rows(info, _ROW)[0]
        return obs, info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Take a step, a picture, and start the next episode if this was the last."""
        obs, rewards, terminated, truncated, info = self.env.step(actions)
        self.pictures.append(self._picture())
        if (terminated | truncated).any():
            final = info
            obs, first = self.env.reset()
            info = {**first, "final_info": final}
        return obs, rewards, terminated, truncated, info

    def _picture(self) -> Picture | Image:
        known = getattr(self.env.unwrapped, "pictures", ())
        if known:
            return known[0]
        try:
            drawn: Any = self.env.render()
        except gym.error.Error as error:  # what it draws with is not installed
            raise RuntimeError(f"env cannot be drawn: {error}") from error
        image = np.asarray(drawn[0] if isinstance(drawn, (tuple, list)) else drawn)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(
                "env must draw images (height, width, 3) of uint8 with render_mode='rgb_array', "
                f"got shape {image.shape} of {image.dtype}"
            )
        return image.copy()


def make_filmed_env(env_id: str, env_kwargs: Mapping[str, Any] | None = None) -> FilmedEnv:
    """One world of an environment, ready to be filmed.

    Args:
        env_id: its id.
        env_kwargs: its arguments; among them may be ``wrappers``, functions from environment to
            environment.

    Raises:
        ValueError: for an unknown id, arguments that it does not take, or an environment that
            cannot draw itself.
    """
    arguments = dict(env_kwargs or {})
    if "render_mode" in arguments:
        raise ValueError("env_kwargs must not have render_mode: films are drawn with rgb_array")
    # Asked first: what happens to a mode that is not there depends on the environment.
    env = make_vector_env(env_id, 1, **arguments)
    modes = env.metadata.get("render_modes") or []
    env.close()
    if "rgb_array" not in modes:
        raise ValueError(
            f"env must draw itself with render_mode='rgb_array', but {env_id} has the render "
            f"modes {', '.join(map(str, modes)) or 'none'}"
        )
    env = make_vector_env(
        env_id, 1, autoreset_mode=AutoresetMode.DISABLED, render_mode="rgb_array", **arguments
    )
    return FilmedEnv(env)


class _Watched(Player):
    """A player, and the probabilities with which it acted."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.last_probabilities: NDArray[np.float64] | None = None

    def begin(self, env: VectorEnv, seed: int | None) -> None:
        self.player.begin(env, seed)

    def act(self, obs: Any) -> NDArray[Any]:
        probabilities = self.player.probabilities(obs)
        self.last_probabilities = None if probabilities is None else probabilities[0]
        return self.player.act(obs)

    def observe(
        self, rewards: NDArray[np.float64], dones: NDArray[np.bool_], info: dict[str, Any]
    ) -> None:
        self.player.observe(rewards, dones, info)


def record_game(
    name: str,
    player: Playable,
    env: FilmedEnv,
    *,
    steps: int | None = None,
    episodes: int | None = None,
    seed: int | None = None,
    tick: Callable[[], object] = lambda: None,
) -> Game:
    """Let somebody play, and keep what a film shows of it.

    Args:
        name: what to call the player.
        player: as in :func:`~driftwise.agents.play_steps`.
        env: the world.
        steps: how many, over as many episodes as that takes; either this or ``episodes``.
        episodes: how many whole episodes.
        seed: as in :func:`~driftwise.agents.play_steps`.
        tick: called at every step.

    Raises:
        ValueError: if the player was made for other spaces, ``steps`` or ``episodes`` are not as
            they must be, or the episodes do not end within ``MAX_STEPS`` steps.
    """
    limit = check_length(steps, episodes)
    watched = _Watched(as_player(player))
    moments: list[Moment] = []
    ended = 0

    def visit(step: Step) -> bool:
        nonlocal ended
        tick()
        if not moments:
            moments.append(Moment(env.pictures[0], 0.0, False, env.first_info, None))
        done, info = bool(step.dones[0]), info_of_rows(step.info, _ROW)[0]
        reward, probabilities = float(step.rewards[0]), watched.last_probabilities
        moments.append(Moment(env.pictures[-1], reward, done, info, probabilities))
        ended += done
        if episodes is not None and ended < episodes and len(moments) > limit:
            raise ValueError(
                f"episodes: {ended} of {episodes} ended within {limit:,} steps; give steps instead"
            )
        return len(moments) <= limit and (episodes is None or ended < episodes)

    play_steps(watched, env, visit, seed=seed)
    return Game(name, moments)


def check_length(steps: int | None, episodes: int | None) -> int:
    """The most steps that a game may take, or a ValueError for arguments of :func:`record_game`."""
    if (steps is None) == (episodes is None):
        raise ValueError("give exactly one of steps and episodes")
    if steps is None:
        if episodes is not None and episodes < 1:
            raise ValueError(f"episodes must be at least 1, got {episodes}")
        return MAX_STEPS
    if not 1 <= steps <= MAX_STEPS:
        raise ValueError(f"steps must be from 1 to {MAX_STEPS:,}, got {steps:,}")
    return steps


def usual_length(
    env_id: str, env_kwargs: Mapping[str, Any] | None = None
) -> tuple[int | None, int | None]:
    """Steps and episodes of a film unless others are asked for: one episode, if it surely ends."""
    registered = find_spec(env_id).max_episode_steps
    horizon = (env_kwargs or {}).get("max_episode_steps", registered)
    return (None, 1) if horizon is not None and horizon <= MAX_STEPS else (250, None)
