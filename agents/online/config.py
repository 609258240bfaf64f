"""The configuration of an agent that adapts online by policy-gradient steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...envs.arguments import check_count, check_flag, check_nonnegative, check_probability
from ...memory.contract import check_rates, check_sizes
from ..few_shot.methods import Method
from ..worlds import MAX_ENVS, MAX_SEEDS

METHODS: dict[str, Method | None] = {
    "sparse": Method("sparse"),
    "relu": Method("relu"),
    "dense": Method("dense"),
    "per_parameter": Method("per_parameter"),
    # Controls, whose step sizes are not learned.
    "full": Method("dense", learned=False),
    "last_layer": Method("dense", "head", learned=False),
    "frozen": None,
}
"""What an agent's policy-gradient steps change: by a mask of that kind, everything, the last layer,
or nothing."""


@dataclass(frozen=True)
class OnlineConfig:
    """An agent that adapts by policy-gradient steps, where it is trained, and for how long."""

    method: str = "sparse"
    """sparse, relu, dense or per_parameter (learned step sizes, as of UpdateMask); the controls
    full (all weights by inner_lr), last_layer and frozen."""
    env: str = "driftwise/ShiftingBandit-v0"
    """Id of an environment with discrete actions and episodes of one length."""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments of the environment."""
    num_envs: int = 64
    """Environments of an update, each an episode with weights of its own."""

    hidden: tuple[int, ...] = ()
    """Entries of the observation that the network sees as 0, such as the previous action and
    reward: without them, its weights are all the memory that it has."""
    width: int = 32
    """Units of each of the two hidden layers."""
    adapt_every: int = 10
    """Steps of an environment from one inner step to the next."""
    inner_lr: float = 0.5
    """Step size of the inner steps; of relu, dense and per_parameter, the initial one."""
    inner_gamma: float = 0.0
    """Discount of the returns that inner steps learn from; 0 is right for bandits."""
    inner_ent_coef: float = 0.1
    """Weight of the entropy bonus in an inner step: a policy that has become certain of an action
    would learn no other when the world changes."""
    inner_decay: float = 0.0
    """Share of what was learned in an episode that each inner step forgets: without it, a policy
    that was right for long is certain, and a policy gradient hardly moves it when the world
    changes."""
    first_order: bool = True
    """Take the inner gradients for constants."""
    gamma: float = 1.0
    """Discount of the returns that the weights and the mask are trained for, which reach over all
    inner steps to the end of the episode. Below 1, to be certain soon looks better than it is to
    whoever has to learn again later."""

    learning_rate: float = 3e-3
    """Adam's step size of the weights at which every episode begins."""
    mask_learning_rate: float = 7.5e-3
    """Adam's step size of what the mask learns."""
    vf_coef: float = 0.5
    """Weight of the value loss, in inner steps and outer ones."""
    ent_coef: float = 0.01
    """Weight of the entropy bonus."""
    reward_scale: float = 1.0
    """Rewards are multiplied by this before anything is learned from them."""
    max_grad_norm: float = 0.5
    """Largest norm of the gradient of the weights."""
    sparsity: float = 0.5
    """Share of the weights that the mask of sparse closes at first."""
    logit_scale: float | None = None
    """Bound of the logits of sparse at first; by default that of the UpdateMask."""
    updates: int = 500
    """Steps of the optimisers. May be another when a run goes on."""

    test_worlds: int = 500
    """Held-out worlds that are played at the end, one episode in each. May be another when a run
    goes on."""
    checkpoint_every: int = 50
    """Updates between checkpoints."""
    seed: int = 0
    """Seed of the weights, the mask, the actions and the training worlds."""
    device: str = "cpu"
    """torch device."""

    def check(self) -> None:
        """Raise an error that names a field that is not what it must be."""
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")
        sizes = ("num_envs", "width", "adapt_every", "updates", "test_worlds", "checkpoint_every")
        check_sizes(**{name: getattr(self, name) for name in sizes})
        above = ("inner_lr", "learning_rate", "mask_learning_rate", "reward_scale", "max_grad_norm")
        check_rates(**{name: getattr(self, name) for name in above})
        for name in ("vf_coef", "ent_coef", "inner_ent_coef"):
            check_nonnegative(name, getattr(self, name))
        for name in ("gamma", "inner_gamma", "inner_decay"):
            check_probability(name, getattr(self, name))
        check_flag("first_order", self.first_order)
        check_probability("sparsity", self.sparsity)
        if self.logit_scale is not None:
            check_rates(logit_scale=self.logit_scale)
        check_count("seed", self.seed, least=0)
        if not 2 <= self.num_envs <= MAX_ENVS:
            raise ValueError(
                f"num_envs must be from 2 (each return is compared with those of the others) to "
                f"{MAX_ENVS:,}, got {self.num_envs}"
            )
        if self.seed >= MAX_SEEDS:
            raise ValueError(f"seed must be from 0 to {MAX_SEEDS - 1:,}, got {self.seed}")
