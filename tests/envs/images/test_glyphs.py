"""Made-up characters: reproducible, different, legible."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from driftwise.envs import Glyphs
from driftwise.envs.images.glyph_strokes import KINDS, make_stroke


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    return Glyphs(60)


def test_they_are_the_same_everywhere(glyphs: Glyphs) -> None:
    assert glyphs.images.shape == (60, 20, 28, 28) and glyphs.images.dtype == np.uint8
    assert glyphs.fingerprint == "c78c1b63b15f"
    assert glyphs.class_names[26] == "glyphs0-01/character01"


def test_a_larger_set_begins_with_the_smaller_one(glyphs: Glyphs) -> None:
    few = Glyphs(29, 3)
    assert np.array_equal(few.images, glyphs.images[:29, :3])
    assert few.class_names == glyphs.class_names[:29]
    assert np.array_equal(few.background, glyphs.background[:29])


def test_seeds_make_other_characters(glyphs: Glyphs) -> None:
    other = Glyphs(60, seed=1)
    assert not (other.images == glyphs.images).all(axis=(2, 3)).any()
    assert other.fingerprint != glyphs.fingerprint
    assert not set(other.class_names) & set(glyphs.class_names)


def test_two_scripts_of_five_are_for_evaluation() -> None:
    background = Glyphs(26 * 5, 1).background.reshape(5, 26)
    assert background.all(axis=1).tolist() == [True, False, True, False, True]
    assert (background == background[:, :1]).all()


def test_they_look_like_omniglot(glyphs: Glyphs) -> None:
    """As much ink as there, and no two drawings alike."""
    images = glyphs.images
    assert 0.07 < images.mean() / 255 < 0.09
    share = images.mean(axis=(2, 3)) / 255
    assert share.min() > 0.01 and share.max() < 0.3
    flat = images.reshape(-1, 784)
    assert len(np.unique(flat, axis=0)) == len(flat)


def test_drawings_of_a_class_are_alike(glyphs: Glyphs) -> None:
    """Nearest class means of plain pixels tell many classes apart, but by no means all."""
    pixels = glyphs.images.reshape(60, 20, 784) / 255.0
    means = pixels[:, :15].mean(axis=1)
    test = pixels[:, 15:].reshape(-1, 784)
    distance = (means**2).sum(axis=1) - 2 * test @ means.T
    accuracy = (distance.argmin(axis=1) == np.arange(60).repeat(5)).mean()
    assert 0.4 < accuracy < 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_strokes_have_their_length(kind: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        stroke = make_stroke(kind, rng.random(), 0.5 + rng.random(), rng.random(5))
        steps = np.diff(stroke.path(), axis=0, prepend=np.zeros((1, 2)))
        assert np.hypot(*steps.T).sum() == pytest.approx(stroke.length)
        assert stroke.straight == (kind == "line")


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"num_classes": 0}, ValueError, "num_classes must be at least 1, got 0"),
    ({"num_classes": 2.0}, TypeError, r"num_classes must be an integer, got 2\.0"),
    ({"num_drawings": 0}, ValueError, "num_drawings must be at least 1, got 0"),
    ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), WRONG, ids=str)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Glyphs(**arguments)
