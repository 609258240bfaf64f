"""The result about drifting control: sizes, scores, and one cell of each kind."""

import dataclasses

import numpy as np
import pytest

from driftwise.agents import make_agent
from driftwise.agents.recipes import drifting_cartpole
from driftwise.benchmarks import drifting_control


@pytest.mark.parametrize("setting", drifting_control.SETTINGS)
def test_agents_are_of_equal_size(setting):
    agents = [
        *(make_agent(drifting_control.agent_config(r, setting)) for r in drifting_control.AGENTS),
        *(drifting_control.make_peer(r, setting, 0) for r in drifting_control.PEERS),
    ]
    for model in agents:
        assert sum(p.numel() for p in model.policy.parameters()) == pytest.approx(42_000, rel=0.05)


def test_peers_meet_the_worlds_of_ours():
    ours = make_agent(drifting_control.agent_config("none", "default"))
    peer = drifting_control.make_peer("sb3_ppo", "default", 0)
    np.testing.assert_array_equal(ours.env.reset(), peer.env.reset())


def test_scores():
    returns = np.arange(40.0).reshape(2, 20)
    scores = drifting_control.measure(returns)
    assert scores["return_after_change"] == 10 + 4.5
    assert scores["return_steady"] == 10 + 14.5
    assert scores["return_episode_1"] == 10.0 and scores["return_episode_20"] == 29.0


@pytest.mark.parametrize("row", ["gru", "told", "sb3_ppo", "recurrent_ppo", "random"])
def test_a_small_cell(row, tmp_path, monkeypatch):
    def tiny():
        recipe = dataclasses.replace(drifting_cartpole(), num_envs=2, total_timesteps=128)
        return dataclasses.replace(recipe, num_minibatches=1, n_epochs=1)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(drifting_control, "NUM_WORLDS", 2)
    monkeypatch.setitem(drifting_control.SETTINGS, "default", tiny)
    small = {"num_envs": 2, "batch_size": 64, "n_epochs": 1}
    monkeypatch.setattr(drifting_control, "PEER_SIZES", drifting_control.PEER_SIZES | small)
    scores = drifting_control.run(row, "default", 0)
    assert 8 <= scores["return_after_change"] <= 200
    assert ("parameters" in scores) == (row != "random")
