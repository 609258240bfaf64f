"""Sampling: seeds, greedy text, nuclei, and text in two pieces."""

import pytest
import torch

from driftwise.lm.models import (
    DropoutConfig,
    FastBlockConfig,
    LSTMConfig,
    TransformerConfig,
    build_model,
    sample,
)

V = 12
CONFIGS = {
    "lstm": LSTMConfig(8, 8, dropout=DropoutConfig(output=0.5), fast_block=FastBlockConfig()),
    "transformer": TransformerConfig(2, 8, 2, 4, 5),
}
each_model = pytest.mark.parametrize("name", CONFIGS)


def make(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    model = build_model(CONFIGS[name], V).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.5)
    return model


@each_model
def test_text_in_two_pieces_is_the_same_text(name: str) -> None:
    model, prompt = make(name), torch.randint(V, (3, 8))  # longer than one call of the transformer
    whole, _ = sample(model, prompt, 9, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(1)
    first, state = sample(model, prompt, 4, generator=generator)
    rest, _ = sample(model, first[:, -1:], 5, generator=generator, state=state)
    assert torch.equal(torch.cat((first, rest), 1), whole)
    assert model.training  # as it was


@each_model
def test_temperature_zero_takes_the_most_likely_word(name: str) -> None:
    model, prompt = make(name).eval(), torch.randint(V, (2, 4))
    words, _ = sample(model, prompt, 6, temperature=0)
    text = torch.cat((prompt, words), 1)
    state, hidden = None, []
    for piece in text[:, :-1].split(5, 1):
        part, state = model(piece, state)
        hidden.append(part)
    best = model.head.log_probs(torch.cat(hidden, 1)[:, 3:]).argmax(-1)
    assert torch.equal(best, words)
    assert torch.equal(sample(model, prompt, 6, top_p=1e-9)[0], words)


def test_draws_follow_the_distribution_and_the_nucleus() -> None:
    model, prompt = make("lstm").eval(), torch.full((20_000, 1), 3)
    probs = model.head.log_probs(model(prompt[:1])[0][:, 0]).exp()[0]
    words, _ = sample(model, prompt, 1)
    share = words.flatten().bincount(minlength=V) / len(words)
    assert (share - probs).abs().max() < 0.02
    ordered = probs.sort(descending=True)
    count = int((ordered.values.cumsum(0) < 0.6).sum()) + 1
    nucleus, _ = sample(model, prompt, 1, top_p=0.6)
    assert sorted(nucleus.unique().tolist()) == sorted(ordered.indices[:count].tolist())
    sharp = (probs**2 / (probs**2).sum()).max()
    words, _ = sample(model, prompt, 1, temperature=0.5)
    assert (words == probs.argmax()).double().mean() == pytest.approx(sharp.item(), abs=0.02)


def test_bad_input_is_named() -> None:
    model, prompt = make("lstm"), torch.randint(V, (1, 3))
    with pytest.raises(ValueError, match="num_tokens must be at least 1, got 0"):
        sample(model, prompt, 0)
    with pytest.raises(ValueError, match="temperature must be at least 0 and finite, got -1"):
        sample(model, prompt, 1, temperature=-1)
    with pytest.raises(ValueError, match="top_p must be above 0 and up to 1, got 0"):
        sample(model, prompt, 1, top_p=0)
    with pytest.raises(ValueError, match=r"prompt_ids must have shape \(B, T\) .* got \(3,\)"):
        sample(model, prompt[0], 1)
    with pytest.raises(ValueError, match="inputs must be from 0 to 11, got 50 to 50"):
        sample(model, torch.tensor([[50]]), 1)
