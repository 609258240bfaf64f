"""Small corpora that several tests use."""

import lzma
import os
from pathlib import Path

import numpy as np
import pytest

from driftwise.lm.corpora import Documents, TokenSplit


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Nothing is read from, or left in, the user's cache."""
    monkeypatch.setenv("DRIFTWISE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def data():
    """The folder of public data, where there is one."""
    folder = os.environ.get("DRIFTWISE_DATA")
    if not folder or not Path(folder, "ptb").is_dir():
        pytest.skip("DRIFTWISE_DATA has no corpora on this machine")
    return Path(folder)


@pytest.fixture
def folder(tmp_path):
    """A user's folder: articles to train on, news and a compressed text."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "train.txt").write_text(
        "\n = First = \n\nThe end. The end?\n\n = Second = \n\nThe well-known end.\n", "utf-8"
    )
    (folder / "valid.txt").write_text("The start.", "utf-8")
    with lzma.open(folder / "test.jsonl.xz", "wt", encoding="utf-8") as file:
        file.write('{"text": "The end", "date": "2004-02-01T10:00", "title": "News"}\n')
        file.write('{"text": "", "date": "2003-12-31"}\n')
    return folder


@pytest.fixture(scope="session")
def make_split():
    """A function that makes a split of documents, each a list of ids; 0 is the end mark."""

    def make(documents, keys=None):
        sizes = np.array([len(document) for document in documents])
        index = Documents(
            np.append(0, sizes.cumsum()),
            np.arange(len(sizes)) if keys is None else np.array(keys),
            sizes,
            5 * sizes,
            np.array([f"document {i}" for i in range(len(sizes))]),
        )
        return TokenSplit(np.concatenate(documents).astype(np.uint16), index, eos=0)

    return make
