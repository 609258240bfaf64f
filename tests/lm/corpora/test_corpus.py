"""Corpora on disk: made once, whole or not at all; bad input."""

import sys
import types
from multiprocessing import get_context

import numpy as np
import pytest

from driftwise.lm.corpora import DriftingCorpus, Words, open_corpus, opening, preparing


def test_words(folder):
    corpus = open_corpus(folder, min_count=2, progress=False)
    assert corpus.tokenizer.words == ["<eos>", "<unk>", "=", "The", "end", "."]
    train = corpus.train
    assert isinstance(train.ids, np.memmap) and train.ids.dtype == np.uint16
    text = "\n= <unk> =\n\nThe end . The end <unk>\n\n= <unk> =\n\nThe <unk> <unk> <unk> end .\n"
    assert corpus.tokenizer.decode(train.ids) == text
    assert train.documents.titles.tolist() == ["First", "Second"]
    assert train.documents.offsets.tolist() == [0, 14, len(train)]
    assert train.documents.bytes.tolist() == [33, 34] and train.num_bytes == 67
    assert train.documents.words.sum() == train.num_words == len(train) == 26
    assert corpus.counts.tolist() == np.bincount(train.ids).tolist()
    assert corpus.test.documents.keys.tolist() == [20040201, 20031231]
    assert corpus.tokenizer.decode(corpus.test.ids) == "<unk>\n\nThe end\n\n"


def test_byte_pairs_are_measured_in_the_same_words(folder):
    words = open_corpus(folder, progress=False)
    pairs = open_corpus(folder, tokenizer="bpe", vocab_size=300, progress=False)
    for split in ("train", "valid", "test"):
        one, other = words[split], pairs[split]
        assert one.documents.words.tolist() == other.documents.words.tolist()
        assert one.documents.bytes.tolist() == other.documents.bytes.tolist()
        ends = other.documents.offsets[1:] - 1
        assert (other.ids[ends] == other.eos).all()
        assert (other.ids == other.eos).sum() == len(other.documents)
    assert pairs.tokenizer.decode(pairs.valid.ids) == "The start.\n"
    assert pairs.counts.sum() == len(pairs.train)


@pytest.mark.parametrize("batch", [1, 20, 1 << 22])
def test_batches_of_pieces_change_nothing(folder, monkeypatch, batch):
    monkeypatch.setattr(preparing, "BATCH", batch)
    corpus = open_corpus(folder, progress=False, min_count=1)
    assert corpus.train.documents.offsets.tolist() == [0, 14, 26]
    assert corpus.counts.sum() == 26


def test_made_once(folder, tmp_path, monkeypatch):
    first = open_corpus(folder, progress=False)
    (made,) = (tmp_path / "cache" / "corpora").glob("mine-*")
    monkeypatch.setattr(preparing, "_write_split", None)  # would be called to make it again
    again = open_corpus(folder, progress=False)
    assert (again.train.ids == first.train.ids).all() and again.fingerprint == first.fingerprint
    monkeypatch.undo()
    monkeypatch.setenv("DRIFTWISE_CACHE", str(tmp_path / "cache"))
    for changed in ({"min_count": 1}, {"vocab_size": 4}, {"tokenizer": "bpe"}):
        open_corpus(folder, progress=False, **changed)
    (folder / "valid.txt").write_text("another text\n")
    assert open_corpus(folder, progress=False).valid.num_bytes == 13
    assert len(list(made.parent.glob("mine-*"))) == 5
    elsewhere = open_corpus(folder, cache=tmp_path / "elsewhere", progress=False)
    assert (elsewhere.train.ids == first.train.ids).all()
    assert len(list((tmp_path / "elsewhere").glob("mine-*"))) == 1


