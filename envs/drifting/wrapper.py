"""What all drifting wrappers of a single environment have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import VectorEnv
from typing_extensions import Unpack, override

from ..arguments import check_count
from .effect import Effect, Values
from .notices import merged_info, notice, notified_space
from .saving import SavesState
from .settings import DriftArguments, DriftSettings, find_horizon, plain, take_options
from .world import shift_generator


class DriftingWrapper(SavesState, gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Base class: an environment of which something changes, on a schedule.

    Step t, counted from 0 (see ``per_episode`` of :class:`~.settings.DriftArguments`), is all of:
    the observation that the agent acts on, its action, and the reward and the transition that
    follow, all in the world of step t. The observation that ``step`` returns is therefore already
    that of the next step's world, while the info, as that of the bandits, describes the world in
    which the action was taken.

    Args:
        env: The environment.
        effect: What changes.
        size: How many quantities that takes.
        recorded: Constructor arguments, which Gymnasium records in the spec.
        arguments: See :class:`~.settings.DriftArguments`.
    """

    # Key in info["shifts"] unless another is given.
    default_name: ClassVar[str]

    def __init__(
        self,
        env: gym.Env[Any, Any],
        effect: Effect,
        size: int,
        recorded: Mapping[str, Any],
        **arguments: Unpack[DriftArguments],
    ) -> None:
        RecordConstructorArgs.__init__(self, **plain({**recorded, **arguments}))
        check_single(env, type(self).__name__)
        gym.Wrapper.__init__(self, env)
        horizon = find_horizon(env)
        self.settings = DriftSettings.parse(effect, size, self.default_name, horizon, arguments)
        self._inner_names = [inner.settings.name for inner in drifting_wrappers(env)]
        if self.settings.name in self._inner_names:
            raise ValueError(
                f"name must differ from those of the wrappers inside, got {self.settings.name!r}"
            )
        if self.settings.notify is not None:
            self.observation_space = notified_space(self.settings, env.observation_space)
        self._world = self.settings.make_world(1)
        self._begun = False

    # ------------------------------------------------------------------ what the effects do

    def _enter(self, values: Values, anew: bool) -> None:
        """Prepares the wrapped environment for the step that comes, in the world of ``values``.

        ``anew``: it may have been changed by others since the last call.
        """

    def _action(self, action: Any, values: Values) -> Any:
        """The action that the wrapped environment gets."""
        return action

    def _reward(self, reward: SupportsFloat, values: Values, over: bool) -> SupportsFloat:
        """The reward that the agent gets; ``over``: the episode ends."""
        return reward

    def _observation(self, observation: Any, values: Values) -> Any:
        """The observation that the agent gets; ``values`` are those of its next action."""
        return observation

    def _info(self, info: dict[str, Any], values: Values, ahead: Values) -> None:
        """Adapts ``info`` in place; ``values`` are those of this step, ``ahead`` of the next."""

    def _own_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The wrapper's part of the options of reset, with values as arrays."""
        return options

    def _begin_episode(self) -> None:
        """Forgets what belongs to an episode."""

    # ------------------------------------------------------------------ Gymnasium's methods

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode.

        Args:
            seed: Seeds the wrapped environment and, apart from it, the wrapper's own random stream;
                starts the wrapper's world anew.
            options: ``options["shifts"][name]`` is for this wrapper and starts its world anew, too:
                ``values`` at its step 0, ``change_times``, ``context``; and ``schedule`` and
                ``drift``, for later worlds, too. The rest is the wrapped environment's.

        Raises:
            TypeError, ValueError: A seed or an option is not what it must be; nothing has changed
                then.
        """
        own, rest = take_options(options, self.settings.name, self._inner_names)
        own = self._own_options(own)
        settings = self.settings.with_dynamics(own)
        world = self._world
        if settings != self.settings:
            world = settings.make_world(1, world.streams)
        episode = settings.parse_episode(world, own, world.everyone)
        if seed is not None:
            seed = check_count("seed", seed, least=0)
        with self._kept_if_refused(seed is not None or bool(options)):
            if seed is not None:
                world.streams.generators[0] = shift_generator(seed, settings.name)
            self.settings, self._world = settings, world
            if seed is not None or own or settings.per_episode or not self._begun:
                world.begin(world.everyone, episode)
                self._begun = True
                self._read_world()
            else:
                if world.clock == world.next_draw:
                    self._draw()
                if settings.between_episodes:
                    world.turn(world.everyone)
            self._begin_episode()
            values = self._rows[world.row][0]
            self._enter(values, anew=True)
            observation, info = self.env.reset(seed=seed, options=rest)
        self._enter(values, anew=True)  # again: some environments set their parameters in reset
        info = self._report(info, world.row)
        self._info(info, values, values)
        return self._show(observation), info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Takes a step in the world as it is now.

        Raises:
            ResetNeeded: No episode is running.
        """
        if not self._begun:
            raise ResetNeeded("step() needs a running episode: call reset() first")
        world, whole = self._world, self.settings.between_episodes
        if world.clock == world.next_draw and not whole:
            self._draw()
        row = world.row
        values = self._rows[row][0]
        observation, reward, terminated, truncated, info = self.env.step(
            self._action(action, values)
        )
        info = self._report(info, row)
        if whole:
            world.step_within(np.ones(1, dtype=bool))
        else:
            world.clock += 1
        ahead = self._rows[world.row][0]
        self._enter(ahead, anew=False)
        self._info(info, values, ahead)
        reward = self._reward(reward, values, terminated or truncated)
        return self._show(observation), reward, terminated, truncated, info

    # ------------------------------------------------------------------ inside

    @override
    def _resume(self) -> None:
        self._read_world()
        self._enter(self._rows[self._world.row][0], anew=True)

    def _draw(self) -> None:
        self._world.draw_due_blocks()
        self._read_world()

    def _read_world(self) -> None:
        """Copies the world's rows into tuples, which plain Python reads faster than arrays."""
        trace = self._world.trace
        columns = (trace.context, trace.changed, trace.since, trace.sizes)
        numbers = (column[:, 0].tolist() for column in columns)
        self._rows: list[tuple[Values, int, bool, int, float]] = list(
            zip(trace.values[:, 0].copy(), *numbers, strict=True)
        )

    def _next(self, row: int) -> tuple[Values, int, bool, int, float]:
        """A row of the world as it is for the next step."""
        if not self.settings.between_episodes:
            return self._rows[row]
        values, context, changed, _, size = self._rows[row]
        begins, age = bool(self._world.begins[0]), int(self._world.age[0])
        return values, context, changed and begins, age, size if begins else 0.0

    def _show(self, observation: Any) -> Any:
        """The observation as the agent gets it, with the notice that it asked for."""
        values, _, changed, _, _ = self._next(self._world.row)
        observation = self._observation(observation, values)
        if self.settings.notify is None:
            return observation
        return notice(self.settings, observation, np.array([changed]), values)

    def _report(self, info: dict[str, Any], row: int) -> dict[str, Any]:
        """The info with that of this wrapper, about the world of a row."""
        values, context, changed, since, size = self._next(row)
        report = {
            "context": context,
            "changed": changed,
            "steps_since_change": since,
            "change_size": size,
            "values": self._named(values),
        }
        return merged_info(info, self.settings.name, report)

    def _named(self, values: Values) -> Any:
        """The values as the info has them."""
        return values.copy()


def check_single(env: Any, wrapper: str) -> None:
    """Raises TypeError if ``env`` is no single environment, which the class ``wrapper`` takes."""
    if isinstance(env, VectorEnv):
        raise TypeError(
            f"env must be a single environment, got {env}: use {wrapper}Vector, or wrap the "
            "sub-environments with gymnasium.make_vec(..., vectorization_mode='sync', "
            "wrappers=[...])"
        )
    if not isinstance(env, gym.Env):
        raise TypeError(f"env must be a Gymnasium environment, got {env!r}")


def drifting_wrappers(env: gym.Env[Any, Any]) -> list[DriftingWrapper]:
    """The drifting wrappers around an environment, from the outermost to the innermost."""
    found = []
    while isinstance(env, gym.Wrapper):
        if isinstance(env, DriftingWrapper):
            found.append(env)
        env = env.env
    return found
