"""The drifting language: drawn as told, and its optimum against brute force."""

from collections import defaultdict
from itertools import product

import numpy as np
import pytest

from driftwise.envs.schedules import AtSteps, Bursts, Hazard, Never, Periodic
from driftwise.lm.corpora import DriftingCorpus, Lanes, drifting
from driftwise.lm.corpora.drifting_optimum import filtered_nats, static_table

K, V, L = 3, 3, 4
HAZARDS = [
    np.array([0.0, 0.3, 0.3, 0.3]),
    np.array([0.0, 0.0, 1.0, 0.0]),
    np.zeros(4),
]


def tables(seed=0):
    """K tables over V ids, of which 0 is never drawn."""
    made = np.zeros((K, V, V))
    made[:, :, 1:] = np.random.default_rng(seed).dirichlet(np.ones(V - 1), (K, V))
    return made


def paths(hazards):
    """All topics and words of a document, with their probabilities."""
    made = tables()
    for topics in product(range(K), repeat=L):
        prior = 1 / K
        for t in range(1, L):
            same = topics[t] == topics[t - 1]
            prior *= 1 - hazards[t] if same else hazards[t] / (K - 1)
        if prior:
            for words in product(range(1, V), repeat=L):
                before = (0, *words[:-1])
                chance = np.prod(
                    [made[z, a, b] for z, a, b in zip(topics, before, words, strict=True)]
                )
                yield topics, words, prior * chance


@pytest.mark.parametrize("hazards", HAZARDS, ids=["hazard", "at a step", "never"])
def test_adaptive_is_the_sum_over_all_topics(hazards):
    made, chances = tables(), defaultdict(float)  # of the first words of a document
    for _, words, chance in paths(hazards):
        for t in range(L + 1):
            chances[words[:t]] += chance
    assert np.isclose(chances[()], 1)
    for words in product(range(1, V), repeat=L):
        before = [0, *words[:-1]]
        likelihoods = np.moveaxis(made[:, before, words], 0, -1)[None]
        nats = filtered_nats(likelihoods, hazards)[0]
        exact = [-np.log(chances[words[: t + 1]] / chances[words[:t]]) for t in range(L)]
        np.testing.assert_allclose(nats, exact, rtol=1e-12)


@pytest.mark.parametrize("hazards", HAZARDS, ids=["hazard", "at a step", "never"])
def test_static_is_the_best_fixed_table(hazards):
    pairs = np.zeros((V, V))
    for _, words, chance in paths(hazards):
        for before, word in zip((0, *words[:-1]), words, strict=True):
            pairs[before, word] += chance
    expected = pairs / pairs.sum(1, keepdims=True)
    np.testing.assert_allclose(static_table(tables(), hazards), expected, rtol=1e-12)


def test_a_long_document_settles():
    """The law stops changing: the table is that of going on to the end all the same."""
    made, length = tables(1), 5000
    hazards = np.append(0, np.full(length - 1, 0.02))
    law, total = np.zeros((K, V)), np.zeros((K, V))
    law[:, 0] = 1 / K
    for hazard in hazards:
        law = (1 - hazard) * law + hazard / (K - 1) * (law.sum(0) - law)
        total += law
        law = np.einsum("kv,kvw->kw", law, made)
    expected = np.einsum("kv,kvw->vw", total, made) / total.sum(0)[:, None]
    np.testing.assert_allclose(static_table(made, hazards), expected, rtol=1e-10)


SMALL = {
    "num_words": 12,
    "num_topics": 3,
    "concentration": 4.0,
    "num_tokens": (60_000, 20_000, 20_000),
}


@pytest.mark.parametrize("length", [None, 200])
def test_the_readers_are_in_order(length):
    corpus = DriftingCorpus(**SMALL, document_length=length, schedule=Hazard(0.02))
    static, adaptive, clairvoyant = (nats.mean() for nats in corpus.optimum("test"))
    assert static > adaptive + 0.03 and adaptive > clairvoyant + 0.01


