"""A small set of images, and learners whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from driftwise.envs import ImageSet


@pytest.fixture(scope="session")
def images() -> ImageSet:
    """Seventy classes of eight drawings, each of which tells its class and its number."""
    pixels = np.zeros((70, 8, 28, 28), dtype=np.uint8)
    pixels[..., 0, 0] = np.arange(70)[:, None]
    pixels[..., 0, 1] = np.arange(8)
    names = tuple(f"class{number}" for number in range(70))
    return ImageSet("numbers", pixels, names, np.arange(70) < 40)


def read_class(pictures: np.ndarray) -> np.ndarray:
    return np.rint(pictures[:, 0, 0] * 255).astype(int)


def read_drawing(pictures: np.ndarray) -> np.ndarray:
    return np.rint(pictures[:, 0, 1] * 255).astype(int)


@pytest.fixture(scope="session")
def reading() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """What reads the class, and the number of the drawing, of images (n, 28, 28)."""
    return read_class, read_drawing
