from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from driftwise.envs import (
    AtSteps,
    Bursts,
    Drift,
    Hazard,
    ImageSet,
    Interpolate,
    Mirror,
    Never,
    OrnsteinUhlenbeck,
    Periodic,
    Permute,
    RandomWalk,
    Reactive,
    Resample,
    Rotting,
    Schedule,
    ShiftingBandit,
    Sinusoid,
    SwapBest,
)

SCHEDULES: dict[str, Schedule] = {
    "never": Never(),
    "hazard": Hazard(0.05),
    "periodic": Periodic(30, jitter=20, phase=-1),
    "at_steps": AtSteps((1, 2, 60, 199, 200, 201, 230)),
    "bursts": Bursts(rate=0.02, length=15, probability=0.4),
    "reactive": Reactive(patience=2),
}
DRIFTS: dict[str, Drift] = {
    "resample": Resample(),
    "permute": Permute(),
    "swap_best": SwapBest(),
    "mirror": Mirror(),
    "random_walk": RandomWalk(0.1),
    "ornstein_uhlenbeck": OrnsteinUhlenbeck(0.2, std=1.2, center=0.3),
    "sinusoid": Sinusoid(period=37.5, amplitude=0.3),
    "interpolate": Interpolate(12),
    "rotting": Rotting(0.9, floor=0.1),
}

Play = Callable[..., dict[str, np.ndarray]]


def play_episode(
    env: ShiftingBandit, actions: Any, seed: int | None = 0, **reset: Any
) -> dict[str, np.ndarray]:
    """Infos and rewards of an episode, stacked over time; ``actions`` are played in turn."""
    env.reset(seed=seed, **reset)
    rows = []
    for action in actions:
        _, reward, terminated, truncated, info = env.step(action)
        rows.append({**info, "reward": reward, "action": action})
        if terminated or truncated:
            break
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


@pytest.fixture
def play() -> Play:
    return play_episode


@pytest.fixture(params=SCHEDULES)
def schedule(request: pytest.FixtureRequest) -> Schedule:
    return SCHEDULES[request.param]


@pytest.fixture(params=DRIFTS)
def drift(request: pytest.FixtureRequest) -> Drift:
    return DRIFTS[request.param]


Cell = tuple[int, int]
Search = Callable[[np.ndarray, Cell], dict[Cell, int]]


def search_from(walls: np.ndarray, goal: Cell) -> dict[Cell, int]:
    """Steps to the goal from every cell that is connected with it, in plain Python."""
    steps, queue = {goal: 0}, deque([goal])
    while queue:
        row, column = queue.popleft()
        for cell in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if not walls[cell] and cell not in steps:
                steps[cell] = steps[row, column] + 1
                queue.append(cell)
    return steps


@pytest.fixture(scope="session")
def search() -> Search:
    return search_from


def make_numbers(num_classes: int, num_drawings: int) -> ImageSet:
    """Images of which each tells its class and the number of its drawing, in two pixels."""
    pixels = np.zeros((num_classes, num_drawings, 28, 28), dtype=np.uint8)
    pixels[..., 0, 0] = np.arange(num_classes)[:, None]
    pixels[..., 0, 1] = np.arange(num_drawings)
    names = tuple(f"class{number}" for number in range(num_classes))
    return ImageSet("numbers", pixels, names, np.arange(num_classes) < num_classes // 2)


@pytest.fixture(scope="session")
def numbers() -> Callable[[int, int], ImageSet]:
    return make_numbers
