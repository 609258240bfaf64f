"""Timing of several things in turn, by the clock that fits the device."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

import torch

Name = TypeVar("Name", bound=Hashable)


def race(
    contestants: Mapping[Name, Callable[[], object]],
    rounds: int,
    device: str | torch.device = "cpu",
    warmup: int = 1,
) -> dict[Name, list[float]]:
    """Seconds of every contestant in every round, all in turn, after some rounds to warm up.

    On a GPU, between events in its own stream of work, so that nothing waits for anything but the
    work itself; else by the clock on the wall.
    """
    if torch.device(device).type != "cuda":
        return _by_the_wall(contestants, rounds, warmup)
    events: dict[Name, list[tuple[torch.cuda.Event, torch.cuda.Event]]]
    events = {name: [] for name in contestants}
    for _ in range(rounds + warmup):
        for name, run in contestants.items():
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            run()
            end.record()
            events[name].append((begin, end))
    torch.cuda.synchronize(device)
    return {
        name: [begin.elapsed_time(end) / 1e3 for begin, end in pairs[warmup:]]
        for name, pairs in events.items()
    }


def _by_the_wall(
    contestants: Mapping[Name, Callable[[], object]], rounds: int, warmup: int
) -> dict[Name, list[float]]:
    seconds: dict[Name, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds + warmup):
        for name, run in contestants.items():
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    return {name: times[warmup:] for name, times in seconds.items()}


def summary(row: str, setting: str, metric: str, values: list[float]) -> dict[str, Any]:
    """Median, and its 95 % interval: the order statistics 1.96 sqrt(n) / 2 ranks off the middle."""
    ordered, n = sorted(values), len(values)
    rank = max(0, math.floor((n - 1.96 * math.sqrt(n)) / 2))
    return {
        "row": row,
        "setting": setting,
        "metric": metric,
        "value": statistics.median(ordered),
        "low": ordered[rank],
        "high": ordered[n - 1 - rank],
        "n": n,
    }
