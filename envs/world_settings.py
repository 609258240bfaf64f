"""What the arguments of all our environments have in common."""

from __future__ import annotations

import ast
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from typing_extensions import Self

from . import drifts, restless, schedules
from .arguments import assign, check_count, check_flag
from .drifts import Drift
from .played_world import PlayedWorld
from .schedules import Schedule
from .streams import Streams

Part = TypeVar("Part")


class WorldSettings(ABC):
    """The arguments of a kind of world, checked; its subclasses are frozen dataclasses.

    Attributes:
        episode_keys: What ``reset(options=...)`` may hold.
        schedule: When the world changes.
        max_episode_steps: Steps of an episode, or None for endless ones.
        terminate_on_horizon: Whether the end is a termination (else a truncation).
    """

    episode_keys: ClassVar[tuple[str, ...]]
    schedule: Schedule
    max_episode_steps: int | None
    terminate_on_horizon: bool

    @property
    @abstractmethod
    def num_actions(self) -> int:
        """Number of actions of the agent."""

    @abstractmethod
    def observation_space(self) -> spaces.Space[Any]:
        """Space of one observation."""

    @property
    def observation_size(self) -> int:
        """Numbers in the row that vector environments keep for an observation."""
        (size,) = self.observation_space().shape or ()
        return size

    @abstractmethod
    def make_world(self, num_worlds: int, streams: Streams | None = None) -> PlayedWorld[Any, Any]:
        """Worlds of this kind, yet to be seeded (or with ``streams`` of others) and begun."""

    @classmethod
    def parse_drift(cls, name: str, value: Any) -> Any:
        """Reads a drift of this kind of world: of arms, unless it says otherwise."""
        return parse_drift(name, value)

    @classmethod
    def read_dynamics(cls, given: Mapping[str, Any], name: str = "{}") -> dict[str, Any]:
        """What ``given`` holds, with its schedule and drift read; ``name`` is for messages.

        Raises:
            TypeError: It holds what is no argument of the environment.
        """
        known = [field.name for field in fields(cls) if field.init]  # type: ignore[arg-type]
        for key in given:
            if key not in known:
                raise TypeError(f"arguments must be among {', '.join(known)}, got {key!r}")
        values = dict(given)
        if "schedule" in values:
            values["schedule"] = parse_schedule(name.format("schedule"), values["schedule"])
        if "drift" in values:
            values["drift"] = cls.parse_drift(name.format("drift"), values["drift"])
        return values

    def with_dynamics(self, options: Mapping[str, Any]) -> Self:
        """These settings with the schedule and drift that reset's options set, if any."""
        given = {k: options[k] for k in ("schedule", "drift") if options.get(k) is not None}
        return self.replaced(self.read_dynamics(given, "options['{}']"))

    def replaced(self, values: Mapping[str, Any]) -> Self:
        """These settings with another schedule or drift; a ValueError where that cannot be."""
        return replace(self, **values)  # type: ignore[type-var]

    @abstractmethod
    def parse_episode(
        self, world: Any, options: Mapping[str, Any], worlds: NDArray[np.int64]
    ) -> Any:
        """Reads what reset's options prescribe for the next episode of ``worlds`` (n,).

        Each value is given once for all worlds, or with a leading axis over all N of them.

        Args:
            world: What :meth:`make_world` made.
            options: The options, their keys checked.
            worlds: The worlds that begin an episode.

        Raises:
            TypeError, ValueError: An option is not what it must be.
        """

    def check_horizon(self) -> None:
        """Checks the arguments that say when an episode ends, and how; and the schedule by them."""
        assign(
            self,
            terminate_on_horizon=check_flag("terminate_on_horizon", self.terminate_on_horizon),
        )
        if self.max_episode_steps is not None:
            horizon = check_count("max_episode_steps", self.max_episode_steps, least=1)
            assign(self, max_episode_steps=horizon)
            self.check_schedule(horizon)
        elif self.terminate_on_horizon:
            raise ValueError("terminate_on_horizon=True needs max_episode_steps, got None")

    def check_schedule(self, horizon: int) -> None:
        """Raises ValueError if changes are asked for that no episode of ``horizon`` steps sees."""
        self.schedule.check_horizon(horizon)


def parse_part(
    name: str, value: Part | str | Mapping[str, Any], kind: type[Part], *modules: Any
) -> Part:
    """Reads a schedule or a drift.

    Args:
        name: Name of the argument, for messages.
        value: An instance; or text, as ``repr`` prints it (``"Hazard(probability=0.1)"``,
            ``"Hazard(0.1)"``, ``"Never"``); or a mapping such as ``{"type": "Hazard",
            "probability": 0.1}``.
        kind: Base class of what is wanted.
        modules: Where its classes are.

    Raises:
        TypeError: ``value`` is none of these, or its arguments do not fit the class.
        ValueError: The text or mapping names no known class, or has a bad value.
    """
    if isinstance(value, kind):
        return value
    known = {
        key: found
        for module in modules
        for key, found in vars(module).items()
        if isinstance(found, type)
        and issubclass(found, kind)
        and not (found is kind or inspect.isabstract(found))
    }
    if isinstance(value, str):
        type_name, args, kwargs = _parse_call(name, value)
    elif isinstance(value, Mapping):
        args, kwargs = [], {key: item for key, item in value.items() if key != "type"}
        type_name = value.get("type", "")
    else:
        raise TypeError(f"{name} must be a {kind.__name__}, a string or a mapping, got {value!r}")
    if type_name not in known:
        raise ValueError(f"{name} must be one of {', '.join(sorted(known))}, got {type_name!r}")
    try:
        return known[type_name](*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None


def parse_schedule(name: str, value: Schedule | str | Mapping[str, Any]) -> Schedule:
    """Reads a schedule, as :func:`parse_part` does."""
    return parse_part(name, value, Schedule, schedules)


def parse_drift(name: str, value: Drift | str | Mapping[str, Any]) -> Drift:
    """Reads a drift of arms, as :func:`parse_part` does."""
    return parse_part(name, value, Drift, drifts, restless)


def _parse_call(name: str, text: str) -> tuple[str, list[Any], dict[str, Any]]:
    """Reads ``Name`` or ``Name(1, key=2)`` with literal arguments."""
    try:
        node = ast.parse(text.strip(), mode="eval").body
        if isinstance(node, ast.Name):
            return node.id, [], {}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            args = [ast.literal_eval(arg) for arg in node.args]
            kwargs = {str(word.arg): ast.literal_eval(word.value) for word in node.keywords}
            return node.func.id, args, kwargs
    except (SyntaxError, ValueError):
        pass
    raise ValueError(f'{name} must read like "Name" or "Name(argument=1)", got {text!r}')
