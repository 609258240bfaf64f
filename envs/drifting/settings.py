"""The arguments that all drifting wrappers share, and their options of reset, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import gymnasium as gym
import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from ..arguments import check_flag, check_numbers
from ..arms import Arms
from ..drifts import Drift, Recur
from ..options import check_keys, parse_change_times, parse_context
from ..schedules import Hazard, Schedule
from ..streams import Streams
from ..world_settings import parse_drift, parse_schedule
from .effect import Effect, Values
from .world import DriftEpisode, DriftingWorld

#: Levels of ``notify``, each of which tells more; see :class:`DriftArguments`.
NOTIFY_LEVELS = (None, "change", "values")
OPTION_KEYS = ("values", "change_times", "context", "schedule", "drift")


class DriftArguments(TypedDict, total=False):
    """Keyword arguments of all drifting wrappers.

    - ``schedule``: when the world changes (``schedules.py``), also as text or as a mapping. Default
      ``Hazard(0.002)``. Not reactive: what is best is not known here.
    - ``drift``: how it changes (``drifts.py``, ``restless.py``), likewise. Each effect has its own
      default. With ``values`` it is ``Recur(K)``, the default, or ``Cycle(K)``.
    - ``values``: the values of K contexts, among which a change jumps, instead of drawn ones.
    - ``random_start``: False (default): the world starts as the wrapped environment is, or in the
      first context of ``values``. True: it starts as the drift draws it.
    - ``per_episode``: what the steps of the schedule count. False (default): all steps since the
      last seeded reset, over as many episodes as there are, so that what has changed stays changed.
      True: the steps of the episode; each one starts the world afresh.
    - ``between_episodes``: True: the schedule and the drift count episodes, over as many as there
      are since the last seeded reset. The world stands still within an episode, and may change
      when the next one begins. (False by default; not with ``per_episode``.)
    - ``notify``: what observations tell. None (default): nothing, they are those of the wrapped
      environment. ``"change"``: they are dicts with ``"observation"`` and ``"changed"``, 1 where
      the next action meets a world that has changed since the one before. ``"values"``: also
      ``"values"``, those that the next action meets.
    - ``name``: the wrapper's key in ``info["shifts"]`` and ``options["shifts"]``; wrappers around
      one another need different ones.
    """

    schedule: Schedule | str | Mapping[str, Any]
    drift: Drift | str | Mapping[str, Any] | None
    values: Any
    random_start: bool
    per_episode: bool
    between_episodes: bool
    notify: str | None
    name: str


@dataclass(frozen=True)
class DriftSettings:
    """The arguments as the wrappers use them; see :class:`DriftArguments`.

    Attributes:
        effect: What changes.
        size: How many quantities Q that takes.
        horizon: Steps of an episode, where known and where they count; else None.
    """

    effect: Effect
    size: int
    name: str
    schedule: Schedule
    drift: Drift
    values: tuple[tuple[float, ...], ...] | None
    random_start: bool
    per_episode: bool
    between_episodes: bool
    notify: str | None
    horizon: int | None

    @classmethod
    def parse(
        cls,
        effect: Effect,
        size: int,
        default_name: str,
        horizon: int | None,
        arguments: DriftArguments,
    ) -> DriftSettings:
        """Reads the arguments as a user gives them.

        Raises:
            TypeError, ValueError: An argument, named in the message, is not what it must be.
        """
        unknown = [key for key in arguments if key not in DriftArguments.__annotations__]
        if unknown:
            known = ", ".join(DriftArguments.__annotations__)
            raise TypeError(f"keyword arguments must be among {known}, got {unknown[0]!r}")
        name = arguments.get("name", default_name)
        if not isinstance(name, str) or not name:
            raise TypeError(f"name must be a string, got {name!r}")
        values, drift = arguments.get("values"), arguments.get("drift")
        table = None
        if values is not None:
            rows = check_numbers("values", values)
            if rows.ndim != 2 or len(rows) < 2:
                raise ValueError(
                    f"values must have a row for each of 2 contexts or more, got {values}"
                )
            if (rows == rows[0]).all():
                raise ValueError(f"values must have two contexts that differ, got {values}")
            table = tuple(map(tuple, effect.check("values", rows, size).tolist()))
        if drift is None:
            drift = effect.default_drift if table is None else Recur(len(table))
        per_episode = check_flag("per_episode", arguments.get("per_episode", False))
        return cls(
            effect=effect,
            size=size,
            name=name,
            schedule=parse_schedule("schedule", arguments.get("schedule", Hazard(0.002))),
            drift=parse_drift("drift", drift),
            values=table,
            random_start=check_flag("random_start", arguments.get("random_start", False)),
            per_episode=per_episode,
            between_episodes=check_flag(
                "between_episodes", arguments.get("between_episodes", False)
            ),
            notify=arguments.get("notify"),
            horizon=horizon if per_episode else None,
        )

    def __post_init__(self) -> None:
        """Checks that the settings fit together."""
        if self.notify not in NOTIFY_LEVELS:
            raise ValueError(f'notify must be None, "change" or "values", got {self.notify!r}')
        if self.between_episodes and self.per_episode:
            raise ValueError("between_episodes=True cannot go with per_episode=True")
        if self.schedule.reactive:
            raise ValueError(f"schedule must not depend on what is best, got {self.schedule}")
        if self.horizon is not None:
            self.schedule.check_horizon(self.horizon)
        drift = self.drift
        if isinstance(drift, Recur):
            if self.values is not None and drift.num_contexts != len(self.values):
                raise ValueError(f"drift must have {len(self.values)} contexts, got {drift}")
            if self.values is None and not self.random_start:
                raise ValueError(f"drift={drift} needs values, or random_start=True to draw them")
            return
        if self.values is not None:
            raise ValueError(f"drift must be Recur or Cycle to go with values, got {drift}")
        self.effect.check_drift(drift)
        drift.check(Arms(self.size))
        if not self.random_start:
            neutral = self.effect.neutral(self.size)
            self.effect.check("the start (random_start=False)", neutral, self.size)
            self._start_means("random_start=False", neutral[None])

    def make_world(self, num_worlds: int, streams: Streams | None = None) -> DriftingWorld:
        """Worlds of this kind, yet to be seeded (or with ``streams`` of others) and begun."""
        table = None
        if self.values is not None:
            table = np.array(self.values, dtype=self.effect.dtype)
        return DriftingWorld(
            num_worlds, self.effect, self.size, self.schedule, self.drift, table, streams
        )

    def with_dynamics(self, options: Mapping[str, Any]) -> DriftSettings:
        """These settings with the schedule and drift that reset's options set, if any."""
        name, schedule, drift = self.options_name, self.schedule, self.drift
        if options.get("schedule") is not None:
            schedule = parse_schedule(f"{name}['schedule']", options["schedule"])
        if options.get("drift") is not None:
            drift = parse_drift(f"{name}['drift']", options["drift"])
        return replace(self, schedule=schedule, drift=drift)

    @property
    def options_name(self) -> str:
        """What messages call the options of this wrapper."""
        return f"options['shifts'][{self.name!r}]"

    def parse_episode(
        self, world: DriftingWorld, options: Mapping[str, Any], worlds: NDArray[np.int64]
    ) -> DriftEpisode:
        """Reads how ``worlds`` (n,) begin, with what the options prescribe.

        Each value is given once for all worlds, or with a leading axis over all N of them.
        """
        name, count = self.options_name, world.num_worlds
        values = options.get("values")
        times = parse_change_times(options, count, worlds, self.horizon, name)
        context = parse_context(options, world.num_contexts, count, worlds, name)
        if values is not None:
            name = f"{name}['values']"
            if isinstance(self.drift, Recur):
                raise ValueError(f"{name} cannot go with contexts: set 'context'")
            rows = self.effect.check(name, check_numbers(name, values), self.size)
            if rows.shape not in ((self.size,), (count, self.size)):
                raise ValueError(
                    f"{name} must have shape ({self.size},) or ({count}, {self.size}), "
                    f"got {rows.shape}"
                )
            values = np.broadcast_to(rows, (count, self.size))[worlds]
        elif not self.random_start and not isinstance(self.drift, Recur):
            name = "random_start=False"
            values = np.tile(self.effect.neutral(self.size), (len(worlds), 1))
        elif not self.random_start and context is None:
            context = np.zeros(len(worlds), dtype=np.int64)
        means = None if values is None else self._start_means(name, values)
        return DriftEpisode(times, means, context, values)

    def _start_means(self, name: str, values: Values) -> NDArray[np.float64]:
        """Means that have ``values`` (n, Q), or a ValueError if the drift cannot start there."""
        means = self.effect.means(values)
        try:
            self.drift.from_means(Arms(self.size), means)
        except ValueError as error:
            raise ValueError(
                f"{name} must start where {self.drift} can, as shares of the range: {error}"
            ) from None
        return means


