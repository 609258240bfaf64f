"""An agent that acts in the curriculum of images gets beyond its first level."""

import dataclasses

from driftwise.agents import play_agent
from driftwise.agents.recipes import omniglot_curriculum
from driftwise.agents.training import make_agent
from driftwise.agents.worlds import make_vector_env


def test_the_recipe_learns_the_first_level() -> None:
    """Ten made-up characters; untrained, one answer in twenty is right."""
    whole = omniglot_curriculum("Glyph", num_classes=20)
    kwargs = {**whole.env_kwargs, "start_classes": 10, "block_size": 10, "max_episode_steps": 700}
    config = dataclasses.replace(whole, env_kwargs=kwargs, total_timesteps=24_576)
    model = make_agent(config)
    model.learn(config.total_timesteps)
    record = play_agent(model, make_vector_env(config.env, 4, **kwargs), seed=1_000_000)
    assert record.changed.sum(axis=1).tolist() == [1] * 4, record.reward.mean()
