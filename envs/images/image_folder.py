"""Colour images from a folder of the user's own: mini-ImageNet, CIFAR-FS and the like."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..arguments import check_count
from .image_set import ImageSet

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
SPLITS = ("train", "val", "test")
LAYOUT = (
    "A folder must have the folder train to train on, test to test on and, if there are classes to "
    "validate by, val; in each one folder for every class, and therein its images: "
    "train/n01532829/1.jpg. For mini-ImageNet (64 classes to train, 16 to validate, 20 to test) "
    "and CIFAR-FS (the same) sort the images of ImageNet and CIFAR-100 by the published lists of "
    "classes (Ravi & Larochelle 2017, Bertinetto et al. 2019)."
)


class ImageFolder(ImageSet):
    """Colour images (C, D, size, size, 3) of one split of a folder ``root``, by class.

    The classes are the folders ``root/<split>/<class>/``, in the order of their names, those of
    ``test`` of the evaluation split, the others of the background split. D is the number of images
    of the class that has the fewest, and of the others the first D by name are taken. An image of
    another size is resized, the shorter side first, and cut to its middle. All of them are read
    into memory (813 MB for the 38,400 images of mini-ImageNet's ``train`` at 84 x 84, 118 MB for
    CIFAR-FS at 32 x 32), which takes Pillow.

    Args:
        root: The folder.
        split: ``"train"``, ``"val"`` or ``"test"``; the others need not be there.
        size: Pixels of a side: 84 in mini-ImageNet, 32 in CIFAR-FS.
        least: Images that every class must have.

    Raises:
        FileNotFoundError: The folder has another layout; the message says which it must have.
        ValueError: There is no such split, a class has fewer than ``least`` images, or an image is
            broken; names it.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        size: int = 84,
        *,
        least: int = 1,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        size = check_count("size", size, least=1)
        least = check_count("least", least, least=1)
        files = _find(Path(root) / split)
        for folder, found in files.items():
            if len(found) < least:
                raise ValueError(
                    f"class {folder} has {len(found)} images, but at least {least} are asked for"
                )
        drawings = min(map(len, files.values()))
        images = np.empty((len(files), drawings, size, size, 3), dtype=np.uint8)
        for rows, found in zip(images, files.values(), strict=True):
            for row, file in zip(rows, found, strict=False):
                row[:] = _read(file, size)
        super().__init__(
            Path(root).name,
            images,
            tuple(f"{split}/{folder.name}" for folder in files),
            np.full(len(files), split != "test"),
        )


def _find(split: Path) -> dict[Path, list[Path]]:
    """The images of each class, by the class's folder."""
    if not split.is_dir():
        raise FileNotFoundError(f"there is no folder {split}. {LAYOUT}")
    folders = sorted(path for path in _seen(split) if path.is_dir())
    if not folders:
        raise FileNotFoundError(f"{split} has no folders of classes. {LAYOUT}")
    return {
        folder: sorted(path for path in _seen(folder) if path.suffix.lower() in SUFFIXES)
        for folder in folders
    }


def _seen(folder: Path) -> Iterator[Path]:
    """What is in a folder, but for what macOS and notebooks hide there."""
    return (path for path in folder.iterdir() if not path.name.startswith("."))


def _read(file: Path, size: int) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps  # needed here only

    try:
        with Image.open(file) as picture:
            return np.asarray(ImageOps.fit(picture.convert("RGB"), (size, size)))
    except Exception as error:  # Pillow raises many kinds
        raise ValueError(f"{file} is broken: {error}") from None
