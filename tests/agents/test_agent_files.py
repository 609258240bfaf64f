"""Agents on disk: what goes in comes out, and nothing else is taken for an agent."""

import json

import numpy as np
import pytest
import torch
from gymnasium import spaces

from driftwise.agents import (
    MemoryPPO,
    load_agent,
    load_pretrained,
    make_vector_env,
    play_agent,
    pretrained_names,
    save_agent,
)
from driftwise.agents.plain_spaces import space_from_plain, space_to_plain
from driftwise.tracking import CheckpointError, load_checkpoint, save_checkpoint


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-np.inf, np.inf, (3,), np.float32),
        spaces.Box(np.array([0.0, -1.5]), np.array([np.inf, 2.0]), dtype=np.float64),
        spaces.Box(0, 255, (4, 5, 3), np.uint8),
        spaces.Discrete(5, start=2),
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiBinary(4),
        spaces.Dict(a=spaces.Discrete(2), b=spaces.Box(0, 1, (2,))),
    ],
    ids=lambda space: type(space).__name__,
)
def test_spaces_survive(space, tmp_path):
    save_checkpoint(tmp_path / "space", space_to_plain(space))
    assert space_from_plain(load_checkpoint(tmp_path / "space")) == space


def test_spaces_that_agents_cannot_have():
    with pytest.raises(TypeError, match="space must be Box"):
        space_to_plain(spaces.Text(3))
    with pytest.raises(ValueError, match="kind"):
        space_from_plain({"kind": "Text"})


@pytest.mark.parametrize("memory", ["sparse", "gru", "none"])
def test_a_loaded_agent_plays_the_same(small_agent, tmp_path, memory):
    agent = small_agent(memory).learn(100)
    save_agent(tmp_path / "agent", agent, {"note": "a test"})
    loaded = load_agent(tmp_path / "agent", device="cpu")
    env = make_vector_env("driftwise/ShiftingBandit-v0", 6, num_arms=3, max_episode_steps=8)
    records = [play_agent(model, env, seed=1) for model in (agent, loaded)]
    np.testing.assert_array_equal(records[0].action, records[1].action)


def test_a_loaded_agent_can_go_on_training(small_agent, tmp_path):
    save_agent(tmp_path / "agent", small_agent())
    env = make_vector_env("driftwise/ShiftingBandit-v0", 4, num_arms=3, max_episode_steps=8)
    loaded = load_agent(tmp_path / "agent", env, device="cpu")
    before = [p.clone() for p in loaded.policy.parameters()]
    loaded.learn(4 * 128)
    after = loaded.policy.parameters()
    assert not all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_how_far_rewards_are_predicted_is_kept(small_agent, tmp_path):
    agent = small_agent(reward_coef=0.5, reward_horizon=2)
    save_agent(tmp_path / "agent", agent)
    agent.save(tmp_path / "agent.zip")
    env = make_vector_env("driftwise/ShiftingBandit-v0", 4, num_arms=3, max_episode_steps=8)
    loaded = load_agent(tmp_path / "agent", env, device="cpu", reward_coef=0.5)
    for model in (loaded, MemoryPPO.load(tmp_path / "agent.zip", env, device="cpu")):
        assert model.reward_horizon == model.policy.reward_head.horizon == 2
        model.learn(4 * model.n_steps)


def test_an_agent_of_another_environment(small_agent, tmp_path):
    save_agent(tmp_path / "agent", small_agent())
    other = make_vector_env("driftwise/ShiftingBandit-v0", 4, num_arms=5)
    with pytest.raises(ValueError, match="env must have the agent's observation_space Box"):
        load_agent(tmp_path / "agent", other, device="cpu")
    loaded = load_agent(tmp_path / "agent", device="cpu")
    with pytest.raises(ValueError, match="env must have the agent's observation_space"):
        play_agent(loaded, other)


def test_a_truncated_agent(small_agent, tmp_path):
    save_agent(tmp_path / "agent", small_agent())
    weights = tmp_path / "agent" / "state.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"state\.safetensors is damaged"):
        load_agent(tmp_path / "agent")


def test_something_else_is_not_an_agent(tmp_path):
    save_checkpoint(tmp_path / "other", {"a": 1})
    with pytest.raises(CheckpointError, match="must hold an agent"):
        load_agent(tmp_path / "other")
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        load_agent(tmp_path / "nothing")


def test_shipped_agents():
    assert pretrained_names()
    for name in pretrained_names():
        model = load_pretrained(name, device="cpu")
        assert sum(p.numel() for p in model.policy.parameters()) > 0
    with pytest.raises(ValueError, match="name must be one of"):
        load_pretrained("elephant")


def test_shipped_agents_are_small_and_hold_no_pickle():
    from driftwise.agents.agent_files import PRETRAINED

    for name in pretrained_names():
        files = list((PRETRAINED / name).iterdir())
        assert {file.name for file in files} == {"SHA256SUMS", "state.json", "state.safetensors"}
        limit = 200_000 if name == "standard-bandit-sparse" else 600_000
        assert sum(len(file.read_bytes()) for file in files) < limit
        document = json.loads((PRETRAINED / name / "state.json").read_text())
        assert "command" in json.dumps(document["metadata"])
