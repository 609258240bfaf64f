"""Folders of colour images: what is read, and what is said of other layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftwise.envs import FewShotEpisodes, ImageFolder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes to train and one to test, of 3, 2 and 4 images."""
    rng = np.random.default_rng(0)
    for folder, count in (("train/b", 3), ("train/a", 2), ("test/c", 4), ("val/d", 1)):
        (tmp_path / "set" / folder).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(256, size=(6, 6, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / folder / f"{i}.png")
    (tmp_path / "set" / "train" / "b" / "notes.txt").write_text("no image")
    return tmp_path / "set"


def test_what_is_read(root: Path) -> None:
    images = ImageFolder(root, "train", 6)
    assert images.images.shape == (2, 2, 6, 6, 3)
    assert images.class_names == ("train/a", "train/b")
    assert images.background.all()
    with Image.open(root / "train" / "b" / "1.png") as picture:
        assert np.array_equal(images.images[1, 1], np.asarray(picture))
    assert ImageFolder(root, size=3).images.shape == (2, 2, 3, 3, 3)
    assert images.with_rotations().num_classes == 8
    stream = FewShotEpisodes(images, num_ways=2, num_shots=1, num_queries=1)
    episode = stream.next_batch()
    assert episode.images.shape == (2, 6, 6, 3) and episode.images.max() <= 1


def test_splits_know_nothing_of_each_other(root: Path) -> None:
    """Of a class with few images in another, of images that are broken, or whether one is there."""
    test = ImageFolder(root, "test", 6)
    assert test.images.shape == (1, 4, 6, 6, 3) and not test.background.any()
    (root / "train" / "a" / "1.png").write_bytes(b"no png")
    for path in (root / "val" / "d").iterdir():
        path.unlink()
    assert np.array_equal(ImageFolder(root, "test", 6, least=4).images, test.images)
    with pytest.raises(ValueError, match="split must be one of train, val, test, got 'evaluation'"):
        ImageFolder(root, "evaluation")


def test_grey_images_and_other_shapes(root: Path) -> None:
    Image.fromarray(np.full((8, 4), 7, np.uint8)).save(root / "train" / "a" / "0.png")
    assert (ImageFolder(root, size=4).images[0, 0] == 7).all()


def test_hidden_files_and_folders_are_left_out(root: Path) -> None:
    expected = ImageFolder(root, size=6)
    (root / "train" / "a" / "._0.png").write_bytes(b"Mac OS X")
    (root / "train" / ".ipynb_checkpoints").mkdir()
    images = ImageFolder(root, size=6)
    assert images.class_names == expected.class_names
    assert np.array_equal(images.images, expected.images)


def test_other_layouts_and_broken_images(root: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"no folder .*train\. A folder must have the folder train"
    ):
        ImageFolder(root / "train")
    with pytest.raises(ValueError, match=r"class .*train/a has 2 images, but at least 3 are"):
        ImageFolder(root, least=3)
    (root / "train" / "a" / "1.png").write_bytes(b"no png")
    with pytest.raises(ValueError, match=r"1\.png is broken"):
        ImageFolder(root, size=6)
    Image.new("1", (14_000, 13_000)).save(root / "train" / "a" / "1.png")
    with pytest.raises(ValueError, match=r"1\.png is broken: Image size"):
        ImageFolder(root, size=6)
    (root / "void" / "train").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="has no folders of classes"):
        ImageFolder(root / "void")
    with pytest.raises(ValueError, match="size must be"):
        ImageFolder(root, size=0)
