"""Memories on layers of models of Hugging Face, tiny and with random weights."""

from typing import Any

import pytest
import torch
from torch import nn

from driftwise.memory import augment

transformers = pytest.importorskip("transformers")

SMALL: dict[str, Any] = {"num_heads": 2, "num_slots": 4, "key_size": 3, "value_size": 2}
LAYERS = ["model.layers.0.mlp.down_proj", "model.layers.1.self_attn.q_proj"]


def llama() -> Any:
    config = transformers.LlamaConfig(
        vocab_size=13, hidden_size=8, intermediate_size=12, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=16,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).eval()


def gpt2() -> Any:
    config = transformers.GPT2Config(
        vocab_size=13, n_positions=16, n_embd=8, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    return transformers.GPT2LMHeadModel(config).eval()


def opened(network: Any) -> Any:
    for gain in network.gains:
        nn.init.normal_(gain)
    return network


def test_a_language_model_reads_tokens_and_gets_its_options() -> None:
    model, ids = llama(), torch.randint(13, (2, 9))
    network = augment(model, LAYERS, time_axis=True, **SMALL)
    given = {"attention_mask": torch.ones(2, 9), "labels": ids}
    output, _ = network(ids, **given)
    expected = model(ids, **given)
    assert type(output) is type(expected)
    assert torch.equal(output.logits, expected.logits) and torch.equal(output.loss, expected.loss)
    opened(network)(ids, **given)[0].loss.backward()
    assert all(weight.grad.abs().max() > 0 for weight in network.gains)
    logits, *_ = network(ids, return_dict=False)[0]
    assert (logits - expected.logits).abs().max() > 1e-3


def test_segments_with_the_cache_of_the_model_are_the_whole() -> None:
    network = opened(augment(llama().double(), LAYERS, time_axis=True, chunk_size=4, **SMALL))
    ids = torch.randint(13, (2, 12))
    whole, last = network(ids)
    pieces, state, cache = [], None, None
    for part in (slice(0, 5), slice(5, 6), slice(6, 12)):
        output, state = network(ids[:, part], state, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        pieces.append(output.logits)
    torch.testing.assert_close(torch.cat(pieces, 1), whole.logits, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(state[0].weights, last[0].weights, rtol=1e-9, atol=1e-11)


def test_a_sentence_at_every_step() -> None:
    """Without a time axis the model reads (B T) sentences, and its outputs hold None."""
    network = opened(augment(llama().double(), LAYERS, chunk_size=4, **SMALL))
    ids, starts = torch.randint(13, (2, 6, 5)), torch.zeros(2, 6, dtype=torch.bool)
    starts[0, 3] = True
    output, last = network(ids, None, starts, use_cache=False, return_dict=True)
    assert output.logits.shape == (2, 6, 5, 13) and output.loss is None
    state = network.initial_state(2)
    for t in range(6):
        y, state = network.step(ids[:, t], state, starts[:, t], use_cache=False)
        torch.testing.assert_close(y.logits, output.logits[:, t], rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(state, last, rtol=1e-9, atol=1e-11)


def test_the_transposed_linear_layers_of_gpt2() -> None:
    model, ids = gpt2(), torch.randint(13, (2, 9))
    network = augment(model, ["transformer.h.0.mlp.c_fc"], time_axis=True, **SMALL)
    assert (network.memories[0].input_size, network.memories[0].output_size) == (8, 32)
    assert torch.equal(network(ids)[0].logits, model(ids).logits)

    seen: dict[str, Any] = {}
    inside = model.transformer.h[0].mlp
    inside.act.register_forward_pre_hook(lambda _, args: seen.update(h=args[0]))
    inside.c_fc.register_forward_pre_hook(lambda _, args: seen.update(x=args[0]))
    opened(network)(ids)
    fast, _ = network.memories[0](seen["x"])
    torch.testing.assert_close(seen["h"], inside.c_fc(seen["x"]) + network.gains[0] * fast)
    with pytest.raises(ValueError, match=r"no 'h', available are \['transformer.h.0.attn.c_attn'"):
        augment(model, ["h"], time_axis=True)
