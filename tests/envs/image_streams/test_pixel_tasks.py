"""Rotated and permuted tasks, against Pillow and by hand; resuming, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from driftwise.envs import ImageSet, PixelTasks
from driftwise.envs.image_streams.pixel_tasks import rotation_sources

SMALL: dict[str, Any] = {"num_tasks": 3, "samples_per_task": 25, "batch_size": 10}


@pytest.fixture(scope="module")
def noise() -> tuple[ImageSet, ImageSet]:
    """Ten classes of noise to train on, and others to test on."""
    pixels = np.random.default_rng(0).integers(1, 256, (10, 9, 28, 28), dtype=np.uint8)
    names, background = tuple("0123456789"), np.zeros(10, dtype=bool)
    return tuple(  # type: ignore[return-value]
        ImageSet("noise", part.copy(), names, background) for part in (pixels[:, :5], pixels[:, 5:])
    )


@settings(deadline=None, max_examples=50)
@given(st.floats(0, 360), st.integers(0, 10**6))
def test_rotations_are_those_of_pillow(angle: float, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(1, 256, (28, 28), dtype=np.uint8)
    sources = rotation_sources(angle, 28)
    ours = np.append(pixels.ravel(), 0)[sources].reshape(28, 28)
    theirs = np.asarray(Image.fromarray(pixels).rotate(angle))
    # Pillow counts in 16ths of a thousandth; on an edge between two pixels it may take the other.
    assert (ours != theirs).mean() < 0.02


def test_quarter_turns_are_exact(noise) -> None:
    picture = noise[0].images[0, 0]
    for turns in range(4):
        ours = np.append(picture.ravel(), 0)[rotation_sources(90.0 * turns, 28)].reshape(28, 28)
        assert (ours == np.rot90(picture, turns)).mean() > 0.9


@pytest.mark.parametrize("kind", ["rotations", "permutations"])
def test_tasks(noise, kind: str) -> None:
    stream = PixelTasks(*noise, kind, seed=2, **SMALL)
    assert stream.num_batches == 9 and stream.num_classes == 10
    assert (np.diff(stream.angles) > 0).all() and stream.angles.max() < 180
    assert np.array_equal(stream.angles // 60, [0, 1, 2])
    flat = noise[0].images.reshape(-1, 784)
    used: list[set[int]] = [set(), set(), set()]
    for number, batch in enumerate(stream):
        task = number // 3
        assert stream.task == task and len(batch.labels) == (10, 10, 5)[number % 3]
        inside = stream.sources[task] >= 0
        for picture, label in zip(batch.images.reshape(-1, 784), batch.labels, strict=True):
            moved = np.where(inside, flat[:, stream.sources[task]], 0)
            (row,) = np.flatnonzero((moved == np.rint(picture * 255)).all(1))
            assert row // 5 == label and row not in used[task]
            used[task].add(int(row))
    assert stream.finished and len({frozenset(rows) for rows in used}) == 3
    if kind == "permutations":
        assert all(sorted(row) == list(range(784)) for row in stream.sources.tolist())
    test = stream.test_set(1)
    assert test.labels.tolist() == np.repeat(range(10), 4).tolist()
    expected = noise[1].images.reshape(-1, 784)[:, stream.sources[1]]
    moved = np.rint(test.images.reshape(-1, 784) * 255)
    assert np.array_equal(moved, np.where(stream.sources[1] >= 0, expected, 0))


def test_fewer_images_to_test_on_are_the_same_in_all_tasks(noise) -> None:
    stream = PixelTasks(*noise, "permutations", test_samples=7, **SMALL)
    assert all(
        np.array_equal(stream.test_set(0).labels, stream.test_set(task).labels) for task in (1, 2)
    )
    assert stream.test_set(0).images.shape == (7, 28, 28)


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(["rotations", "permutations"]), st.integers(0, 10**6), st.integers(0, 8))
def test_resuming_and_seeds(noise, kind: str, seed: int, at: int) -> None:
    stream, other = (PixelTasks(*noise, kind, seed=seed, **SMALL) for _ in range(2))
    for _ in range(at):
        stream.next_batch()
    other.load_state_dict(stream.state_dict())
    np.testing.assert_equal(list(other), list(stream))
    again = PixelTasks(*noise, kind, seed=seed + 1, **SMALL)
    assert not np.array_equal(again.sources, stream.sources)


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [
        ("elephants", {}, "kind must be one of rotations, permutations, got 'elephants'"),
        ("rotations", {"num_tasks": 0}, "num_tasks must be at least 1, got 0"),
        ("rotations", {"samples_per_task": 51}, "samples_per_task must be at most 50, all of noi"),
        ("rotations", {"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ("rotations", {"max_angle": 0}, "max_angle must be positive and finite, got 0"),
        ("rotations", {"test_samples": 41}, "test_samples must be at most 40, all of noise"),
    ],
)
def test_bad_arguments(noise, kind: str, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PixelTasks(*noise, kind, **{**SMALL, **wrong})


def test_bad_images_and_tasks(noise, images: ImageSet) -> None:
    with pytest.raises(TypeError, match="test_images must be an ImageSet"):
        PixelTasks(noise[0], None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="test_images must have the same classes as images"):
        PixelTasks(noise[0], images)
    with pytest.raises(ValueError, match=r"task must be in \[0, 3\), got 3"):
        PixelTasks(*noise, **SMALL).test_set(3)
