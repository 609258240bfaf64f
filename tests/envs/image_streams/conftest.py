"""A small set of images, and learners whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from driftwise.envs import ImageSet


@pytest.fixture(scope="session")
def images(numbers: Callable[[int, int], ImageSet]) -> ImageSet:
    return numbers(70, 8)


def read_class(pictures: np.ndarray) -> np.ndarray:
    return np.rint(pictures[:, 0, 0] * 255).astype(int)


def read_drawing(pictures: np.ndarray) -> np.ndarray:
    return np.rint(pictures[:, 0, 1] * 255).astype(int)


@pytest.fixture(scope="session")
def reading() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """What reads the class, and the number of the drawing, of images (n, 28, 28)."""
    return read_class, read_drawing
