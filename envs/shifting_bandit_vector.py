"""Many shifting bandits, stepped together with numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from typing_extensions import Unpack

from .arguments import check_count
from .bandit_world import NEVER, OPEN_KEYS, Episode
from .options import EPISODE_KEYS, check_keys, parse_episode, parse_reset_mask
from .rendering import RENDER_MODES, Snapshot, check_render_mode, render
from .saving import SETTINGS, check_state, pack_text
from .settings import BanditArguments, BanditSettings
from .trace import World

Observations = NDArray[np.float32]
Step = tuple[
    Observations, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
]


_INT64, _UINT64 = np.dtype(np.int64), np.dtype(np.uint64)


class ShiftingBanditVector(VectorEnv[NDArray[np.float32], NDArray[np.int64], NDArray[Any]]):
    """N of :class:`ShiftingBandit`, stepped together.

    Sub-environment i of ``reset(seed=s)`` equals ``ShiftingBandit`` after ``reset(seed=s + i)`` bit
    for bit, in the episodes that follow by themselves too. Spaces, rewards, infos and options are
    those of :class:`ShiftingBandit`, with a leading axis (num_envs,); every key of the info is
    there at every step.

    Args:
        num_envs: N, the number of sub-environments.
        render_mode: As for the scalar environment; ``render()`` returns a tuple of N pictures.
        autoreset_mode: What happens after the end of an episode, as in Gymnasium.
            ``NEXT_STEP``: the next step ignores the action, starts the new episode and returns
            reward 0. ``SAME_STEP``: the step that ends an episode already returns the first
            observation and info of the new one (with regret 0); ``info["final_obs"]`` and
            ``info["final_info"]`` hold the last ones. ``DISABLED``: the user resets, and
            stepping on is an error.
        arguments: Those of :class:`ShiftingBandit`.

    ``reset(options={"reset_mask": mask})`` resets only where ``mask`` (num_envs,) is True; the
    observations elsewhere are the latest ones, and in the info ``"_" + key`` says which entries
    are set. ``reset(seed=...)`` also takes a list of N seeds.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": RENDER_MODES,
        "render_fps": 10,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        *,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **arguments: Unpack[BanditArguments],
    ) -> None:
        self.num_envs = check_count("num_envs", num_envs, least=1)
        check_render_mode(render_mode)
        self.settings = BanditSettings.parse(**arguments)
        self.render_mode = render_mode
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = self.settings.observation_space()
        self.single_action_space = spaces.Discrete(self.settings.num_arms)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

        self._world = self.settings.make_world(self.num_envs)
        self._num_arms = self.settings.num_arms
        self._bernoulli = self._world.arms.bernoulli
        # An array compares faster than a number, which numpy would have to convert each time.
        self._too_large = np.full(self.num_envs, self._num_arms, dtype=_UINT64)
        self._first_arm = self._world.everyone * self._num_arms  # index of means[i, 0], flattened
        size = self.single_observation_space.shape[0]
        self._after_action = np.eye(self._num_arms, size, dtype=np.float32)
        self._observations = np.zeros((self.num_envs, size), dtype=np.float32)
        self._shows_more = self.settings.observe_time or self._world.cue_size > 0
        self._running = False
        self._waiting: NDArray[np.int64] | None = None  # sub-environments whose episode is over
        self._next_end = NEVER  # clock at which the next episode ends
        self._snapshots: list[Snapshot] = []

    # ------------------------------------------------------------------ Gymnasium's methods

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observations, dict[str, Any]]:
        """Starts episodes in all sub-environments, or in those of ``options["reset_mask"]``.

        Raises:
            TypeError, ValueError: A seed or an option is not what it must be; nothing has changed
                then.
            ResetNeeded: The very first reset is a partial one.
        """
        world = self._world
        options = check_keys(options, (*EPISODE_KEYS, "reset_mask"))
        mask = parse_reset_mask(options, self.num_envs)
        worlds = world.everyone if mask is None else np.flatnonzero(mask)
        partial = len(worlds) < self.num_envs
        if partial and not self._running:
            raise ResetNeeded("the first reset() must start every sub-environment")
        settings = self.settings.with_dynamics(options)
        if settings != self.settings:
            if partial:
                raise ValueError("options['schedule'] and ['drift'] cannot go with a reset_mask")
            world = settings.make_world(self.num_envs, world.streams)
        episode = parse_episode(world, options, worlds)
        seeds = self._parse_seed(seed)
        if seeds is not None:
            for index in worlds.tolist():
                world.streams.seed(index, seeds[index])
        self.settings, self._world = settings, world

        infos = self._start(worlds, episode)
        if mask is not None:
            infos = _masked(infos, mask)
        return self._observations.copy(), infos

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Pulls one arm in each sub-environment.

        Args:
            actions: Integers (num_envs,), each from 0 to num_arms - 1.

        Raises:
            TypeError, ValueError: ``actions`` has another dtype, shape or range.
            ResetNeeded: No episode is running (or one is over, with autoreset disabled).
        """
        actions = self._check_actions(actions)
        if not self._running:
            raise ResetNeeded("step() needs running episodes: call reset() first")
        world, waiting = self._world, self._waiting
        if waiting is not None:
            if self.autoreset_mode is AutoresetMode.DISABLED:
                raise ResetNeeded(
                    "step() needs running episodes: call reset(options={'reset_mask': ...}) first"
                )
            if len(waiting) == self.num_envs:
                infos = self._start(waiting, Episode())
                rewards, no = np.zeros(self.num_envs), np.zeros(self.num_envs, dtype=bool)
                return self._observations.copy(), rewards, no, no.copy(), infos

        if world.clock == world.next_draw:
            world.draw_due_blocks()
            self._plan_end()
        row, trace = world.row, world.trace
        means, noise = trace.means[row].take(self._first_arm + actions), trace.noise[row]
        rewards = (noise < means).astype(np.float64) if self._bernoulli else means + noise
        infos = self._infos(row, trace.best[row] - means)
        if self.render_mode is not None:
            self._take_snapshots(world.everyone, row, actions, rewards, infos)
        world.tick(actions)
        observations = self._after_action.take(actions, axis=0)
        observations[:, self._num_arms] = rewards
        if self._shows_more:
            self._show_step(observations, world.everyone)

        terminated = np.zeros(self.num_envs, dtype=bool)
        truncated = np.zeros(self.num_envs, dtype=bool)
        if waiting is not None:
            self._waiting = None
            rewards[waiting] = 0.0
            self._begin(waiting, observations, infos)
        if world.clock == self._next_end:
            ended = np.flatnonzero(world.clock - world.first == self.settings.max_episode_steps)
            (terminated if self.settings.terminate_on_horizon else truncated)[ended] = True
            if self.autoreset_mode is AutoresetMode.SAME_STEP:
                final = _final(ended, observations, infos)
                self._begin(ended, observations, infos)
                infos.update(final)
            else:
                self._waiting = ended
                world.release(ended)
                self._plan_end()
        self._observations = observations
        return observations.copy(), rewards, terminated, truncated, infos

    def render(self) -> tuple[str | NDArray[np.uint8], ...] | None:
        """A tuple of N pictures of the last step; see :meth:`ShiftingBandit.render`."""
        if self.render_mode is None or not self._snapshots:
            gym.logger.warn("render() needs a render_mode, given at construction, and a reset()")
            return None
        return tuple(render(snapshot, self.render_mode) for snapshot in self._snapshots)

    # ------------------------------------------------------------------ beyond Gymnasium

    def foresee(self, num_steps: int | None = None) -> World:
        """What the worlds will do from the current step on, as arrays (T, N, ...).

        Args:
            num_steps: T, at least 1; by default ``max_episode_steps``, or 200 where that is None.

        Raises:
            TypeError, ValueError: ``num_steps`` is not what it must be, the worlds depend on the
                actions, or an episode is over.
        """
        if num_steps is None:
            num_steps = self.settings.max_episode_steps or 200
        return self._world.foresee(num_steps)

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Everything that future steps depend on, as a flat dict of numpy arrays."""
        waiting = np.zeros(self.num_envs, dtype=bool)
        if self._waiting is not None:
            waiting[self._waiting] = True
        return {
            **self._world.get_state(),
            "observations": self._observations.copy(),
            "running": np.array(self._running),
            "waiting": waiting,
            SETTINGS: pack_text(repr(self.settings)),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restores what :meth:`get_state` returned; steps then follow bit for bit.

        Raises:
            ValueError: The state is of an environment with other settings, incomplete, or broken;
                nothing has changed then.
        """
        arrays = check_state(self.get_state(), state, OPEN_KEYS)
        over = arrays["waiting"] | ~arrays["running"]
        self._world.check_state(arrays, over, self.settings.max_episode_steps)
        self._world.set_state(arrays)
        self._observations = arrays["observations"]
        self._running = bool(arrays["running"])
        self._snapshots = []
        waiting = np.flatnonzero(arrays["waiting"])
        self._waiting = waiting if len(waiting) else None
        self._plan_end()

    # ------------------------------------------------------------------ inside

    def _parse_seed(self, seed: Any) -> list[int | None] | None:
        """A seed for each sub-environment, or None where none is given; changes no world."""
        if seed is None:
            return None
        if isinstance(seed, (int, np.integer)):
            first = check_count("seed", seed, least=0)
            super().reset(seed=first)
            return list(range(first, first + self.num_envs))
        if not isinstance(seed, (Sequence, np.ndarray)) or isinstance(seed, str):
            raise TypeError(f"seed must be an integer, a list of integers or None, got {seed!r}")
        if len(seed) != self.num_envs:
            raise ValueError(f"seed must be one integer or {self.num_envs}, got {len(seed)}")
        return [
            None if one is None else check_count(f"seed[{index}]", one, least=0)
            for index, one in enumerate(seed)
        ]

    def _check_actions(self, actions: Any) -> NDArray[np.int64]:
        actions = np.asarray(actions)
        if actions.dtype != _INT64:
            if actions.dtype.kind not in "iu":
                raise TypeError(f"actions must have an integer dtype, got {actions.dtype}")
            actions = actions.astype(np.int64)
        if actions.shape != (self.num_envs,):
            raise ValueError(f"actions must have shape ({self.num_envs},), got {actions.shape}")
        # As unsigned numbers, negative actions are too large: one comparison finds both kinds.
        wrong = actions.view(_UINT64) >= self._too_large
        if np.count_nonzero(wrong):
            index = int(wrong.argmax())
            raise ValueError(
                f"actions must be in [0, {self._num_arms}), got {actions[index]} at index {index}"
            )
        return actions

    def _infos(self, row: int, regret: NDArray[np.float64]) -> dict[str, Any]:
        trace = self._world.trace
        return {
            "regret": regret,
            "optimal_action": trace.optimal[row].copy(),
            "context": trace.context[row].copy(),
            "changed": trace.changed[row].copy(),
            "steps_since_change": trace.since[row].copy(),
        }

    def _show_step(self, observations: Observations, worlds: NDArray[np.int64]) -> None:
        """Fills in what observations (n, ...) show of the current step: time and cue."""
        world, horizon = self._world, self.settings.max_episode_steps
        if self.settings.observe_time and horizon is not None:
            observations[:, self._num_arms + 2] = (world.clock - world.first[worlds]) / horizon
        if world.cue_size:
            observations[:, -world.cue_size :] = world.cues(worlds)

    def _first_observations(self, worlds: NDArray[np.int64]) -> Observations:
        observations = np.zeros((len(worlds), self._observations.shape[1]), dtype=np.float32)
        observations[:, self._num_arms + 1] = 1.0
        self._show_step(observations, worlds)
        return observations

    def _start(self, worlds: NDArray[np.int64], episode: Episode) -> dict[str, Any]:
        """Starts episodes of ``worlds`` between two steps; returns everybody's first infos."""
        self._world.begin(worlds, episode)
        self._running = True
        if self._waiting is not None:
            still = np.setdiff1d(self._waiting, worlds)
            self._waiting = still if len(still) else None
        self._plan_end()
        self._observations[worlds] = self._first_observations(worlds)
        infos = self._infos(self._world.row, np.zeros(self.num_envs))
        self._take_snapshots(worlds, self._world.row, None, None, infos)
        return infos

    def _begin(
        self, worlds: NDArray[np.int64], observations: Observations, infos: dict[str, Any]
    ) -> None:
        """Starts new episodes of ``worlds`` within a step, over whose output it writes theirs."""
        self._world.begin(worlds)
        self._plan_end()
        observations[worlds] = self._first_observations(worlds)
        first = self._infos(self._world.row, np.zeros(self.num_envs))
        for key, values in first.items():
            infos[key][worlds] = values[worlds]
        self._take_snapshots(worlds, self._world.row, None, None, infos)

    def _plan_end(self) -> None:
        """Works out the clock at which the next episode ends."""
        if self.settings.max_episode_steps is None:
            return
        ends = self._world.first + self.settings.max_episode_steps
        if self._waiting is not None:
            ends[self._waiting] = NEVER
        self._next_end = int(ends.min())

    def _take_snapshots(
        self,
        worlds: NDArray[np.int64],
        row: int,
        actions: NDArray[np.int64] | None,
        rewards: NDArray[np.float64] | None,
        infos: dict[str, Any],
    ) -> None:
        """Keeps what :meth:`render` shows; ``actions`` and ``rewards`` are None after a reset."""
        if self.render_mode is None:
            return
        if not self._snapshots:
            self._snapshots = [Snapshot(0, [], self._bernoulli, -1, 0.0, {})] * self.num_envs
        for index in worlds.tolist():
            self._snapshots[index] = Snapshot(
                step=int(self._world.clock - self._world.first[index]),
                means=self._world.trace.means[row, index].tolist(),
                bernoulli=self._bernoulli,
                action=-1 if actions is None else int(actions[index]),
                reward=0.0 if rewards is None else float(rewards[index]),
                info={key: values[index] for key, values in infos.items()},
            )


def _masked(infos: dict[str, Any], mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Infos that are set where ``mask`` says so, with Gymnasium's ``_key`` for each key."""
    masked: dict[str, Any] = {}
    for key, values in infos.items():
        masked[key] = np.where(mask, values, np.zeros((), dtype=values.dtype))
        masked[f"_{key}"] = mask.copy()
    return masked


def _final(
    ended: NDArray[np.int64], observations: Observations, infos: dict[str, Any]
) -> dict[str, Any]:
    """Last observations and infos of the episodes that have ended, as ``SyncVectorEnv`` does."""
    mask = np.zeros(len(observations), dtype=bool)
    mask[ended] = True
    last = np.full(len(observations), None, dtype=object)
    for index in ended.tolist():
        last[index] = observations[index].copy()
    return {
        "final_obs": last,
        "_final_obs": mask,
        "final_info": _masked(infos, mask),
        "_final_info": mask.copy(),
    }
