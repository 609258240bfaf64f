"""The shifting bandit, one at a time; its class docstring is its page of documentation."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray
from typing_extensions import Unpack

from .bandit_world import OPEN_KEYS
from .options import EPISODE_KEYS, check_keys, parse_episode
from .rendering import RENDER_MODES, Snapshot, check_render_mode, render
from .saving import SETTINGS, check_state, pack_text
from .settings import BanditArguments, BanditSettings
from .trace import World

# A row of the world's trace, in the order of its fields: means, best, optimal, context, changed,
# since, noise.
Row = tuple[list[float], float, int, int, bool, int, float]

_OVER = -1  # steps elapsed, outside of an episode


class ShiftingBandit(gym.Env[NDArray[Any], np.int64]):
    """A bandit whose arms change while it is being played.

    ## Description

    Each step the agent pulls one of A arms and is paid. The arms' mean rewards are hidden, and the
    world changes them: a *schedule* says when, a *drift* says how. The agent must find the best
    arm, notice that it no longer is, and find the next one.

    ## Action space

    ``Discrete(num_arms)``: the arm to pull.

    ## Observation space

    ``Box`` of float32, what a memory agent needs to know about the step before (the inputs of RL²,
    Duan et al. 2016):

    | index | what | range |
    | --- | --- | --- |
    | 0 ... A - 1 | previous action, one-hot | 0 or 1 |
    | A | previous reward | 0 or 1 (Bernoulli), any number (Gaussian) |
    | A + 1 | start flag: 1 in the first observation of an episode | 0 or 1 |
    | next, with ``observe_time`` | steps taken / ``max_episode_steps`` | 0 ... 1 |
    | last, with ``cue`` | cue of the context in which the next action will act | see ``cue`` |

    The first observation of an episode is zero but for the start flag and the cue.

    ## Rewards

    Bernoulli arms pay 1 with probability p, else 0. Gaussian arms pay ``m + noise_std * e`` with
    e ~ N(0, 1). The noise of a step is drawn once, whichever arm is pulled.

    ## Starting state

    Means from the prior: p ~ U(0, 1) for Bernoulli arms, m ~ N(0, 1) for Gaussian ones (another law
    with ``mean_values``, ``dependent`` or some drifts). No world changes at step 0.

    The world is the same whatever the agent does, unless the schedule is reactive or the drift
    rested; then only the random numbers are the same. Equal seeds give equal worlds.

    ``reset(options=...)`` prescribes the next episode; the episodes after it are drawn as usual:

    - ``means``: the means at step 0, shape (A,); with ``num_contexts=K`` those of all contexts,
      shape (K, A). The vector environment also takes a leading axis (num_envs,), here and below.
    - ``change_times``: the steps at which the world changes, shape (M,), instead of the schedule.
    - ``context``: the first context (with ``num_contexts``).
    - ``schedule``, ``drift``: replace the environment's own, in all later episodes too.

    ## Episode end

    After ``max_episode_steps`` steps the episode is truncated: the world would have gone on. With
    ``terminate_on_horizon`` it is terminated: nothing is to be had beyond the end.

    ## Information

    The info that ``step`` returns describes the world in which the action was taken:

    - ``regret`` (float): mean of the best arm minus mean of the pulled arm.
    - ``optimal_action`` (int): the best arm; the first of equals.
    - ``context`` (int): the context where contexts recur, else the number of changes so far.
    - ``changed`` (bool): whether the schedule has changed the world between the step before and
      this one. Continuous and rested drifts move the means at other steps too; that is no change.
    - ``steps_since_change`` (int): 0 at a changed step, else one more than at the step before;
      counted from the episode's start as long as nothing has changed.

    The info that ``reset`` returns describes the first step, with regret 0.

    ## Arguments

    - ``num_arms``: A, at least 2. Default 5.
    - ``arms``: ``"bernoulli"`` (default) or ``"gaussian"``.
    - ``noise_std``: standard deviation of a Gaussian arm's reward. Default 1.
    - ``dependent``: arms are mirrored in pairs (0, 1), (2, 3), ...: ``p[2i + 1] = 1 - p[2i]``
      (Gaussian: ``m[2i + 1] = -m[2i]``); an odd last arm is free. With two arms this is the
      dependent bandit of Wang et al. (2016).
    - ``mean_values``: A numbers that are dealt to the arms in random order wherever means would be
      drawn from the prior; ``[0.9, 0.1, 0.1, 0.1]`` gives one good arm among bad ones.
    - ``schedule``: when the world changes (``schedules.py``). Default ``Hazard(0.02)``: at every
      step with probability 0.02.
    - ``drift``: how it changes (``drifts.py``, ``restless.py``). Default ``Resample()``: all means
      are drawn anew. Schedules and drifts may be written as text, ``"Periodic(period=40)"``, or as
      mappings, ``{"type": "Periodic", "period": 40}``.
    - ``num_contexts``: if given, K contexts (vectors of means) are drawn per episode, and a change
      jumps to one of the others, each equally likely. Contexts recur.
    - ``cue``: what the observation shows of the context (needs ``num_contexts``): None (default),
      ``"one_hot"``, or ``"barcode"``: each context has a random code of ``cue_size`` signs times
      ``1 / sqrt(cue_size)``, drawn per episode, no two alike (after Ritter et al. 2018).
    - ``cue_size``: length of a barcode. Default 16.
    - ``observe_time``: whether the observation has the time. Default False.
    - ``max_episode_steps``: steps of an episode, or None for endless ones. Default 200.
      ``gymnasium.make`` applies its own argument of this name from outside (there None is the
      registered number, and -1 stands for endless), so that ``observe_time`` and
      ``terminate_on_horizon``, which need the number, are errors there; they work with
      ``gymnasium.make_vec`` and with this class.
    - ``terminate_on_horizon``: see *Episode end*. Default False.
    - ``render_mode``: None (default), ``"ansi"`` or ``"rgb_array"``.

    ## Version history

    - v0: initial version.
    """

    metadata: dict[str, Any] = {"render_modes": RENDER_MODES, "render_fps": 10}  # noqa: RUF012

    def __init__(
        self, *, render_mode: str | None = None, **arguments: Unpack[BanditArguments]
    ) -> None:
        check_render_mode(render_mode)
        self.settings = BanditSettings.parse(**arguments)
        self.render_mode = render_mode
        space = self.settings.observation_space()
        self.observation_space = space
        self.action_space = spaces.Discrete(self.settings.num_arms)
        self._world = self.settings.make_world(1)
        # What step() reads often.
        self._num_arms = self.settings.num_arms
        self._bernoulli = self._world.arms.bernoulli
        self._horizon = self.settings.max_episode_steps
        self._size = len(space.low)
        self._shows_more = self.settings.observe_time or self._world.cue_size > 0
        self._elapsed = _OVER
        self._snapshot: Snapshot | None = None

    # ------------------------------------------------------------------ Gymnasium's methods

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Starts an episode; the class describes ``options`` and the info.

        Raises:
            TypeError, ValueError: An option is not what it must be; nothing has changed then.
        """
        options = check_keys(options, EPISODE_KEYS)
        world, settings = self._world, self.settings.with_dynamics(options)
        if settings != self.settings:
            world = settings.make_world(1, world.streams)
        episode = parse_episode(world, options, world.everyone)
        super().reset(seed=seed)
        self.settings, self._world = settings, world
        world.streams.generators[0] = self.np_random
        world.begin(world.everyone, episode)
        self._elapsed = 0
        self._read_trace()
        observation = np.zeros(self._size, dtype=np.float32)
        observation[self._num_arms + 1] = 1.0
        self._show_step(observation, 0)
        means, _, optimal, context, changed, since, _ = self._rows[0]
        info = {
            "regret": 0.0,
            "optimal_action": optimal,
            "context": context,
            "changed": changed,
            "steps_since_change": since,
        }
        if self.render_mode is not None:
            self._snapshot = Snapshot(0, means, self._bernoulli, -1, 0.0, dict(info))
        return observation, info

    def step(
        self, action: int | np.integer[Any]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Pulls arm ``action``.

        Raises:
            TypeError, ValueError: ``action`` is not an integer, or not an arm.
            ResetNeeded: No episode is running.
        """
        try:
            arm = operator.index(action)
        except TypeError:
            raise TypeError(f"action must be an integer, got {action!r}") from None
        if not 0 <= arm < self._num_arms:
            raise ValueError(f"action must be in [0, {self._num_arms}), got {arm}")
        if self._elapsed == _OVER:
            raise ResetNeeded("step() needs a running episode: call reset() first")
        world = self._world
        if world.clock == world.next_draw:
            world.draw_due_blocks()
            self._read_trace()

        # A single world is always drawn from row 0 on, so that its clock is its row.
        means, best, optimal, context, changed, since, noise = self._rows[world.clock]
        mean = means[arm]
        if self._bernoulli:
            reward = 1.0 if noise < mean else 0.0
        else:
            reward = mean + noise
        info = {
            "regret": best - mean,
            "optimal_action": optimal,
            "context": context,
            "changed": changed,
            "steps_since_change": since,
        }
        elapsed = self._elapsed
        if self.render_mode is not None:
            self._snapshot = Snapshot(elapsed, means, self._bernoulli, arm, reward, dict(info))

        if world.stepwise:
            world.tick(np.array([arm]))
            self._rows[world.clock] = self._read_row(world.clock)
        else:
            world.clock += 1
        elapsed += 1
        observation = np.zeros(self._size, dtype=np.float32)
        observation[arm] = 1.0
        observation[self._num_arms] = reward
        if self._shows_more:
            self._show_step(observation, elapsed)
        if elapsed == self._horizon:
            self._elapsed = _OVER
            terminated = self.settings.terminate_on_horizon
            return observation, reward, terminated, not terminated, info
        self._elapsed = elapsed
        return observation, reward, False, False, info

    def render(self) -> str | NDArray[np.uint8] | None:
        """Text (``"ansi"``) or an image (160, width, 3) of the last step."""
        if self.render_mode is None or self._snapshot is None:
            gym.logger.warn("render() needs a render_mode, given at construction, and a reset()")
            return None
        return render(self._snapshot, self.render_mode)

    # ------------------------------------------------------------------ beyond Gymnasium

    def foresee(self, num_steps: int | None = None) -> World:
        """What the world will do from the current step on, as arrays (T, ...).

        Args:
            num_steps: T, at least 1; by default ``max_episode_steps``, or 200 where that is None.

        Raises:
            TypeError, ValueError: ``num_steps`` is not what it must be, or the world depends on
                the actions (reactive schedule, rested drift).
        """
        if num_steps is None:
            num_steps = self._horizon or 200
        return self._world.foresee(num_steps).only()

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Everything that the episode's future depends on, as a flat dict of numpy arrays."""
        return {
            **self._world.get_state(),
            "elapsed": np.array(self._elapsed),
            SETTINGS: pack_text(repr(self.settings)),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restores what :meth:`get_state` returned; steps then follow bit for bit.

        Raises:
            ValueError: The state is of an environment with other settings, incomplete, or broken;
                nothing has changed then.
        """
        arrays = check_state(self.get_state(), state, OPEN_KEYS)
        elapsed, taken = int(arrays["elapsed"]), int(arrays["clock"] - arrays["first"][0])
        if elapsed not in (_OVER, taken):
            raise ValueError(f"state['elapsed'] must be {_OVER} or {taken}, got {elapsed}")
        self._world.check_state(arrays, np.array([elapsed == _OVER]), self._horizon)
        self._world.set_state(arrays)
        self._elapsed = elapsed
        self._snapshot = None
        generator = self._world.streams.generators[0]
        if generator is not None:
            self.np_random = generator
        self._read_trace()

    # ------------------------------------------------------------------ inside

    def _read_trace(self) -> None:
        """Copies the world's rows into tuples, which plain Python reads faster than arrays."""
        trace = self._world.trace
        columns = (getattr(trace, field.name)[:, 0].tolist() for field in fields(trace))
        self._rows: list[Row] = list(zip(*columns, strict=True))

    def _read_row(self, row: int) -> Row:
        """As :meth:`_read_trace`, for the one row that a stepwise world has just worked out."""
        trace = self._world.trace
        means, *others = (getattr(trace, field.name)[row, 0].tolist() for field in fields(trace))
        return (means, *others)

    def _show_step(self, observation: NDArray[np.float32], elapsed: int) -> None:
        """Fills in what an observation shows of the current step: time and cue."""
        if self._horizon is not None and self.settings.observe_time:
            observation[self._num_arms + 2] = elapsed / self._horizon
        if self._world.cue_size:
            context = self._rows[self._world.clock][3]
            observation[-self._world.cue_size :] = self._world.codes[0, context]
