"""The arguments of a shifting bandit, checked, and what follows from them."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, TypedDict, TypeVar

import numpy as np
from gymnasium import spaces
from typing_extensions import Unpack

from . import drifts, restless, schedules
from .arguments import assign, check_count, check_flag
from .arms import Arms
from .bandit_world import BanditWorld
from .drifts import Drift, Recur, Resample
from .schedules import Hazard, Schedule
from .stepwise_world import StepwiseWorld
from .streams import Streams

Part = TypeVar("Part")


class BanditArguments(TypedDict, total=False):
    """Keyword arguments of both environments; :class:`~.ShiftingBandit` describes them."""

    num_arms: int
    arms: str
    noise_std: float
    dependent: bool
    mean_values: Sequence[float] | None
    schedule: Schedule | str | Mapping[str, Any]
    drift: Drift | str | Mapping[str, Any]
    num_contexts: int | None
    cue: str | None
    cue_size: int
    observe_time: bool
    max_episode_steps: int | None
    terminate_on_horizon: bool


@dataclass(frozen=True)
class BanditSettings:
    """The arguments as the environments use them; see :class:`~.ShiftingBandit`."""

    num_arms: int = 5
    arms: str = "bernoulli"
    noise_std: float = 1.0
    dependent: bool = False
    mean_values: tuple[float, ...] | None = None
    schedule: Schedule = field(default=Hazard(0.02))
    drift: Drift = field(default=Resample())
    num_contexts: int | None = None
    cue: str | None = None
    cue_size: int = 16
    observe_time: bool = False
    max_episode_steps: int | None = 200
    terminate_on_horizon: bool = False

    @classmethod
    def parse(cls, **arguments: Unpack[BanditArguments]) -> BanditSettings:
        """Reads the arguments as a user gives them.

        Raises:
            TypeError, ValueError: An argument, named in the message, is not what it must be.
        """
        values: dict[str, Any] = dict(arguments)
        if "schedule" in values:
            values["schedule"] = parse_part("schedule", values["schedule"], Schedule)
        if "drift" in values:
            values["drift"] = parse_part("drift", values["drift"], Drift)
        contexts = values.get("num_contexts")
        if contexts is not None:
            drift = values.get("drift", Resample())
            if drift == Resample():
                values["drift"] = Recur(contexts)
            elif not (isinstance(drift, Recur) and drift.num_contexts == contexts):
                raise ValueError(f"num_contexts needs drift=Resample(), got {drift}")
        return cls(**values)

    def __post_init__(self) -> None:
        """Checks that the settings fit together; equal ones then also print alike."""
        check_count("num_arms", self.num_arms, least=2)
        arms, drift = self.family, self.drift
        drift.check(arms)
        assign(
            self,
            num_arms=arms.num_arms,
            noise_std=arms.noise_std,
            dependent=arms.dependent,
            mean_values=arms.mean_values,
            num_contexts=drift.num_contexts if isinstance(drift, Recur) else None,
            cue_size=check_count("cue_size", self.cue_size, least=1),
            observe_time=check_flag("observe_time", self.observe_time),
            terminate_on_horizon=check_flag("terminate_on_horizon", self.terminate_on_horizon),
        )
        if self.max_episode_steps is not None:
            horizon = check_count("max_episode_steps", self.max_episode_steps, least=1)
            assign(self, max_episode_steps=horizon)
        if self.cue not in (None, "one_hot", "barcode"):
            raise ValueError(f'cue must be None, "one_hot" or "barcode", got {self.cue!r}')
        if self.cue is not None and not isinstance(self.drift, Recur):
            raise ValueError(f"cue={self.cue!r} needs contexts that recur: set num_contexts")
        if self.cue == "barcode" and isinstance(self.drift, Recur):
            # With at least twice as many codes as contexts, distinct codes are found quickly.
            contexts = self.drift.num_contexts
            least = (contexts - 1).bit_length() + 1
            if self.cue_size < least:
                raise ValueError(
                    f"cue_size must be at least {least} for {contexts} contexts, "
                    f"got {self.cue_size}"
                )
        for name in ("observe_time", "terminate_on_horizon"):
            if getattr(self, name) and self.max_episode_steps is None:
                raise ValueError(f"{name}=True needs max_episode_steps, got None")

    @property
    def family(self) -> Arms:
        """The reward family."""
        return Arms(self.num_arms, self.arms, self.noise_std, self.dependent, self.mean_values)

    def make_world(self, num_worlds: int, streams: Streams | None = None) -> BanditWorld:
        """Worlds of this kind, yet to be seeded (or with ``streams`` of others) and begun."""
        kind = StepwiseWorld if self.schedule.reactive or self.drift.rested else BanditWorld
        return kind(
            num_worlds,
            self.family,
            self.schedule,
            self.drift,
            self.cue,
            self.cue_size,
            streams,
        )

    def with_dynamics(self, options: Mapping[str, Any]) -> BanditSettings:
        """These settings with the schedule and drift that reset's options set, if any."""
        schedule, drift = self.schedule, self.drift
        if options.get("schedule") is not None:
            schedule = parse_part("options['schedule']", options["schedule"], Schedule)
        if options.get("drift") is not None:
            drift = parse_part("options['drift']", options["drift"], Drift)
            if drift != self.drift and any(isinstance(d, Recur) for d in (drift, self.drift)):
                raise ValueError(f"options['drift'] cannot replace {self.drift} by {drift}")
        return replace(self, schedule=schedule, drift=drift)

    def observation_space(self) -> spaces.Box:
        """One-hot action (A), reward, start flag, time if observed, cue if any."""
        unit = (0.0, 1.0)
        reward = unit if self.family.bernoulli else (-np.inf, np.inf)
        bounds = [unit] * self.num_arms + [reward, unit] + [unit] * self.observe_time
        if self.cue == "one_hot" and isinstance(self.drift, Recur):
            bounds += [unit] * self.drift.num_contexts
        elif self.cue == "barcode":
            size = 1.0 / np.sqrt(self.cue_size)
            bounds += [(-size, size)] * self.cue_size
        low, high = np.array(bounds, dtype=np.float32).T
        return spaces.Box(low, high, dtype=np.float32)


def parse_part(
    name: str,
    value: Part | str | Mapping[str, Any],
    kind: type[Part],
    modules: Sequence[ModuleType] = (schedules, drifts, restless),
) -> Part:
    """Reads a schedule, a drift, or another part of the kind.

    Args:
        name: Name of the argument, for messages.
        value: An instance; or text, as ``repr`` prints it (``"Hazard(probability=0.1)"``,
            ``"Hazard(0.1)"``, ``"Never"``); or a mapping such as ``{"type": "Hazard",
            "probability": 0.1}``.
        kind: :class:`Schedule`, :class:`Drift` or another base class.
        modules: Where the classes are that text and mappings may name.

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
        if isinstance(found, type) and issubclass(found, kind) and found is not kind
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
