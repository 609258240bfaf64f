"""Learning where a trained agent should learn when its world changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn
from tqdm import tqdm

from ...memory import Parameters, UpdateMask
from ...memory.contract import check_sizes
from ...tracking import RunFolder
from ..copied_state import copied
from ..memory_ppo import MemoryPPO
from ..optimizer_state import load_optimizer
from ..ppo_loss import ppo_loss
from .finetuning import OnlineFinetuning, act_only
from .training import world_seed

KEPT = ("lr_schedule", "ent_coef", "num_timesteps", "_n_updates", "_current_progress_remaining")
"""Attributes of a model that fine-tuning changes, beside its weights and its memory."""


def train_update_mask(
    model: MemoryPPO,
    mask: UpdateMask,
    make_env: Callable[[int], VectorEnv],
    *,
    tasks: int,
    rollouts: int = 4,
    learning_rate: float = 1e-3,
    ent_coef: float = 0.0,
    mask_learning_rate: float = 0.01,
    seed: int = 0,
    run: RunFolder | None = None,
    progress: bool = True,
) -> list[float]:
    """Learn the mask of ``OnlineFinetuning(model, "masked", mask=mask)`` on training worlds.

    Sparse-MAML's first-order rule, with the agent's own optimiser in the place of gradient descent.
    Each task begins at the agent's weights theta, fine-tunes them, masked, in a world of its own,
    and asks in one more rollout for the gradient there. With M the mask and D the sum of the steps
    that the optimiser *would* have made without it, taken for constants::

        phi = theta + M(m) * D,     grad m = straight_through * grad L(phi) * D

    so that a weight opens where the loss after fine-tuning falls in the direction in which the
    optimiser went. (Of plain gradient descent, D is minus the step size times the sum of the inner
    gradients: the closed form of :class:`~driftwise.memory.UpdateMask`.) theta stays as it is.

    Args:
        model: a trained agent; its settings (``n_steps``, ``n_epochs``, ...) are those of
            fine-tuning. Weights, optimiser and settings are afterwards those from before, its
            memory has seen nothing, and its environment is that of the last task.
        mask: of kind ``"sparse"``, made for ``model.policy``; changed in place.
        make_env: called with the number of a task, makes its environments, as many as the model has
            (``model.n_envs``) and all of one world, which has just changed.
        tasks: how many, each of them one step of the mask's optimiser.
        rollouts: K, that are learned from in a task.
        learning_rate: of fine-tuning.
        ent_coef: likewise.
        mask_learning_rate: Adam's, of the mask.
        seed: of the actions, and of the environments' training seeds.
        run: a run folder: logged to, saved to after every task, and continued from.
        progress: show a progress bar.

    Returns:
        The mean return of the episodes that ended while each task was fine-tuned; NaN where none
        did.

    Raises:
        ValueError: ``mask`` is of another kind, or does not fit.
    """
    check_sizes(tasks=tasks, rollouts=rollouts)
    if mask.kind != "sparse":
        raise ValueError(f"mask must be of kind 'sparse', got {mask.kind!r}")
    mask.check_fits(dict(model.policy.named_parameters()))
    optimizer = torch.optim.Adam(mask.parameters(), mask_learning_rate)
    begin = copied(_weights(model))
    settings = {name: getattr(model, name) for name in KEPT}
    returns: list[float] = []
    saved = None if run is None else run.latest_checkpoint()
    if saved is not None:
        mask.load_state_dict(saved[1]["mask"])
        load_optimizer(optimizer, saved[1]["optimizer"])
        returns = saved[1]["returns"]
    try:
        for task in tqdm(range(len(returns), tasks), disable=not progress, unit="task"):
            _begin_task(model, begin, make_env(task), world_seed(seed, task))
            finetuning = OnlineFinetuning(
                model, "masked", mask=mask, learning_rate=learning_rate, ent_coef=ent_coef
            )
            steps = model.n_steps * model.n_envs
            with WantedSteps(model.policy.optimizer, model.policy) as wanted:
                finetuning.learn(rollouts * steps)
            ended = [episode.episode_return for episode in finetuning.episodes]
            act_only(model, steps)
            optimizer.zero_grad()
            mask_loss(mask, wanted.total, rollout_gradient(model)).backward()
            optimizer.step()
            returns.append(sum(ended) / len(ended) if ended else float("nan"))
            if run is not None:
                run.log(task + 1, {"return": returns[-1], "sparsity": mask.sparsity().total})
                state = {"mask": dict(mask.state_dict()), "optimizer": optimizer.state_dict()}
                run.checkpoint(task + 1, {**state, "returns": returns})
    finally:
        _restore(model, begin)
        vars(model).update(settings)
    return returns


def mask_loss(mask: UpdateMask, wanted: Parameters, gradient: Parameters) -> Tensor:
    """A number whose gradient for the mask's logits is the first-order one of the loss after it.

    Args:
        mask: of kind ``"sparse"``.
        wanted: D by name, the change that the optimiser wanted.
        gradient: of the loss, at the weights after the masked change, by name.
    """
    parts = [
        (size / mask.inner_lr * wanted[name] * gradient[name]).sum()
        for name, size in mask().items()
    ]
    return torch.stack(parts).sum()


class WantedSteps:
    """Sums up what an optimiser's steps change, before masks that are attached later undo some.

    A context manager: leaving it takes its hooks off.

    Args:
        optimizer: the optimiser.
        module: whose parameters it is over.

    Attributes:
        total: D, the sum of the steps by name.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, module: nn.Module) -> None:
        self.module = module
        self.total: Parameters = {
            name: torch.zeros_like(p, requires_grad=False) for name, p in module.named_parameters()
        }
        self._before: Parameters = {}
        # Hooks run in the order in which they are registered.
        self._hooks = (
            optimizer.register_step_pre_hook(self._save),
            optimizer.register_step_post_hook(self._add),
        )

    def _save(self, *_: Any) -> None:
        self._before = {name: p.detach().clone() for name, p in self.module.named_parameters()}

    @torch.no_grad()
    def _add(self, *_: Any) -> None:
        for name, p in self.module.named_parameters():
            self.total[name] += p - self._before[name]

    def __enter__(self) -> WantedSteps:
        return self

    def __exit__(self, *_: Any) -> None:
        for hook in self._hooks:
            hook.remove()


