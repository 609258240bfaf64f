"""What all drifting wrappers of vector environments have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from typing_extensions import override

from ..options import parse_reset_mask, parse_seeds
from ..vector_infos import mixed
from .effect import Effect, Values
from .notices import merged_info, notice, notified_space
from .saving import SavesState
from .settings import DriftArguments, DriftSettings, find_horizon, take_options
from .world import shift_generator

Bools = NDArray[np.bool_]


class DriftingVectorWrapper(SavesState, VectorWrapper):
    """Base class: a vector environment of which something changes, in each row on its own.

    Row i of ``reset(seed=s)`` changes as the single environment's wrapper does after
    ``reset(seed=s + i)``. Infos are those of :class:`~.wrapper.DriftingWrapper` with a leading axis
    (num_envs,). The resets of a vector environment in next-step mode count as no step.

    Args:
        env: The vector environment, in any autoreset mode.
        effect: What changes.
        size: How many quantities that takes.
        arguments: See :class:`~.settings.DriftArguments`.
        num_worlds: Worlds that change: one per row, or 1 for all rows together.
    """

    default_name: ClassVar[str]

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        effect: Effect,
        size: int,
        arguments: DriftArguments,
        num_worlds: int | None = None,
    ) -> None:
        super().__init__(env)
        self._mode = AutoresetMode(env.metadata["autoreset_mode"])
        horizon = find_horizon(env)
        self.settings = DriftSettings.parse(effect, size, self.default_name, horizon, arguments)
        self._inner_names = [inner.settings.name for inner in drifting_vector_wrappers(env)]
        if self.settings.name in self._inner_names:
            raise ValueError(
                f"name must differ from those of the wrappers inside, got {self.settings.name!r}"
            )
        self._show_space(env.single_observation_space)
        self._together = num_worlds == 1 < env.num_envs
        self._world = self.settings.make_world(num_worlds or env.num_envs)
        self._begun = False
        self._over = np.zeros(env.num_envs, dtype=bool)  # rows whose episode is over

    def _show_space(self, space: Any) -> None:
        """Sets the observation spaces: ``space``, with a notice if one is asked for."""
        if self.settings.notify is not None:
            space = notified_space(self.settings, space)
        if space is not self.env.single_observation_space:
            self.single_observation_space = space
            self.observation_space = batch_space(space, self.num_envs)

    # ------------------------------------------------------------------ what the effects do

    def _enter(self, values: Values, anew: Bools) -> None:
        """Prepares the wrapped environment for the step that comes, with ``values`` (N, Q).

        ``anew``: rows (N,) that others may have changed since the last call.
        """

    def _actions(self, actions: Any, values: Values) -> Any:
        """The actions that the wrapped environment gets."""
        return actions

    def _rewards(self, rewards: NDArray[Any], values: Values, over: Bools) -> NDArray[Any]:
        """The rewards that the agents get; ``over`` (N,): episodes that end."""
        return rewards

    def _observations(self, observations: Any, values: Values) -> Any:
        """The observations that the agents get; ``values`` are those of their next actions."""
        return observations

    def _last_observation(self, observation: Any, values: Values) -> Any:
        """As :meth:`_observations`, for a single one at the end of an episode; values (Q,)."""
        return observation

    def _infos(self, infos: dict[str, Any], values: Values, ahead: Values) -> None:
        """Adapts ``infos`` in place.

        ``values`` are those of the steps that the infos describe, ``ahead`` of the next ones.
        """

    def _own_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The wrapper's part of the options of reset, with values as arrays."""
        return options

    def _named(self, values: Values) -> Any:
        """The values as the infos have them."""
        return values.copy()

    def _begin_episodes(self, rows: Bools) -> None:
        """Forgets what belongs to the episodes of ``rows`` (N,)."""

    # ------------------------------------------------------------------ Gymnasium's methods

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Starts episodes in all rows, or in those of ``options["reset_mask"]``.

        Raises:
            TypeError, ValueError: A seed or an option is not what it must be; nothing has changed
                then.
            ResetNeeded: The very first reset is a partial one.
        """
        own, rest = take_options(options, self.settings.name, self._inner_names)
        own = self._own_options(own)
        mask = parse_reset_mask(dict(rest or {}), self.num_envs)
        rows = np.ones(self.num_envs, dtype=bool) if mask is None else mask.copy()
        if not (self._begun or rows.all()):
            raise ResetNeeded("the first reset() must start every sub-environment")
        settings, world = self.settings.with_dynamics(own), self._world
        if settings != self.settings:
            if not rows.all():
                raise ValueError("options with a schedule or drift cannot go with a reset_mask")
            world = settings.make_world(world.num_worlds, world.streams)
        if self._together and own and not rows.all():
            raise ValueError("options of rows that change together cannot go with a reset_mask")
        seeds = parse_seeds(seed, self.num_envs) or [None] * self.num_envs
        seeded = rows & np.array([one is not None for one in seeds])
        begins = rows.copy() if own or settings.per_episode or not self._begun else seeded
        if self._together:
            begins = begins[:1]
        worlds = np.flatnonzero(begins)
        episode = settings.parse_episode(world, own, worlds)
        with self._kept_if_refused(seed is not None or bool(options)):
            for index in np.flatnonzero(seeded[: world.num_worlds]).tolist():
                world.streams.generators[index] = shift_generator(seeds[index] or 0, settings.name)
            self.settings, self._world = settings, world
            if len(worlds):
                world.begin(worlds, episode)
            if settings.between_episodes and (rows & ~begins).any():
                world.turn(np.flatnonzero(rows & ~begins))
            self._begun = True
            self._over &= ~rows
            if world.clock == world.next_draw:
                world.draw_due_blocks()
            self._begin_episodes(rows)
            values = self._values()
            self._enter(values, anew=rows)
            observations, infos = self.env.reset(seed=seed, options=rest)
        self._enter(values, anew=rows)
        infos = merged_info(infos, self.settings.name, self._report(values))
        self._infos(infos, values, values)
        return self._show(observations, values), infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Takes a step in each row, in its world as it is now.

        Raises:
            ResetNeeded: No episode is running.
        """
        if not self._begun:
            raise ResetNeeded("step() needs running episodes: call reset() first")
        world, name, whole = self._world, self.settings.name, self.settings.between_episodes
        # In next-step mode, this step resets these rows.
        resets = self._over & (self._mode is AutoresetMode.NEXT_STEP)
        some_reset = resets.any()
        if some_reset:
            self._begin_episodes(resets)
            self._start_anew(resets)
        if world.clock == world.next_draw and not whole:
            world.draw_due_blocks()
        values = self._values()
        report = self._report(values)
        if some_reset:
            self._enter(values, anew=resets)
        observations, rewards, terminations, truncations, infos = self.env.step(
            self._actions(actions, values)
        )
        if whole:
            world.step_within(~resets)
        else:
            if some_reset and not self._together:
                world.wait(np.flatnonzero(resets))
            world.clock += 1
        over = np.logical_or(terminations, truncations)
        rewards = self._rewards(rewards, values, over)
        if self._mode is AutoresetMode.SAME_STEP and over.any():
            infos = dict(infos)
            final = merged_info(infos["final_info"], name, report)
            self._infos(final, values, self._values())
            last = infos["final_obs"].copy()
            for index in np.flatnonzero(over).tolist():
                last[index] = self._show_last(last[index], index)
            infos |= {"final_info": final, "final_obs": last}
            self._start_anew(over)
            # What describes the rows that ended is their next step.
            first = self._values()
            report = mixed(over, self._report(first), report)
            values = np.where(over[:, None], first, values)
        self._over = over
        infos = merged_info(infos, name, report)
        ahead = self._values()
        self._enter(ahead, anew=resets)
        self._infos(infos, values, ahead)
        return self._show(observations, ahead), rewards, terminations, truncations, infos

    # ------------------------------------------------------------------ inside

    @override
    def _own_state(self) -> dict[str, NDArray[Any]]:
        return {**super()._own_state(), "over": self._over.copy()}

    @override
    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        super()._restore(arrays)
        self._over = arrays["over"]

    @override
    def _resume(self) -> None:
        self._enter(self._values(), anew=np.ones(self.num_envs, dtype=bool))

    def _start_anew(self, rows: Bools) -> None:
        """Starts the worlds of ``rows`` (N,) afresh or moves them on, if each episode does."""
        world, worlds = self._world, np.flatnonzero(rows)
        if self.settings.between_episodes:
            world.turn(worlds)
        elif self.settings.per_episode:
            world.begin(worlds, self.settings.parse_episode(world, {}, worlds))

    def _values(self) -> Values:
        """Values (N, Q) that the next actions meet."""
        return self._now(self._world.trace.values)

    def _now(self, rows: NDArray[Any]) -> NDArray[Any]:
        """What rows (L, n, ...) of the worlds have of the next step, (N, ...)."""
        now = self._world.now(rows)
        return np.repeat(now, self.num_envs, axis=0) if self._together else now

    def _report(self, values: Values) -> dict[str, Any]:
        """What the infos say of the next step, with its ``values`` (N, Q)."""
        world, since = self._world, self._now(self._world.trace.since)
        sizes = self._now(world.trace.sizes)
        if self.settings.between_episodes:
            since, sizes = world.age.copy(), np.where(world.begins, sizes, 0.0)
        return {
            "context": self._now(world.trace.context),
            "changed": self._changed(),
            "steps_since_change": since,
            "change_size": sizes,
            "values": self._named(values),
        }

    def _changed(self) -> Bools:
        """Whether the next step meets a change, (N,)."""
        changed = self._now(self._world.trace.changed)
        return changed & self._world.begins if self.settings.between_episodes else changed

    def _show(self, observations: Any, values: Values) -> Any:
        """The observations as the agents get them, with the notice that they asked for.

        ``values`` (N, Q) are those of their next actions.
        """
        observations = self._observations(observations, values)
        if self.settings.notify is None:
            return observations
        return notice(self.settings, observations, self._changed()[:, None], values)

    def _show_last(self, observation: Any, index: int) -> Any:
        """As :meth:`_show`, for the last observation of the episode in row ``index``."""
        values = self._values()[index]
        observation = self._last_observation(observation, values)
        if self.settings.notify is None:
            return observation
        return notice(self.settings, observation, self._changed()[index, None], values)


def check_vector(env: Any, single: str) -> None:
    """Raises TypeError or ValueError if ``env`` is no vector environment that can be wrapped.

    Args:
        env: What is to be wrapped.
        single: The wrapper for single environments.
    """
    if not isinstance(env, VectorEnv):
        raise TypeError(f"env must be a vector environment, got {env}: use {single}")
    try:
        AutoresetMode(env.metadata.get("autoreset_mode"))
    except ValueError:
        raise ValueError(f"env must declare its autoreset_mode, got {env.metadata}") from None


def drifting_vector_wrappers(env: VectorEnv[Any, Any, Any]) -> list[DriftingVectorWrapper]:
    """The drifting wrappers around a vector environment, from the outermost to the innermost."""
    found = []
    while isinstance(env, VectorWrapper):
        if isinstance(env, DriftingVectorWrapper):
            found.append(env)
        env = env.env
    return found
