"""Tiny models of Hugging Face with random weights: nothing is downloaded."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from driftwise.lm.corpora import Documents, TokenSplit

V, POSITIONS = 13, 12


def _gpt2() -> Any:
    import transformers

    config = transformers.GPT2Config(
        vocab_size=V, n_positions=POSITIONS, n_embd=8, n_layer=2, n_head=2,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return transformers.GPT2LMHeadModel(config)


def _llama(kind: str = "Llama", **options: Any) -> Any:
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        vocab_size=V, hidden_size=8, intermediate_size=12, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=POSITIONS,
        bos_token_id=0, eos_token_id=1, pad_token_id=None, **options,
    )  # fmt: skip
    return getattr(transformers, f"{kind}ForCausalLM")(config)


MODELS: dict[str, Callable[[], Any]] = {
    "gpt2": _gpt2,
    "llama": _llama,
    "llama_tied": lambda: _llama(tie_word_embeddings=True),
    "gemma2": lambda: _llama("Gemma2", head_dim=4, final_logit_softcapping=3.0, sliding_window=5),
    "cohere": lambda: _llama("Cohere", logit_scale=0.3),
    "granite": lambda: _llama("Granite", logits_scaling=3.0),
    "phi": lambda: _llama("Phi"),  # a bias in its output layer
}


@pytest.fixture(scope="session")
def make_pretrained() -> Callable[..., Any]:
    """A function that makes a model by name, as wild as a trained one: no weight at its start."""

    def make(name: str, dtype: torch.dtype = torch.float32) -> Any:
        torch.manual_seed(0)
        model = MODELS[name]().to(dtype).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
        return model

    return make


@pytest.fixture(scope="session")
def split() -> TokenSplit:
    """Documents in each of which three words of its own come in turn."""
    random = np.random.default_rng(0)
    lengths = random.integers(20, 60, 40)
    ids = [np.resize(random.choice(np.arange(1, V), 3, replace=False), n) for n in lengths]
    count = len(lengths)
    index = Documents(
        np.append(0, lengths.cumsum()), np.arange(count), lengths, 5 * lengths,
        np.array(["text"] * count),
    )  # fmt: skip
    return TokenSplit(np.concatenate(ids).astype(np.uint16), index, eos=0)
