"""MNIST and Fashion-MNIST by class, from torchvision's files."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..arguments import check_flag
from .cache import cache_folder, checksum, read_array, write_array
from .image_set import SIZE, ImageSet


class MNIST(ImageSet):
    """MNIST (LeCun et al., 1998): handwritten digits, ink 255 on paper 0.

    The images (10, D, 28, 28) of each digit in the order of the files; D is the number of the digit
    that has the fewest, 5,421 to train and 892 to test. All classes are of the evaluation split:
    there are too few to learn from few examples of others.

    They are kept as one file in the folder of the environment variable ``DRIFTWISE_CACHE`` (by
    default, the user's cache folder). Checksums tell damage to that file, which is then made again,
    and to the files of a ``root`` that is given, which are read each time.

    Args:
        root: The folder that was given to torchvision, or ``raw`` in it. By default, the cached
            file will do; else the data is looked for in the folder of the environment variable
            ``DRIFTWISE_DATA`` and in ``mnist`` therein.
        train: The images to train on, or those to test on.

    Raises:
        FileNotFoundError: The data is not there; the message says how to get it.
        ValueError: It is broken; the message names the file, and says how to get it.
    """

    folder: ClassVar[str] = "MNIST"
    place: ClassVar[str] = "mnist"
    labels: ClassVar[tuple[str, ...]] = tuple("0123456789")
    drawings: ClassVar[dict[bool, int]] = {True: 5421, False: 892}
    checksums: ClassVar[dict[bool, str]] = {
        True: "74cf9e054918e8607540c89db360f9fb02ce90933867ccba6bd3bf5121099b1e",
        False: "95aad012d4c7ccd329d1ab2dd86873224047fa1de82764a32d40b9ec30751400",
    }

    def __init__(self, root: str | os.PathLike[str] | None = None, *, train: bool = True) -> None:
        check_flag("train", train)
        images = self._load(root, train)
        super().__init__(self.folder, images, self.labels, np.zeros(len(self.labels), dtype=bool))

    @classmethod
    def _load(cls, root: str | os.PathLike[str] | None, train: bool) -> NDArray[np.uint8]:
        """The images from the cached file, or else from the original ones."""
        get_it = (
            f'Get it with torchvision: {cls.folder}("data", download=True); then set the '
            "environment variable DRIFTWISE_DATA to that folder."
        )
        given = os.environ.get("DRIFTWISE_DATA") if root is None else root
        files = cls._find(Path(given).expanduser(), train) if given else None
        if root is not None and files is None:
            raise FileNotFoundError(
                f"root must be a folder with {cls.folder}, got {root}. {get_it}"
            )
        expected = cls.checksums[train]
        cached = cache_folder() / f"{cls.place}-{'train' if train else 'test'}-{expected[:12]}.npy"
        images = read_array(cached, expected)
        to_write = images is None
        if to_write or root is not None:  # the cache must not hide that the given files are damaged
            if files is None:
                raise FileNotFoundError(
                    f"{cls.folder} is not in DRIFTWISE_DATA={given or ''}, and {cached} is missing "
                    f"or broken. {get_it}"
                )
            try:
                images = cls._by_class(*files, cls.drawings[train])
                if checksum(images) != expected:
                    raise ValueError(f"{files[0]} has other images than {cls.folder}")
            except ValueError as error:
                raise ValueError(f"{error}. Replace {files[0].parent}. {get_it}") from None
        assert images is not None
        if to_write:
            write_array(cached, images)
        return images

    @staticmethod
    def _by_class(images: Path, labels: Path, count: int) -> NDArray[np.uint8]:
        """So many images of each class, from the original files."""
        pixels, classes = _read(images), _read(labels)
        try:
            return np.stack([pixels[classes == k][:count] for k in range(10)])
        except (ValueError, IndexError):
            raise ValueError(f"{images} and {labels.name} do not fit together") from None

    @classmethod
    def _find(cls, root: Path, train: bool) -> tuple[Path, Path] | None:
        """Files of the images and of the labels below a folder, as torchvision names them."""
        part = "train" if train else "t10k"
        raw = Path(cls.folder) / "raw"
        for folder in (root, root / "raw", root / raw, root / cls.place / raw):
            for end in (".gz", ""):  # an unpacking may have been interrupted
                files = [
                    folder / f"{part}-{what}-ubyte{end}" for what in ("images-idx3", "labels-idx1")
                ]
                if all(file.is_file() for file in files):
                    return files[0], files[1]
        return None


class FashionMNIST(MNIST):
    """Fashion-MNIST (Xiao et al., 2017): grey pictures of clothes, as :class:`MNIST`.

    There are 6,000 of each class to train and 1,000 to test; the default place below
    ``DRIFTWISE_DATA`` is ``fashion-mnist``.
    """

    folder = "FashionMNIST"
    place = "fashion-mnist"
    labels = (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )
    drawings: ClassVar[dict[bool, int]] = {True: 6000, False: 1000}
    checksums: ClassVar[dict[bool, str]] = {
        True: "45f445dd10db027a214841d75209d034e4351e9c0b26233f186e38b8810c76fd",
        False: "4933391d016b481042c50a3302daa0c7c1cdee910a6e6e4dd0ddce5720ffdcac",
    }


def _read(path: Path) -> NDArray[np.uint8]:
    """An array of the IDX format, (N,) or (N, 28, 28)."""
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is broken: {error}") from None
    # Two bytes of zeros, the type (8: bytes), the number of dimensions, their sizes, the numbers.
    for start, inner in ((b"\0\0\x08\1", ()), (b"\0\0\x08\3", (SIZE, SIZE))):
        head = 4 + 4 * start[3]
        if data.startswith(start) and len(data) >= head:
            shape = tuple(np.frombuffer(data, ">u4", start[3], 4).tolist())
            if shape[1:] == inner and len(data) - head == math.prod(shape):
                return np.frombuffer(data, np.uint8, offset=head).reshape(shape)
    raise ValueError(f"{path} is broken: it is not a whole file of the IDX format")
