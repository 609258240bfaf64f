"""Any environment's own parameters, drifting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from ..arguments import check_finite, check_numbers
from ..streams import FloatArray
from .attributes import Attributes
from .effect import Linear, Values
from .settings import DriftArguments
from .wrapper import DriftingWrapper, check_single, drifting_wrappers

Bounds = Mapping[str, Sequence[float]]


class DriftingParameters(DriftingWrapper):
    """An environment whose parameters drift: gravity, lengths, masses, forces, ...

    Parameters are named attributes of the unwrapped environment that are numbers, such as
    ``gravity``, ``length``, ``masspole`` or ``force_mag`` of CartPole and ``g``, ``m`` or ``l`` of
    Pendulum. What CartPole derives from them (``total_mass``, ``polemass_length``) follows. They
    are set before the first step to which they belong, and put back by ``close``. Whether an
    environment heeds an attribute after its construction is its own affair.

    Drifts work on shares of a range, 0 being its lower and 1 its upper end: ``RandomWalk(0.01)``
    takes steps of a hundredth of the range and is reflected at its ends, ``Sinusoid(500, 0.2)``
    swings by a fifth of the range to each side, ``OrnsteinUhlenbeck`` reverts in the logit of the
    share, ``Resample()``, the default, draws uniformly from the range, and ``Interpolate(100)``
    moves to what it has drawn.

    Args:
        env: The environment.
        ranges: Range ``(low, high)`` of each parameter, by name. With ``random_start=False`` it
            must hold the parameter's own value, where it then starts. Parameters that are integers
            stay integers, and so are their ranges.
        update: Called with the unwrapped environment whenever parameters have been set or put
            back, to recompute what it derives from them.
        arguments: See :class:`~.settings.DriftArguments`. ``values`` goes instead of ``ranges``:
            ``{"gravity": [9.8, 5.0, 15.0]}`` has three contexts. The values of the options of
            reset are mappings, too: ``{"gravity": 12.0}``; parameters that are not named start at
            their own values.

    ``change_size`` is the largest move of a parameter as a share of its range (with ``values``: of
    the distance of its extremes), and ``values`` in the info a dict by name.

    Raises:
        TypeError, ValueError: A parameter does not exist, is not a number, cannot be set, follows
            from others, drifts already, or has no such range; or another argument is wrong.

    Example:
        >>> import gymnasium as gym
        >>> from driftwise.envs import DriftingParameters
        >>> env = DriftingParameters(
        ...     gym.make("CartPole-v1"),
        ...     {"gravity": (5.0, 15.0)},
        ...     schedule="Never()",
        ...     drift="RandomWalk(0.01)",
        ... )
        >>> observation, info = env.reset(seed=0)
        >>> info["shifts"]["parameters"]["values"]
        {'gravity': 9.8}
    """

    default_name: ClassVar[str] = "parameters"

    def __init__(
        self,
        env: gym.Env[Any, Any],
        ranges: Bounds | None = None,
        *,
        update: Callable[[Any], None] | None = None,
        **arguments: Unpack[DriftArguments],
    ) -> None:
        check_single(env, type(self).__name__)
        if not (update is None or callable(update)):
            raise TypeError(f"update must be a function of the environment or None, got {update!r}")
        names = parameter_names(ranges, arguments.get("values"))
        check_not_drifting(env, names)
        self.attributes: Attributes = Attributes(env.unwrapped, names)
        recorded = {"ranges": ranges, "update": update}
        effect, settings = parse_ranges(self.attributes, ranges, arguments)
        self._update = update
        self._current: list[float] | None = None  # what has been set
        super().__init__(env, effect, len(names), {**recorded, **arguments}, **settings)

    @override
    def close(self) -> None:
        """Puts the parameters back and closes the environment."""
        self.attributes.restore(self.unwrapped)
        if self._update is not None:
            self._update(self.unwrapped)
        super().close()

    @override
    def _enter(self, values: Values, anew: bool) -> None:
        numbers = values.tolist()
        if anew or numbers != self._current:
            self.attributes.set(self.unwrapped, numbers)
            if self._update is not None:
                self._update(self.unwrapped)
            self._current = numbers

    @override
    def _own_options(self, options: dict[str, Any]) -> dict[str, Any]:
        return named_start(self.attributes, options, self.settings.options_name)

    @override
    def _named(self, values: Values) -> Any:
        return dict(zip(self.attributes.names, self.attributes.cast(values.tolist()), strict=True))


@dataclass(frozen=True)
class Ranges(Linear):
    """Numbers that each have a range of their own.

    Args:
        low: Lower ends, (Q,).
        high: Upper ends, (Q,).
        own: Values that leave the environment as it is, (Q,).
        whole: Whether they are whole numbers, (Q,).
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    own: tuple[float, ...]
    whole: tuple[bool, ...] = field(repr=False)

    @override
    def neutral(self, size: int) -> Values:
        return np.array(self.own)

    @override
    def bounds(self, size: int) -> tuple[FloatArray, FloatArray]:
        return np.array(self.low), np.array(self.high)

    @override
    def values(self, means: FloatArray) -> Values:
        values = super().values(means)
        return np.where(self.whole, np.rint(values), values)

    @override
    def check(self, name: str, values: NDArray[Any], size: int) -> Values:
        values = super().check(name, values, size)
        if (np.array(self.whole) & (values != np.rint(values))).any():
            raise ValueError(
                f"{name} must be integers where the environment's own values are, got "
                f"{values.tolist()}"
            )
        return values


