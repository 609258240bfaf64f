"""Tokenizers of other models: ids are theirs, words are counted as ever, text comes back."""

from types import SimpleNamespace

import numpy as np
import pytest

from driftwise.lm.corpora import (
    PretrainedTokenizer,
    fingerprint,
    load_tokenizer,
    open_corpus,
    save_tokenizer,
)

TEXT = "the cat sat on the mat.\nthe end of it </s> is <pad> here\n" * 40


def pretrained(bos: int | None = None, eos: int | None = 300) -> SimpleNamespace:
    """Like a tokenizer of transformers, with special tokens behind its pairs, and padding on."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=280, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    tokenizer.add_special_tokens(["<s>", "</s>", "<pad>"])
    tokenizer.enable_padding(length=99)
    tokenizer.enable_truncation(5)
    ids = {name: tokenizer.token_to_id(name) for name in ("<s>", "</s>")}
    return SimpleNamespace(
        backend_tokenizer=tokenizer,
        bos_token_id=ids["<s>"] if bos else None,
        eos_token_id=ids["</s>"] if eos else None,
    )


def test_text_comes_back_with_special_tokens_as_text(tmp_path):
    found = pretrained()
    tokenizer = PretrainedTokenizer.of(found, 320)
    assert len(tokenizer) == 320 and tokenizer.eos == found.eos_token_id
    (ids,) = tokenizer.encode([TEXT])
    assert tokenizer.decode(ids) == TEXT == tokenizer.decode([tokenizer.eos, *ids])
    assert len(ids) > 99 and tokenizer.eos not in ids
    (bare,) = PretrainedTokenizer.of(found, 320).encode(["the cat"])
    found.backend_tokenizer.no_padding()
    expected = found.backend_tokenizer.encode("the cat", add_special_tokens=False).ids
    np.testing.assert_array_equal(bare, expected)  # ids are those of the model
    save_tokenizer(tmp_path / "tokenizer.json", tokenizer)
    loaded = load_tokenizer(tmp_path / "tokenizer.json")
    assert isinstance(loaded, PretrainedTokenizer)
    assert fingerprint(loaded) == fingerprint(tokenizer)
    np.testing.assert_array_equal(loaded.encode([TEXT])[0], ids)


@pytest.mark.parametrize("bos", (None, 1))
def test_words_are_counted_whatever_the_tokens(tmp_path, bos):
    """Documents end with the mark where it is the model's eos, and not with its bos."""
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    options = {"cache": tmp_path, "progress": False}
    words = open_corpus(path, min_count=1, **options)
    tokenizer = PretrainedTokenizer.of(pretrained(bos), 320)
    corpus = open_corpus(path, tokenizer=tokenizer, **options)
    for split, expected in words.splits.items():
        found = corpus[split]
        assert found.num_words == expected.num_words
        assert found.num_bytes == expected.num_bytes
        assert (np.asarray(found.ids) == tokenizer.eos).sum() == (bos is None) * len(
            found.documents
        )
    assert corpus.counts.shape == (320,)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="has ids up to 282, got 280"):
        PretrainedTokenizer.of(pretrained(), 280)
    with pytest.raises(ValueError, match="tokenizer must have a bos or an eos token"):
        PretrainedTokenizer.of(pretrained(eos=None), 320)
    with pytest.raises(TypeError, match="must be a fast tokenizer of transformers, got a int"):
        PretrainedTokenizer.of(3, 320)
