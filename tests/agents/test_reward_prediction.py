"""Predicting rewards as a second thing to learn: the head, and what MemoryPPO makes of it."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from driftwise.agents import make_vector_env
from driftwise.agents.ppo_loss import ppo_loss
from driftwise.agents.value_head import RewardHead

ACTION_SPACES = {
    "discrete": (spaces.Discrete(3), lambda n: torch.randint(3, (n,))),
    "multi_discrete": (spaces.MultiDiscrete([2, 4]), lambda n: torch.randint(2, (n, 2))),
    "multi_binary": (spaces.MultiBinary(3), lambda n: torch.randint(2, (n, 3))),
    "box": (spaces.Box(-1.0, 1.0, (2,)), lambda n: 2 * torch.rand(n, 2) - 1),
}


def as_vector(space: spaces.Space, action: np.ndarray) -> np.ndarray:
    return np.asarray(spaces.flatten(space, action), dtype=float)


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("kind", ACTION_SPACES)
def test_rewards_are_linear_in_the_action(kind, horizon):
    torch.manual_seed(0)
    space, sample = ACTION_SPACES[kind]
    head = RewardHead(5, space, horizon).double()
    nn.init.normal_(head.linear.weight)
    nn.init.normal_(head.linear.bias)
    head.observe(3 + 2 * torch.randn(100, dtype=torch.float64))
    hidden, actions = torch.randn(6, 5, dtype=torch.float64), sample(6)
    weight, bias = head.linear.weight.detach().numpy(), head.linear.bias.detach().numpy()
    for h, action, got in zip(hidden.numpy(), actions.numpy(), head(hidden, actions), strict=True):
        assert got.shape == (horizon,)
        for k, made in enumerate(np.split(weight @ h + bias, horizon)):
            expected = made[0] + made[1:] @ as_vector(space, action)
            expected = float(head.mean) + float(head.std) * expected
            assert got[k].item() == pytest.approx(expected, rel=1e-6)


@settings(deadline=None, max_examples=20)
@given(
    kind=st.sampled_from(sorted(ACTION_SPACES)),
    scale=st.floats(0.01, 1e3),
    shift=st.floats(-1e3, 1e3),
    horizon=st.integers(1, 3),
)
def test_moving_moments_move_no_prediction(kind, scale, shift, horizon):
    torch.manual_seed(0)
    space, sample = ACTION_SPACES[kind]
    head = RewardHead(4, space, horizon).double()
    nn.init.normal_(head.linear.weight)
    hidden, actions = torch.randn(8, 4, dtype=torch.float64), sample(8)
    before = head(hidden, actions)
    for _ in range(3):
        head.observe(shift + scale * torch.randn(50, dtype=torch.float64))
    torch.testing.assert_close(head(hidden, actions), before, rtol=1e-9, atol=1e-6)


def test_plain_ppo_leaves_the_head_alone(small_agent):
    agent = small_agent()
    before = agent.policy.reward_head.linear.weight.clone()
    agent.learn(2 * agent.n_steps * agent.n_envs)
    batch = next(agent.rollout_buffer.minibatches(agent.sequences_per_batch))
    evaluation = agent.policy.evaluate_actions(batch.observations, batch.actions)
    assert evaluation.rewards is None
    assert torch.equal(agent.policy.reward_head.linear.weight, before)
    assert agent.policy.reward_head.linear.weight not in agent.policy.optimizer.state


def test_the_loss_gains_the_unexplained_share_of_the_rewards(small_agent):
    agent = small_agent(reward_coef=0.7)
    agent.learn(agent.n_steps * agent.n_envs)
    batch = next(agent.rollout_buffer.minibatches(agent.sequences_per_batch))
    losses = []
    for agent.reward_coef in (0.0, 0.7):
        losses.append(ppo_loss(agent.policy, batch, agent.loss_weights(0.2, 0.0))[0])
    head = agent.policy.reward_head
    evaluation = agent.policy.evaluate_actions(
        batch.observations, batch.actions, batch.state, batch.starts, predict_rewards=True
    )
    errors = (evaluation.rewards - batch.rewards).double()
    expected = 0.7 * errors.square().mean().item() / float(head.std) ** 2
    assert (losses[1] - losses[0]).item() == pytest.approx(expected, rel=1e-4)


def test_rewards_to_come_are_predicted_as_far_as_there_are_any(small_agent):
    """Against a loop over horizon, environments and time, from what the buffer holds."""
    env = make_vector_env("CartPole-v1", 4, max_episode_steps=3)
    agent = small_agent("gru", env=env, n_steps=12, reward_coef=0.7, reward_horizon=3)
    agent.learn(12 * 4)
    buffer = agent.rollout_buffer
    length = buffer.sequence_length
    batch = next(buffer.minibatches(agent.sequences_per_batch))
    assert batch.rewards.shape[-1] == 3
    ends = torch.stack([torch.tensor([(t + 1) % 3 == 0] * 4) for t in range(12)])
    expected = torch.full((12, 4, 3), torch.nan)
    for t in range(12):
        for n in range(4):
            for k in range(3):
                if t + k < 12 and not ends[t : t + k, n].any():
                    expected[t, n, k] = buffer.rewards[t + k, n]
    pieces = expected.unflatten(0, (-1, length)).transpose(1, 2).flatten(0, 1)
    torch.testing.assert_close(buffer._sequences.rewards, pieces, rtol=0, atol=0, equal_nan=True)
    evaluation = agent.policy.evaluate_actions(
        batch.observations, batch.actions, batch.state, batch.starts, predict_rewards=True
    )
    head, total = agent.policy.reward_head, 0.0
    for k in range(3):
        known = ~batch.rewards[..., k].isnan()
        errors = (evaluation.rewards - batch.rewards)[..., k][known].double()
        total += errors.square().mean().item() / float(head.std) ** 2
    loss = head.loss(evaluation.rewards, batch.rewards)
    assert loss.item() == pytest.approx(total, rel=1e-5)
    loss.backward()
    assert head.linear.weight.grad.isfinite().all() and head.linear.weight.grad.any()


def test_no_reward_to_predict_is_no_loss():
    """Where every episode has one step, no reward comes after it."""
    head = RewardHead(2, spaces.Discrete(2), 2)
    rewards = torch.tensor([[[1.0, torch.nan]]])
    assert head.loss(torch.zeros(1, 1, 2), rewards).item() == 1.0


def test_rewards_that_are_predicted_hold_nothing_of_what_follows(small_agent, cartpole):
    """A time limit adds the value of the last state to what counts, and not to the reward."""
    env = make_vector_env("CartPole-v1", 4, max_episode_steps=3)
    agent = small_agent("gru", env=env, n_steps=12)
    with torch.no_grad():
        agent.policy.critic.linear.bias.fill_(100.0)
    agent.learn(12 * 4)
    buffer = agent.rollout_buffer
    assert set(buffer.rewards.unique().tolist()) <= {0.0, 1.0}
    assert buffer.returns.max() > 50


def test_an_agent_learns_what_its_arms_pay(small_agent):
    """Predictions of a trained agent are those of a posterior: unlike those of an untrained one."""
    env = make_vector_env("driftwise/ShiftingBandit-v0", 64, num_arms=2, max_episode_steps=40)
    agent = small_agent("gru", env=env, n_steps=40, reward_coef=1.0, width=24, n_epochs=3)
    agent.learn(25 * 40 * 64)
    batch = next(agent.rollout_buffer.minibatches(64))
    with torch.no_grad():
        rewards = agent.policy.evaluate_actions(
            batch.observations, batch.actions, batch.state, batch.starts, predict_rewards=True
        ).rewards
    unexplained = (rewards - batch.rewards).square().mean() / batch.rewards.var()
    assert unexplained < 0.93  # 1 for a constant; an arm's own chance explains a third at best
