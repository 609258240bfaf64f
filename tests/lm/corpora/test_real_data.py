"""The public corpora: every published count."""

import lzma
import sys

import numpy as np
import pytest

from driftwise.lm.corpora import open_corpus, split_words
from driftwise.lm.corpora.documents import read_documents
from driftwise.lm.corpora.text_files import read_text


def test_penn_treebank(data):
    corpus = open_corpus("ptb", data=data, progress=False)
    assert [len(corpus[s]) for s in ("train", "valid", "test")] == [929_589, 73_760, 82_430]
    assert len(corpus.tokenizer) == 10_000
    assert [len(corpus[s].documents) for s in corpus.splits] == [1, 1, 1]
    assert (np.diff(corpus.counts) <= 0).all() and corpus.counts.sum() == 929_589
    assert corpus.counts.min() > 0
    text = corpus.tokenizer.decode(corpus.train.ids[-300:])
    end = "".join(read_text(data / "ptb" / "ptb.train.txt.xz")).replace(" \n", "\n")
    assert end.replace("\n ", "\n").endswith(text)


def test_wikitext_2(data):
    corpus = open_corpus("wikitext-2", data=data, progress=False)
    sizes = {split: (len(corpus[split]), len(corpus[split].documents)) for split in corpus.splits}
    assert sizes == {"train": (2_088_628, 600), "valid": (217_646, 60), "test": (245_569, 60)}
    assert len(corpus.tokenizer) == 33_278
    assert corpus.train.num_bytes == 10_797_148  # an official file, to the byte
    assert corpus.test.documents.titles[1] == "Du Fu"
    assert corpus.counts[-1] > 0 and corpus.counts[corpus.tokenizer.unk] > 10_000


@pytest.mark.parametrize(
    ("file", "tokens", "documents"),
    [
        ("wikitext-2/wiki.test.raw.xz", 245_569, 60),
        ("wikitext-103/wiki.valid.tokens.xz", 217_646, 60),
        ("wikitext-103/wiki.test.tokens.xz", 245_569, 60),
        ("wikitext-103/wiki.train.head.tokens.xz", 501_320, 143),
    ],
)
def test_other_files_of_wikitext(data, file, tokens, documents):
    pieces = list(read_documents(data / file))
    assert sum(len(split_words(piece.text, "blanks")) for piece in pieces) == tokens
    assert sum(piece.document is not None for piece in pieces) == documents


@pytest.mark.parametrize(("split", "words"), [("valid", 378_629), ("test", 326_934)])
def test_long_articles(data, split, words):
    pieces = list(read_documents(data / "enwiki-long" / f"enwiki.{split}.txt.xz"))
    assert sum(len(piece.text.encode().split()) for piece in pieces) == words
    with lzma.open(data / "enwiki-long" / "articles.tsv.xz", "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    told = [(row[5], int(row[3])) for row in rows if row[0] == split]
    found: list[list] = []
    for piece in pieces:
        if piece.document is not None:
            found.append([piece.document.title, 0])
        found[-1][1] += len(piece.text.encode())
    assert [tuple(one) for one in found] == told


def test_books(data):
    pieces = list(read_documents(data / "gutenberg" / "validation.tar.xz"))
    books = [piece.document for piece in pieces if piece.document is not None]
    assert sum(len(piece.text.split()) for piece in pieces) == 2_283_102 and len(books) == 25
    assert all(600 < book.key < 1929 for book in books)


def test_news(data):
    pieces = list(read_documents(data / "wikinews" / "wikinews.jsonl.xz"))
    keys = [piece.document.key for piece in pieces]
    assert len(keys) == 19_287 and keys == sorted(keys)


def test_shakespeare(data):
    corpus = open_corpus("tinyshakespeare", data=data, progress=False)
    assert sum(split.num_bytes for split in corpus.splits.values()) == 1_115_394


def test_the_head_of_a_train_split_is_not_taken_for_it(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r"wikitext-103 needs wikitext-103/wiki\.train\.tokens"):
        open_corpus("wikitext-103", data=data)
