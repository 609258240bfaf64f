"""The gallery: its films are there, small, and shown."""

from pathlib import Path

import gymnasium as gym
import pytest

import driftwise
from driftwise.agents import episode_returns, make_vector_env
from driftwise.benchmarks.gallery import FILMS, Balancer, swapped_now_and_then

DOCS = Path(driftwise.__file__).parent / "docs"

pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="docs/ is not part of a package")


@pytest.mark.parametrize("name", FILMS)
def test_the_gallery_shows_every_film(name):
    film = f"images/watch_{name}.gif"
    assert f"({film})" in (DOCS / "gallery.md").read_text("utf-8")
    assert 50_000 < (DOCS / film).stat().st_size < 1_500_000
    assert gym.spec(FILMS[name].env)


def test_images_are_small():
    assert sum(path.stat().st_size for path in (DOCS / "images").glob("watch_*")) < 3_000_000


def test_who_tries_the_other_way_keeps_the_pole_up_for_longer():
    env = make_vector_env("CartPole-v1", 4, wrappers=[swapped_now_and_then])
    fixed, adapts = (
        episode_returns(Balancer(adapts), env, num_episodes=6, seed=0).mean()
        for adapts in (False, True)
    )
    assert adapts > 2 * fixed
