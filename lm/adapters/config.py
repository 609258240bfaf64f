"""Settings of every way to adapt: plain data, with the values that tuning tries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, ClassVar, TypeAlias

from ...memory.contract import check_sizes

Grid: TypeAlias = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class StaticConfig:
    """The model reads on with its state, and nothing else."""

    grid: ClassVar[Grid] = {}


@dataclass(frozen=True)
class SlidingConfig:
    """No state: a window of the last words is read again for each segment."""

    context: int = 256
    """Words that a prediction can look back to: at most this many, and a segment less at least."""
    grid: ClassVar[Grid] = {}


@dataclass(frozen=True)
class CacheConfig:
    """:class:`~.neural_cache.NeuralCache`."""

    window: int = 2_000
    """Pairs to keep."""
    theta: float = 0.3
    """Sharpness."""
    weight: float = 0.1
    """Share of the cache."""
    grid: ClassVar[Grid] = {"theta": (0.03, 0.1, 0.3, 1.0, 3.0), "weight": (0.05, 0.1, 0.2)}


@dataclass(frozen=True)
class HebbianAdapterConfig:
    """:class:`~.hebbian.HebbianRows`."""

    gamma: float = 0.01
    """Least mixing rate."""
    T: float = 500.0
    """Sightings, those in training included, from which on a row is left alone."""
    grid: ClassVar[Grid] = {"gamma": (0.003, 0.01, 0.03, 0.1), "T": (20.0, 500.0)}


@dataclass(frozen=True)
class DynamicConfig:
    """:class:`~.dynamic_evaluation.DynamicEvaluation` by SGD."""

    lr: float = 0.01
    """Learning rate."""
    grid: ClassVar[Grid] = {"lr": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)}


@dataclass(frozen=True)
class DynamicRmsConfig:
    """:class:`~.dynamic_evaluation.DynamicEvaluation` with gradient statistics and decay."""

    lr: float = 1e-4
    """Learning rate."""
    decay: float = 1e-3
    """How fast weights return to the trained ones."""
    epsilon: float = 1e-4
    """Added to the root mean squared gradients."""
    statistics_batches: int = 100
    """Batches of training text that the statistics are from."""
    grid: ClassVar[Grid] = {
        "lr": (3e-5, 1e-4, 3e-4, 1e-3),
        "decay": (1e-3, 1e-2, 1e-1),
    }


@dataclass(frozen=True)
class FwlConfig:
    """The model's own adaptive block, which is slow otherwise."""

    forget_every: int = 0
    """Positions after which the block forgets what it has summed up, in whole segments, as it did
    in a training that began it anew in every batch; 0 for starts only."""
    grid: ClassVar[Grid] = {"forget_every": (0, 128, 512, 2_048)}


@dataclass(frozen=True)
class KnnConfig:
    """:class:`~.nearest_neighbours.NearestNeighbours`."""

    k: int = 64
    """Neighbours."""
    temperature: float = 0.01
    """Of distances, in units of the mean squared length of keys."""
    weight: float = 0.1
    """Share of the neighbours."""
    max_keys: int = 1_000_000
    """Pairs of the datastore, from the beginning of the training text."""
    grid: ClassVar[Grid] = {"temperature": (0.003, 0.01, 0.1), "weight": (0.1, 0.2, 0.4)}


@dataclass(frozen=True)
class MbpaConfig:
    """:class:`~.local_adaptation.LocalAdaptation`."""

    window: int = 2_000
    """Pairs to keep."""
    k: int = 16
    """Neighbours."""
    steps: int = 1
    """Gradient steps."""
    lr: float = 1.0
    """Their size."""
    pull: float = 0.0
    """Strength of the pull back."""
    grid: ClassVar[Grid] = {"lr": (0.3, 1.0, 3.0, 10.0)}


PartConfig: TypeAlias = (
    StaticConfig
    | SlidingConfig
    | CacheConfig
    | HebbianAdapterConfig
    | DynamicConfig
    | DynamicRmsConfig
    | FwlConfig
    | KnnConfig
    | MbpaConfig
)

PARTS: dict[str, type[PartConfig]] = {
    "static": StaticConfig,
    "sliding": SlidingConfig,
    "fwl": FwlConfig,
    "dynamic": DynamicConfig,
    "dynamic_rms": DynamicRmsConfig,
    "hebbian": HebbianAdapterConfig,
    "knn": KnnConfig,
    "mbpa": MbpaConfig,
    "cache": CacheConfig,
}
"""Settings by name, in the order in which parts work: rules first, then what revises."""


def split_name(name: str) -> list[str]:
    """The parts of an adapter's name, such as ``"cache+dynamic"``, in the order of their work.

    Raises:
        ValueError: A part is unknown or comes twice, or two of them exclude each other.
    """
    parts = name.split("+")
    for part in parts:
        if part not in PARTS:
            raise ValueError(
                f"unknown adapter name {part!r}: there are {', '.join(PARTS)}, and several of "
                "them joined by +"
            )
    if len(set(parts)) < len(parts):
        raise ValueError(f"adapter {name!r} must have each part once")
    if {"dynamic", "dynamic_rms"} <= set(parts):
        raise ValueError(f"adapter {name!r} must have one of dynamic and dynamic_rms")
    return [part for part in PARTS if part in parts]


def make_config(part: str, settings: Mapping[str, Any]) -> PartConfig:
    """Settings of a part, those that are not given by default.

    Raises:
        TypeError: One has the wrong type.
        ValueError: One is unknown, or a number of something below 1 (below 0 for ``forget_every``).
    """
    if not isinstance(settings, Mapping):
        raise TypeError(f"settings of {part} must be a mapping of names to values, got {settings}")
    known = {field.name: field.default for field in fields(PARTS[part])}
    for name, value in settings.items():
        if name not in known:
            raise ValueError(f"{part} has no setting {name!r}: it has {', '.join(known) or 'none'}")
        if isinstance(known[name], float):
            if isinstance(value, bool) or not isinstance(value, Real):
                raise TypeError(f"{part}.{name} must be a number, got {value!r}")
        elif value != known[name] or isinstance(value, bool):
            check_sizes(**{f"{part}.{name}": value})
    return PARTS[part](**settings)
