"""Text that a language model goes on with."""

from __future__ import annotations

import torch

from .corpora import Tokenizer
from .models import LanguageModel, sample
from .precision import autocast


def generate(
    model: LanguageModel,
    tokenizer: Tokenizer,
    prompt: str = "",
    num_tokens: int = 100,
    *,
    num_samples: int = 1,
    temperature: float = 1.0,
    top_p: float = 0.95,
    seed: int = 0,
) -> list[str]:
    """Continue a text, with the state carried from word to word.

    Args:
        model: The model.
        tokenizer: Its vocabulary.
        prompt: The text, which begins a document.
        num_tokens: Tokens to draw.
        num_samples: Continuations.
        temperature: As in :func:`driftwise.lm.models.sample`.
        top_p: As there.
        seed: Seed of what is drawn.

    Returns:
        For each sample the prompt, as the vocabulary knows it, and how it goes on.

    Raises:
        ValueError: A number is out of range.
    """
    if num_samples < 1:
        raise ValueError(f"num_samples must be at least 1, got {num_samples}")
    if model.vocab_size != len(tokenizer):
        raise ValueError(
            f"tokenizer must have the {model.vocab_size} ids of the model, got {len(tokenizer)}"
        )
    device = next(model.parameters()).device
    read = tokenizer.encode([prompt])[0].tolist()
    ids = torch.tensor([[tokenizer.eos, *read]], device=device).expand(num_samples, -1)
    generator = torch.Generator(device).manual_seed(seed)
    with autocast(device):
        drawn, _ = sample(
            model, ids, num_tokens, temperature=temperature, top_p=top_p, generator=generator
        )
    return [tokenizer.decode(read + row) for row in drawn.tolist()]
