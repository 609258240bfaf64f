"""Compiling kernels: what is kept, what is shared, and what happens without a compiler."""

import ctypes
import multiprocessing
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftwise.memory.kernels import compiler
from driftwise.memory.kernels.compiler import compiled

needs_a_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no cc")


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty cache, and a compiler that is looked for anew."""
    monkeypatch.setenv("DRIFTWISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)
    compiled.cache_clear()
    compiler._native.cache_clear()
    yield
    compiled.cache_clear()
    compiler._native.cache_clear()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "answer.c"
    path.write_text("int answer(void) { return ANSWER; }\n")
    return path


def libraries(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "kernels").iterdir())


@needs_a_compiler
def test_every_set_of_macros_is_compiled_once(source: Path, tmp_path: Path) -> None:
    for answer in (42, 43, 42):
        library = compiled(source, ANSWER=answer)
        assert library is not None and library.answer() == answer
    compiled.cache_clear()
    before = [path.stat().st_mtime_ns for path in libraries(tmp_path)]
    assert compiled(source, ANSWER=42) is not None
    assert [path.stat().st_mtime_ns for path in libraries(tmp_path)] == before
    assert len(before) == 2


@needs_a_compiler
def test_a_changed_source_is_compiled_again(source: Path) -> None:
    compiled(source, ANSWER=42)
    source.write_text("int answer(void) { return ANSWER + 1; }\n")
    compiled.cache_clear()
    library = compiled(source, ANSWER=42)
    assert library is not None and library.answer() == 43


@needs_a_compiler
def test_a_folder_that_cannot_be_written_is_replaced(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DRIFTWISE_CACHE", str(tmp_path / "file"))
    library = compiled(source, ANSWER=42)
    assert library is not None and library.answer() == 42


def test_without_a_compiler_there_is_no_kernel(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert compiled(source, ANSWER=42) is None


@needs_a_compiler
def test_a_failing_compiler_is_reported(source: Path) -> None:
    source.write_text("this is no C\n")
    with pytest.warns(UserWarning, match=r"answer\.c was not compiled.*error"):
        assert compiled(source) is None


def _answer(source: Path) -> int:
    library = compiled(source, ANSWER=42)
    assert isinstance(library, ctypes.CDLL)
    return int(library.answer())


@needs_a_compiler
def test_processes_may_compile_at_the_same_time(source: Path, tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.map(_answer, [source] * 8) == [42] * 8
    assert len(libraries(tmp_path)) == 1
