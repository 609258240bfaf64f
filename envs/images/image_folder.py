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
LAYOUT = (
    "A folder must have the folders train and test (val, if there is one, is not read), in each "
    "one folder for every class, and therein its images: train/n01532829/1.jpg. For mini-ImageNet "
    "(64 classes to train, 20 to test) and CIFAR-FS (the same) sort the images of ImageNet and "
    "CIFAR-100 by the published lists of classes (Ravi & Larochelle 2017, Bertinetto et al. 2019)."
)


class ImageFolder(ImageSet):
    """Colour images (C, D, size, size, 3) of a folder ``root``, by class.

    ``root/train/<class>/`` are the classes of the background split, ``root/test/<class>/`` those of
    the evaluation split, both in the order of their names; D is the number of images of the class
    that has the fewest, and of the others the first D by name are taken. An image of another size
    is resized, the shorter side first, and cut to its middle. All of them are read into memory,
    which takes Pillow (813 MB for mini-ImageNet at 84 x 84, 197 MB for CIFAR-FS at 32 x 32).

    Args:
        root: The folder.
        size: Pixels of a side: 84 in mini-ImageNet, 32 in CIFAR-FS.
        least: Images that every class must have.

    Raises:
        FileNotFoundError: The folder has another layout; the message says which it must have.
        ValueError: A class has fewer than ``least`` images, or an image is broken; names it.
    """

    def __init__(self, root: str | os.PathLike[str], size: int = 84, *, least: int = 1) -> None:
        size = check_count("size", size, least=1)
        least = check_count("least", least, least=1)
        files = _find(Path(root))
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
            tuple(f"{folder.parent.name}/{folder.name}" for folder in files),
            np.array([folder.parent.name == "train" for folder in files]),
        )


def _find(root: Path) -> dict[Path, list[Path]]:
    """The images of each class, by the class's folder."""
    files: dict[Path, list[Path]] = {}
    for split in ("train", "test"):
        if not (root / split).is_dir():
            raise FileNotFoundError(f"there is no folder {root / split}. {LAYOUT}")
        folders = sorted(path for path in _seen(root / split) if path.is_dir())
        if not folders:
            raise FileNotFoundError(f"{root / split} has no folders of classes. {LAYOUT}")
        for folder in folders:
            files[folder] = sorted(p for p in _seen(folder) if p.suffix.lower() in SUFFIXES)
    return files


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
