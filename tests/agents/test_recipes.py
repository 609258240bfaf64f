"""Every recipe fits together."""

import pytest

from driftwise.agents import RECIPES
from driftwise.agents.training import make_agent


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_be_built(name):
    config = RECIPES[name]()
    model = make_agent(config)
    assert model.observation_space == model.env.observation_space
    assert "about" in RECIPES[name].__doc__
