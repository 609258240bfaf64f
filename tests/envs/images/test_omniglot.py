"""Omniglot: from folders, zips and the cache; what happens where it is missing or broken."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftwise.envs import Omniglot
from driftwise.envs.images import omniglot
from driftwise.envs.images.cache import checksum
from driftwise.envs.images.omniglot_files import ALPHABETS, checksum_of_files, find_files

TINY = {"background": {"Greek": 2}, "evaluation": {"Keble": 1, "ULOG": 1}}


def drawings() -> dict[str, np.ndarray]:
    """What the tiny files show: name without the first part -> ink (105, 105)."""
    rng, found = np.random.default_rng(0), {}
    for split, alphabets in TINY.items():
        for alphabet, count in alphabets.items():
            for number in range(1, count + 1):
                for drawing in range(1, 21):
                    name = f"images_{split}/{alphabet}/character{number:02d}/0007_{drawing:02d}.png"
                    found[name] = rng.random((105, 105)) < 0.1
    return found


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of four characters, of which the background is unpacked and the rest is not."""
    monkeypatch.setenv("DRIFTWISE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DRIFTWISE_CACHE", str(tmp_path / "cache"))
    for split, alphabets in TINY.items():
        monkeypatch.setitem(ALPHABETS, split, alphabets)
    folder = tmp_path / "data" / "omniglot" / "omniglot-py"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "images_evaluation.zip", "w") as archive:
        for name, ink in drawings().items():
            file = io.BytesIO()
            Image.fromarray(~ink).save(file, "png")
            if name.startswith("images_evaluation"):
                archive.writestr(name, file.getvalue())
            else:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(file.getvalue())
    ink = np.stack(list(drawings().values())).reshape(4, 20, 105, 105)
    fine = ink.repeat(4, axis=2).repeat(4, axis=3).reshape(4, 20, 28, 15, 28, 15)
    count = fine.sum(axis=(3, 5), dtype=np.int64)
    images = ((510 * count + 225) // 450).astype(np.uint8)
    monkeypatch.setattr(omniglot, "CHECKSUM", checksum(images))
    np.save(tmp_path / "expected.npy", images)
    return tmp_path


def test_read_from_anywhere(tiny: Path) -> None:
    expected, folder = np.load(tiny / "expected.npy"), tiny / "data" / "omniglot" / "omniglot-py"
    cached = tiny / "cache" / "images" / omniglot.CACHED
    for root in (None, tiny / "data", tiny / "data" / "omniglot", str(folder)):
        images = Omniglot(root)
        assert np.array_equal(images.images, expected) and not images.images.flags.writeable
        assert np.array_equal(np.load(cached), expected)
        assert sorted(os.listdir(cached.parent)) == [cached.name]  # no leftovers
        cached.unlink()
    names = ("Greek/character01", "Greek/character02", "Keble/character01", "ULOG/character01")
    assert images.class_names == names and images.background.tolist() == [True, True, False, False]


def test_the_cache_is_enough(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Omniglot()
    shutil.rmtree(tiny / "data")
    assert np.array_equal(Omniglot().images, first.images)
    monkeypatch.delenv("DRIFTWISE_DATA")
    assert np.array_equal(Omniglot().images, first.images)
    with pytest.raises(FileNotFoundError, match="root must be a folder with Omniglot, got /nowher"):
        Omniglot("/nowhere")


def test_a_cache_does_not_hide_that_files_are_missing_or_damaged(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Omniglot().images
    files = find_files(tiny / "data")
    monkeypatch.setattr(omniglot, "CHECKSUM_OF_FILES", checksum_of_files(files))
    folder = tiny / "data" / "omniglot" / "omniglot-py"
    assert np.array_equal(Omniglot(folder).images, expected)
    archive = folder / "images_evaluation.zip"
    data = archive.read_bytes()
    archive.write_bytes(data[:1000])
    with pytest.raises(ValueError, match=r"images_evaluation\.zip is broken.* Get it with torchvi"):
        Omniglot(folder)
    archive.write_bytes(data.replace(b"IDAT", b"IDOT", 1))
    with pytest.raises(ValueError, match=r"is broken at images_evaluation/.*Bad CRC-32"):
        Omniglot(folder)
    archive.write_bytes(data)
    drawing = folder / "images_background" / "Greek" / "character02" / "0007_05.png"
    whole = drawing.read_bytes()
    drawing.write_bytes(whole[:200])
    with pytest.raises(ValueError, match=r"is broken at Greek/character02/0007_05\.png"):
        Omniglot(folder)
    with Image.open(io.BytesIO(whole)) as picture:  # another file of the same drawing
        picture.save(drawing, compress_level=0)
    assert drawing.read_bytes() != whole
    assert np.array_equal(Omniglot(folder).images, expected)
    drawing.unlink()
    with pytest.raises(ValueError, match="has 19 of 20 drawings of Greek/character02"):
        Omniglot(folder)


def test_a_zip_is_read_whatever_was_unpacked_of_it(tiny: Path) -> None:
    folder = tiny / "data" / "omniglot" / "omniglot-py"
    (folder / "images_evaluation" / "Keble").mkdir(parents=True)
    assert np.array_equal(Omniglot().images, np.load(tiny / "expected.npy"))


@pytest.mark.parametrize("damage", ["cut", "other numbers", "no array", "header", "zip", "pickle"])
def test_a_broken_cache_is_made_again(tiny: Path, damage: str) -> None:
    expected = Omniglot().images
    cached = tiny / "cache" / "images" / omniglot.CACHED
    data = cached.read_bytes()
    if damage == "pickle":
        np.save(cached, np.array([None]), allow_pickle=True)
    else:
        bad = {
            "cut": data[:-100],
            "other numbers": data[:-1] + b"\x07",
            "no array": b"hello",
            "header": data.replace(b"}", b" ", 1),
            "zip": b"PK\3\4" + data,
        }
        cached.write_bytes(bad[damage])
    assert np.array_equal(Omniglot().images, expected) and cached.read_bytes() == data


def test_others_can_read_the_cache_if_they_can_read_new_files(tiny: Path) -> None:
    before = os.umask(0o022)
    try:
        Omniglot()
    finally:
        assert os.umask(before) == 0o022
    assert (tiny / "cache" / "images" / omniglot.CACHED).stat().st_mode & 0o777 == 0o644


def test_no_cache_can_be_written(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tiny / "file").write_text("in the way")
    monkeypatch.setenv("DRIFTWISE_CACHE", str(tiny / "file"))
    assert np.array_equal(Omniglot().images, np.load(tiny / "expected.npy"))


def test_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTWISE_CACHE", str(tmp_path))
    for data in ("", str(tmp_path)):
        monkeypatch.setenv("DRIFTWISE_DATA", data)
        with pytest.raises(
            FileNotFoundError, match=r"Omniglot is not in DRIFTWISE_DATA=.* Get it"
        ) as one:
            Omniglot()
        assert "torchvision" in str(one.value) and "Glyphs()" in str(one.value)
        assert "\n" not in str(one.value)


def test_broken(tiny: Path) -> None:
    folder = tiny / "data" / "omniglot" / "omniglot-py"
    drawing = folder / "images_background" / "Greek" / "character02" / "0007_05.png"
    data, archive = drawing.read_bytes(), folder / "images_evaluation.zip"
    for bad in (b"", b"no picture", data[:60], data[: len(data) // 2]):
        drawing.write_bytes(bad)
        with pytest.raises(ValueError, match=r"is broken at Greek/character02/0007_05\.png") as one:
            Omniglot()
        assert "omniglot-py. Get it with torchvision: Omniglot(" in str(one.value)
    Image.new("1", (28, 28)).save(drawing)
    with pytest.raises(ValueError, match=r"0007_05\.png: its shape is \(28, 28\)"):
        Omniglot()
    drawing.unlink()
    with pytest.raises(ValueError, match=r"has 19 of 20 drawings of Greek/character02"):
        Omniglot()
    Image.new("1", (105, 105)).save(drawing)
    with pytest.raises(ValueError, match="omniglot-py has other images than Omniglot"):
        Omniglot()
    drawing.write_bytes(data)
    whole = archive.read_bytes()
    encrypted = whole.replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1")
    assert encrypted != whole
    archive.write_bytes(encrypted)
    with pytest.raises(ValueError, match=r"0007_01\.png: File .* is encrypted, password req"):
        Omniglot()
    archive.write_bytes(whole[:-50])
    with pytest.raises(ValueError, match=r"images_evaluation\.zip is broken: File is not a zip"):
        Omniglot()
    assert not (tiny / "cache").exists()
    archive.unlink()
    with pytest.raises(FileNotFoundError, match=r"omniglot-py has no images_evaluation.*Get it"):
        Omniglot()
    with pytest.raises(FileNotFoundError, match=r"omniglot-py has no images_evaluation\.zip"):
        Omniglot(folder)


def test_what_macos_leaves_beside_the_drawings(tiny: Path) -> None:
    folder = tiny / "data" / "omniglot" / "omniglot-py"
    (folder / "images_background" / "Greek" / "character01" / "._0007_01.png").write_bytes(
        b"Mac OS"
    )
    with zipfile.ZipFile(folder / "images_evaluation.zip", "a") as archive:
        name = "__MACOSX/images_evaluation/Keble/character01/._0007_01.png"
        archive.writestr(name, b"Mac OS X")
    assert np.array_equal(Omniglot().images, np.load(tiny / "expected.npy"))


def test_the_real_one() -> None:
    try:
        images = Omniglot()
    except FileNotFoundError:
        pytest.skip("Omniglot is not on this machine")
    assert images.images.shape == (1623, 20, 28, 28) and images.background.sum() == 964
    assert images.class_names[964] == "Angelic/character01" and len(set(images.class_names)) == 1623
    files = find_files(Path(os.environ.get("DRIFTWISE_DATA", "")))
    if len(files) == 2:
        assert checksum_of_files(files) == omniglot.CHECKSUM_OF_FILES
    ink = images.images.mean() / 255
    assert 0.080 < ink < 0.081  # 8.05 % of the original pixels are black
