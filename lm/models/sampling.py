"""Text from a language model."""

from __future__ import annotations

import torch
from torch import Tensor

from ...memory import State
from .language_model import LanguageModel


@torch.no_grad()
def sample(
    model: LanguageModel,
    prompt_ids: Tensor,
    num_tokens: int,
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
    state: State = None,
) -> tuple[Tensor, State]:
    """Continue prompts, word by word, with the state carried; in evaluation mode.

    Args:
        model: The model. Its mode is put back afterwards.
        prompt_ids: (B, T) int64, T at least 1.
        num_tokens: Words to draw.
        temperature: Divides log-probabilities; 0 takes the most likely word.
        top_p: Draws from the smallest set of words whose probability reaches this (Holtzman et al.
            2020, arXiv:1904.09751); 1 draws from all.
        generator: Of the random numbers, on the model's device; torch's own where None.
        state: State before the prompt; None means the initial state.

    Returns:
        (B, num_tokens) words, and the state after all but the last of them: to go on, pass the last
        column as the next prompt.

    Raises:
        ValueError: An argument is out of range.
    """
    if num_tokens < 1:
        raise ValueError(f"num_tokens must be at least 1, got {num_tokens}")
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature must be at least 0 and finite, got {temperature}")
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p must be above 0 and up to 1, got {top_p}")
    if prompt_ids.ndim != 2 or not prompt_ids.shape[1]:
        raise ValueError(
            f"prompt_ids must have shape (B, T) with T at least 1, got {tuple(prompt_ids.shape)}"
        )
    training = model.training
    model.eval()
    try:
        for piece in prompt_ids.split(model.max_length or prompt_ids.shape[1], 1):
            hidden, state = model(piece, state)
        words: list[Tensor] = []
        while True:
            log_probs = model.head.log_probs(hidden[:, -1])
            words.append(_draw(log_probs, temperature, top_p, generator))
            if len(words) == num_tokens:
                return torch.cat(words, 1), state
            hidden, state = model(words[-1], state)
    finally:
        model.train(training)


def _draw(
    log_probs: Tensor, temperature: float, top_p: float, generator: torch.Generator | None
) -> Tensor:
    """(B, 1) words from log-probabilities (B, V)."""
    if temperature == 0:
        return log_probs.argmax(-1, keepdim=True)
    probs = (log_probs / temperature).softmax(-1)
    if top_p < 1:
        ordered, order = probs.sort(-1, descending=True)
        before = ordered.cumsum(-1) - ordered
        probs = torch.zeros_like(probs).scatter(-1, order, ordered.masked_fill(before >= top_p, 0))
    return torch.multinomial(probs, 1, generator=generator)
