"""A small actor and critic, and the policy gradient by which it adapts.

Letters used for shapes: T steps, D numbers of an observation, A actions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...memory import Parameters


class Segment(NamedTuple):
    """What a row has seen and done in T steps that followed one another, within an episode.

    Attributes:
        obs: (T + 1, D); the last is what the last action led to.
        actions: (T,) integers.
        rewards: (T,).
    """

    obs: Tensor
    actions: Tensor
    rewards: Tensor


class ActorCritic(nn.Module):
    """Two hidden layers that actor and critic share, and one linear head for both.

    Args:
        obs_size: D.
        num_actions: A.
        width: units of a hidden layer.
    """

    def __init__(self, obs_size: int, num_actions: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(obs_size, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.head = nn.Linear(width, num_actions + 1)
        with torch.no_grad():  # first actions near uniform, yet with a gradient for the body
            self.head.weight.mul_(0.1)
            self.head.bias.zero_()

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (..., A) and values (...) for observations (..., D)."""
        out = self.head(self.body(obs))
        return out[..., :-1], out[..., -1]


def log_probs(logits: Tensor, actions: Tensor) -> Tensor:
    """Log-probabilities (...) of actions (...) by logits (..., A)."""
    return logits.log_softmax(-1).gather(-1, actions[..., None]).squeeze(-1)


def entropies(logits: Tensor) -> Tensor:
    """Entropies (...) of the actions by logits (..., A), in nats."""
    return -(logits.softmax(-1) * logits.log_softmax(-1)).sum(-1)


def discounted_returns(rewards: Tensor, last_value: Tensor, gamma: float) -> Tensor:
    """Discounted sums (T,) of the rewards (T,) from each step on, and of a value after the last."""
    steps = torch.arange(len(rewards), device=rewards.device)
    ahead = steps - steps[:, None]  # (T, T)
    weights = torch.where(ahead >= 0, gamma ** ahead.clamp(min=0).to(rewards.dtype), 0)
    return weights @ rewards + gamma ** (len(rewards) - steps).to(rewards.dtype) * last_value


def policy_gradient_loss(
    forward: Callable[..., tuple[Tensor, Tensor]],
    parameters: Parameters,
    segment: Segment,
    gamma: float,
    vf_coef: float,
    ent_coef: float,
) -> Tensor:
    """The loss of an inner step: actor and critic on one segment.

    With returns G_t that end in the value of the last observation, and advantages G_t - v_t, both
    taken for constants (in second derivatives too), it is the mean over t of::

        -(G_t - v_t) * log pi(a_t | o_t) + vf_coef / 2 * (G_t - v_t) ** 2
            - ent_coef * entropy(pi(. | o_t))

    Args:
        forward: the functional form of an :class:`ActorCritic`.
        parameters: its parameters by name.
        segment: of one row.
        gamma: discount.
        vf_coef: see above.
        ent_coef: see above.
    """
    logits, values = forward(parameters, segment.obs)
    returns = discounted_returns(segment.rewards, values[-1].detach(), gamma)
    surprise = returns - values[:-1]
    policy_loss = -(surprise.detach() * log_probs(logits[:-1], segment.actions)).mean()
    value_loss = 0.5 * surprise.square().mean()
    return policy_loss + vf_coef * value_loss - ent_coef * entropies(logits[:-1]).mean()
