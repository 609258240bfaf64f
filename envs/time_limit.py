"""The time limit of an environment that ``gymnasium.make`` makes."""

from __future__ import annotations

import inspect

from gymnasium.envs.registration import EnvSpec, make


def coming_time_limit() -> int | None:
    """Steps after which the ``gymnasium.make`` that is running is going to end episodes.

    It does so from outside, with a wrapper, and tells the environment nothing of it, which then
    could not refuse changes beyond the end of its episodes. So it is read from the running call.
    None where there is no limit, and where no ``gymnasium.make`` is running.
    """
    frame = inspect.currentframe()
    while frame is not None and frame.f_code is not make.__code__:
        frame = frame.f_back
    if frame is None:
        return None
    limit, spec = (frame.f_locals.get(name) for name in ("max_episode_steps", "env_spec"))
    if limit is None and isinstance(spec, EnvSpec):
        limit = spec.max_episode_steps
    return limit if isinstance(limit, int) and limit > 0 else None  # -1: none is wanted
