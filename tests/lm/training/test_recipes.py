"""Recipes: each is whole, and fits the corpus that it names."""

import pytest

from driftwise.lm.corpora import NAMED
from driftwise.lm.models import build_model
from driftwise.lm.optimizers import make_optimizers
from driftwise.lm.training import RECIPES

VOCABULARY = {"ptb": 10_000, "wikitext-2": 33_278, "tinyshakespeare": 4_000, "drifting": 202}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_can_be_trained(name: str) -> None:
    config = RECIPES[name]()
    config.check()
    assert config.corpus == "drifting" or config.corpus in NAMED
    model = build_model(config.model, VOCABULARY[config.corpus])
    assert make_optimizers(model, config.optimizer)
    assert (config.model.fast_block is not None) == name.endswith("-fwl")
    assert (config.model.sparse_layers is not None) == name.endswith("-sparse")
    assert (config.model.softmax.hebbian is not None) == name.endswith("-hebbian")


def test_the_first_run_needs_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTWISE_DATA", "/nowhere")
    assert RECIPES["tiny"]().corpus == "drifting"
