"""The loss of proximal policy optimisation, of one minibatch of sequences."""

from typing import NamedTuple

import torch
from torch import Tensor

from .memory_policy import MemoryPolicy
from .sequence_buffer import Sequences


class LossWeights(NamedTuple):
    """What :func:`ppo_loss` adds up, and how (see :class:`~driftwise.agents.MemoryPPO`).

    Attributes:
        clip_range: by how much the probability ratio may leave 1 before it is clipped.
        ent_coef: weight of the entropy bonus.
        vf_coef: weight of the value loss.
        reward_coef: weight of predicting rewards; 0 leaves it out.
        normalize_advantage: whether to standardise the advantages of the minibatch.
    """

    clip_range: float
    ent_coef: float
    vf_coef: float
    reward_coef: float
    normalize_advantage: bool


def ppo_loss(
    policy: MemoryPolicy, batch: Sequences, weights: LossWeights
) -> tuple[Tensor, dict[str, Tensor]]:
    """PPO's clipped objective (Schulman et al. 2017) with its auxiliary losses.

    Returns:
        The loss, and the scalars to log, without gradients.
    """
    values, log_prob, entropy, rewards = policy.evaluate_actions(
        batch.observations,
        batch.actions,
        batch.state,
        batch.starts,
        predict_rewards=weights.reward_coef > 0,
    )
    advantages = batch.advantages
    if weights.normalize_advantage and advantages.numel() > 1:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    log_ratio = log_prob - batch.old_log_probs
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - weights.clip_range, 1 + weights.clip_range)
    losses = {
        "policy_gradient_loss": -torch.min(advantages * ratio, advantages * clipped).mean(),
        "value_loss": policy.critic.loss(values, batch.returns),
        # The sampled surprise stands in where the entropy has no closed form.
        "entropy_loss": log_prob.mean() if entropy is None else -entropy.mean(),
    }
    loss = losses["policy_gradient_loss"] + weights.ent_coef * losses["entropy_loss"]
    loss = loss + weights.vf_coef * losses["value_loss"]
    if rewards is not None:
        losses["reward_loss"] = policy.reward_head.loss(rewards, batch.rewards)
        loss = loss + weights.reward_coef * losses["reward_loss"]
    with torch.no_grad():
        return loss, {
            **{name: value.detach() for name, value in losses.items()},
            "approx_kl": (ratio - 1 - log_ratio).mean(),  # Schulman's low-variance estimate
            "clip_fraction": ((ratio - 1).abs() > weights.clip_range).float().mean(),
        }
