"""A value head whose training does not depend on the scale of the rewards."""

import torch
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
        self.linear.bias.mul_(self.std).add_(self.mean - mean).div_(std)
        self.mean.copy_(mean)
        self.std.copy_(std)
