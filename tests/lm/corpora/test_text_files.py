"""Text files: whatever they are packed in, whole and in order; where they are bad."""

import io
import lzma

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.lm.corpora import text_files
from driftwise.lm.corpora.text_files import decode, find_file, plain_name, read_text

TEXT = "naïve\nline\u2028not cut\x0b\n" * 50


@pytest.fixture
def packed(tmp_path):
    data = lzma.compress(TEXT.encode())
    (tmp_path / "a.txt").write_bytes(TEXT.encode())
    (tmp_path / "b.txt.xz").write_bytes(data)
    for number in range(3):
        (tmp_path / f"c.txt.xz.{number:02d}").write_bytes(data[number * 30 : number * 30 + 30])
    (tmp_path / "c.txt.xz.02").write_bytes(data[60:])
    (tmp_path / "c.txt.xz.04").write_bytes(b"no part: 03 is missing")
    return tmp_path


@pytest.mark.parametrize("name", ["a.txt", "b.txt", "b.txt.xz", "c.txt", "c.txt.xz", "c.txt.xz.00"])
def test_every_packing_gives_the_same_text(packed, name):
    path = find_file(packed / name)
    assert plain_name(path) == f"{name[0]}.txt"
    assert "".join(read_text(path)) == TEXT


def test_there_is_no_such_file(tmp_path):
    assert find_file(tmp_path / "a.txt") is None
    (tmp_path / "a.txt").mkdir()
    assert find_file(tmp_path / "a.txt") is None


@settings(deadline=None, max_examples=50)
@given(st.text(st.sampled_from("ab é\n"), min_size=1), st.integers(1, 9), st.integers(4, 9))
def test_blocks_end_with_lines(text, block, longest):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_files, "BLOCK", block)
        patch.setattr(text_files, "LONGEST_LINE", longest)
        blocks = list(decode(io.BytesIO(text.encode()), "it"))
    assert "".join(blocks) == text
    for one in blocks[:-1]:
        assert one.endswith("\n") or (one.endswith(" ") and "\n" not in one)


@pytest.mark.parametrize("block", [3, 7, 1 << 20])
def test_invalid_utf8_is_told_by_its_offset(tmp_path, monkeypatch, block):
    monkeypatch.setattr(text_files, "BLOCK", block)
    bad = "zwölf\nBoxkämpfer\n".encode() + b"ab\xffcd\n"
    (tmp_path / "a.txt").write_bytes(bad)
    (tmp_path / "b.txt.xz").write_bytes(lzma.compress(bad))
    (tmp_path / "c.txt").write_bytes("\nzwölf".encode()[:-3])
    for name in ("a.txt", "b.txt.xz"):
        with pytest.raises(ValueError, match=rf"{name} must be UTF-8, but has byte 0xff at offset"):
            list(read_text(tmp_path / name))
        with pytest.raises(ValueError, match=f"offset {bad.index(0xFF)} "):
            list(read_text(tmp_path / name))
    with pytest.raises(ValueError, match=r"byte 0xc3 at offset 3 .unexpected end of data"):
        list(read_text(tmp_path / "c.txt"))


def test_a_byte_order_mark_is_no_text(tmp_path):
    path = tmp_path / "marked.txt"
    path.write_bytes(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n")
    assert "".join(read_text(path)) == "one\n\ufefftwo\n"
    path.write_bytes(b"\xef\xbb\xbfone\n\xff")
    with pytest.raises(ValueError, match="byte 0xff at offset 7 "):
        list(read_text(path))


def test_empty_and_broken(packed):
    data = (packed / "b.txt.xz").read_bytes()
    for name, content, reason in (
        ("d.txt", b"", "is empty"),
        ("d.txt", b"\xef\xbb\xbf", "is empty"),
        ("d.txt.xz", lzma.compress(b""), "is empty"),
        ("d.txt.xz", data[:-20], "is broken: Compressed file ended before"),
        ("d.txt.xz", b"hello", "is broken: Input format not supported"),
        ("d.txt.xz", data[:30] + b"0000" + data[34:], "is broken"),
    ):
        (packed / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} {reason}"):
            list(read_text(packed / name))
    (packed / "c.txt.xz.01").unlink()
    with pytest.raises(ValueError, match=r"c\.txt\.xz\.00 is broken"):
        list(read_text(packed / "c.txt.xz.00"))
