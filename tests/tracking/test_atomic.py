"""Files and folders are whole or absent, and errors name the place."""

import json
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from driftwise.tracking import (
    atomic_folder,
    make_writable_folder,
    write_bytes,
    write_json,
    write_text,
)
from driftwise.tracking.atomic import remove_leftovers
from driftwise.tracking.plain import to_plain


@pytest.fixture
def small_files_only() -> Iterator[None]:
    """A disk that is full after 4 KiB of every file (works as root, unlike permissions)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_write_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "alt: ä")
    write_text(tmp_path / "a.txt", "new: ä")
    write_bytes(tmp_path / "b", b"\0\xff")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new: ä"
    assert (tmp_path / "b").read_bytes() == b"\0\xff"
    assert names(tmp_path) == ["a.txt", "b"]


def test_full_disk_leaves_the_old_file(tmp_path: Path, small_files_only: None) -> None:
    write_bytes(tmp_path / "a", b"old")
    with pytest.raises(OSError, match=rf"cannot write {tmp_path}/a: "):
        write_bytes(tmp_path / "a", bytes(10_000))
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_full_disk_leaves_the_old_folder(tmp_path: Path, small_files_only: None) -> None:
    for text in ("one", "two"):
        with atomic_folder(tmp_path / "f") as folder:
            (folder / "x").write_text(text)
    with pytest.raises(OSError, match=rf"cannot write {tmp_path}/f: "):
        with atomic_folder(tmp_path / "f") as folder:
            (folder / "x").write_bytes(bytes(10_000))
    assert (tmp_path / "f" / "x").read_text() == "two"
    assert names(tmp_path) == ["f"]


def test_error_in_the_block_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        with atomic_folder(tmp_path / "f") as folder:
            (folder / "x").write_text("half")
            raise KeyError("x")
    assert names(tmp_path) == []


def test_unwritable_places_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "below"
    with pytest.raises(NotADirectoryError, match=f"cannot write {place}: Not a directory"):
        write_text(place, "x")
    with pytest.raises(NotADirectoryError, match=f"cannot write {place}: "):
        make_writable_folder(place)
    with pytest.raises(NotADirectoryError, match=f"cannot write {place}: "):
        with atomic_folder(place):
            pass
    with pytest.raises(FileNotFoundError, match=f"cannot write {tmp_path}/no/file: "):
        write_text(tmp_path / "no" / "file", "x")


def test_leftovers_of_killed_writers_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".a.json.12-0.tmp").write_text("{")
    (tmp_path / ".step_1.12-1.tmp").mkdir()
    (tmp_path / ".step_1.12-1.tmp" / "x").write_text("")
    (tmp_path / "kept.tmp").write_text("")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["kept.tmp"]


def test_json_is_strict_and_plain(tmp_path: Path) -> None:
    value = {"a": np.float32(0.1), "b": (np.arange(2), float("nan")), 3: Path("x"), "i": 10**30}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text()
    assert text.endswith("}\n")
    found = json.loads(text, parse_constant=pytest.fail)
    assert found == {"a": float(np.float32(0.1)), "b": [[0, 1], "NaN"], "3": "x", "i": 10**30}


def test_what_is_not_plain_is_named() -> None:
    with pytest.raises(TypeError, match=r"config\.net\.layers\[1\] must be plain data .* function"):
        to_plain({"net": {"layers": [1, lambda: 0]}}, "config")
    with pytest.raises(TypeError, match=r"config: keys must be strings or integers, got 1.5"):
        to_plain({1.5: 0}, "config")
