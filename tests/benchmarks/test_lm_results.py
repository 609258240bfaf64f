"""Results about language models: a tiny cell of each kind, and what tables they are made from."""

import dataclasses
import math

import pytest
import torch

from driftwise.benchmarks import (
    adaptation_cost,
    drifting_corpus,
    hebbian_news_books,
    lm_cells,
    lm_ladder_ptb,
    lm_ladder_wikitext2,
)
from driftwise.lm.corpora import DriftingCorpus
from driftwise.lm.losses import SoftmaxConfig
from driftwise.lm.models import LSTMConfig, TransformerConfig, flops_per_token
from driftwise.lm.training import TrainConfig
from driftwise.tracking import SkipCell


@pytest.fixture(autouse=True)
def one_thread_in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(lm_cells, "RUNS", tmp_path)
    monkeypatch.setattr(lm_cells, "WAIT", 0.01)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def corpus():
    return DriftingCorpus(num_words=30, num_topics=2, num_tokens=(2_000, 300, 400))


def tiny(config: TrainConfig) -> TrainConfig:
    """A recipe with next to nothing to do."""
    softmax = SoftmaxConfig(cutoffs=(8,), div_value=2.0, hebbian=config.model.softmax.hebbian)
    sizes = {"hidden_size": 8, "softmax": softmax}
    sparse = config.model.sparse_layers
    if isinstance(config.model, LSTMConfig):
        sizes |= {"embedding_size": 8, "num_layers": 1}
        sizes["sparse_layers"] = sparse and dataclasses.replace(sparse, after=(0,))
    return dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, **sizes),
        batch_size=4,
        length=16,
        num_steps=3,
        warmup=1,
        evaluate_every=3,
        checkpoint_every=3,
        valid_batch_size=2,
        sample_tokens=0,
    )


@pytest.mark.parametrize("row", ["static", "fwl", "smn", "cache_dynamic", "knn"])
def test_a_cell_of_the_drifting_language(row, corpus, monkeypatch):
    training = drifting_corpus.training
    monkeypatch.setattr(drifting_corpus, "corpus", lambda: corpus)
    monkeypatch.setattr(drifting_corpus, "training", lambda *a: tiny(training(*a)))
    monkeypatch.setattr(drifting_corpus, "TEST_TOKENS", 200)
    monkeypatch.setattr(drifting_corpus, "TUNE_TOKENS", 50)
    found = drifting_corpus.run(row, "default", 0)
    expected = corpus.optimum("test").adaptive[:200].mean()
    assert found["optimum_adaptive"] == pytest.approx(expected)
    assert found["nats_above_optimum"] == pytest.approx(found["nats"] - expected, abs=1e-6)
    assert 0 < found["nats_above_optimum"] < 2
    assert f"{drifting_corpus.ROWS[row][1]}" in found["adapter"]


@pytest.mark.parametrize("row", ["static", "all", "hebbian_test"])
def test_a_cell_of_the_ladder(row, corpus, monkeypatch):
    training = lm_ladder_ptb.training
    monkeypatch.setattr(lm_ladder_ptb, "corpus", lambda: corpus)
    monkeypatch.setattr(lm_ladder_ptb, "training", lambda *a: tiny(training(*a)))
    monkeypatch.setattr(lm_ladder_ptb, "TUNE_TOKENS", 40)
    monkeypatch.setattr(lm_ladder_ptb, "MAX_TOKENS", 120)
    found = lm_ladder_ptb.run(row, "default", 0)
    assert found["perplexity_low"] <= found["perplexity"] <= found["perplexity_high"]
    assert 5 < found["perplexity"] < 40 and "perplexity_below_100" in found
    assert ("gain_nats" in found) and (row != "static" or found["gain_nats"] == 0.0)
    if row != "static":  # the second cell of a model trains nothing and reads static once
        assert "tuned part by part" in found["protocol"]


def test_all_has_all_of_it():
    model = lm_ladder_ptb.training("all", "transformer").model
    assert isinstance(model, TransformerConfig)
    assert model.fast_block and model.sparse_layers and model.softmax.hebbian
    assert lm_ladder_ptb.training("static", "default").model.softmax.hebbian is None


def test_cells_share_a_model_and_its_static_reading(corpus, monkeypatch):
    config = tiny(drifting_corpus.training("static", "default"))
    model = lm_cells.trained_model(config, corpus, "m", 0)
    again = lm_cells.trained_model(config, corpus, "m", 0)
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True)
    )
    options = {"length": 16, "tune_tokens": 0, "max_tokens": 100}
    static = lm_cells.measure(model, corpus, "static", "f", **options)
    read = []
    monkeypatch.setattr(
        "driftwise.lm.evaluation.evaluate.StreamEvaluator.read",
        lambda self, adapter, name: read.append(name) or (_ for _ in ()).throw(KeyboardInterrupt),
    )
    with pytest.raises(KeyboardInterrupt):
        lm_cells.measure(model, corpus, "cache", "f", **options)
    assert read == ["cache"] and static["gain_nats"] == 0.0


