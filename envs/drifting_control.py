"""Gymnasium's control tasks with drifting parameters, under ids of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import TimeLimit
from typing_extensions import Unpack

from .arguments import check_count, check_flag
from .drifting import DriftArguments, DriftingParameters, DriftingParametersVector
from .hidden_entries import HiddenEntries
from .previous_step import ObservePreviousStep, ObservePreviousStepVector
from .same_step import SameStepAutoreset
from .time_limit import coming_time_limit


class ControlArguments(DriftArguments, total=False):
    """Arguments of the drifting control tasks, beside :class:`~.drifting.DriftArguments`.

    Other defaults than there: ``schedule`` is ``Periodic(period=20)``, which with
    ``between_episodes=True`` is another world every 20 episodes, and ``random_start=True``.

    - ``base``: id of the environment whose parameters drift.
    - ``ranges``: range of each parameter, as :class:`~.drifting.DriftingParameters` takes them;
      None where ``values`` are given.
    - ``hidden``: entries of the base's observation that are not shown
      (:class:`~.hidden_entries.HiddenEntries`). None by default.
    - ``observe_previous_step``: whether observations hold the step before
      (:class:`~.previous_step.ObservePreviousStep`). True by default.
    """

    base: str
    ranges: Mapping[str, Sequence[float]] | None
    hidden: Sequence[int]
    observe_previous_step: bool


def make_drifting_control(
    *, render_mode: str | None = None, **arguments: Unpack[ControlArguments]
) -> gym.Env[Any, Any]:
    """What ``gymnasium.make`` calls: a task with the time limit asked for there.

    Raises:
        TypeError, ValueError: An argument is not what it must be.
    """
    task, limit = _Task(arguments), coming_time_limit()
    env = DriftingParameters(task.make(render_mode, limit), task.ranges, **task.drift)
    return ObservePreviousStep(env) if task.observe_previous_step else env


def make_drifting_control_vector(
    num_envs: int = 1,
    max_episode_steps: int | None = None,
    *,
    autoreset_mode: AutoresetMode = AutoresetMode.NEXT_STEP,
    render_mode: str | None = None,
    **arguments: Unpack[ControlArguments],
) -> VectorEnv[Any, Any, Any]:
    """What ``gymnasium.make_vec`` calls: ``num_envs`` of the tasks.

    The sub-environments are those of Gymnasium, stepped one by one; what drifts is worked out for
    all of them together.

    Raises:
        TypeError, ValueError: An argument is not what it must be.
    """
    num_envs = check_count("num_envs", num_envs, least=1)
    task = _Task(arguments)

    make = partial(task.make, render_mode, max_episode_steps)
    mode = AutoresetMode(autoreset_mode)
    same_step = mode is AutoresetMode.SAME_STEP
    inner = AutoresetMode.DISABLED if same_step else mode
    envs: VectorEnv[Any, Any, Any] = SyncVectorEnv([make] * num_envs, autoreset_mode=inner)
    envs = DriftingParametersVector(envs, task.ranges, **task.drift)
    if task.observe_previous_step:
        envs = ObservePreviousStepVector(envs)
    return SameStepAutoreset(envs) if same_step else envs


class _Task:
    """The arguments, sorted: what drifts of which base, and what of it is shown."""

    def __init__(self, arguments: ControlArguments) -> None:
        rest: Any = {
            "schedule": "Periodic(period=20)",
            "between_episodes": not arguments.get("per_episode", False),
            "random_start": True,
            **arguments,
        }
        self._base, self._hidden = rest.pop("base"), rest.pop("hidden", ())
        ranges = rest.pop("ranges", None)
        self.ranges = None if rest.get("values") is not None else ranges
        observe = rest.pop("observe_previous_step", True)
        self.observe_previous_step = check_flag("observe_previous_step", observe)
        self.drift: DriftArguments = rest

    def make(self, render_mode: str | None, max_episode_steps: int | None) -> gym.Env[Any, Any]:
        """The base, with this time limit in the place of its own."""
        env = gym.make(self._base, render_mode=render_mode, disable_env_checker=True).unwrapped
        env.spec = None  # it is not the base any more, and wrappers keep what they have once read
        if self._hidden:
            env = HiddenEntries(env, self._hidden)
        return env if max_episode_steps is None else TimeLimit(env, max_episode_steps)
