"""Every recipe fits together and is documented; fast weights above a recurrent network."""

from pathlib import Path

import pytest
import torch

from driftwise.agents import MEMORIES, RECIPES, make_memory
from driftwise.agents.training import make_agent
from driftwise.envs import ENVIRONMENTS
from driftwise.memory import LSTM, FeedForward, SparseFastWeights, check_memory

DOCS = Path(__file__).parents[2] / "docs" / "agents.md"


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_be_built_and_is_documented(name):
    config = RECIPES[name]()
    assert config.env in ENVIRONMENTS
    try:
        model = make_agent(config)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    # Whole rollouts, so that the step size has fallen to zero at the end.
    assert config.total_timesteps % (model.n_steps * model.n_envs) == 0
    assert "minute" in (RECIPES[name].__doc__ or "")
    assert f"| `{name}` |" in DOCS.read_text()


def test_a_controller_lies_below_the_fast_weights():
    memory = make_memory("sparse", 8, controller="lstm", num_layers=2)
    assert [type(layer) for layer in memory.layers] == [LSTM, SparseFastWeights, SparseFastWeights]
    torch.manual_seed(0)
    check_memory(make_memory("dense", 6, controller="gru", num_layers=1, key_size=4))
    with pytest.raises(ValueError, match="controller must be gru, lstm or None, got 'rnn'"):
        make_memory("sparse", 8, controller="rnn")


@pytest.mark.parametrize("name", MEMORIES)
def test_a_feed_forward_layer_lies_on_top(name):
    memory = make_memory(name, 8, feed_forward=5)
    *below, top = memory.layers
    assert isinstance(top, FeedForward) and top.network[0].out_features == 5
    assert [type(layer) for layer in make_memory(name, 8).layers] == [type(x) for x in below]
    with pytest.raises(ValueError, match="hidden_size must be at least 1, got 0"):
        make_memory(name, 8, feed_forward=0)
