"""Documents out of texts, archives and records."""

import io
import json
import lzma
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.lm.corpora import documents
from driftwise.lm.corpora.documents import close_documents, read_documents, split_articles


def whole(pieces):
    """Pieces put together: [(title, key, text)]."""
    found = []
    for piece in pieces:
        if piece.document is not None:
            found.append([*piece.document, ""])
        found[-1][2] += piece.text
    return [tuple(one) for one in found]


LINES = ["\n", " \n", " = A = \n", "= B =\n", " = = C = = \n", "text\n", " = 1 <unk> = \n"]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(LINES), min_size=1), st.integers(1, 20), st.integers(1, 4))
def test_articles(lines, piece, blocks):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "PIECE", piece)
        text = ["".join(lines[i : i + blocks]) for i in range(0, len(lines), blocks)]
        found = list(close_documents(split_articles(text, "it")))
    assert "".join(p.text for p in found) == "".join(lines)
    # By the definition: a title has a blank line, or nothing, before and behind it.
    padded = ["\n", *lines, "\n"]
    titles = [
        (i - 1, line.strip()[2:-2])
        for i, line in enumerate(padded)
        if line in (" = A = \n", "= B =\n", " = 1 <unk> = \n")
        and not padded[i - 1].strip()
        and not padded[i + 1].strip()
    ]
    lead = not titles or any(line.strip() for line in lines[: titles[0][0]])
    # What is flushed before the first title for its length alone is a document, blank or not.
    if [d[0] for d in whole(found)] != [title for _, title in titles]:
        assert [d[0] for d in whole(found)] == ["it", *(title for _, title in titles)]
        assert lead or sum(map(len, lines[: titles[0][0]])) >= piece
    else:
        assert not lead


def test_sections_are_no_titles():
    text = " \n = Valkyria = \n \n Text = x = \n \n = = Plot = = \n \n = not alone = \n x \n"
    assert whole(split_articles([text], "it")) == [("Valkyria", 0, text)]
    text = text.replace("\n", "\r\n")
    assert whole(split_articles([text], "it")) == [("Valkyria", 0, text)]


def test_a_document_ends_with_a_newline(tmp_path):
    (tmp_path / "a.txt").write_text("no newline")
    assert whole(read_documents(tmp_path / "a.txt")) == [("a.txt", 0, "no newline\n")]


def make_books(path, books):
    with lzma.open(path, "wb") as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        folder = tarfile.TarInfo("train")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in books.items():
            info = tarfile.TarInfo(f"train/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def test_books(tmp_path):
    path = tmp_path / "train.tar.xz"
    make_books(path, {"a.txt": b"one\n = A = \n", "b.txt": b"two"})
    assert whole(read_documents(path)) == [("a.txt", 0, "one\n = A = \n"), ("b.txt", 1, "two\n")]
    (tmp_path / "metadata.csv").write_text(
        'file,author,title,year\nb.txt,Woolf,"Waves, The",1931\na.txt,Defoe,Crusoe,1719\n'
    )
    assert whole(read_documents(path)) == [
        ("Defoe: Crusoe", 1719, "one\n = A = \n"),
        ("Woolf: Waves, The", 1931, "two\n"),
    ]
    make_books(path, {"a.txt": b"ok\n", "b.txt": b"b\xe9\n"})
    with pytest.raises(
        ValueError, match=r"train/b\.txt must be UTF-8, but has byte 0xe9 at off.* 1"
    ):
        list(read_documents(path))
    make_books(path, {})
    with pytest.raises(ValueError, match="is empty"):
        list(read_documents(path))
    path.write_bytes(lzma.compress(b"no archive" * 100))
    with pytest.raises(ValueError, match="is broken"):
        list(read_documents(path))


def test_records(tmp_path):
    path = tmp_path / "news.jsonl"
    records = [
        {"text": "a\nb", "title": "T", "id": 7},
        {"text": "c\n", "date": "2004-02-01T10:00"},
        {"text": "d", "year": 1999},
        {"text": "e", "date": ""},
        {"text": "f", "id": 2**70},
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in records) + "\n")
    assert whole(read_documents(path)) == [
        ("T", 7, "T\n\na\nb\n"),
        ("1", 20040201, "c\n"),
        ("2", 1999, "d\n"),
        ("3", 3, "e\n"),
        ("4", 4, "f\n"),
    ]
    for bad in (
        '{"text": "a"}\n{"title": "b"}',
        '{"text": "a"}\nno json',
        '{"text": "a"}\n[1]',
        '{"text": "a"}\n{"text": 5}',
        '{"text": "a"}\n{"text": "\\ud800"}',
    ):
        path.write_text(bad)
        with pytest.raises(ValueError, match=r"news\.jsonl must have a JSON obj.*, line 2 is"):
            list(read_documents(path))
    path.write_text("\n\n")
    with pytest.raises(ValueError, match="is empty"):
        list(read_documents(path))