def test_words_are_drawn_from_the_tables():
    corpus = DriftingCorpus(**SMALL)
    tokens = corpus.train
    words, topics = tokens.ids.astype(int), corpus.topics["train"]
    counts = np.zeros(corpus.tables.shape)
    np.add.at(counts, (topics[1:], words[:-1], words[1:]), 1)
    visits = counts.sum(-1, keepdims=True)
    error = (counts - visits * corpus.tables) / np.sqrt(np.maximum(visits * corpus.tables, 1))
    assert not counts[corpus.tables == 0].any()
    assert np.abs(error).max() < 5 and 0.7 < error[visits[..., 0] > 100].std() < 1.1
    np.testing.assert_allclose(corpus.tables.sum(-1), 1)


def test_topics_change_when_told():
    for schedule, when in (
        (Never(), []),
        (AtSteps((3, 5)), [3, 5]),
        (Periodic(4), [4, 8]),
        (Periodic(4, phase=2), [2, 6]),
        (Hazard(1.0), list(range(1, 10))),
    ):
        corpus = DriftingCorpus(num_tokens=(40, 10, 10), document_length=10, schedule=schedule)
        topics = corpus.topics["train"].reshape(4, 10)
        changed = np.diff(topics, axis=1) != 0
        assert (changed.nonzero()[1] + 1).tolist() == when * 4
        assert topics.min() >= 0 and topics.max() < 8
    topics = DriftingCorpus(**SMALL, schedule=Hazard(0.1)).topics["train"]
    assert abs((np.diff(topics) != 0).mean() - 0.1) < 0.01
    assert np.abs(np.bincount(topics) / len(topics) - 1 / 3).max() < 0.02


def test_no_change_leaves_nothing_to_find_out():
    """With one topic to a document, the adaptive reader comes to lose what the clairvoyant does."""
    corpus = DriftingCorpus(**SMALL, schedule=Never(), document_length=1000)
    optimum = corpus.optimum("test")
    late = np.arange(20_000) % 1000 >= 300
    gap = optimum.adaptive - optimum.clairvoyant
    assert abs(gap[late].mean()) < 1e-4 and gap[~late].mean() > 1e-3


def test_the_same_seed_gives_the_same_language():
    one, other, third = (DriftingCorpus(**SMALL, seed=seed) for seed in (4, 4, 5))
    for split in ("train", "valid", "test"):
        assert (one[split].ids == other[split].ids).all()
        assert (one[split].ids != third[split].ids).any()
    assert (one.valid.ids != one.test.ids).any()


def test_a_corpus_like_any_other():
    corpus = DriftingCorpus(**SMALL, document_length=100)
    assert len(corpus.tokenizer) == 14 and corpus.counts[[0, 13]].tolist() == [0, 0]
    batch = next(iter(Lanes(corpus.train, 4, 300, order="given")))
    assert batch.starts.nonzero()[:3].tolist() == [[0, 0], [0, 100], [0, 200]]
    assert (batch.inputs[batch.starts] == 0).all()
    text = corpus.tokenizer.decode(corpus.valid.ids[:100])
    assert corpus.valid.documents.bytes[0] == len(text) + 1 and text.startswith("w")
    assert len(corpus.optimum("valid").adaptive) == len(corpus.valid) == 20_000


def test_bad_input():
    for arguments, message in (
        ({"num_topics": 1}, "num_words and num_topics must be at least 2, got 200 and 1"),
        ({"topic_weight": 0.0}, r"topic_weight must be in \(0, 1\] and .* got 0.0 and 20.0"),
        ({"concentration": 0.0}, "concentration positive, got 0.7 and 0.0"),
        ({"document_length": 0}, "num_tokens must be enough .* document_length=0"),
        ({"num_tokens": (9, 9, 0)}, r"num_tokens must be enough .* got \(9, 9, 0\)"),
        ({"schedule": Bursts()}, "schedule must be Hazard, Never, AtSteps, or .* got Bursts"),
        ({"schedule": Periodic(5, jitter=2)}, "schedule must be Hazard, .* got Periodic"),
        ({"schedule": Periodic(5, phase=-1)}, "schedule must be Hazard, .* got Periodic"),
    ):
        with pytest.raises(ValueError, match=message):
            DriftingCorpus(**arguments)
    assert drifting.hazards(Hazard(0.5), 3).tolist() == [0.0, 0.5, 0.5]
