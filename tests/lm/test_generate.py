"""Text from models: reproducible, with the state carried, and what is refused."""

import pytest
import torch

from driftwise.lm.corpora import Words
from driftwise.lm.generate import generate
from driftwise.lm.models import FastBlockConfig, LSTMConfig, build_model

WORDS = Words(["<eos>", "<unk>", *(f"w{i}" for i in range(10))])


def test_it_goes_on_with_the_prompt() -> None:
    config = LSTMConfig(hidden_size=8, embedding_size=8, fast_block=FastBlockConfig())
    model = build_model(config, len(WORDS)).eval()
    texts = generate(model, WORDS, "w3 nobody w4", 6, num_samples=3, seed=1)
    assert texts == generate(model, WORDS, "w3 nobody w4", 6, num_samples=3, seed=1)
    assert len(set(texts)) == 3 and all(text.startswith("w3 <unk> w4") for text in texts)
    # The likeliest words are those of a model that reads all of the text again for each.
    ids = [WORDS.eos, 5, 6]
    for _ in range(6):
        hidden, _ = model(torch.tensor([ids]))
        ids.append(int(model.head.log_probs(hidden[0, -1]).argmax()))
    assert generate(model, WORDS, "w3 w4", 6, temperature=0) == [WORDS.decode(ids[1:])]
    assert generate(model, WORDS, num_tokens=6, seed=2)[0]


def test_what_is_refused() -> None:
    model = build_model(LSTMConfig(hidden_size=8, embedding_size=8), 11)
    with pytest.raises(ValueError, match="tokenizer must have the 11 ids of the model, got 12"):
        generate(model, WORDS)
    with pytest.raises(ValueError, match="num_samples must be at least 1, got 0"):
        generate(model, WORDS, num_samples=0)
