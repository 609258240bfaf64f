"""The two-step task, one at a time; its class docstring is its page of documentation."""

from __future__ import annotations

from typing import Any

import numpy as np
from typing_extensions import Unpack, override

from .two_step_rendering import TwoStepPicture
from .two_step_settings import ACTION, REWARD, SIZE, TwoStepArguments, TwoStepSettings
from .two_step_world import FIRST_STAGE, TwoStepWorld
from .world_env import Observation, WorldEnv


class TwoStep(WorldEnv[TwoStepSettings, TwoStepWorld]):
    """The two-step task, which tells planning from repeating what was rewarded.

    ## Description

    The task of Daw et al. (2011), in the form of Wang et al. (2016). A trial has two steps. In the
    first, the agent chooses between two actions; each leads to *its* second-stage state (action 0
    to state 1, action 1 to state 2) with probability ``common``, else to the other. The second
    stage pays 1 with a probability that belongs to its state (or to its arms), which changes from
    trial to trial. A reward after a *rare* transition speaks for the *other* first action: an agent
    that has a model of the task switches, one that repeats what was rewarded stays.

    ## Action space

    ``Discrete(2)``. At the second stage, the arm of that state; with ``arms_per_state=1`` both
    actions do the same.

    ## Observation space

    ``Box`` of float32:

    | index | what | range |
    | --- | --- | --- |
    | 0 ... 2 | state, one-hot: first stage, second-stage states 1 and 2 | 0 or 1 |
    | 3, 4 | previous action, one-hot | 0 or 1 |
    | 5 | previous reward | 0 or 1 |

    In the first observation of an episode the previous action and reward are zero.

    ## Rewards

    1 or 0 at the second stage, 0 at the first.

    ## Starting state

    The first stage; ``mean_values`` in random order, or U(0, 1) where that is None. Equal seeds
    give equal worlds, whatever the agent does: also whether each transition is common, and the
    number to which a reward probability is compared.

    ``reset(options=...)`` prescribes the next episode; the episodes after it are drawn as usual:

    - ``means``: the probabilities of the first trial, those of state 1 first, shape
      (2 ``arms_per_state``,). The vector environment also takes a leading axis (num_envs,), here
      and below.
    - ``change_times``: the *trials* at which the world changes, shape (M,), instead of the
      schedule.
    - ``schedule``, ``drift``: replace the environment's own, in all later episodes too.

    ## Changes

    Schedules and drifts are those of :class:`ShiftingBandit`, and count *trials*: within a trial
    nothing changes. Reactive schedules and rested drifts are not possible.

    ## Episode end

    After ``max_episode_steps`` steps the episode is truncated: the world would have gone on. With
    ``terminate_on_horizon`` it is terminated: nothing is to be had beyond the end.

    ## Information

    The info that ``step`` returns describes the world in which the action was taken:

    - ``regret`` (float): expected reward of the trial from here on under the best actions, minus
      that after the chosen one. At the first stage, with v the highest mean of a state,
      ``|2 common - 1| * |v(1) - v(2)|`` for the worse action.
    - ``optimal_action`` (int): the best action; the first of equals. (The method of this name
      tells that of the coming step.)
    - ``context`` (int): the number of changes so far.
    - ``changed`` (bool): whether the schedule has changed the world between the step before and
      this one.
    - ``steps_since_change`` (int): 0 at a changed step, else one more than at the step before, in
      steps; counted from the episode's start as long as nothing has changed.

    The info that ``reset`` returns describes the first step, with regret 0.

    ## Arguments

    - ``arms_per_state``: 1 (default; Wang et al.) or 2 (Daw et al.).
    - ``common``: probability of a common transition. Default 0.8; Daw et al.: 0.7.
    - ``mean_values``: 2 ``arms_per_state`` probabilities that are dealt to the arms in random order
      wherever they would be drawn. Default (0.9, 0.1) with one arm per state, None (uniform) with
      two.
    - ``schedule``: when they change (``schedules.py``), in trials. Default ``Hazard(0.025)``.
    - ``drift``: how (``drifts.py``, ``restless.py``). Default ``Permute()``: with one arm per
      state, both states exchange their probabilities. Schedules and drifts may be written as text,
      or as mappings.
    - ``max_episode_steps``: steps of an episode, an even number, or None for endless ones. Default
      200, which is 100 trials. ``gymnasium.make`` applies its own argument of this name from
      outside, so that ``terminate_on_horizon``, which needs the number, is an error there; it works
      with ``gymnasium.make_vec`` and with this class.
    - ``terminate_on_horizon``: see *Episode end*. Default False.
    - ``render_mode``: None (default), ``"ansi"`` or ``"rgb_array"``.

    ## References

    Daw, Gershman, Seymour, Dayan and Dolan, "Model-based influences on humans' choices and striatal
    prediction errors", Neuron 2011. Wang et al., "Learning to reinforcement learn", 2016. In Daw et
    al., probabilities walk with standard deviation 0.025 between 0.25 and 0.75; our ``RandomWalk``
    goes from 0 to 1.

    ## Version history

    - v0: initial version.
    """

    def __init__(
        self, *, render_mode: str | None = None, **arguments: Unpack[TwoStepArguments]
    ) -> None:
        super().__init__(TwoStepSettings.parse(**arguments), render_mode)
        # What step() reads often.
        self._per_state, self._common = self.settings.arms_per_state, self.settings.common
        self._place = FIRST_STAGE

    # ------------------------------------------------------------------ inside

    @override
    def _read_world(self) -> None:
        # Plain Python reads lists faster than arrays.
        trace = self._world.trace
        columns = (trace.context, trace.changed, trace.since, trace.means, trace.noise)
        self._rows = list(zip(*(column[:, 0].tolist() for column in columns), strict=True))
        self._place = self._world.place.item(0)

    @override
    def _write_world(self) -> None:
        self._world.place[0] = self._place

    def _values(self, means: list[float]) -> tuple[float, int, list[float]]:
        """How much better action 0 is at the first stage, the best action now, means of the state.

        Those means are empty at the first stage.
        """
        per_state = self._per_state
        lead = max(means[:per_state]) - max(means[per_state:])
        lead *= 2.0 * self._common - 1.0
        if self._place == FIRST_STAGE:
            return lead, int(lead < 0.0), []
        own = means[per_state * (self._place - 1) : per_state * self._place]
        return lead, own.index(max(own)), own

    @override
    def _first(self) -> tuple[Observation, dict[str, Any]]:
        context, changed, since, means, _ = self._rows[0]
        info = {
            "regret": 0.0,
            "optimal_action": self._values(means)[1],
            "context": context,
            "changed": changed,
            "steps_since_change": since,
        }
        if self.render_mode is not None:
            self._picture = TwoStepPicture(0, means, self._place, self._place, -1, 0.0, dict(info))
        observation = np.zeros(SIZE, dtype=np.float32)
        observation[FIRST_STAGE] = 1.0
        return observation, info

    @override
    def _play(self, action: int) -> tuple[Observation, float, dict[str, Any]]:
        # A single world is always drawn from row 0 on, so that its clock is its row.
        world, place = self._world, self._place
        context, changed, since, means, noise = self._rows[world.clock]
        lead, optimal, own = self._values(means)
        if own:
            mean = own[action % self._per_state]
            reward = 1.0 if noise < mean else 0.0
            regret = max(own) - mean
            self._place = FIRST_STAGE
        else:
            # The noise of a first stage, which pays nothing, says whether the transition is common.
            reward = 0.0
            regret = 0.0 if action == optimal else abs(lead)
            self._place = 1 + (action if noise < self._common else 1 - action)
        info = {
            "regret": regret,
            "optimal_action": optimal,
            "context": context,
            "changed": changed,
            "steps_since_change": since,
        }
        if self.render_mode is not None:
            self._picture = TwoStepPicture(
                self._elapsed, means, place, self._place, action, reward, dict(info)
            )
        world.clock += 1
        observation = np.zeros(SIZE, dtype=np.float32)
        observation[self._place] = observation[ACTION + action] = 1.0
        observation[REWARD] = reward
        return observation, reward, info
