"""Fine-tuning while acting: what changes, what is carried, and how the mask is learned."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from driftwise.agents import make_vector_env, training_state
from driftwise.agents.online import FINETUNING, OnlineFinetuning, train_update_mask
from driftwise.agents.online.finetuning import act_only
from driftwise.agents.online.mask_training import (
    KEPT,
    WantedSteps,
    mask_loss,
    rollout_gradient,
)
from driftwise.memory import UpdateMask
from driftwise.memory.state import flatten_state
from driftwise.tracking import RunFolder

VALUES = {"force_mag": [10.0, -10.0]}


def cartpole(change=40, rows=3, **kwargs):
    """CartPole whose motor is rewired at a step, in all rows."""
    return make_vector_env(
        "driftwise/DriftingCartPole-v0",
        rows,
        values=VALUES,
        schedule=f"AtSteps(steps=({change},))",
        between_episodes=False,
        random_start=False,
        max_episode_steps=30,
        **kwargs,
    )


@pytest.fixture
def agent(small_agent):
    """A function that makes an untrained agent that never forgets."""

    def make(env=None, memory="gru", **kwargs):
        env = cartpole() if env is None else env
        return small_agent(memory, env, memory_reset="never", n_steps=16, **kwargs)

    return make


def weights(model):
    return {name: p.detach().clone() for name, p in model.policy.named_parameters()}


@pytest.mark.parametrize("method", FINETUNING)
def test_what_changes(agent, method):
    model = agent()
    mask = UpdateMask(model.policy, sparsity=0.8) if method == "masked" else None
    before = weights(model)
    OnlineFinetuning(model, method, mask=mask).learn(4 * 16 * 3)
    moved = {name: p != before[name] for name, p in weights(model).items()}
    heads = {"actor.weight", "actor.bias", "critic.linear.weight", "critic.linear.bias"}
    changed = {name for name, where in moved.items() if where.any()}
    if method == "frozen":
        assert not changed
    elif method == "last_layer":
        assert changed == heads
    elif method == "full":
        assert len(changed) > 5 and heads < changed
    else:
        for name, open_ in mask.support().items():
            if not name.startswith("critic."):  # which rescales itself
                assert not (moved[name] & ~open_).any(), name
        assert any((moved[name] & open_).any() for name, open_ in mask.support().items())


def test_episodes_are_all_there(agent):
    finetuning = OnlineFinetuning(agent(), "frozen").learn(3 * 16 * 3)
    finetuning.learn(3 * 16 * 3)
    steps = [0, 0, 0]
    for episode in finetuning.episodes:  # nothing between those of a row is missing
        assert episode.length == episode.episode_return  # CartPole pays 1 a step
        assert episode.first == steps[episode.row]
        steps[episode.row] += episode.length
    assert all(96 - 30 < total <= 96 for total in steps)


def test_learning_goes_on_where_it_was(agent):
    """Twice one rollout is as two rollouts: memory, optimiser, environment and change are kept."""
    models = agent(), agent()
    tunings = [OnlineFinetuning(model) for model in models]
    for model in models:
        model.set_random_seed(5)
    torch.manual_seed(0)
    tunings[0].learn(6 * 16 * 3)
    torch.manual_seed(0)
    for _ in range(6):
        tunings[1].learn(16 * 3)
    states = [training_state(model) for model in models]
    assert states[0]["num_timesteps"] == states[1]["num_timesteps"] == 6 * 48
    for key in ("policy", "memory_state"):
        for name, tensor in states[0][key].items():
            assert torch.equal(tensor, states[1][key][name]), name
    np.testing.assert_array_equal(states[0]["last_obs"], states[1]["last_obs"])
    moments = [model.policy.optimizer.state_dict()["state"][0] for model in models]
    assert torch.equal(moments[0]["exp_avg"], moments[1]["exp_avg"])
    # One step of Adam for each of 4 epochs and 3 minibatches of a rollout, never begun anew.
    assert moments[0]["step"] == moments[1]["step"] == 6 * 4 * 3
    assert tunings[0].episodes == tunings[1].episodes
    assert all(t.any() for t in flatten_state(models[0]._memory_state).values())


@pytest.mark.parametrize("memory", ["sparse", "lstm", "none"])
def test_any_memory_and_any_vector_environment(agent, memory):
    env = gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync")
    model = agent(env, memory)
    mask = UpdateMask(model.policy)
    OnlineFinetuning(model, "masked", mask=mask).learn(2 * 32)
    assert model.num_timesteps == 64


def test_the_mask_gradient_is_the_closed_form(agent):
    """With plain gradient descent, that of sparse-MAML: -lr / 2 * outer * sum of the inner ones."""
    model = agent()
    model.policy.optimizer = torch.optim.SGD(model.policy.parameters(), 0.1)
    policy, optimizer = model.policy, model.policy.optimizer
    mask = UpdateMask(policy)
    inner = {name: torch.zeros_like(p) for name, p in policy.named_parameters()}
    before = weights(model)
    with WantedSteps(optimizer, policy) as wanted:
        handle = mask.attach(optimizer, policy)
        for _ in range(3):
            act_only(model, 48)
            found = rollout_gradient(model)
            for name, p in policy.named_parameters():
                p.grad = found[name]
                inner[name] += found[name]
            optimizer.step()
        handle.remove()
    act_only(model, 48)
    outer = rollout_gradient(model)
    mask_loss(mask, wanted.total, outer).backward()
    size = 0.0
    for name, p in policy.named_parameters():
        # Differences of weights: to their last digits.
        torch.testing.assert_close(wanted.total[name], -0.1 * inner[name], rtol=1e-4, atol=1e-6)
        phi = before[name] + mask.support()[name] * wanted.total[name]
        torch.testing.assert_close(p, phi, rtol=1e-5, atol=1e-6)
        closed_form = -0.5 * 0.1 * outer[name] * inner[name]
        logits = mask.logits[name.replace(".", "/")]
        torch.testing.assert_close(logits.grad, closed_form, rtol=1e-4, atol=1e-7)
        size = max(size, closed_form.abs().max().item())
    assert size > 1e-5


def test_the_rollout_gradient_is_the_policy_gradient(agent):
    """At the policy that acted, PPO's clipped loss has the gradient of -advantage * log pi."""
    model = agent(normalize_advantage=False, vf_coef=0.0)
    act_only(model, 48)
    found = rollout_gradient(model)
    sequences = model.rollout_buffer._sequences
    _, log_p, *_ = model.policy.evaluate_actions(
        sequences.observations, sequences.actions, sequences.state, sequences.starts
    )
    (-sequences.advantages * log_p).mean().backward()
    for name, p in model.policy.named_parameters():
        expected = torch.zeros_like(p) if p.grad is None else p.grad
        torch.testing.assert_close(found[name], expected, rtol=1e-3, atol=1e-6, msg=name)


