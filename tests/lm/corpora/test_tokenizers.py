"""Words and byte pairs."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.lm.corpora import (
    BytePairs,
    Words,
    fingerprint,
    load_tokenizer,
    save_tokenizer,
    split_words,
)

BYTE_PAIRS = BytePairs.train(["the end of the <eos> <|endoftext|> text\n"] * 5, vocab_size=270)

EXAMPLES = {
    "The end.": ["The", "end", "."],
    "end.\n\nDon't—stop!\n": ["end", ".", "<eos>", "<eos>", "Don't", "—", "stop", "!", "<eos>"],
    "well-known -- and...": ["well", "-", "known", "--", "and", "..."],
    "$3,000.50, 19th at 10:30.": ["$", "3,000.50", ",", "19th", "at", "10:30", "."],
    "_so_ o’clock 'quoted'": ["_", "so", "_", "o’clock", "'", "quoted", "'"],
    "naïve 戦場のヴァルキュリア3": ["naïve", "戦場のヴァルキュリア3"],
    "a <unk> b": ["a", "<", "unk", ">", "b"],
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_words_of_raw_text(text):
    assert split_words(text, "punctuation") == EXAMPLES[text]


def test_words_that_are_apart_are_left_alone():
    text = " = Title = \n \n The end. @-@ <unk> \n"
    words = ["=", "Title", "=", "<eos>", "<eos>", "The", "end.", "@-@", "<unk>", "<eos>"]
    assert split_words(text, "blanks") == words


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.text(st.sampled_from("abc \n"))),
    st.integers(1, 4),
    st.none() | st.integers(3, 6),
)
def test_vocabulary_by_frequency(texts, min_count, vocab_size):
    words = Words.train(texts, min_count=min_count, vocab_size=vocab_size)
    counts = Counter(word for text in texts for word in split_words(text, "blanks"))
    eos = counts.pop("<eos>", 0)
    kept = sorted((-n, i, w) for i, (w, n) in enumerate(counts.items()) if n >= min_count)
    kept = {w: -n for n, _, w in kept[: vocab_size and vocab_size - 2]}
    kept |= {"<eos>": eos, "<unk>": sum(counts.values()) - sum(kept.values())}
    assert set(words.words) == set(kept) and len(words) == len(kept)
    ids = np.concatenate([np.empty(0, np.uint32), *words.encode(texts)])
    seen = np.bincount(ids, minlength=len(words))
    assert seen.tolist() == [kept[word] for word in words.words]
    assert (np.diff(seen) <= 0).all()


def test_words_back_and_forth():
    words = Words.train(["a b <unk>\n\nc a\n"])
    (ids,) = words.encode(["a new b\n\nc\n"])
    assert ids.dtype == np.uint32
    assert words.decode(ids) == "a <unk> b\n\nc\n"


@settings(deadline=None, max_examples=100)
@given(st.text())
def test_byte_pairs_lose_nothing(text):
    (ids,) = BYTE_PAIRS.encode([text])
    assert BYTE_PAIRS.decode(ids) == text and BYTE_PAIRS.eos not in ids


def test_byte_pairs():
    assert len(BYTE_PAIRS) == 270 and BYTE_PAIRS.eos == 269
    assert len(BYTE_PAIRS.encode([" the the"])[0]) == 2
    # Fewer ids where there are no more pairs.
    assert len(BytePairs.train(["ab ab"], vocab_size=1000)) == 256 + 1 + 1


@pytest.mark.parametrize(
    "tokenizer", [Words.train(["é a.\n"], "punctuation"), BYTE_PAIRS], ids=["words", "bpe"]
)
def test_saving(tmp_path, tokenizer):
    path = tmp_path / "tokenizer.json"
    save_tokenizer(path, tokenizer)
    loaded = load_tokenizer(path)
    text = "the é: a.\n"
    assert [*loaded.encode([text])[0]] == [*tokenizer.encode([text])[0]]
    assert (loaded.eos, len(loaded)) == (tokenizer.eos, len(tokenizer))
    assert fingerprint(loaded) == fingerprint(tokenizer)
    assert loaded.ends_documents is tokenizer.ends_documents


def test_fingerprints_differ():
    texts = ["a b\n"]
    made = [
        Words.train(texts),
        Words.train(texts, "punctuation"),
        Words.train(["b a\n"]),
        Words.train(["a b c\n"]),
        BytePairs.train(texts, vocab_size=257),
        BytePairs.train(["ab ab"], vocab_size=258),
    ]
    assert len(set(map(fingerprint, made))) == len(made)


def test_bad_input(tmp_path):
    with pytest.raises(TypeError, match=r"min_count must be an integer, got 1\.5"):
        Words.train(["a"], min_count=1.5)
    with pytest.raises(ValueError, match="min_count must be at least 1, got 0"):
        Words.train(["a"], min_count=0)
    with pytest.raises(ValueError, match="vocab_size must be at least 3, got 2"):
        Words.train(["a"], vocab_size=2)
    with pytest.raises(ValueError, match="vocab_size must be at least 257, got 256"):
        BytePairs.train(["a"], vocab_size=256)
    with pytest.raises(ValueError, match="words must be different and have <eos> and <unk>"):
        Words(["a", "a", "<eos>", "<unk>"])
    with pytest.raises(ValueError, match="style must be 'blanks' or 'punctuation', got 'moses'"):
        Words(["<eos>", "<unk>"], "moses")
    for content in ("no json", "[]", '{"kind": "moses"}', '{"kind": "bpe", "tokenizer": {}}'):
        (tmp_path / "t.json").write_text(content)
        with pytest.raises(ValueError, match=r"t\.json must be a tokenizer saved by driftwise"):
            load_tokenizer(tmp_path / "t.json")