def rollout_gradient(model: MemoryPPO) -> Parameters:
    """Gradient of the agent's loss, without entropy bonus, on the rollout in its buffer, by name.

    The policy is the one that acted, where PPO's loss is the plain policy gradient.
    """
    model.policy.set_training_mode(True)
    model.policy.optimizer.zero_grad()
    batches = list(model.rollout_buffer.minibatches(model.sequences_per_batch))
    weights = model.loss_weights(clip_range=0.2, ent_coef=0.0)
    for batch in batches:
        loss, _ = ppo_loss(model.policy, batch, weights)
        (loss / len(batches)).backward()
    found = {
        name: torch.zeros_like(p) if p.grad is None else p.grad.detach().clone()
        for name, p in model.policy.named_parameters()
    }
    model.policy.optimizer.zero_grad()
    return found


def _weights(model: MemoryPPO) -> dict[str, Any]:
    policy = model.policy
    return {"policy": policy.state_dict(), "optimizer": policy.optimizer.state_dict()}


def _restore(model: MemoryPPO, begin: dict[str, Any]) -> None:
    """Weights and optimiser as they were, and a memory that has seen nothing."""
    model.policy.load_state_dict(begin["policy"])
    model.policy.optimizer.load_state_dict(copied(begin["optimizer"]))
    model._memory_state, model._memory_starts, model._last_obs = None, None, None


def _begin_task(model: MemoryPPO, begin: dict[str, Any], env: VectorEnv, seed: int) -> None:
    model.set_env(env)  # type: ignore[arg-type]
    _restore(model, begin)
    assert model.env is not None
    torch.manual_seed(seed)
    model.env.seed(seed)
