"""Adapted models: the very logits of the originals, our contract, every adapter, plain errors."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.lm.adapters import (
    AdapterMaker,
    DynamicEvaluation,
    HebbianRows,
    NeuralCache,
    Reader,
    check_adapter,
)
from driftwise.lm.corpora import Corpus
from driftwise.lm.evaluation import StreamEvaluator, evaluate_model
from driftwise.lm.hugging_face import adapt
from driftwise.lm.models import model_flops, sample
from driftwise.memory import flatten_state, select_rows

transformers = pytest.importorskip(
    "transformers", reason="models of Hugging Face need the extra hf"
)

V, POSITIONS = 13, 12
NAMES = ("gpt2", "llama", "llama_tied", "gemma2", "cohere", "granite", "phi")
each_model = pytest.mark.parametrize("name", NAMES)
main_models = pytest.mark.parametrize("name", ("gpt2", "llama"))


@each_model
@pytest.mark.parametrize("fast_block", (False, True))
@torch.no_grad()
def test_logits_are_those_of_the_model_to_the_bit(make_pretrained, name, fast_block):
    """At once, and in pieces with the state where the model carries its cache."""
    model = make_pretrained(name)
    adapted = adapt(model, fast_block=fast_block)
    ids = torch.randint(V, (2, POSITIONS))
    hidden, _ = adapted(ids, None, torch.arange(POSITIONS).expand(2, -1) == 0)
    assert torch.equal(adapted.head.logits(hidden), model(ids).logits)
    cache, state = transformers.DynamicCache(), None
    for piece in ids.split((5, 1, 6), 1):
        hidden, state = adapted(piece, state)
        expected = model(piece, past_key_values=cache, use_cache=True).logits
        assert torch.equal(adapted.head.logits(hidden), expected)
    log_probs = adapted.head.log_probs(hidden)
    torch.testing.assert_close(log_probs, expected.log_softmax(-1))
    losses = adapted.head.loss(hidden, piece)
    torch.testing.assert_close(losses, -log_probs.gather(-1, piece[..., None])[..., 0])


@each_model
@torch.no_grad()
def test_windows_begin_with_the_document_and_overlap(make_pretrained, name):
    """Position p is read in the window that its place in the document says, from position 0 on."""
    model = make_pretrained(name, torch.float64)
    adapted = adapt(model, context=8, overlap=3)
    ids = torch.randint(V, (2, 30))
    found = adapted.head.logits(adapted(ids)[0])
    for p in range(30):
        begin = 0 if p < 8 else (p - 3) // 5 * 5
        expected = model(ids[:, begin : p + 1]).logits[:, -1]
        torch.testing.assert_close(found[:, p], expected, rtol=1e-9, atol=1e-9)
    starts = torch.zeros(2, 30, dtype=torch.bool)
    starts[1, 11] = True  # from here on, rows are at different places of their windows
    out_of_step = adapted.head.logits(adapted(ids, None, starts)[0])
    torch.testing.assert_close(out_of_step[0], found[0], rtol=1e-9, atol=1e-9)
    alone = adapted.head.logits(adapted(ids[1:, 11:])[0])
    torch.testing.assert_close(out_of_step[1:, 11:], alone, rtol=1e-9, atol=1e-9)


@main_models
@given(data=st.data())
@settings(deadline=None, max_examples=5)
def test_pieces_are_the_whole(make_pretrained, name, data):
    """Hidden vectors, states and gradients, whatever the pieces, resets and rows beside."""
    length = data.draw(st.integers(1, 20), "length")
    cuts = sorted(data.draw(st.sets(st.integers(1, length)), "cuts") | {length})
    flags = st.lists(st.sampled_from((False, False, True)), min_size=length, max_size=length)
    starts = torch.tensor([data.draw(flags, f"starts {row}") for row in range(3)])
    adapted = adapt(make_pretrained(name, torch.float64), context=6, overlap=2)
    torch.manual_seed(0)
    ids, before = torch.randint(V, (3, length)), torch.randint(V, (3, 4))

    def run(stops, rows=slice(None), text=ids):
        """From a state that holds something, with gradients that go back to before it."""
        hidden, state = [], adapted(before[rows])[1]
        begin = 0
        for end in stops:
            part, state = adapted(text[rows, begin:end], state, starts[rows, begin:end])
            hidden.append(part)
            begin = end
        loss = torch.cat(hidden, 1).square().sum()
        gradients = torch.autograd.grad(loss, list(adapted.body.parameters()))
        return [torch.cat(hidden, 1), *flatten_state(state).values(), *gradients]

    whole = run([length])
    torch.testing.assert_close(run(cuts), whole, rtol=1e-9, atol=1e-9)
    alone = run([length], [1])[0]
    torch.testing.assert_close(alone[0], whole[0][1], rtol=1e-9, atol=1e-9)
    later = ids.clone()
    later[:, length // 2 :] = (later[:, length // 2 :] + 1) % V
    torch.testing.assert_close(
        run([length], text=later)[0][:, : length // 2], whole[0][:, : length // 2]
    )
    edges = [*starts[1].nonzero().flatten().tolist(), length]
    for begin, end in pairwise(edges):  # what follows a start is a text of its own
        document = adapted(ids[1:2, begin:end])[0][0]
        torch.testing.assert_close(document, whole[0][1, begin:end], rtol=1e-9, atol=1e-9)


@main_models
def test_states_are_plain_trees(make_pretrained, name):
    adapted = adapt(make_pretrained(name), fast_block=True)
    ids = torch.randint(V, (3, 9))
    state = adapted(ids)[1]
    kept = copy.deepcopy({key: part.detach() for key, part in flatten_state(state).items()})
    expected = adapted(ids, state)[0]
    assert all(torch.equal(part, kept[key]) for key, part in flatten_state(state).items())
    found = adapted(ids[1:], select_rows(state, slice(1, None)))[0]
    torch.testing.assert_close(found, expected[1:], rtol=1e-5, atol=1e-5)
    nothing = adapted.initial_state(3)
    assert torch.equal(adapted(ids, nothing)[0], adapted(ids)[0])
    with pytest.raises(ValueError, match="state must have the batch size and sizes of inputs"):
        adapted(ids, adapted.initial_state(2))
    words, _ = sample(adapted, ids[:, :2], 20, temperature=0)
    assert words.shape == (3, 20)


ADAPTERS = {
    "static": lambda model: Reader(model),
    "sliding": lambda model: Reader(model, context=10),
    "cache": lambda model: Reader(model, memories=[NeuralCache(20, 0.3, 0.2)]),
    "hebbian": lambda model: Reader(model, rules=[HebbianRows(torch.ones(V).long(), 0.1)]),
    "dynamic": lambda model: Reader(model, rules=[DynamicEvaluation(0.1, 8)]),
    "fwl": lambda model: Reader(model, fast_block=True),
}


@main_models
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_adapters_keep_the_rules(make_pretrained, name, adapter):
    model = make_pretrained(name, torch.float64)
    adapted = adapt(model, fast_block=adapter == "fwl", context=6, overlap=2)
    if adapter == "fwl":
        with torch.no_grad():
            adapted.layer.residual.normal_()
            adapted.layer.log_step_size.fill_(-3)
    check_adapter(ADAPTERS[adapter], adapted, length=4)


def test_the_evaluator_reads_them_unchanged(make_pretrained, split):
    """By name, tuned defaults, in lanes that reset; and the model itself is left as it was."""
    model = make_pretrained("llama")
    adapted = adapt(model)
    before = copy.deepcopy(model.state_dict())
    part = split.first(200)
    counts = np.bincount(split.ids, minlength=V)
    tokenizer = type("Tokens", (), {"__len__": lambda _: V, "to_plain": lambda _: {}})()
    corpus = Corpus("turns", tokenizer, {"train": split, "test": part}, counts)
    names = ["static", "cache", "dynamic", "hebbian+cache", "knn", "mbpa", "dynamic_rms"]
    report = evaluate_model(adapted, corpus, names, length=8, tune_tokens=0, progress=False)
    for adapter in ("cache", "dynamic", "mbpa"):  # three words in turn are soon known
        assert report["adapters"][adapter]["gain"]["value"] > 0.1, adapter
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key
    one, many = (
        StreamEvaluator(part, num_lanes=lanes, length=8, progress=False).read(Reader(adapted))
        for lanes in (1, 3)
    )
    np.testing.assert_allclose(one.nats, many.nats, atol=1e-5)


def test_flops_are_those_of_the_matrices(make_pretrained):
    """A GPT-2 block has 12 D² weights in matrices; a window of 12 is read from its beginning."""
    adapted = adapt(make_pretrained("gpt2"), context=12, overlap=4)
    cost = model_flops(adapted, 8, carried=False)
    assert cost.body == 2 * 12 * 8**2 * 2 and cost.head == 2 * 8 * V
    assert cost.attention == 4 * 8 * (1 + 8) / 2 * 2  # two layers, 4.5 positions seen on average
    again = model_flops(adapted, 8)
    assert again.body == 12 / 8 * cost.body and again.attention == 12 / 8 * 4 * 8 * 13 / 2 * 2
    AdapterMaker(adapted, None, None, length=8).make("cache").flops_per_token(8)


def test_bad_input_is_named(make_pretrained):
    model = make_pretrained("gpt2")
    with pytest.raises(TypeError, match=r"model must be a causal language .* got a Linear: load"):
        adapt(torch.nn.Linear(2, 2))
    with pytest.raises(TypeError, match="model must predict words, got a GPT2Model: load it"):
        adapt(model.transformer)
    with pytest.raises(ValueError, match=r"context must be from 2 to the 12 positions .* got 13"):
        adapt(model, context=13)
    with pytest.raises(ValueError, match="overlap must be from 1 to below context=4, got 4"):
        adapt(model, context=4, overlap=4)
    with pytest.raises(ValueError, match="inputs must be from 0 to 12, got 13"):
        adapt(model)(torch.full((1, 1), V))
    config = transformers.MambaConfig(
        vocab_size=V, hidden_size=8, state_size=2, num_hidden_layers=1, time_step_rank=2
    )
    with pytest.raises(ValueError, match="MambaForCausalLM"):
        adapt(transformers.MambaForCausalLM(config))
    other = copy.deepcopy(model)
    other.forward = lambda **inputs: type("Out", (), {"logits": 2 * model(**inputs).logits})()
    with pytest.raises(ValueError, match="logits of GPT2LMHeadModel must be those of its output"):
        adapt(other)