def test_killed_while_it_was_made(folder, tmp_path, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(preparing, "write_json", stop)
    with pytest.raises(KeyboardInterrupt):
        open_corpus(folder, progress=False)
    cache = tmp_path / "cache" / "corpora"
    (lock,) = cache.iterdir()
    assert lock.suffix == ".lock"
    monkeypatch.undo()
    # Killed at once, it leaves a hidden folder, which is swept up.
    (cache / f"{lock.stem}.123-0.tmp").mkdir()
    assert len(open_corpus(folder, cache=cache, progress=False).train) == 26
    assert {path.suffix for path in cache.iterdir()} == {".lock", ""}


def open_and_tell(folder, cache, told):
    """Run by a process: tell how often the corpus was made, and its size."""
    made, make = [], preparing._make
    preparing._make = lambda *arguments: (made.append(1), make(*arguments))
    corpus = open_corpus(folder, cache=cache, progress=False)
    told.put((len(made), len(corpus.train)))


def test_processes_wait_for_the_one_that_makes_it(folder, tmp_path):
    fork = get_context("fork")
    told = fork.Queue()
    several = [fork.Process(target=open_and_tell, args=(folder, tmp_path, told)) for _ in range(3)]
    for process in several:
        process.start()
    results = sorted(told.get(timeout=60) for _ in several)
    for process in several:
        process.join()
    assert results == [(0, 26), (0, 26), (1, 26)]


def test_a_broken_or_read_only_cache(folder, tmp_path):
    cache = tmp_path / "cache"
    corpus = open_corpus(folder, cache=cache, progress=False)
    (made,) = cache.glob("mine-*")
    (cache / f".{made.name}.lock").unlink()
    open_corpus(folder, cache=cache, progress=False)
    assert list(cache.iterdir()) == [made]  # nothing is written where all is there
    (made / "test.ids").write_bytes(corpus.test.ids[:-1].tobytes())
    with pytest.raises(ValueError, match=f"{made.name} is broken: remove it"):
        open_corpus(folder, cache=cache, progress=False)


def test_the_vocabulary_of_another_corpus(folder, tmp_path):
    (tmp_path / "other.txt").write_text("The other end.\n" * 40)
    mine = open_corpus(folder, progress=False)
    other = open_corpus(tmp_path / "other.txt", progress=False)
    mine.check_vocabulary(len(mine.tokenizer), mine.fingerprint)
    with pytest.raises(ValueError, match=r"vocabulary must be that of the model, \d+ ids .* other"):
        other.check_vocabulary(len(mine.tokenizer), mine.fingerprint)
    (saved,) = (tmp_path / "cache").rglob("mine-*/tokenizer.json")
    for tokenizer in (mine.tokenizer, saved, str(saved)):
        read = open_corpus(tmp_path / "other.txt", tokenizer=tokenizer, progress=False)
        read.check_vocabulary(len(mine.tokenizer), mine.fingerprint)
        assert read.tokenizer.decode(read.test.ids[:5]) == "The <unk> end <unk>\n"
        assert len(read.counts) == len(mine.tokenizer)


def test_large_vocabularies_take_four_bytes(tmp_path):
    (tmp_path / "a.txt").write_text("".join(f"w{i}\n" for i in range(80_000)))
    corpus = open_corpus(tmp_path / "a.txt", tokenizer="blanks", progress=False)
    assert corpus.train.ids.dtype == np.uint32 and len(corpus.tokenizer) > 1 << 16
    assert corpus.tokenizer.decode(corpus.train.ids[-2:]) == corpus.tokenizer.words[-2] + "\n"


def test_progress(folder, capsys):
    open_corpus(folder)
    told = capsys.readouterr().err
    assert all(f"mine: {what}" in told for what in ("tokenizer", "train", "valid", "test"))
    open_corpus(folder, tokenizer="bpe", progress=False)
    assert capsys.readouterr().err == ""


def test_drifting_by_name(monkeypatch):
    small = DriftingCorpus(num_tokens=(10, 10, 10))
    monkeypatch.setattr(opening, "DriftingCorpus", lambda: small)
    assert open_corpus("drifting") is small


def test_bad_input(folder, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"name_or_path must be one of ptb, .*, got 'text8'"):
        open_corpus("text8")
    with pytest.raises(
        ValueError, match=r"tokenizer must be 'words'.* or the file of one, got 'x'"
    ):
        open_corpus(folder, tokenizer="x")
    with pytest.raises(ValueError, match="vocab_size and min_count must be None with a tokenizer"):
        open_corpus(folder, tokenizer=Words(["<eos>", "<unk>"]), min_count=2)
    with pytest.raises(ValueError, match="min_count must be None with byte pairs, got 2"):
        open_corpus(folder, tokenizer="bpe", min_count=2)
    with pytest.raises(ValueError, match="min_count must be at least 1, got 0"):
        open_corpus(folder, min_count=0, progress=False)
    with pytest.raises(ValueError, match=r"split must be one of \['train', 'valid', 'test'\] of"):
        open_corpus(folder, progress=False)["dev"]
    (folder / "valid.txt").write_bytes(b"fine\nb\xe9d\n")
    with pytest.raises(
        ValueError, match=r"valid\.txt must be UTF-8, but has byte 0xe9 at offset 6"
    ):
        open_corpus(folder, progress=False)
    (folder / "valid.txt").write_text("")
    with pytest.raises(ValueError, match=r"valid\.txt is empty"):
        open_corpus(folder, progress=False)
    (tmp_path / "short.txt").write_text("one line\n")
    with pytest.raises(ValueError, match=r"short\.txt has no text in its valid split"):
        open_corpus(tmp_path / "short.txt", progress=False)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"cannot write .*file"):
        open_corpus(folder, cache=tmp_path / "file", progress=False)


