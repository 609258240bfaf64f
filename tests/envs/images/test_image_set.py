"""Sets of images: against plain Python; bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.envs import ImageSet, contact_sheet
from driftwise.envs.images.resizing import shrink


def make(num_classes: int = 5, num_drawings: int = 3) -> ImageSet:
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(num_classes, num_drawings, 28, 28), dtype=np.uint8)
    names = tuple("abcdefghij"[:num_classes])
    return ImageSet("letters", images, names, np.arange(num_classes) < 2)


def test_select_and_split() -> None:
    images = make()
    for classes in ([3, 0], np.array([3, 0])):
        chosen = images.select(classes)
        assert chosen.class_names == ("d", "a") and chosen.background.tolist() == [False, True]
        assert np.array_equal(chosen.images, images.images[[3, 0]])
    assert images.split("background").class_names == ("a", "b")
    assert images.split("evaluation").class_names == ("c", "d", "e")
    assert images.select(np.array([1, 0, 0, 0, 1], dtype=bool)).class_names == ("a", "e")


def test_rotations_are_classes_of_their_own() -> None:
    images = make()
    turned = images.with_rotations()
    assert (turned.num_classes, turned.num_drawings) == (20, 3)
    assert turned.class_names[:5] == images.class_names and turned.class_names[6] == "b 90"
    assert np.array_equal(turned.background, [True, True, False, False, False] * 4)
    for turn in range(4):
        for k in range(5):
            picture = images.images[k, 2].tolist()
            for _ in range(turn):  # counterclockwise: the last column becomes the first row
                picture = [list(row) for row in zip(*picture, strict=True)][::-1]
            assert turned.images[5 * turn + k, 2].tolist() == picture


def test_the_fingerprint_is_that_of_the_images() -> None:
    images = make()
    assert images.fingerprint == make().fingerprint == images.select(range(5)).fingerprint
    assert repr(images).startswith("ImageSet('letters', num_classes=5, num_drawings=3, fing")
    others = [images.select([0, 1]), images.select([1, 0, 2, 3, 4]), images.with_rotations()]
    assert len({images.fingerprint, *(other.fingerprint for other in others)}) == 4


SELECT: list[tuple[Any, type[Exception], str]] = [
    ([5], ValueError, r"classes must be in \[0, 5\), got 5"),
    ([0, -1], ValueError, r"classes must be in \[0, 5\), got -1"),
    ([0.5], TypeError, "classes must be a list of class numbers, or a mask over all classes"),
    ([], TypeError, "classes must be a list of class numbers"),
    (3, TypeError, "classes must be a list of class numbers"),
    ([True, False], TypeError, "classes must be a list of class numbers"),
    (np.zeros(5, dtype=bool), ValueError, "classes must be at least one class, got none"),
]


@pytest.mark.parametrize(("classes", "error", "message"), SELECT, ids=str)
def test_bad_classes(classes: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make().select(classes)


def test_bad_sets() -> None:
    images = make()
    with pytest.raises(ValueError, match="split must be one of background, evaluation, got 'test'"):
        images.split("test")
    with pytest.raises(ValueError, match="of which letters has classes, got 'background'"):
        images.select([3, 4]).split("background")
    parts = (images.class_names, images.background)
    with pytest.raises(TypeError, match="images must be a numpy array of uint8, got float64"):
        ImageSet("x", images.images / 255, *parts)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="images must be a numpy array of uint8, got list"):
        ImageSet("x", images.images.tolist(), *parts)  # type: ignore[arg-type]
    for wrong in (images.images[0], images.images[..., :27], images.images[:, :0]):
        with pytest.raises(ValueError, match=r"images must have shape \(classes, drawings, 28, 28"):
            ImageSet("x", wrong, *parts)
    with pytest.raises(ValueError, match="class_names must have length 5, got 4"):
        ImageSet("x", images.images, parts[0][:4], parts[1])
    with pytest.raises(ValueError, match="background must have length 5, got 2"):
        ImageSet("x", images.images, parts[0], parts[1][:2])
    with pytest.raises(TypeError, match="background must be True or False by class, got int64"):
        ImageSet("x", images.images, parts[0], parts[1].astype(np.int64))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"must be True or False by class, got bool \(5, 2"):
        ImageSet("x", images.images, parts[0], np.ones((5, 2), dtype=bool))


def test_images_are_read_only() -> None:
    images = make()
    for part in (images, images.select([1, 0]), images.with_rotations()):
        assert not part.images.flags.writeable
    assert images.with_rotations() is images.with_rotations()


def test_lists_will_do() -> None:
    images = make()
    listed = ImageSet("letters", images.images, list("abcde"), images.background.tolist())  # type: ignore[arg-type]
    assert listed.split("background").class_names == ("a", "b")
    assert listed.with_rotations().class_names == images.with_rotations().class_names


def test_contact_sheets() -> None:
    images = make().images[:2]
    sheet = contact_sheet(images, scale=2)
    assert sheet.shape == (2 * 28 * 2, 3 * 28 * 2) and sheet.dtype == np.uint8
    assert np.array_equal(255 - sheet[56::2, 112::2], images[1, 2])
    assert np.array_equal(sheet[::2], sheet[1::2]) and np.array_equal(sheet[:, ::2], sheet[:, 1::2])
    for wrong in (images[0], images / np.float32(255), [[1]]):
        with pytest.raises(ValueError, match="images must be uint8 in the shape"):
            contact_sheet(wrong)
    with pytest.raises(ValueError, match="scale must be at least 1, got 0"):
        contact_sheet(images, scale=0)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_shrinking_averages_areas(small: int, more: int, seed: int) -> None:
    """Every pixel becomes a square of `small` x `small`, which makes the averages plain ones."""
    large = small + more
    ink = np.random.default_rng(seed).random((2, 3, large, large)) < 0.4
    fine = ink.repeat(small, axis=2).repeat(small, axis=3).astype(np.int64)
    count = fine.reshape(2, 3, small, large, small, large).sum(axis=(3, 5))
    expected = np.floor(255 * count / large**2 + 0.5)
    exact = (510 * count + large**2) // (2 * large**2)
    assert np.array_equal(shrink(ink, small), exact)
    assert np.abs(expected - exact).max() <= 1  # but for halves, in floating point
