"""The value head: running moments of the returns that never move a value."""

import numpy as np
import pytest
import torch
from gymnasium.wrappers.vector import TransformReward
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from driftwise.agents import MemoryPolicy, MemoryPPO, make_vector_env
from driftwise.agents.value_head import ValueHead


@settings(deadline=None, max_examples=30)
@given(
    sizes=st.lists(st.integers(2, 50), min_size=1, max_size=6),
    scale=st.floats(0.01, 1e3),
    shift=st.floats(-1e3, 1e3),
    decay=st.floats(0.0, 1.0),
)
def test_moments_are_those_of_all_returns_weighted_by_age_and_values_stay(
    sizes: list[int], scale: float, shift: float, decay: float
) -> None:
    torch.manual_seed(0)
    head = ValueHead(3, decay).double()
    nn.init.normal_(head.linear.weight)
    hidden = torch.randn(5, 3, dtype=torch.float64)
    before = head(hidden)
    rollouts = [shift + scale * torch.randn(size, dtype=torch.float64) for size in sizes]
    for returns in rollouts:
        head.observe(returns)
    weights = np.array([decay**age for age in reversed(range(len(sizes)))])
    first = np.average([float(r.mean()) for r in rollouts], weights=weights)
    second = np.average([float((r - first).square().mean()) for r in rollouts], weights=weights)
    assert float(head.mean) == pytest.approx(first, rel=1e-9)
    assert float(head.std) == pytest.approx(second**0.5, rel=1e-9)
    torch.testing.assert_close(head(hidden), before, rtol=1e-9, atol=1e-6)


def test_the_loss_is_the_unexplained_share_of_the_variance() -> None:
    head = ValueHead(2)
    returns = 40 + 7 * torch.randn(1000)
    head.observe(returns)
    assert float(head.loss(returns.mean().expand(1000), returns)) == pytest.approx(1.0, rel=1e-4)
    assert float(head.loss(returns, returns)) == 0.0


def test_equal_returns_do_no_harm() -> None:
    head = ValueHead(2)
    nn.init.normal_(head.linear.weight)
    for _ in range(3):
        head.observe(torch.full((10,), 5.0))
    assert torch.isfinite(head(torch.randn(4, 2))).all()
    assert float(head.mean) == 5.0


def test_learning_does_not_depend_on_the_size_of_the_rewards() -> None:
    small, large = (_learned_with_rewards_times(size) for size in (0.01, 100.0))
    weights = large.state_dict()
    for name, weight in small.state_dict().items():
        if not name.startswith("critic."):
            torch.testing.assert_close(weight, weights[name], rtol=1e-3, atol=1e-4, msg=name)
    assert float(large.critic.std / small.critic.std) == pytest.approx(1e4, rel=1e-3)


def _learned_with_rewards_times(size: float) -> MemoryPolicy:
    env = make_vector_env("driftwise/ShiftingBandit-v0", 8, max_episode_steps=16)
    env = TransformReward(env, lambda rewards: size * rewards)  # observations show them unscaled
    model = MemoryPPO(
        "MemoryPolicy", env, n_steps=16, policy_kwargs={"memory": "gru", "width": 8}, seed=0
    )
    return model.learn(4 * 8 * 16).policy