class Rows(list):
    """As much of a data set of Hugging Face as is used."""

    _fingerprint = "abc"

    @property
    def column_names(self):
        return list(self[0])


@pytest.fixture
def hub(monkeypatch):
    """A package `datasets` with two data sets."""
    lines = ["", " = One = \n", "", " a <unk> b \n", "", " = Two = \n", "", " a \n"]
    found = {
        ("Salesforce/wikitext", "wikitext-2-v1"): {
            split: Rows({"text": line} for line in lines)
            for split in ("train", "validation", "test")
        },
        ("me/books", None): {
            "train": Rows({"text": f"text {i}", "year": 1900 - i} for i in (0, 1))
        },
        ("me/pictures", None): {"train": Rows([{"image": 0}])},
    }

    def load_dataset(path, name):
        if (path, name) not in found:
            raise FileNotFoundError(f"Dataset '{path}' doesn't exist\nmore")
        return found[path, name]

    module = types.SimpleNamespace(load_dataset=load_dataset)
    monkeypatch.setitem(sys.modules, "datasets", module)
    monkeypatch.delenv("DRIFTWISE_DATA", raising=False)


def test_hugging_face(hub):
    wikitext = open_corpus("wikitext-2", progress=False)
    assert wikitext.name == "wikitext-2"
    assert wikitext.train.documents.titles.tolist() == ["One", "Two"]
    assert len(wikitext.train) == 6 + 4 + 8 and set(wikitext.splits) == {"train", "valid", "test"}
    books = open_corpus("hf:me/books", min_count=1, progress=False)
    assert books.tokenizer.decode(books.train.ids) == "text 0\ntext 1\n"
    assert books.train.documents.keys.tolist() == [1900, 1899] and list(books.splits) == ["train"]
    with pytest.raises(
        ValueError, match="me/films cannot be had from Hugging Face: Dataset 'me/fi"
    ):
        open_corpus("hf:me/films")
    with pytest.raises(ValueError, match=r"me/pictures must have a train split with a column text"):
        open_corpus("hf:me/pictures")


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        ImportError, match=r"need the package datasets: pip install 'driftwise\[hf\]"
    ):
        open_corpus("hf:me/books")