def test_training_a_mask(agent, tmp_path):
    """It learns, leaves the agent as it was, and goes on where it was stopped."""

    def train(model, tasks, name):
        torch.manual_seed(1)
        mask = UpdateMask(model.policy)
        with RunFolder.open(tmp_path, "mask", name, 0, {}, tensorboard=False) as run:
            returns = train_update_mask(
                model, mask, lambda task: cartpole(change=1 + task), tasks=tasks, rollouts=2,
                run=run, progress=False,
            )  # fmt: skip
        return mask, returns

    model = agent()
    before, settings = weights(model), {name: getattr(model, name) for name in KEPT}
    mask, returns = train(model, 3, "alone")
    assert all(torch.equal(p, before[n]) for n, p in weights(model).items())
    assert {name: getattr(model, name) for name in KEPT} == settings
    torch.manual_seed(1)
    first = UpdateMask(model.policy).state_dict()
    assert any(not torch.equal(p, first[n]) for n, p in mask.state_dict().items())
    train(agent(), 2, "stopped")
    resumed, again = train(agent(), 3, "stopped")
    assert again == returns and len(returns) == 3
    for name, p in resumed.state_dict().items():
        assert torch.equal(p, mask.state_dict()[name]), name


def test_bad_input(agent):
    model = agent()
    mask = UpdateMask(model.policy)
    with pytest.raises(ValueError, match="method must be one of full, masked, last_layer, frozen"):
        OnlineFinetuning(model, "elephant")
    with pytest.raises(ValueError, match="mask must be given for masked, and only there"):
        OnlineFinetuning(model, "masked")
    with pytest.raises(ValueError, match="mask must be given for masked, and only there"):
        OnlineFinetuning(model, "full", mask=mask)
    with pytest.raises(ValueError, match=r"learning_rate must be above 0, got 0\.0"):
        OnlineFinetuning(model, learning_rate=0.0)
    with pytest.raises(ValueError, match="module must have"):
        OnlineFinetuning(agent(width=9), "masked", mask=mask)
    for kind in ("dense", "relu", "per_parameter"):
        with pytest.raises(ValueError, match=f"mask must be of kind 'sparse', .* got '{kind}'"):
            OnlineFinetuning(model, "masked", mask=UpdateMask(model.policy, kind))
    with pytest.raises(ValueError, match="rollouts must be at least 1, got 0"):
        train_update_mask(model, mask, cartpole, tasks=1, rollouts=0)
    with pytest.raises(ValueError, match="mask must be of kind 'sparse', got 'relu'"):
        train_update_mask(model, UpdateMask(model.policy, "relu"), cartpole, tasks=1)
    model.env = None
    with pytest.raises(ValueError, match="model must have an environment"):
        OnlineFinetuning(model)
