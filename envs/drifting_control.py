"""Gymnasium's control tasks with drifting parameters, under ids of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import TimeLimit
from typing_extensions import Unpack

from .arguments import check_count, check_flag
from .drifting import DriftArguments, DriftingParameters, DriftingParametersVector
from .previous_step import ObservePreviousStep, ObservePreviousStepVector
from .same_step import SameStepAutoreset


class ControlArguments(DriftArguments, total=False):
    """Arguments of the drifting control tasks, beside :class:`~.drifting.DriftArguments`.

    Other defaults than there: ``schedule`` is ``Periodic(period=20)``, which with
    ``between_episodes=True`` is another world every 20 episodes, and ``random_start=True``.

    - ``base``: id of the environment whose parameters drift.
    - ``ranges``: range of each parameter, as :class:`~.drifting.DriftingParameters` takes them;
      None where ``values`` are given.
    - ``observe_previous_step``: whether observations hold the step before
      (:class:`~.previous_step.ObservePreviousStep`). True by default.
    """

    base: str
    ranges: Mapping[str, Sequence[float]] | None
    observe_previous_step: bool


def make_drifting_control(
    *, render_mode: str | None = None, **arguments: Unpack[ControlArguments]
) -> gym.Env[Any, Any]:
    """What ``gymnasium.make`` calls: a task without an end of its own.

    Raises:
        TypeError, ValueError: An argument is not what it must be.
    """
    base, ranges, observe, drift = _split(arguments)
    env = DriftingParameters(_bare(base, render_mode), ranges, **drift)
    return ObservePreviousStep(env) if observe else env


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
    base, ranges, observe, drift = _split(arguments)

    def make() -> gym.Env[Any, Any]:
        env = _bare(base, render_mode)
        return env if max_episode_steps is None else TimeLimit(env, max_episode_steps)

    mode = AutoresetMode(autoreset_mode)
    same_step = mode is AutoresetMode.SAME_STEP
    inner = AutoresetMode.DISABLED if same_step else mode
    envs: VectorEnv[Any, Any, Any] = SyncVectorEnv([make] * num_envs, autoreset_mode=inner)
    envs = DriftingParametersVector(envs, ranges, **drift)
    if observe:
        envs = ObservePreviousStepVector(envs)
    return SameStepAutoreset(envs) if same_step else envs


def _bare(base: str, render_mode: str | None) -> gym.Env[Any, Any]:
    return gym.make(base, render_mode=render_mode, disable_env_checker=True).unwrapped


def _split(
    arguments: ControlArguments,
) -> tuple[str, Mapping[str, Sequence[float]] | None, bool, DriftArguments]:
    """The base, the ranges, whether to observe the previous step, and what is left."""
    rest: Any = {
        "schedule": "Periodic(period=20)",
        "between_episodes": not arguments.get("per_episode", False),
        "random_start": True,
        **arguments,
    }
    base, ranges = rest.pop("base"), rest.pop("ranges", None)
    if rest.get("values") is not None:
        ranges = None
    observe = check_flag("observe_previous_step", rest.pop("observe_previous_step", True))
    return base, ranges, observe, rest