def test_a_cell_waits_for_a_model_that_another_one_trains(corpus, monkeypatch):
    config, calls = tiny(drifting_corpus.training("static", "default")), []
    train = lm_cells.train_language_model

    def busy(*arguments, **options):
        calls.append(1)
        if len(calls) < 3:
            raise RuntimeError("the run is in use by another process (process 7)")
        return train(*arguments, **options)

    monkeypatch.setattr(lm_cells, "train_language_model", busy)
    lm_cells.trained_model(config, corpus, "m", 0)
    assert len(calls) == 3


@pytest.mark.parametrize("row", ["plain", "hebbian_cache"])
def test_a_cell_of_news(row, corpus, monkeypatch):
    training = hebbian_news_books.training
    monkeypatch.setattr(hebbian_news_books, "corpus", lambda setting: corpus)
    monkeypatch.setattr(hebbian_news_books, "training", lambda *a: tiny(training(*a)))
    monkeypatch.setattr(hebbian_news_books, "MAX_TOKENS", 120)
    monkeypatch.setattr(hebbian_news_books, "TUNE_TOKENS", 40)
    assert 5 < hebbian_news_books.run(row, "default", 0)["perplexity"] < 40


def articles() -> DriftingCorpus:
    """Words in documents, enough of them to resample."""
    return DriftingCorpus(num_words=30, document_length=20, num_tokens=(2_000, 400, 500))


@pytest.mark.parametrize("setting", ["default", "continuous"])
def test_a_cell_of_wikitext(setting, monkeypatch):
    corpus = articles()
    monkeypatch.setattr(lm_ladder_wikitext2, "corpus", lambda: corpus)
    recipe = lm_ladder_wikitext2.wikitext2_lstm
    monkeypatch.setattr(lm_ladder_wikitext2, "wikitext2_lstm", lambda: tiny(recipe()))
    monkeypatch.setattr(lm_ladder_wikitext2, "TUNE_TOKENS", 40)
    found = lm_ladder_wikitext2.run("knn", setting, 0)
    said = "never reset" if setting == "continuous" else "everything forgotten where one starts"
    assert said in found["protocol"] and found["protocol"].endswith("resampling documents")


def test_corpora_that_are_not_there_skip_the_cell(monkeypatch, tmp_path):
    monkeypatch.setenv("DRIFTWISE_DATA", str(tmp_path))
    for module in (lm_ladder_ptb, adaptation_cost):
        module.corpus.cache_clear()
        with pytest.raises(SkipCell, match="ptb"):
            module.corpus()
    with pytest.raises(SkipCell):
        hebbian_news_books.corpus("default")


@pytest.fixture
def small_costs(monkeypatch):
    monkeypatch.setattr(adaptation_cost, "SEGMENTS", 2)
    monkeypatch.setattr(adaptation_cost, "ROUNDS", 1)
    monkeypatch.setattr(adaptation_cost, "LENGTH", 64)
    monkeypatch.setattr(adaptation_cost, "WIDTHS", {"default": 64, "ptb": 64})


@pytest.mark.parametrize("row", ["dynamic", "fwl", "fwl_narrow"])
def test_a_cell_of_costs(row, small_costs):
    found = adaptation_cost.run(row, "default", 0)
    # What torch counts are the products that the formulas count, but for the narrow ends of it.
    assert found["flops_ratio"] == pytest.approx(found["flops_ratio_predicted"], rel=0.08)
    assert found["time_ratio"] > 1
    static = adaptation_cost.run("static", "default", 0)
    assert static["flops_ratio"] == static["flops_ratio_predicted"] == 1


def test_the_narrow_block_is_predicted_to_cost_less_than_a_quarter():
    def cost(row):
        model = adaptation_cost.model_config(row, 384)
        return flops_per_token(model, 10_000, 256, tail_shares=adaptation_cost.TAIL_SHARES).forward

    assert cost("fwl_narrow") < 1.25 * cost("static") < cost("fwl")


def test_a_cell_of_gains(corpus, small_costs, monkeypatch):
    training = adaptation_cost.training
    monkeypatch.setattr(adaptation_cost, "corpus", lambda: corpus)
    monkeypatch.setattr(adaptation_cost, "training", lambda row: tiny(training(row)))
    monkeypatch.setattr(adaptation_cost, "TEST_TOKENS", 100)
    found = adaptation_cost.run("fwl_narrow", "ptb", 0)
    assert math.isfinite(found["gain_nats"]) and 5 < found["perplexity"] < 60
    assert adaptation_cost.run("static", "ptb", 0)["gain_nats"] == 0.0
    assert adaptation_cost.RESULT.config("dynamic", "ptb") is None
