"""Sparse-MAML with a policy gradient inside and a policy gradient outside.

Letters used for shapes: N rows (environments, each an episode), T steps of an episode, D numbers of
an observation, A actions, s the shape of a tensor.
"""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

from ...memory import Parameters, UpdateMask, functional, inner_step, repeat
from ..agent_files import load_weights
from ..copied_state import copied
from ..optimizer_state import load_optimizer
from .config import METHODS, OnlineConfig
from .network import (
    ActorCritic,
    Segment,
    discounted_returns,
    entropies,
    log_probs,
    policy_gradient_loss,
)


class OnlineLearner:
    """An agent that adapts while it acts, by masked steps of policy gradient.

    Every episode begins at the same weights, theta. After each ``adapt_every`` steps, what the row
    has seen in them is learned from, at once and for good::

        phi_0 = theta
        phi_{k+1} = phi_k - step_size(m) * grad L(phi_k; segment k) - inner_decay * (phi_k - theta)

    with L of :func:`~.network.policy_gradient_loss`. The decay, of the weights that have a step
    size, keeps what was learned long ago from outweighing what is learned now. The adapted weights
    are all the memory that the agent has, beside the observation.

    theta and the mask m are trained for the return of whole episodes. The actions' log-probability
    is a function of both and of what was seen, and so the policy gradient is
    ``sum_t (G_t - b_t) * grad log pi(a_t | o_t; phi_k(theta, m))`` with returns G_t to the *end* of
    the episode, and their mean over the rows as b_t: an early action is also rewarded for what the
    weights learned from it. With ``first_order``, inner gradients count as constants.

    Args:
        config: what learner; its fields about the environment and length are not read.
        observation_space: a ``Box`` of one dimension.
        action_space: ``Discrete``.

    Attributes:
        net: the network, whose weights are theta.
        mask: the step sizes; None if the method is ``frozen``.
        updates: steps of the optimisers so far.
        num_timesteps: steps of the environments that these were made of.

    Raises:
        TypeError, ValueError: a field of the configuration, or a space, is not what it must be.
    """

    def __init__(
        self, config: OnlineConfig, observation_space: spaces.Space, action_space: spaces.Space
    ) -> None:
        config.check()
        if not (isinstance(observation_space, spaces.Box) and len(observation_space.shape) == 1):
            raise ValueError(f"env must have observations (D,), got {observation_space}")
        if not isinstance(action_space, spaces.Discrete) or action_space.start != 0:
            raise ValueError(f"env must have actions Discrete(A), got {action_space}")
        size = observation_space.shape[0]
        if any(not 0 <= i < size for i in config.hidden):
            raise ValueError(f"hidden must be from 0 to {size - 1}, got {config.hidden}")
        self.config, self.method = config, METHODS[config.method]
        self.observation_space, self.action_space = observation_space, action_space
        self.mask: UpdateMask | None = None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.net = ActorCritic(size, int(action_space.n), config.width).to(config.device)
            if self.method is not None:
                sparse = self.method.kind == "sparse"
                self.mask = UpdateMask(
                    self.net,
                    self.method.kind,
                    inner_lr=config.inner_lr,
                    tensors=self.method.tensors(self.net),
                    sparsity=config.sparsity if sparse else None,
                    logit_scale=config.logit_scale if sparse else None,
                ).requires_grad_(self.method.learned)
        self.optimizers = {"net": torch.optim.Adam(self.net.parameters(), config.learning_rate)}
        if self.method is not None and self.method.learned:
            assert self.mask is not None
            self.optimizers["mask"] = torch.optim.Adam(
                self.mask.parameters(), config.mask_learning_rate
            )
        self.generator = torch.Generator(config.device).manual_seed(config.seed)
        self.updates = self.num_timesteps = 0
        self._forward = functional(self.net)

    def initial(self, rows: int) -> Parameters:
        """Theta of so many rows, (N, *s) each."""
        return repeat(dict(self.net.named_parameters()), rows)

    def step_sizes(self) -> Parameters | None:
        """Step sizes by name; None if nothing is adapted."""
        return None if self.mask is None else self.mask()

    def predict(self, fast: Parameters, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, ..., A) and values (N, ...) of rows with weights of their own.

        Args:
            fast: (N, *s) each.
            obs: (N, ..., D).
        """
        return torch.func.vmap(self._forward)(fast, obs)

    def adapt(
        self, fast: Parameters, theta: Parameters, sizes: Parameters | None, segment: Segment
    ) -> Parameters:
        """One inner step of N rows, each on its own segment (its tensors (N, ...)).

        Args:
            fast: phi, (N, *s) each.
            theta: where the episodes began, (N, *s) each.
            sizes: step sizes by name; None if nothing is adapted.
            segment: what each row has seen since the last inner step.
        """
        if sizes is None:
            return fast
        # Positions, since inner_step maps over the tensors of its batch one by one.
        moved = inner_step(
            self._loss, fast, sizes, *segment, first_order=self.config.first_order, vmapped=True
        )
        decay = self.config.inner_decay
        if not decay:
            return moved
        return moved | {name: moved[name] - decay * (fast[name] - theta[name]) for name in sizes}

    def _loss(self, parameters: Parameters, *segment: Tensor) -> Tensor:
        config = self.config
        weights = config.inner_gamma, config.vf_coef, config.inner_ent_coef
        return policy_gradient_loss(self._forward, parameters, Segment(*segment), *weights)

    def replay(self, episodes: Segment) -> tuple[Tensor, Tensor]:
        """Logits (N, T, A) and values (N, T) as functions of theta and the mask.

        Args:
            episodes: whole episodes, (N, T + 1, D), (N, T), (N, T), as they were played.
        """
        every, (rows, steps) = self.config.adapt_every, episodes.actions.shape
        theta, sizes = self.initial(rows), self.step_sizes()
        fast, found = theta, []
        for first in range(0, steps, every):
            if first:
                fast = self.adapt(fast, theta, sizes, _part(episodes, first - every, first))
            found.append(self.predict(fast, episodes.obs[:, first : min(first + every, steps)]))
        logits, values = zip(*found, strict=True)
        return torch.cat(logits, 1), torch.cat(values, 1)

    def loss(self, episodes: Segment) -> Tensor:
        """Policy gradient, value and entropy losses of whole episodes; see the class."""
        config = self.config
        logits, values = self.replay(episodes)
        advantages = self.advantages(episodes.rewards)
        targets = _returns(episodes.rewards, config.inner_gamma)
        return (
            -(advantages * log_probs(logits, episodes.actions)).mean()
            + 0.5 * config.vf_coef * (values - targets).square().mean()
            - config.ent_coef * entropies(logits).mean()
        )

    def advantages(self, rewards: Tensor) -> Tensor:
        """Returns to the end of the episode less their mean over the rows, in units of spread."""
        returns = _returns(rewards, self.config.gamma)
        centred = returns - returns.mean(0)
        return centred / (centred.std(correction=0) + 1e-8)

    def update(self, episodes: Segment) -> float:
        """One step of the optimisers on whole episodes that this learner has just played.

        Returns:
            The loss.

        Raises:
            FloatingPointError: the loss or its gradient is not finite; nothing was learned.
        """
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        loss = self.loss(episodes)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), self.config.max_grad_norm)
        if not (loss.isfinite() and norm.isfinite()):
            raise FloatingPointError(
                f"update {self.updates + 1}: the loss became {loss.item()}, the norm of its "
                f"gradient {norm.item()}: a smaller learning_rate or inner_lr may help"
            )
        for optimizer in self.optimizers.values():
            optimizer.step()
        self.updates += 1
        self.num_timesteps += episodes.actions.numel()
        return loss.item()

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that the learner has become, for ``driftwise.tracking.save_checkpoint``."""
        state = {
            "net": dict(self.net.state_dict()),
            "mask": None if self.mask is None else dict(self.mask.state_dict()),
            "optimizers": {name: opt.state_dict() for name, opt in self.optimizers.items()},
            "generator": self.generator.get_state(),
            "updates": self.updates,
            "num_timesteps": self.num_timesteps,
        }
        return copied(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state_dict` was taken from, to the bit.

        Raises:
            ValueError: the state is that of another method or architecture; names the difference.
        """
        if (state["mask"] is None) != (self.mask is None):
            raise ValueError("state must be of a learner of the same method")
        if self.mask is not None:
            self.mask.load_state_dict(state["mask"])
        load_weights(self.net, state["net"])
        for name, optimizer in self.optimizers.items():
            load_optimizer(optimizer, state["optimizers"][name])
        self.generator.set_state(state["generator"])
        self.updates, self.num_timesteps = state["updates"], state["num_timesteps"]


def _part(episodes: Segment, first: int, end: int) -> Segment:
    """The steps from ``first`` to before ``end`` of all rows."""
    return Segment(
        episodes.obs[:, first : end + 1],
        episodes.actions[:, first:end],
        episodes.rewards[:, first:end],
    )


def _returns(rewards: Tensor, gamma: float) -> Tensor:
    """Discounted sums (N, T) of rewards (N, T) to the end of the episode, where all ends."""
    return torch.func.vmap(discounted_returns, (0, None, None))(
        rewards, rewards.new_zeros(()), gamma
    )
