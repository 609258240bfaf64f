"""Heads for values and rewards, whose training does not depend on the scale of the rewards."""

import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import preprocess_obs
from torch import Tensor, nn


class ValueHead(nn.Module):
    """A linear estimate of the return that is trained in units of the returns' spread.

    Pop-Art (van Hasselt et al. 2016): with the running mean mu and standard deviation sigma of the
    returns, the value is ``v = mu + sigma * (w h + b)``. When mu and sigma move, w and b are set so
    that no value changes. Without it, the weight of the value loss against the policy's, in a
    memory that both share, would go with the square of the rewards' size and of the horizon.

    Args:
        input_size: D, features.
        decay: how much of the running moments is kept at each update.
    """

    mean: Tensor
    std: Tensor
    weight: Tensor
    outputs_per_estimate = 1  # of which the first is the base

    def __init__(self, input_size: int, decay: float = 0.9) -> None:
        super().__init__()
        self.decay = decay
        self.linear = nn.Linear(input_size, 1)
        # The first advantages are plain returns, whatever the size of the rewards.
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("std", torch.ones(()))
        self.register_buffer("weight", torch.zeros(()))  # of what the running moments hold

    def forward(self, hidden: Tensor) -> Tensor:
        """Values (...) for features (..., D)."""
        return self.mean + self.std * self.linear(hidden).squeeze(-1)

    def loss(self, values: Tensor, returns: Tensor) -> Tensor:
        """Mean squared error, as a share of the variance of the returns."""
        return ((values - returns) / self.std).square().mean()

    @torch.no_grad()
    def observe(self, returns: Tensor) -> None:
        """Move the running moments towards those of the returns of a rollout; values stay."""
        self.weight.mul_(self.decay).add_(1)
        share = 1 / self.weight
        step = returns.mean() - self.mean
        mean = self.mean + share * step
        spread = (1 - share) * (self.std.square() + share * step.square())
        spread = spread + share * returns.var(correction=0)
        # Returns that hardly differ say nothing about their scale.
        std = spread.sqrt().clamp(min=1e-4)
        self.linear.weight.mul_(self.std / std)
        self.linear.bias.mul_(self.std)
        self.linear.bias[:: self.outputs_per_estimate] += self.mean - mean
        self.linear.bias.div_(std)
        self.mean.copy_(mean)
        self.std.copy_(std)


class RewardHead(ValueHead):
    """Estimates of the rewards that follow an action, each linear in the action.

    ``r_k = mu + sigma * (w_k h + b_k + (W_k h + c_k) a)`` for the reward k steps after the action a
    (a vector; one-hot where it is discrete). As a second thing to learn they tell a memory, for
    every single step, what it should have known of the action taken; advantages say so only
    through noise. Such auxiliary tasks are those of Jaderberg et al. (2017, UNREAL), who predict
    rewards from the steps before.

    Args:
        input_size: D, features.
        action_space: ``Box``, ``Discrete``, ``MultiDiscrete`` or ``MultiBinary``.
        horizon: n, rewards that are predicted: that of the very step, and those of the next n - 1.
        decay: how much of the running moments of rewards is kept at each update.
    """

    def __init__(
        self, input_size: int, action_space: spaces.Space, horizon: int = 1, decay: float = 0.9
    ) -> None:
        super().__init__(input_size, decay)
        self.action_space, self.horizon = action_space, horizon
        self.outputs_per_estimate = 1 + spaces.flatdim(action_space)
        self.linear = nn.Linear(input_size, horizon * self.outputs_per_estimate)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, hidden: Tensor, actions: Tensor) -> Tensor:  # type: ignore[override]
        """Rewards (B, n) for features (B, D) and actions (B, ...)."""
        vectors = preprocess_obs(actions, self.action_space)
        assert isinstance(vectors, Tensor)
        base, effects = self.linear(hidden).unflatten(-1, (self.horizon, -1)).tensor_split([1], -1)
        effect = (effects * vectors.flatten(1).unsqueeze(1)).sum(-1)
        return self.mean + self.std * (base.squeeze(-1) + effect)

    def loss(self, values: Tensor, returns: Tensor) -> Tensor:
        """Sum over the n steps of the mean squared errors, as shares of the rewards' variance.

        Args:
            values: predicted rewards (..., n).
            returns: the rewards (..., n); NaN where there is none to predict.
        """
        known = ~returns.isnan()
        errors = torch.where(known, (values - returns) / self.std, 0.0).flatten(0, -2)
        counts = known.flatten(0, -2).sum(0).clamp(min=1)
        return (errors.square().sum(0) / counts).sum()