def parameter_names(ranges: Any, values: Any) -> list[str]:
    """The parameters that ``ranges`` or ``values`` name, whichever is given."""
    if (ranges is None) == (values is None):
        raise ValueError("ranges or values must be given, and not both")
    name, given = ("values", values) if ranges is None else ("ranges", ranges)
    if not isinstance(given, Mapping) or not given:
        raise TypeError(f"{name} must be a mapping with a parameter or more, got {given!r}")
    return list(given)


def check_not_drifting(env: gym.Env[Any, Any], names: Sequence[str]) -> None:
    """Raises ValueError if a wrapper around ``env`` lets one of these parameters drift."""
    for wrapper in drifting_wrappers(env):
        taken = wrapper.attributes.names if isinstance(wrapper, DriftingParameters) else ()
        for name in names:
            if name in taken:
                raise ValueError(f"{name!r} drifts already, by a wrapper inside")


def parse_ranges(
    attributes: Attributes, ranges: Bounds | None, arguments: DriftArguments
) -> tuple[Ranges, DriftArguments]:
    """The ranges as an effect, and the other arguments with values as rows."""
    own = tuple(map(float, attributes.own))
    if ranges is not None:
        pairs = [_pair(f"ranges[{name!r}]", ranges[name]) for name in attributes.names]
        if not arguments.get("random_start", False):
            for name, value, (low, high) in zip(attributes.names, own, pairs, strict=True):
                if not low <= value <= high:
                    raise ValueError(
                        f"ranges[{name!r}] must hold its own value {value}, or random_start=True "
                        f"is wanted; got {(low, high)}"
                    )
    else:
        columns = []
        for name in attributes.names:
            column = check_numbers(f"values[{name!r}]", arguments["values"][name])
            if column.ndim != 1 or not np.isfinite(column).all() or len({*column.tolist()}) < 2:
                raise ValueError(
                    f"values[{name!r}] must be finite numbers that are not all equal, got "
                    f"{column.tolist()}"
                )
            columns.append(column)
        if len({len(column) for column in columns}) > 1:
            raise ValueError(
                f"values must be as many for each parameter, got {arguments['values']}"
            )
        rows = np.stack(columns, axis=1).astype(np.float64)
        pairs = list(zip(rows.min(axis=0).tolist(), rows.max(axis=0).tolist(), strict=True))
        arguments = {**arguments, "values": rows}
    lows, highs = zip(*pairs, strict=True)
    effect = Ranges(lows, highs, own, attributes.integer)
    if ranges is not None:
        effect.check("ranges", np.array([lows, highs]), len(own))
    return effect, arguments


def named_start(attributes: Attributes, options: dict[str, Any], name: str) -> dict[str, Any]:
    """The options with the values that they name as an array (P,) or (N, P)."""
    values = options.get("values")
    if values is None:
        return options
    name = f"{name}['values']"
    if not isinstance(values, Mapping) or not {*values} <= {*attributes.names}:
        known = ", ".join(attributes.names)
        raise ValueError(f"{name} must be a mapping with keys among {known}, got {values!r}")
    columns = [
        check_numbers(f"{name}[{key!r}]", values.get(key, own)).astype(np.float64)
        for key, own in zip(attributes.names, attributes.own, strict=True)
    ]
    return {**options, "values": np.stack(np.broadcast_arrays(*columns), axis=-1)}


def _pair(name: str, value: Any) -> tuple[float, float]:
    try:
        low, high = value
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a pair (low, high), got {value!r}") from None
    low, high = check_finite(name, low), check_finite(name, high)
    if not low < high:
        raise ValueError(f"{name} must be a pair (low, high) with low < high, got {value!r}")
    return low, high
