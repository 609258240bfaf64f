"""Omniglot: 1,623 characters of 50 alphabets, each drawn by 20 people (Lake et al., 2015)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .cache import cache_folder, checksum, read_array, write_array
from .image_set import SIZE, ImageSet
from .omniglot_files import ALPHABETS, characters, checksum_of_files, find_files, read_drawings
from .resizing import shrink

# That of the 1,623 x 20 images at 28 x 28, which are the same wherever they were read from.
CHECKSUM = "8167dffec9d3ee72541f00f4f120b260f19aebf40a2a4c142dfc5a700a187882"
CHECKSUM_OF_FILES = "b13150a8cb4a132a88b8e6fcc46cf10c8302ff6db261fe791b45f9eb768cc820"
CACHED = f"omniglot-{SIZE}x{SIZE}-area-{CHECKSUM[:12]}.npy"

GET_IT = (
    'Get it with torchvision: Omniglot("data", background=True, download=True), and the same with '
    "background=False; then set the environment variable DRIFTWISE_DATA to that folder. "
    "(Glyphs() needs no data.)"
)


class Omniglot(ImageSet):
    """Omniglot at 28 x 28: images (1623, 20, 28, 28), ink 255 on paper 0.

    The classes are in the order of their names, ``"Alphabet/characterNN"``: the 964 of the
    background split, then the 659 of the evaluation split. The original images, 105 x 105 and black
    on white, are inverted and resized by area averaging (:func:`~.resizing.shrink`).

    They are read once, which takes some seconds and Pillow, and kept as one file of 25 MB in the
    folder of the environment variable ``DRIFTWISE_CACHE`` (by default, the user's cache folder).
    Checksums tell damage to that file, which is then made again, and to the files of a ``root``
    that is given, which are read through each time (a second).

    Args:
        root: The folder that was given to torchvision, or ``omniglot-py`` in it. Either of
            ``images_background`` and ``images_evaluation`` may be a folder or a ``.zip``. By
            default, the cached file will do; else the data is looked for in the folder of the
            environment variable ``DRIFTWISE_DATA`` and in ``omniglot`` therein.

    Raises:
        FileNotFoundError: The data is not there; the message says how to get it.
        ValueError: It is incomplete or broken; the message names the file, and says how to get it.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        names = {split: characters(split) for split in ALPHABETS}
        super().__init__(
            "Omniglot",
            _load(root),
            tuple(names["background"] + names["evaluation"]),
            np.arange(sum(map(len, names.values()))) < len(names["background"]),
        )


def _load(root: str | os.PathLike[str] | None) -> NDArray[np.uint8]:
    """The images from the cached file, or else from the original ones."""
    given = os.environ.get("DRIFTWISE_DATA") if root is None else root
    files = find_files(Path(given).expanduser()) if given else {}
    cached = cache_folder() / CACHED
    images = read_array(cached, CHECKSUM)
    to_write = images is None
    if to_write or root is not None:
        _check_found(files, root, given, cached)
        try:
            # The cache must not hide that the files of the given folder are damaged.
            if images is None or checksum_of_files(files) != CHECKSUM_OF_FILES:
                images = _read(files)
        except ValueError as error:
            raise ValueError(f"{error}. Replace {files['background'].parent}. {GET_IT}") from None
    assert images is not None
    if to_write:
        write_array(cached, images)
    return images


def _check_found(
    files: dict[str, Path],
    root: str | os.PathLike[str] | None,
    given: str | os.PathLike[str] | None,
    cached: Path,
) -> None:
    """Raise a FileNotFoundError that tells what is missing, if anything is."""
    for split in ALPHABETS:
        if files and split not in files:
            folder = next(iter(files.values())).parent
            raise FileNotFoundError(
                f"{folder} has no images_{split}.zip and no folder of that name. {GET_IT}"
            )
    if files:
        return
    if root is not None:
        raise FileNotFoundError(f"root must be a folder with Omniglot, got {root}. {GET_IT}")
    raise FileNotFoundError(
        f"Omniglot is not in DRIFTWISE_DATA={given or ''}, and {cached} is missing or broken. "
        f"{GET_IT}"
    )


def _read(files: dict[str, Path]) -> NDArray[np.uint8]:
    """The images from the original files."""
    images = np.stack(
        [shrink(d, SIZE) for split, path in files.items() for d in read_drawings(path, split)]
    )
    if checksum(images) != CHECKSUM:
        raise ValueError(f"{files['background'].parent} has other images than Omniglot")
    return images
