"""Lock files that their holder removes: whoever comes in between still excludes all others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from driftwise.tracking import lock
from driftwise.tracking.lock import FileLock

HOLD = """
import sys
from driftwise.tracking.lock import FileLock
lock = FileLock(sys.argv[1], "it")
print("held", flush=True)
sys.stdin.readline()
lock.release(remove=True)
"""


def test_a_lock_file_stays_or_is_removed(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    for remove in (False, True):
        held = FileLock(path, "it")
        held.release(remove=remove)
        held.release(remove=True)  # does nothing: somebody else may hold it by now
        assert path.exists() is not remove
    assert not FileLock.held(path)


def test_a_holder_that_removes_its_file(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        assert FileLock.held(path)
        with pytest.raises(RuntimeError, match=rf"it is in use .* \(process {other.pid}\)"):
            FileLock(path, "it")
        assert path.exists()
        other.communicate("\n")
    assert not path.exists()
    FileLock(path, "it").release()


def test_a_file_that_is_removed_while_it_is_being_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder removes it after another has opened it; one more may have put a new one there."""
    path, locked = tmp_path / ".lock", lock._locked
    opened = []

    def slowly(path: Path, what: str):
        opened.append(locked(path, what))
        if len(opened) < 3:
            path.unlink()
        if len(opened) == 2:
            path.touch()
        return opened[-1]

    monkeypatch.setattr(lock, "_locked", slowly)
    held = FileLock(path, "it")
    assert [file.closed for file in opened] == [True, True, False]
    assert os.path.samestat(os.fstat(opened[-1].fileno()), path.stat())
    held.release(remove=True)
    assert not list(tmp_path.iterdir())