def find_horizon(env: Any) -> int | None:
    """Steps of an episode, as the spec of an environment, a time limit inside or its settings tell.

    None where none of them does.
    """
    if env.spec is not None:
        horizon = env.spec.max_episode_steps
        if isinstance(env, VectorEnv):
            # gymnasium.make_vec notes here what it was asked for instead; -1 is no limit.
            horizon = env.spec.kwargs.get("max_episode_steps", horizon)
        if horizon is not None and horizon > 0:
            return int(horizon)
    base = env.unwrapped
    if isinstance(base, SyncVectorEnv):
        return find_horizon(base.envs[0])
    if isinstance(env, gym.Env) and env.has_wrapper_attr("_max_episode_steps"):
        return int(env.get_wrapper_attr("_max_episode_steps"))
    return getattr(getattr(base, "settings", None), "max_episode_steps", None)


def take_options(
    options: Mapping[str, Any] | None, name: str, inner: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Splits the options of reset into a wrapper's own and those of what it wraps.

    Args:
        options: ``{"shifts": {name: {...}, ...}, ...}`` or None.
        name: Name of the wrapper.
        inner: Names of the drifting wrappers that it wraps.

    Raises:
        TypeError: ``options`` or a part of them is no mapping.
        ValueError: A name in ``options["shifts"]`` is nobody's.
    """
    if options is None:
        return {}, None
    if not isinstance(options, Mapping):
        raise TypeError(f"options must be a dict or None, got {options!r}")
    rest = dict(options)
    shifts = check_keys(rest.pop("shifts", None), (name, *inner), "options['shifts']")
    own = check_keys(shifts.pop(name, None), OPTION_KEYS, f"options['shifts'][{name!r}]")
    if shifts:
        rest["shifts"] = shifts
    return own, rest


def plain(value: Any) -> Any:
    """Arguments as they can be written to JSON: parts as text, arrays as lists.

    A part of a user's own class, which text does not name, stays what it is.
    """
    if isinstance(value, (Schedule, Drift, Effect)):
        package = __package__.rpartition(".")[0]
        return repr(value) if type(value).__module__.startswith(package) else value
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
