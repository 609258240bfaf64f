"""The result about agents that go on learning: its scores, its worlds, a cell of each kind."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from driftwise.agents.online import FinishedEpisode
from driftwise.agents.online.recipes import two_arms
from driftwise.benchmarks import online_rl_masks


def test_scores(monkeypatch):
    monkeypatch.setattr(online_rl_masks, "FIRST", 2)
    early, crossing = FinishedEpisode(0, 0, 500, 1.0), FinishedEpisode(0, 500, 20, 3.0)
    first = [FinishedEpisode(0, 520 + i, 1, float(v)) for i, v in enumerate((10, 20, 99))]
    other, late = FinishedEpisode(1, 600, 9, 60.0), FinishedEpisode(0, 1_280, 9, 7.0)
    scores = online_rl_masks.score(SimpleNamespace(episodes=[early, crossing, *first, other, late]))
    assert scores == {"return_before": 1.0, "return_after_change": 30.0, "return_at_end": 7.0}
    assert np.isnan(online_rl_masks.score(SimpleNamespace(episodes=[]))["return_at_end"])


def test_all_copies_change_at_the_same_step(monkeypatch):
    after = online_rl_masks.changed_world(online_rl_masks.TEST, 0, 0)
    assert after != online_rl_masks.changed_world(online_rl_masks.TRAINING, 0, 0)
    assert after == online_rl_masks.changed_world(online_rl_masks.TEST, 0, 0)
    env = online_rl_masks.cartpole(after, 15)
    env.reset(seed=0)
    for step in range(20):
        info = env.step(np.zeros(online_rl_masks.NUM_ENVS, dtype=int))[4]
        now = after if step >= 15 else online_rl_masks.OWN
        for name, value in now.items():
            np.testing.assert_allclose(info["shifts"]["parameters"]["values"][name], value)


@pytest.mark.parametrize("row", online_rl_masks.ROWS)
def test_a_small_cell(row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "AGENT": dataclasses.replace(
            online_rl_masks.AGENT, num_envs=2, total_timesteps=128, num_minibatches=1, width=8
        ),
        "NUM_ENVS": 2,
        "NUM_WORLDS": 1,
        "BEFORE": 64,
        "AFTER": 128,
        "MASK": {"tasks": 1, "rollouts": 1, "mask_learning_rate": 0.1},
        "PLAYED": 5,
    }.items():
        monkeypatch.setattr(online_rl_masks, name, value)
    scores = online_rl_masks.run(row, "default", 0)
    assert 8 <= scores["return_after_change"] <= 128
    assert ("sparsity" in scores) == ("mask" in row)

    if online_rl_masks.config(row, "bandit") is None:
        return
    small = dataclasses.replace(two_arms(), num_envs=2, updates=1, width=4, test_worlds=3)
    monkeypatch.setitem(online_rl_masks.LEARNERS, "bandit", lambda: small)
    scores = online_rl_masks.run(row, "bandit", 0)
    assert 0 <= scores["return_before"] <= 50 and 0 <= scores["return_after_change"] <= 50
