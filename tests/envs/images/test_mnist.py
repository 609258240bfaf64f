"""MNIST and Fashion-MNIST from files that are made here: read, cached, missing and broken."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from driftwise.envs import MNIST, FashionMNIST, FewShotEpisodes
from driftwise.envs.images.cache import checksum

LABELS = np.array(
    [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 0, 0, 2, 4, 6, 7, 8], dtype=np.uint8
)
PIXELS = np.random.default_rng(0).integers(256, size=(len(LABELS), 28, 28), dtype=np.uint8)
EXPECTED = np.stack([PIXELS[digit == LABELS][:2] for digit in range(10)])


def write(folder: Path, *, zipped: bool = True) -> Path:
    folder.mkdir(parents=True)
    for what, array in (("images-idx3", PIXELS), ("labels-idx1", LABELS)):
        data = struct.pack(">4B", 0, 0, 8, array.ndim) + struct.pack(
            f">{array.ndim}I", *array.shape
        )
        data += array.tobytes()
        path = folder / f"train-{what}-ubyte{'.gz' if zipped else ''}"
        path.write_bytes(gzip.compress(data) if zipped else data)
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for kind in (MNIST, FashionMNIST):
        monkeypatch.setattr(kind, "drawings", {True: 2, False: 2})
        monkeypatch.setattr(kind, "checksums", {True: checksum(EXPECTED), False: "none"})
    monkeypatch.setenv("DRIFTWISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DRIFTWISE_DATA", raising=False)


@pytest.mark.parametrize("zipped", [True, False])
def test_torchvisions_files(tmp_path: Path, zipped: bool) -> None:
    write(tmp_path / "data" / "MNIST" / "raw", zipped=zipped)
    images = MNIST(tmp_path / "data")
    assert np.array_equal(images.images, EXPECTED)
    assert (images.name, images.num_classes, images.class_names[3]) == ("MNIST", 10, "3")
    episode = FewShotEpisodes(images, num_ways=3, num_shots=1, num_queries=1).next_batch()
    assert episode.images.shape == (3, 28, 28)


def test_the_cache_serves_without_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "data" / "fashion-mnist" / "FashionMNIST" / "raw")
    monkeypatch.setenv("DRIFTWISE_DATA", str(tmp_path / "data"))
    first = FashionMNIST()
    monkeypatch.delenv("DRIFTWISE_DATA")
    assert np.array_equal(FashionMNIST().images, first.images)
    assert first.class_names[9] == "Ankle boot"
    (cached,) = (tmp_path / "cache" / "images").glob("fashion-mnist-train-*.npy")
    cached.write_bytes(cached.read_bytes()[:-9])
    with pytest.raises(FileNotFoundError, match=r"missing or broken.*FashionMNIST\(\"data\""):
        FashionMNIST()


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"DRIFTWISE_DATA=, .* Get it with torchvision"):
        MNIST()
    with pytest.raises(FileNotFoundError, match="root must be a folder with MNIST, got"):
        MNIST(tmp_path)
    raw = write(tmp_path / "raw")
    with pytest.raises(FileNotFoundError, match="root must be a folder with MNIST"):
        MNIST(tmp_path, train=False)
    images = raw / "train-images-idx3-ubyte.gz"
    whole = images.read_bytes()
    for data, message in (
        (whole[:-20], "is broken"),
        (whole[:200] + b"\xff" * 50 + whole[250:], "is broken"),
        (gzip.compress(b"\0\0\x08\xff" + b"\0" * 99), "not a whole file of the IDX format"),
        (gzip.compress(b"no images"), "not a whole file of the IDX format"),
        (gzip.compress(gzip.decompress(whole)[:-1]), "not a whole file of the IDX format"),
        (gzip.compress(gzip.decompress(whole)[:-1] + b"\0"), "has other images than MNIST"),
    ):
        images.write_bytes(data)
        with pytest.raises(
            ValueError, match=rf"{message}.* Replace .*raw\. Get it with torchvision"
        ):
            MNIST(tmp_path)
    images.write_bytes(whole)
    assert np.array_equal(MNIST(tmp_path).images, EXPECTED)
    images.write_bytes(whole[:-20])  # which the cache, filled by now, must not hide
    with pytest.raises(ValueError, match="is broken"):
        MNIST(tmp_path)
    with pytest.raises(TypeError, match="train must be"):
        MNIST(tmp_path, train=2)  # type: ignore[arg-type]
