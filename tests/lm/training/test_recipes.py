"""Recipes: each is whole, and fits the corpus that it names."""

import inspect
import re
from functools import partial
from pathlib import Path

import pytest
import torch

import driftwise
from driftwise.lm.corpora import NAMED
from driftwise.lm.models import build_model, count_parameters, flops_per_token
from driftwise.lm.optimizers import make_optimizers, roles
from driftwise.lm.training import RECIPES
from driftwise.lm.training.gpu_recipes import EXPECTED, GPU_RECIPES, base_of

VOCABULARY = {"ptb": 10_000, "wikitext-2": 33_278, "tinyshakespeare": 4_000, "drifting": 202}


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in GPU_RECIPES])
def test_a_recipe_can_be_trained(name: str) -> None:
    config = RECIPES[name]()
    config.check()
    assert config.corpus == "drifting" or config.corpus in NAMED
    model = build_model(config.model, VOCABULARY[config.corpus])
    assert make_optimizers(model, config.optimizer)


@pytest.mark.parametrize("name", RECIPES)
def test_names_tell_the_parts(name: str) -> None:
    model = RECIPES[name]().model
    assert (model.fast_block is not None) == ("-fwl" in name)
    assert (model.sparse_layers is not None) == name.endswith("-sparse")
    assert (model.softmax.hebbian is not None) == name.endswith("-hebbian")


def test_the_first_run_needs_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTWISE_DATA", "/nowhere")
    assert RECIPES["tiny"]().corpus == "drifting"


@pytest.mark.parametrize("name", GPU_RECIPES)
def test_a_recipe_for_a_gpu_is_what_is_said_of_it(name: str) -> None:
    """Sizes and costs in its docstring and in the docs are computed from the model; so is time."""
    config = GPU_RECIPES[name]()
    config.check()
    assert config.corpus in NAMED and config.batch_size % config.micro_batches == 0
    base = base_of(name)
    expected = EXPECTED[base]
    with torch.device("meta"):
        model = build_model(config.model, expected.vocab_size)
    assert set(roles(model).values()) >= {"matrix", "table"}
    if name != base and "fwl" in name:
        return
    carried = config.carry != "none"
    cost = flops_per_token(config.model, expected.vocab_size, config.length, carried=carried)
    tokens = config.num_steps * config.batch_size * config.length
    size, gflop = f"{count_parameters(model) / 1e6:.1f}", f"{cost.training / 1e9:.3f}"
    speed, minutes = f"{expected.tokens_per_s:,}", f"{tokens / expected.tokens_per_s / 60:.0f}"
    reach = "{} to {}".format(*expected.perplexity)
    recipe = GPU_RECIPES[name]
    function = recipe.func if isinstance(recipe, partial) else recipe
    assert (
        f"{size} million parameters, {gflop} GFLOP per token. Expected on one H200: {speed} "
        f"tokens/s, perplexity {reach} in {minutes} minutes"
    ) in " ".join((inspect.getdoc(function) or "").split())
    page = Path(driftwise.__file__).parent / "docs" / "gpu.md"
    (row,) = re.findall(rf"^\| `{base}`.*", page.read_text("utf-8"), re.M)
    said = f"| {size} M | {gflop} | {speed} | {tokens / 1e6:.0f} M | {minutes} | {reach} |"
    assert row.endswith(said)


@pytest.mark.parametrize("name", ["wiki-s", "wiki-m", "wiki-lstm"])
def test_recipes_for_wikipedia_fit_byte_pairs_too(name: str) -> None:
    with torch.device("meta"):
        model = build_model(GPU_RECIPES[name]().model, 16_384)
    assert model.head.rows.weight.shape[0] == 16_384
