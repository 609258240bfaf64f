"""An agent that acts in the curriculum of images gets beyond its first level."""

import dataclasses

from driftwise.agents.recipes import image_curriculum
from driftwise.agents.training import make_agent
from driftwise.agents.worlds import make_vector_env


def test_the_recipe_learns_the_first_level() -> None:
    config = dataclasses.replace(image_curriculum("Glyph", 20), total_timesteps=24_000)
    config.env_kwargs.update(start_classes=10, block_size=10)
    model = make_agent(config)
    env = make_vector_env(config.env, 4, **config.env_kwargs)

    def right_answers() -> float:
        return 0.0

    model.learn(config.total_timesteps)
