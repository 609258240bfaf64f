"""The shifting bandit, one at a time; its class docstring is its page of documentation."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from typing_extensions import Unpack, override

from .bandit_rendering import BanditPicture
from .bandit_settings import BanditArguments, BanditSettings
from .bandit_world import BanditWorld
from .trace import World
from .world_env import Observation, WorldEnv

# A row of the world's trace, in the order of its fields: context, changed, since, means, best,
# optimal, noise.
Row = tuple[int, bool, int, list[float], float, int, float]


class ShiftingBandit(WorldEnv[BanditSettings, BanditWorld]):
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
    - ``noise_std``: standard deviation of a Gaussian arm's reward. Default 1; 0 pays the
      mean itself.
    - ``dependent``: arms are mirrored in pairs (0, 1), (2, 3), ...: ``p[2i + 1] = 1 - p[2i]``
      (Gaussian: ``m[2i + 1] = -m[2i]``); an odd last arm is free. With two arms this is the
      dependent bandit of Wang et al. (2016).
    - ``mean_values``: A numbers that are dealt to the arms in random order wherever means would be
      drawn from the prior; ``[0.9, 0.1, 0.1, 0.1]`` gives one good arm among bad ones.
    - ``schedule``: when the world changes (``schedules.py``). Default ``Hazard(0.02)``: at every
      step with probability 0.02. ``AtSteps`` beyond ``max_episode_steps``, or a ``Periodic`` one of
      which no change lies before it, is an error where that number is known.
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

    def __init__(
        self, *, render_mode: str | None = None, **arguments: Unpack[BanditArguments]
    ) -> None:
        super().__init__(BanditSettings.parse(**arguments), render_mode)
        # What step() reads often.
        self._num_arms = self.settings.num_arms
        self._bernoulli = self._world.arms.bernoulli
        self._size = int(np.prod(self.observation_space.shape or ()))
        self._shows_more = self.settings.observe_time or self._world.cue_size > 0

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

    # ------------------------------------------------------------------ inside

    @override
    def _read_world(self) -> None:
        # Plain Python reads tuples faster than arrays.
        trace = self._world.trace
        columns = (getattr(trace, field.name)[:, 0].tolist() for field in fields(trace))
        self._rows: list[Row] = list(zip(*columns, strict=True))

    def _read_row(self, row: int) -> Row:
        """As :meth:`_read_world`, for the one row that a stepwise world has just worked out."""
        trace = self._world.trace
        values: Any = tuple(getattr(trace, field.name)[row, 0].tolist() for field in fields(trace))
        return values

    @override
    def _first(self) -> tuple[Observation, dict[str, Any]]:
        observation = np.zeros(self._size, dtype=np.float32)
        observation[self._num_arms + 1] = 1.0
        self._show_step(observation, 0)
        context, changed, since, means, _, optimal, _ = self._rows[0]
        info = {
            "regret": 0.0,
            "optimal_action": optimal,
            "context": context,
            "changed": changed,
            "steps_since_change": since,
        }
        if self.render_mode is not None:
            self._picture = BanditPicture(0, means, self._bernoulli, -1, 0.0, dict(info))
        return observation, info

    @override
    def _play(self, action: int) -> tuple[Observation, float, dict[str, Any]]:
        # A single world is always drawn from row 0 on, so that its clock is its row.
        world = self._world
        context, changed, since, means, best, optimal, noise = self._rows[world.clock]
        mean = means[action]
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
        if self.render_mode is not None:
            self._picture = BanditPicture(
                self._elapsed, means, self._bernoulli, action, reward, dict(info)
            )
        if world.stepwise:
            world.tick(np.array([action]))
            self._rows[world.clock] = self._read_row(world.clock)
        else:
            world.clock += 1
        observation = np.zeros(self._size, dtype=np.float32)
        observation[action] = 1.0
        observation[self._num_arms] = reward
        if self._shows_more:
            self._show_step(observation, self._elapsed + 1)
        return observation, reward, info

    def _show_step(self, observation: Observation, elapsed: int) -> None:
        """Fills in what an observation shows of the current step: time and cue."""
        if self._horizon is not None and self.settings.observe_time:
            observation[self._num_arms + 2] = elapsed / self._horizon
        if self._world.cue_size:
            context = self._rows[self._world.clock][0]
            observation[-self._world.cue_size :] = self._world.codes[0, context]
