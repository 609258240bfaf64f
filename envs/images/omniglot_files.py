"""The original files of Omniglot, as folders or zips."""

from __future__ import annotations

import hashlib
import io
import itertools
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIDE, DRAWINGS = 105, 20  # pixels of the original images, and drawings of each character

# Characters of the alphabets of each split, in the order of their names.
ALPHABETS: dict[str, dict[str, int]] = {
    "background": {
        "Alphabet_of_the_Magi": 20,
        "Anglo-Saxon_Futhorc": 29,
        "Arcadian": 26,
        "Armenian": 41,
        "Asomtavruli_(Georgian)": 40,
        "Balinese": 24,
        "Bengali": 46,
        "Blackfoot_(Canadian_Aboriginal_Syllabics)": 14,
        "Braille": 26,
        "Burmese_(Myanmar)": 34,
        "Cyrillic": 33,
        "Early_Aramaic": 22,
        "Futurama": 26,
        "Grantha": 43,
        "Greek": 24,
        "Gujarati": 48,
        "Hebrew": 22,
        "Inuktitut_(Canadian_Aboriginal_Syllabics)": 16,
        "Japanese_(hiragana)": 52,
        "Japanese_(katakana)": 47,
        "Korean": 40,
        "Latin": 26,
        "Malay_(Jawi_-_Arabic)": 40,
        "Mkhedruli_(Georgian)": 41,
        "N_Ko": 33,
        "Ojibwe_(Canadian_Aboriginal_Syllabics)": 14,
        "Sanskrit": 42,
        "Syriac_(Estrangelo)": 23,
        "Tagalog": 17,
        "Tifinagh": 55,
    },
    "evaluation": {
        "Angelic": 20,
        "Atemayar_Qelisayer": 26,
        "Atlantean": 26,
        "Aurek-Besh": 26,
        "Avesta": 26,
        "Ge_ez": 26,
        "Glagolitic": 45,
        "Gurmukhi": 45,
        "Kannada": 41,
        "Keble": 26,
        "Malayalam": 47,
        "Manipuri": 40,
        "Mongolian": 30,
        "Old_Church_Slavonic_(Cyrillic)": 45,
        "Oriya": 46,
        "Sylheti": 28,
        "Syriac_(Serto)": 23,
        "Tengwar": 25,
        "Tibetan": 42,
        "ULOG": 26,
    },
}


def characters(split: str) -> list[str]:
    """Names of the characters of a split, in order: ``"Alphabet/characterNN"``."""
    return [
        f"{alphabet}/character{number:02d}"
        for alphabet, count in ALPHABETS[split].items()
        for number in range(1, count + 1)
    ]


def find_files(root: Path) -> dict[str, Path]:
    """Folder or zip of each split below ``root``; of a split that is missing there is none.

    Looked for in ``root``, in ``omniglot-py`` (as torchvision lays it out) and in
    ``omniglot/omniglot-py``.
    """
    best: dict[str, Path] = {}
    for folder in (root, root / "omniglot-py", root / "omniglot" / "omniglot-py"):
        found: dict[str, Path] = {}
        for split in ALPHABETS:
            # A folder beside its zip may be of an unpacking that was interrupted.
            for path in (folder / f"images_{split}.zip", folder / f"images_{split}"):
                if path.exists():
                    found.setdefault(split, path)
        best = max(best, found, key=len)
    return best


def read_drawings(path: Path, split: str) -> Iterator[NDArray[np.bool_]]:
    """The characters of a split in order, each (20, 105, 105), True where there is ink.

    Raises:
        ValueError: A file is missing or broken; the message names it.
    """
    with ExitStack() as stack:
        names, read = _open(path, stack)
        for found in _by_character(names, path, split):
            yield np.stack([_decode(read, name, path) for name in found])


def checksum_of_files(files: dict[str, Path]) -> str:
    """SHA-256 of all drawings as they are stored, which takes a tenth of the time of reading them.

    Raises:
        ValueError: A file is missing or broken; the message names it.
    """
    digest = hashlib.sha256()
    for split, path in files.items():
        with ExitStack() as stack:
            names, read = _open(path, stack)
            for name in itertools.chain(*_by_character(names, path, split)):
                digest.update(_bytes_of(read, name, path))
    return digest.hexdigest()


def _by_character(names: list[str], path: Path, split: str) -> list[list[str]]:
    """Of each character of a split, in order, the names of its drawings."""
    drawings: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        if name.endswith(".png") and "/." not in name:  # ._0001.png, as macOS adds to zips
            drawings["/".join(name.split("/")[-3:-1])].append(name)
    for character in characters(split):
        found = len(drawings[character])
        if found != DRAWINGS:
            raise ValueError(
                f"{path} is incomplete: it has {found} of {DRAWINGS} drawings of {character}"
            )
    return [drawings[character] for character in characters(split)]


def _open(path: Path, stack: ExitStack) -> tuple[list[str], Callable[[str], bytes]]:
    """Names of all files in a folder or zip, and what reads one."""
    if path.is_dir():
        files = path.rglob("*.png")
        return [file.relative_to(path).as_posix() for file in files], lambda name: (
            path / name
        ).read_bytes()
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except Exception as error:  # zipfile raises many kinds
        raise ValueError(f"{path} is broken: {error}") from None
    return archive.namelist(), archive.read


def _bytes_of(read: Callable[[str], bytes], name: str, path: Path) -> bytes:
    try:
        return read(name)
    except Exception as error:  # of damaged, cut or encrypted archives, zipfile raises many kinds
        raise ValueError(f"{path} is broken at {name}: {error}") from None


def _decode(read: Callable[[str], bytes], name: str, path: Path) -> NDArray[np.bool_]:
    from PIL import Image  # needed here only

    data = _bytes_of(read, name, path)
    try:
        with Image.open(io.BytesIO(data)) as picture:
            drawing = np.asarray(picture.convert("1"))
    except Exception as error:  # and so does Pillow
        raise ValueError(f"{path} is broken at {name}: {error}") from None
    if drawing.shape != (SIDE, SIDE):
        raise ValueError(f"{path} is broken at {name}: its shape is {drawing.shape}")
    return ~drawing
