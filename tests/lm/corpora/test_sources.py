"""Sources: how files become splits, and what is said where they cannot."""

import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.lm.corpora import NAMED
from driftwise.lm.corpora.documents import Document, Piece
from driftwise.lm.corpora.named import from_name
from driftwise.lm.corpora.sources import cut, from_path


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from(["a\n", "bc\n", "\n", "d\ne\nf\n"]), st.booleans())),
    st.lists(st.integers(0, 30)),
    st.booleans(),
)
def test_cutting_loses_and_repeats_nothing(parts, bounds, whole_documents):
    pieces = [
        Piece(text, Document(str(i), i) if begins or i == 0 else None)
        for i, (text, begins) in enumerate(parts)
    ]
    if not whole_documents:
        pieces = [
            piece._replace(document=piece.document if i == 0 else None)
            for i, piece in enumerate(pieces)
        ]
    text = "".join(piece.text for piece in pieces)
    bounds = [0, *sorted(bound for bound in bounds if bound < len(text)), len(text)]
    shares = [
        list(cut(pieces, begin, end, whole_documents=whole_documents))
        for begin, end in pairwise(bounds)
    ]
    assert "".join(piece.text for share in shares for piece in share) == text
    position = 0
    for (begin, end), share in zip(pairwise(bounds), shares, strict=True):
        if share:
            assert begin <= position < end and share[0].document is not None
            if not whole_documents:
                assert all(piece.document is None for piece in share[1:])
        position += sum(len(piece.text) for piece in share)


def test_one_file(tmp_path):
    lines = [f"line {i:02d}\n" for i in range(100)]
    (tmp_path / "a.txt").write_text("".join(lines))
    source = from_path(tmp_path / "a.txt")
    texts = {split: "".join(p.text for p in source.read(split)) for split in source.splits}
    assert texts == {
        "train": "".join(lines[:90]),
        "valid": "".join(lines[90:95]),
        "test": "".join(lines[95:]),
    }
    assert not source.tokenised


def test_folders(folder):
    source = from_path(folder)
    assert source.splits == ("train", "valid", "test") and not source.tokenised
    (folder / "test.jsonl.xz").rename(folder / "testing.txt.xz")
    (folder / "valid.txt").rename(folder / "dev.txt")
    (folder / "README").write_text("train on this")
    assert from_path(folder).splits == ("train", "valid", "test")
    (folder / "test.txt").write_text("x")
    with pytest.raises(ValueError, match=r"one file for the test split, it has test\.txt, testing"):
        from_path(folder)
    for name in ("test.txt", "testing.txt.xz", "dev.txt"):
        (folder / name).unlink()
    with pytest.raises(ValueError, match=r"must have text files .*, it has them for \['train'\]"):
        from_path(folder)


def test_wikitext_has_raw_files_besides(tmp_path):
    for name in ("wiki.train.tokens", "wiki.test.raw", "wiki.test.tokens"):
        (tmp_path / name).write_text("x y\n")
    source = from_path(tmp_path)
    assert source.tokenised and source.identity["test"][0][0] == "wiki.test.tokens"


@pytest.mark.parametrize("name", NAMED)
def test_missing_data(tmp_path, monkeypatch, name):
    monkeypatch.delenv("DRIFTWISE_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "datasets", None)
    for data in (None, tmp_path):
        with pytest.raises((FileNotFoundError, ImportError)) as one:
            from_name(name, data)
        told = str(one.value)
        assert NAMED[name].files[0] in told and "DRIFTWISE_DATA" in told and "\n" not in told
        assert ("pip install 'driftwise[hf]'" in told) == bool(NAMED[name].hugging_face)
