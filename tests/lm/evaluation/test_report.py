"""Perplexities, buckets, intervals, tuning and what is kept of an evaluation."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from driftwise.envs.schedules import Hazard
from driftwise.lm.adapters import AdapterMaker
from driftwise.lm.corpora import Corpus, Documents, DriftingCorpus, TokenSplit, open_corpus
from driftwise.lm.evaluation import (
    Reading,
    StreamEvaluator,
    build_report,
    by_frequency,
    by_occurrence,
    by_position,
    evaluate_model,
    format_report,
    plot_positions,
    ratio_interval,
    tune_adapters,
)
from driftwise.lm.evaluation.intervals import unit_edges
from driftwise.lm.models import LSTMConfig, TransformerConfig, build_model


def split_of(documents: list[list[int]], words: list[int] | None = None) -> TokenSplit:
    sizes = np.array([len(document) for document in documents])
    counts = sizes if words is None else np.array(words)
    index = Documents(
        np.append(0, sizes.cumsum()), np.arange(len(sizes)), counts, 4 * sizes, np.array(["d"])
    )
    return TokenSplit(np.concatenate(documents).astype(np.uint16), index, eos=0)


def test_buckets() -> None:
    split = split_of([[0, 1, 0, 2], [2, 3, 3]])
    frequency, names = by_frequency(split, np.array([10_001, 10_000, 100, 99]))
    assert names == [">10k", "1k-10k", "100-1k", "<100"]
    assert frequency.tolist() == [0, 1, 0, 2, 2, 3, 3]
    repeated, _ = by_occurrence(split)
    assert repeated.tolist() == [0, 0, 1, 0, 0, 0, 1]
    position, names = by_position(split_of([[0] * 40, [0] * 3]))
    assert names == ["0-15", "16-31", "32-63"]
    assert position.tolist() == [*[0] * 16, *[1] * 16, *[2] * 8, 0, 0, 0]
    position, names = by_position(split_of([[0] * 45]))
    assert len(names) == 20 and np.bincount(position).tolist() == [2, 2, 2, 3] * 5


def test_a_report_counts_words_whatever_the_tokens() -> None:
    """Two tokens a word: the perplexity per word is that of a token, squared."""
    split = split_of([[0, 1, 0, 2], [2, 3]] * 15, words=[2, 1] * 15)
    nats = np.full(90, math.log(5), np.float32)
    readings = {
        "static": Reading(nats, 2.0, 10.0, "static"),
        "better": Reading(nats - np.float32(math.log(2)), 3.0, 40.0, "better {}"),
    }
    report = build_report(readings, split, np.array([9, 9, 9, 9]), "how")
    static, better = report["adapters"]["static"], report["adapters"]["better"]
    assert static["word_perplexity"]["value"] == pytest.approx(25)
    assert better["word_perplexity"]["value"] == pytest.approx(6.25)
    assert static["word_perplexity"]["low"] == pytest.approx(25) and static["gain"]["value"] == 0
    assert better["gain"]["value"] == pytest.approx(2 * math.log(2))
    assert static["bits_per_byte"] == pytest.approx(math.log2(5) / 4)
    assert static["nats_per_token"] == pytest.approx(math.log(5))
    assert better["seconds_ratio"] == 1.5 and better["flops_ratio"] == 4.0
    assert static["frequency"] == {"<100": {"perplexity": pytest.approx(5), "tokens": 90}}
    assert static["occurrence"]["first"]["tokens"] == 75
    assert report["protocol"].endswith("95 % intervals by resampling documents")
    assert static["word_perplexity"]["n"] == 30
    assert "better" in format_report(report)
    figure = plot_positions(report, in_documents=True, title="t")
    assert figure.axes[0].get_xscale() == "log"


def test_byte_pairs_count_words(tmp_path) -> None:
    """A corpus in words and in byte pairs: as many words and bytes, other tokens."""
    text = tmp_path / "t.txt"
    text.write_text("The well-known end. It was the end of the end.\n" * 300, "utf-8")
    found = {}
    for tokenizer, size in (("words", None), ("bpe", 270)):
        corpus = open_corpus(
            text, tokenizer=tokenizer, vocab_size=size, cache=tmp_path, progress=False
        )
        torch.manual_seed(0)
        model = build_model(LSTMConfig(8, 8), len(corpus.tokenizer))
        report = evaluate_model(model, corpus, ["static"], length=50, progress=False)
        nats = report["adapters"]["static"]["nats_per_token"] * report["tokens"]
        static = report["adapters"]["static"]
        assert static["nats_per_word"] == pytest.approx(nats / corpus.test.num_words)
        assert static["bits_per_byte"] == pytest.approx(nats / corpus.test.num_bytes / math.log(2))
        found[tokenizer] = report["tokens"], report["words"], report["bytes"]
    assert found["words"][1:] == found["bpe"][1:] and found["words"][0] < found["bpe"][0]


def test_diverged_numbers_do_not_stop_a_report() -> None:
    split = split_of([[0, 1]] * 30)
    report = build_report(
        {"x": Reading(np.full(60, np.inf, np.float32), 1.0, math.nan, "x")}, split, np.ones(2), ""
    )
    assert report["adapters"]["x"]["frequency"]["<100"]["perplexity"] > 1e300


def test_units() -> None:
    edges, name = unit_edges(np.array([0, 2_600]))
    assert edges.tolist() == [0, 1_300, 2_600] and name == "blocks of 1,300 tokens"
    offsets = np.arange(22)
    assert unit_edges(offsets) == (pytest.approx(offsets), "documents")


def test_intervals_cover_the_ratio() -> None:
    """Nearly as often as they say, for the mean of documents of unequal length."""
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(100):
        words = rng.integers(10, 200, size=50).astype(float)
        nats = words * (2 + 0.3 * rng.standard_normal(50))
        found = ratio_interval(nats, words, num_resamples=400, seed=trial)
        covered += found.low <= 2.0 <= found.high
    assert 88 <= covered <= 99
    alone = ratio_interval(np.array([6.0]), np.array([2.0]))
    assert alone == (3.0, 3.0, 3.0, 1)


def test_the_first_tokens_of_a_split() -> None:
    split = split_of([[1, 2, 3, 4], [5, 6, 7, 8, 9, 10]], words=[4, 3])
    cut = split.first(7)
    assert cut.ids.tolist() == [1, 2, 3, 4, 5, 6, 7] and len(cut.documents) == 2
    assert cut.documents.offsets.tolist() == [0, 4, 7] and cut.num_words == 4 + 2
    assert cut.num_bytes == 16 + 12
    assert len(split.first(4).documents) == 1 and len(split.first(100)) == 10
    with pytest.raises(ValueError, match="num_tokens must be at least 1"):
        split.first(0)


@pytest.fixture(scope="module")
def corpus() -> DriftingCorpus:
    return DriftingCorpus(
        num_words=20,
        num_topics=3,
        schedule=Hazard(0.02),
        document_length=100,
        num_tokens=(2_000, 400, 600),
    )


@pytest.fixture(scope="module")
def model(corpus: DriftingCorpus) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model(LSTMConfig(8, 8), len(corpus.tokenizer)).eval()


def test_tuning_takes_the_best_of_the_grid(corpus: DriftingCorpus, model: torch.nn.Module) -> None:
    maker = AdapterMaker(model, corpus.train, torch.from_numpy(corpus.counts), length=20)
    valid = StreamEvaluator(corpus.valid.first(150), length=20, progress=False)
    given = {"cache": {"window": 50}}
    found = tune_adapters(["static", "cache+dynamic"], maker, valid, settings=given, progress=False)
    assert len(found.nats["cache"]) == 15 and len(found.nats["dynamic"]) == 6
    best = min(found.nats["cache"], key=found.nats["cache"].get)
    chosen = found.settings["cache"]
    assert best == f"theta={chosen['theta']:g}, weight={chosen['weight']:g}"
    assert chosen["window"] == 50 and given == {"cache": {"window": 50}}
    again = valid.read(maker.make("cache", found.settings)).nats.mean()
    assert again == pytest.approx(min(found.nats["cache"].values()))


def test_what_diverges_is_never_chosen(
    corpus: DriftingCorpus, model: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    from driftwise.lm.adapters.config import DynamicConfig

    monkeypatch.setattr(DynamicConfig, "grid", {"lr": (1e30, 0.01)})
    maker = AdapterMaker(model, corpus.train, torch.from_numpy(corpus.counts), length=20)
    valid = StreamEvaluator(corpus.valid.first(150), length=20, progress=False)
    found = tune_adapters(["dynamic"], maker, valid, progress=False)
    assert found.settings == {"dynamic": {"lr": 0.01}} and found.nats["dynamic"]["lr=1e+30"] > 9


def test_an_evaluation_goes_on_where_it_stopped(
    corpus: DriftingCorpus, model: torch.nn.Module, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {
        "length": 20,
        "max_tokens": 300,
        "tune_tokens": 120,
        "folder": tmp_path,
        "progress": False,
    }
    read, seen = StreamEvaluator.read, []

    def counting(self, adapter, name=""):
        if name:
            seen.append(name)
            if len(seen) == 2:
                raise KeyboardInterrupt
        return read(self, adapter, name)

    monkeypatch.setattr(StreamEvaluator, "read", counting)
    with pytest.raises(KeyboardInterrupt):
        evaluate_model(model, corpus, ["static", "cache"], **options)
    report = evaluate_model(model, corpus, ["static", "cache"], **options)
    assert seen == ["static", "cache", "cache"]
    assert json.loads((tmp_path / "report.json").read_text())["tokens"] == 300
    assert (tmp_path / "positions.png").stat().st_size > 1_000
    assert "tuned part by part on the first 120 tokens of validation" in report["protocol"]
    assert "drifting test: 300 tokens (300 words), 3 documents" in report["protocol"]
    assert '"theta"' in report["adapters"]["cache"]["adapter"]
    # Other weights are another evaluation.
    with torch.no_grad():
        model.head.rows.weight.mul_(1.5)
    evaluate_model(model, corpus, ["static"], **options)
    assert seen == ["static", "cache", "cache", "static"]
    # So is another text, if it is as long as the first one and has the same words.
    test = replace(corpus.test, ids=corpus.test.ids[::-1])
    other = Corpus(corpus.name, corpus.tokenizer, {**corpus.splits, "test": test}, corpus.counts)
    evaluate_model(model, other, ["static"], **options)
    assert seen == ["static", "cache", "cache", "static", "static"]


def test_names_are_checked_before_anything_is_read(
    corpus: DriftingCorpus, model: torch.nn.Module
) -> None:
    with pytest.raises(ValueError, match="unknown adapter name 'cash'"):
        evaluate_model(model, corpus, ["static", "cash"])
    with pytest.raises(ValueError, match="tune_tokens must be at least 0, got -1"):
        evaluate_model(model, corpus, tune_tokens=-1)
    with pytest.raises(ValueError, match="adapters must be one name or more in a sequence"):
        evaluate_model(model, corpus, [])
    with pytest.raises(ValueError, match="num_lanes must be 1 for cache"):
        evaluate_model(model, corpus, ["static", "cache+dynamic"], num_lanes=2)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"cash": {}}, "settings must be of parts static"),
        ({"knn": {"size": 1}}, "knn has no setting 'size'"),
        ({"cache": {"weight": 2.0}}, "weight must be from 0 to below 1, got 2.0"),
    ]
    for settings, message in wrong:
        with pytest.raises(ValueError, match=message):
            evaluate_model(model, corpus, ["static", "cache"], settings=settings)
    short = build_model(TransformerConfig(1, 8, 2, 3, 16), 22)
    with pytest.raises(ValueError, match="length must be at most 16, the longest sequence"):
        evaluate_model(short, corpus, length=17)
    with pytest.raises(ValueError, match="context must be at most 16, the longest sequence"):
        evaluate_model(short, corpus, ["static", "sliding"], length=8)
    with pytest.raises(ValueError, match="the vocabulary must be that of the model, 22 ids"):
        evaluate_model(model, DriftingCorpus(num_words=5, num_tokens=(20, 20, 20)))
    with pytest.raises(ValueError, match="fwl needs a model"):
        evaluate_model(model, corpus, ["static", "fwl"])
